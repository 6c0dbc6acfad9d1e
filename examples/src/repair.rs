//! `repair`: a person decides, through the control panel.

use anyhow::{Context as _, ensure};
use resilient::prelude::*;

use crate::cli::VerdictArgs;
use crate::console::say;
use crate::flow::by_message::process_order_by_message;
use crate::flow::{Form, OrderScrapbook, WorkStatus, process_order};
use crate::inspect::no_such_order;
use crate::place::Place;
use crate::report::read_ledger;
use crate::{runtime, stored};

/// Writes the verdict into the scrapbook and lets the order go on from there, in one step.
pub(crate) async fn repair(place: &Place, id: &str, verdict: &VerdictArgs) -> anyhow::Result<()> {
    let store = place.open().await?;
    let order = stored::order(&*store, id).await?.with_context(|| no_such_order(place, id))?;
    let runtime = runtime::for_tools(store).await?;
    let repaired = match order.form() {
        Form::Calls => decide::<process_order>(&runtime, place, id, verdict).await,
        Form::Messages => decide::<process_order_by_message>(&runtime, place, id, verdict).await,
    };
    runtime.shutdown().await?;
    repaired?;
    say(format_args!(
        "Order `{id}` is ready to go on; a demo that runs takes it up, otherwise: {}",
        place.command("")
    ));
    Ok(())
}

/// In real life the person asks logistics. Here its ledger is at hand, so a slip of the finger ships nothing twice.
fn check_against_ledger(place: &Place, id: &str, verdict: &VerdictArgs) -> anyhow::Result<()> {
    let was_shipped = read_ledger(place)?.order(id).shipped > 0;
    ensure!(
        was_shipped == verdict.shipped,
        "the ledger of logistics says that order `{id}` was {}shipped; repair it with {}",
        if was_shipped { "" } else { "not " },
        if was_shipped { "--shipped" } else { "--retry" },
    );
    Ok(())
}

async fn decide<F>(runtime: &Runtime, place: &Place, id: &str, verdict: &VerdictArgs) -> anyhow::Result<()>
where
    F: ResilientFn<Scrapbook = OrderScrapbook>,
{
    let mut panel = runtime.control_panel::<F>(id).await?;
    ensure!(
        panel.status() == Status::Failed,
        "order `{id}` has status `{}`, and only a failed order waits for a person; see: {}",
        panel.status(),
        place.command(&format!("show {id}")),
    );
    check_against_ledger(place, id, verdict)?;
    panel.scrapbook_mut().shipping =
        if verdict.shipped { WorkStatus::Completed } else { WorkStatus::NotStarted };
    panel.schedule_reinvoke().await?;
    Ok(())
}
