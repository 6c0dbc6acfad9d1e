//! The orders as our tables have them.

use resilient::{Filter, FunctionId, Payload, Status, Store, StoredFunction};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::flow::{Form, OrderScrapbook, WorkStatus, process_order};
use crate::orders::Order;

const PAGE: u32 = 500;

/// One instance of `process_order`, in either form, read for people and for the audit.
#[derive(Debug)]
pub(crate) struct StoredOrder {
    pub(crate) row: StoredFunction,
    /// Missing when this code cannot read it.
    pub(crate) order: Option<Order>,
    pub(crate) scrapbook: OrderScrapbook,
}

impl From<StoredFunction> for StoredOrder {
    fn from(row: StoredFunction) -> Self {
        let order = decode(&row.param);
        let scrapbook = row.scrapbook.as_ref().and_then(decode).unwrap_or_default();
        Self { row, order, scrapbook }
    }
}

impl StoredOrder {
    pub(crate) fn id(&self) -> &str {
        self.row.id.instance_id.as_str()
    }

    pub(crate) fn status(&self) -> Status {
        self.row.status
    }

    pub(crate) fn form(&self) -> Form {
        Form::of(self.row.version)
    }

    /// Whether our tables are sure that the products are on their way.
    pub(crate) fn is_shipped(&self) -> bool {
        self.row.status == Status::Succeeded || self.scrapbook.shipping == WorkStatus::Completed
    }

    /// Whether our tables are sure that the money is reserved: it is before anything is shipped.
    pub(crate) fn is_reserved(&self) -> bool {
        self.row.status == Status::Succeeded || self.scrapbook.shipping != WorkStatus::NotStarted
    }

    /// What it says went wrong, the causes last; empty when nothing did.
    pub(crate) fn failure(&self) -> Vec<String> {
        let Some(text) = &self.row.failure else {
            return Vec::new();
        };
        match serde_json::from_str::<FailureText>(text) {
            Ok(failure) => std::iter::once(failure.message).chain(failure.sources).collect(),
            Err(_) => vec![text.clone()],
        }
    }
}

/// What people want to know of a stored failure.
#[derive(Debug, Deserialize)]
struct FailureText {
    message: String,
    #[serde(default)]
    sources: Vec<String>,
}

/// Every order of this status (of any, when none is given), in the order of their ids.
pub(crate) async fn orders(store: &dyn Store, status: Option<Status>) -> anyhow::Result<Vec<StoredOrder>> {
    let type_id = Some(process_order::TYPE_ID.into());
    let mut filter = Filter { type_id, status, limit: PAGE, ..Filter::default() };
    let mut orders = Vec::new();
    loop {
        let page = store.list(&filter).await?;
        let Some(last) = page.last() else {
            return Ok(orders);
        };
        filter.after = Some(last.id.clone());
        orders.extend(page.into_iter().map(StoredOrder::from));
    }
}

/// One order, when there is such a one.
pub(crate) async fn order(store: &dyn Store, id: &str) -> anyhow::Result<Option<StoredOrder>> {
    let rows = store.get(&[FunctionId::new(process_order::TYPE_ID, id)]).await?;
    Ok(rows.into_iter().flatten().next().map(StoredOrder::from))
}

fn decode<T: DeserializeOwned>(payload: &Payload) -> Option<T> {
    serde_json::from_str(&payload.body).ok()
}
