//! What a run ends with: the comparison of tables and ledger, and what is left for a person.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use resilient::{Status, Store};

use crate::audit::{Audit, Evidence, Figures, Ours, audit};
use crate::cli::RunArgs;
use crate::console::{remark, say};
use crate::place::{Place, quoted};
use crate::services::ledger::{Books, Tally};
use crate::stored::{self, StoredOrder};
use crate::tables::{counted, table};

/// More failed orders than this are not told one by one.
const MOST_SHOWN: usize = 20;

/// What the run knows and the database does not.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) accepted: &'a [String],
    pub(crate) took: Duration,
    pub(crate) args: &'a RunArgs,
}

/// Prints the summary; the exit code is 1 when a promise was broken.
pub(crate) async fn report(place: &Place, store: &dyn Store, run: &Run<'_>) -> anyhow::Result<ExitCode> {
    let before = read_ledger(place)?;
    let stored = stored::orders(store, None).await?;
    let after = read_ledger(place)?;
    let evidence = Evidence { before: &before, stored: &stored, after: &after, accepted: run.accepted };
    let Audit { ours, mut figures, broken } = audit(&evidence);
    // Whole milliseconds: more digits say nothing.
    figures.seconds = (run.took.as_secs_f64() * 1_000.0).round() / 1_000.0;

    say(summary(&figures, &ours));
    say(format_args!("The ledger is {}.", place.ledger().display()));
    say_failed(place, &stored, &after);
    if figures.postponed > 0 {
        let command = place.command(&run.args.same_orders());
        let are = if figures.postponed == 1 { "is" } else { "are" };
        let orders = counted(figures.postponed);
        say(format_args!("\n{orders} {are} not completed; go on with: {command}"));
    }
    if broken.is_empty() {
        say(format_args!(
            "\nNo promise was broken: nothing was done twice, and nothing is lost.{}",
            unknown(&ours, &figures)
        ));
    }
    for promise in &broken {
        remark(format_args!("BROKEN PROMISE: {promise}"));
    }
    if run.args.json {
        say(serde_json::to_string(&figures)?);
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn read_ledger(place: &Place) -> anyhow::Result<Books> {
    let ledger = place.ledger();
    Books::read(ledger).with_context(|| format!("cannot read the ledger {}", ledger.display()))
}

fn summary(figures: &Figures, ours: &Ours) -> comfy_table::Table {
    let mut table = table();
    table.set_header(["", "our tables", "ledger"]);
    let mut row = |name: &str, ours: &dyn ToString, ledger: &dyn ToString| {
        table.add_row([name.to_owned(), ours.to_string(), ledger.to_string()]);
    };
    row("orders", &figures.orders, &"");
    row("succeeded", &figures.succeeded, &"");
    row("failed, for a person", &figures.failed, &"");
    row("waiting or running", &figures.postponed, &"");
    row("reserved", &ours.reserved, &figures.reserved);
    row("shipped", &ours.shipped, &figures.shipped);
    row("shipped twice", &"", &figures.shipped_twice);
    row("captured", &ours.captured, &figures.captured);
    row("confirmed", &ours.confirmed, &figures.confirmed);
    table
}

/// Why logistics may have shipped more than the tables know of.
fn unknown(ours: &Ours, figures: &Figures) -> String {
    match usize::try_from(figures.shipped).unwrap_or(usize::MAX).saturating_sub(ours.shipped) {
        0 => String::new(),
        1 => " 1 shipped without an answer to us, and waits for a person.".to_owned(),
        orders => format!(" {orders} shipped without an answer to us, and wait for a person."),
    }
}

/// What waits for a person, with the command that each order needs.
fn say_failed(place: &Place, stored: &[StoredOrder], books: &Books) {
    let failed: Vec<_> = stored.iter().filter(|order| order.status() == Status::Failed).collect();
    for order in failed.iter().take(MOST_SHOWN) {
        let why = order.failure().into_iter().next().unwrap_or_default();
        say(format_args!("\n{} waits for a person: {why}", order.id()));
        say(format_args!("  {}", repair_hint(place, order.id(), books.order(order.id()))));
    }
    if failed.len() > MOST_SHOWN {
        let command = place.command("list --status failed");
        say(format_args!("\n{} more wait; see them with: {command}", failed.len() - MOST_SHOWN));
    }
}

/// What the books of logistics say, and the command that follows from it.
pub(crate) fn repair_hint(place: &Place, id: &str, tally: Tally) -> String {
    let (fact, verdict) = match tally.shipped {
        0 => ("logistics has not shipped it", "--retry"),
        _ => ("logistics has shipped it", "--shipped"),
    };
    format!("{fact}: {}", place.command(&format!("repair {} {verdict}", quoted(id))))
}
