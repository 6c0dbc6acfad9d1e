//! `list` and `show`: the tables and the ledger, for a person.

use anyhow::Context as _;
use resilient::store::After;
use resilient::{Epoch, LiveReplica, Status, Store};

use crate::console::say;
use crate::flow::Form;
use crate::place::Place;
use crate::report::{read_ledger, repair_hint};
use crate::services::ledger;
use crate::stored::{self, StoredOrder};
use crate::tables::{counted, money, table, when};

/// An order gets a handful.
const MOST_MESSAGES: u32 = 100;

/// One line per order.
pub(crate) async fn list(place: &Place, status: Option<Status>) -> anyhow::Result<()> {
    let store = place.open().await?;
    let orders = stored::orders(&*store, status).await?;
    let live = store.replicas().await?;
    let mut table = table();
    table.set_header(["order", "status", "runs", "shipping", "customer", "total", "updated", "next or why"]);
    for order in &orders {
        table.add_row([
            order.id().to_owned(),
            order.status().to_string(),
            order.row.attempts.to_string(),
            format!("{:?}", order.scrapbook.shipping),
            order.order.as_ref().map_or_else(String::new, |order| order.customer.name.clone()),
            order.order.as_ref().map_or_else(String::new, |order| money(order.total())),
            when(order.row.updated_at),
            next_or_why(order, &live),
        ]);
    }
    say(&table);
    say(counted(orders.len()));
    Ok(())
}

fn next_or_why(order: &StoredOrder, live: &[LiveReplica]) -> String {
    match order.status() {
        Status::Succeeded => String::new(),
        Status::Failed => order.failure().into_iter().next().unwrap_or_default(),
        Status::Executing | Status::Postponed | Status::Suspended => order.row.explain(live),
    }
}

/// Everything about one order.
pub(crate) async fn show(place: &Place, id: &str) -> anyhow::Result<()> {
    let store = place.open().await?;
    let order = stored::order(&*store, id).await?;
    let order = order.with_context(|| no_such_order(place, id))?;
    say(facts(&order, &store.replicas().await?));
    if order.form() == Form::Messages {
        say(messages(&*store, &order).await?);
    }
    say(calls(place, id)?);
    if order.status() == Status::Failed {
        say(format_args!("To repair it: {}", repair_hint(place, id, read_ledger(place)?.order(id))));
    }
    Ok(())
}

pub(crate) fn no_such_order(place: &Place, id: &str) -> String {
    format!("there is no order `{id}`; see all with: {}", place.command("list"))
}

fn facts(order: &StoredOrder, live: &[LiveReplica]) -> comfy_table::Table {
    let row = &order.row;
    let mut table = table();
    table.set_header(["order", order.id()]);
    let mut fact = |name: &str, value: &dyn ToString| {
        table.add_row([name.to_owned(), value.to_string()]);
    };
    fact("status", &row.status);
    fact("runs begun", &row.attempts);
    fact("epoch", &epoch(row.epoch));
    fact("created", &when(row.created_at));
    fact("updated", &when(row.updated_at));
    if let Some(due) = row.due_at {
        fact("due", &when(due));
    }
    if !row.status.is_completed() {
        fact("stands", &row.explain(live));
    }
    if let Some(order) = &order.order {
        let products = order.products.iter();
        let products: Vec<_> = products.map(|p| format!("{} × {}", p.quantity, p.name)).collect();
        fact("customer", &format!("{} <{}>", order.customer.name, order.customer.email));
        fact("products", &products.join(", "));
        fact("total", &money(order.total()));
    }
    fact("scrapbook", &row.scrapbook.as_ref().map_or("none yet", |scrapbook| scrapbook.body.as_str()));
    if let Some(result) = &row.result {
        fact("result", &result.body);
    }
    for (depth, text) in order.failure().into_iter().enumerate() {
        fact(if depth == 0 { "failure" } else { "because" }, &text);
    }
    table
}

/// The number that guards every write, and what it is good for.
fn epoch(epoch: Epoch) -> String {
    format!(
        "{}; one more each time it is taken up, put away, ended or edited; an older run writes nothing",
        epoch.as_i64()
    )
}

/// What the services have answered.
async fn messages(store: &dyn Store, order: &StoredOrder) -> anyhow::Result<comfy_table::Table> {
    let all = After { id: order.row.id.clone(), position: 0 };
    let messages = store.messages(&[all], MOST_MESSAGES).await?;
    let mut table = table();
    table.set_header(["message", "content", "key", "stored"]);
    for message in messages.into_iter().flatten() {
        table.add_row([message.name, message.payload.body, message.key, when(message.sent_at)]);
    }
    Ok(table)
}

/// What the services have in their ledger about the order.
fn calls(place: &Place, id: &str) -> anyhow::Result<comfy_table::Table> {
    let entries = ledger::entries(place.ledger())
        .with_context(|| format!("cannot read the ledger {}", place.ledger().display()))?;
    let mut table = table();
    table.set_header(["call", "effect", "reply", "transaction", "services process"]);
    for entry in entries.into_iter().filter(|entry| entry.order == id) {
        table.add_row([
            format!("{:?}", entry.call),
            format!("{:?}", entry.effect),
            format!("{:?}", entry.reply),
            entry.transaction.map_or_else(String::new, |transaction| transaction.to_string()),
            entry.process.to_string(),
        ]);
    }
    Ok(table)
}
