//! The order flow: money reserved, products shipped at most once, money captured, customer told.
//!
//! There is no framework in its logic: after a crash it is called again from its top, with the order and its latest
//! scrapbook, and what it does next follows from these two.

pub(crate) mod by_message;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use resilient::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::orders::Order;
use crate::services::{CallError, Email, Logistics, PaymentProvider};

/// How far a step is that must not be done twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WorkStatus {
    #[default]
    NotStarted,
    Started,
    Completed,
}

/// What the flow has to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 1)]
pub(crate) struct OrderScrapbook {
    pub(crate) transaction_id: Option<Uuid>,
    pub(crate) shipping: WorkStatus,
    /// How many deadlines logistics has let pass without an answer, where it answers by message.
    #[serde(default)]
    pub(crate) unanswered: u32,
}

/// How an order talks to the services. It keeps to the form that it was begun in, whatever the process that runs it was
/// told about new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Calls and waits for the reply.
    Calls,
    /// Sends commands, and gets answers as messages.
    Messages,
}

impl Form {
    /// The form of an order of this version of the function.
    pub(crate) fn of(version: u32) -> Self {
        if version == by_message::process_order_by_message::VERSION { Self::Messages } else { Self::Calls }
    }
}

/// Logistics was asked, and what came of it is not known: only a person can find out.
#[derive(Debug, thiserror::Error)]
#[error(
    "logistics was asked to ship order `{order}` and its answer is not known; \
     find out what it did, then repair the order with `--shipped` or `--retry`"
)]
pub(crate) struct ShippingInDoubt {
    order: String,
    source: Option<CallError>,
}

/// Processes one order to its end; the result is the id of its payment.
#[resilient_fn(type_id = "OrderProcessor")]
pub(crate) async fn process_order(
    order: Order,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    bank: Dep<dyn PaymentProvider>,
    logistics: Dep<dyn Logistics>,
    email: Dep<dyn Email>,
) -> resilient::Result<Uuid> {
    let transaction = transaction_id(scrapbook).await?;
    patiently(|| bank.reserve(transaction, &order)).await?;
    ship_at_most_once(&order, scrapbook, &*logistics).await?;
    patiently(|| bank.capture(transaction, &order)).await?;
    patiently(|| email.confirm(&order)).await?;
    Ok(transaction)
}

/// The id that makes paying idempotent: ours, so it has to be known before the bank is.
async fn transaction_id(scrapbook: &mut Scrapbook<OrderScrapbook>) -> resilient::Result<Uuid> {
    if let Some(transaction) = scrapbook.transaction_id {
        return Ok(transaction);
    }
    let transaction = Uuid::new_v4();
    scrapbook.transaction_id = Some(transaction);
    scrapbook.save().await?;
    Ok(transaction)
}

/// Saves first and calls then: whoever finds `Started` cannot know whether the call was made, and makes none.
async fn ship_at_most_once(
    order: &Order,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    logistics: &dyn Logistics,
) -> resilient::Result<()> {
    match scrapbook.shipping {
        WorkStatus::Completed => return Ok(()),
        WorkStatus::Started => Err(ShippingInDoubt { order: order.id.clone(), source: None })?,
        WorkStatus::NotStarted => {}
    }
    scrapbook.shipping = WorkStatus::Started;
    scrapbook.save().await?;
    match logistics.ship(order).await {
        Ok(()) => scrapbook.shipping = WorkStatus::Completed,
        Err(unknown @ CallError::Unknown { .. }) => {
            Err(ShippingInDoubt { order: order.id.clone(), source: Some(unknown) })?;
        }
        // Known not to be done. The scrapbook is stored together with the outcome, in one write.
        Err(known) => {
            scrapbook.shipping = WorkStatus::NotStarted;
            if known.is_transient() {
                Err(Postpone::for_(Duration::from_millis(300)))?;
            }
            Err(known)?;
        }
    }
    scrapbook.save().await?;
    Ok(())
}

/// Repeats an idempotent call a few times, then puts the order off for a while and leaves its place to others.
async fn patiently<F>(call: impl Fn() -> F) -> resilient::Result<()>
where
    F: Future<Output = Result<(), CallError>>,
{
    for pause in [20, 60, 180].map(Duration::from_millis) {
        match call().await {
            Err(err) if err.is_transient() => tokio::time::sleep(pause).await,
            outcome => return Ok(outcome?),
        }
    }
    Err(Postpone::for_(Duration::from_secs(1)))?
}
