//! The run: hands the orders over, waits until all are completed, and reports.

use std::collections::HashMap;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::stream::{self, FuturesUnordered, StreamExt as _, TryStreamExt as _};
use resilient::prelude::*;
use resilient::{InvokeError, Store};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::RunArgs;
use crate::console::{remark, say};
use crate::flow::by_message::process_order_by_message;
use crate::flow::{Form, process_order};
use crate::orders::{self, Order};
use crate::place::Place;
use crate::progress::Progress;
use crate::report::{self, Run, read_ledger};
use crate::services::client::HttpServices;
use crate::services::process::ServicesProcess;
use crate::tables::counted;
use crate::{runtime, stored};

/// How many orders are handed over at once: the store writes them in groups.
const SCHEDULING: usize = 256;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Processes the orders, and reports however it ends, unless it ends with `--crash-after`.
pub(crate) async fn run(args: &RunArgs, place: &Place) -> anyhow::Result<ExitCode> {
    let orders = orders::load(args.input.as_deref(), args.orders)?;
    let ids: Vec<String> = orders.iter().map(|order| order.id.clone()).collect();
    let store = place.create().await?;
    let known = known(place, &*store).await?;
    // The services must outlive the orders that are under way, and so the shutdown.
    let services = ServicesProcess::start(place, args.seed).await?;
    let client = HttpServices::new(services.address())?;
    let runtime = runtime::for_orders(Arc::clone(&store), client, args.concurrency).await?;

    let started = Instant::now();
    let worked = tokio::select! {
        worked = work(&runtime, orders, &known, args) => worked.map(|()| Ended::AllCompleted),
        () = interrupted() => Ok(Ended::Interrupted),
    };
    shut_down(&runtime, &worked).await?;
    let accepted = match worked? {
        Ended::AllCompleted => &ids[..],
        // How many of them were handed over is not known here.
        Ended::Interrupted => &[],
    };
    let took = started.elapsed();
    report::report(place, &*store, &Run { accepted, took, args }).await
}

/// Why the work came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    AllCompleted,
    Interrupted,
}

/// Waits for what runs and hands the rest over; a second Ctrl-C does not wait.
async fn shut_down(runtime: &Runtime, worked: &anyhow::Result<Ended>) -> anyhow::Result<()> {
    if !matches!(worked, Ok(Ended::AllCompleted)) {
        remark(
            "shutting down: orders under way are finished or handed over; press Ctrl-C again to leave at once",
        );
    }
    tokio::select! {
        stopped = runtime.shutdown() => match stopped?.handed_over {
            0 => Ok(()),
            orders => {
                remark(format_args!("handed over what did not end in time: {}", counted(orders)));
                Ok(())
            }
        },
        () = interrupted() => process::exit(130),
    }
}

/// An order that was there before this run.
#[derive(Clone, Copy, Debug)]
struct Known {
    status: Status,
    form: Form,
}

/// The orders of earlier runs and of other processes.
async fn known(place: &Place, store: &dyn Store) -> anyhow::Result<HashMap<String, Known>> {
    // The ledger first: whoever writes to it has stored the order before.
    let books = read_ledger(place)?;
    let stored = stored::orders(store, None).await?;
    ensure!(
        books.orders.is_empty() || !stored.is_empty(),
        "the database is empty and the ledger {} is not: it tells of another database; \
         move it away, or name another with --ledger",
        place.ledger().display()
    );
    let is_completed = |order: &stored::StoredOrder| order.status() == Status::Succeeded;
    ensure!(
        !books.orders.is_empty() || !stored.iter().any(is_completed),
        "the ledger {} is empty and the database has finished orders: bring the ledger back, \
         or begin anew with another --store",
        place.ledger().display()
    );
    let known = |order: &stored::StoredOrder| Known { status: order.status(), form: order.form() };
    Ok(stored.iter().map(|order| (order.id().to_owned(), known(order))).collect())
}

/// Hands every order over that is not there yet, and waits for all that are not completed.
async fn work(
    runtime: &Runtime,
    orders: Vec<Order>,
    known: &HashMap<String, Known>,
    args: &RunArgs,
) -> anyhow::Result<()> {
    let (done, open): (Vec<_>, Vec<_>) = orders
        .into_iter()
        .partition(|order| known.get(&order.id).is_some_and(|known| known.status.is_completed()));
    say(inventory(&done, &open, known));

    let mut progress = Progress::new(open.len(), !args.no_progress);
    let form = |id: &str| known.get(id).map_or(args.form(), |known| known.form);
    let waiting: Vec<(String, Form)> = open.iter().map(|order| (order.id.clone(), form(&order.id))).collect();
    stream::iter(open)
        .map(|order| schedule(runtime, form(&order.id), order))
        .buffer_unordered(SCHEDULING)
        .try_collect::<()>()
        .await?;

    let mut completions: FuturesUnordered<_> =
        waiting.iter().map(|(id, form)| completion(runtime, *form, id)).collect();
    while let Some(is_success) = completions.next().await {
        progress.order_completed(is_success);
        if args.crash_after.is_some_and(|orders| progress.completed() >= orders.get()) {
            crash(progress);
        }
    }
    Ok(())
}

/// What there is to do, and what earlier runs and other processes have done already.
fn inventory(done: &[Order], open: &[Order], known: &HashMap<String, Known>) -> String {
    let is_failed = |id: &str| known.get(id).is_some_and(|known| known.status == Status::Failed);
    let failed = done.iter().filter(|order| is_failed(&order.id)).count();
    let begun = open.iter().filter(|order| known.contains_key(&order.id)).count();
    format!(
        "{}: {} already finished by earlier runs ({failed} of them failed, for a person), \
         {begun} scheduled by them and not finished, {} new",
        counted(done.len() + open.len()),
        done.len(),
        open.len() - begun,
    )
}

/// Hands an order over; one that is there already stays as it is.
async fn schedule(runtime: &Runtime, form: Form, order: Order) -> Result<(), InvokeError> {
    let id = order.id.clone();
    match form {
        Form::Calls => process_order::schedule(runtime, id, order).await,
        Form::Messages => process_order_by_message::schedule(runtime, id, order).await,
    }
}

/// Whether the order succeeded. Waits as long as it takes: a database that is away for a while comes back.
async fn completion(runtime: &Runtime, form: Form, id: &str) -> bool {
    loop {
        let completed = match form {
            Form::Calls => process_order::completion(runtime, id).await,
            Form::Messages => process_order_by_message::completion(runtime, id).await,
        };
        match completed {
            Ok(_) => return true,
            Err(InvokeError::Failed(_)) => return false,
            Err(err) => {
                remark(format_args!("waiting for order `{id}`: {err}"));
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

/// Ends the process like a power cut: no destructor, no goodbye to the database.
fn crash(progress: Progress) -> ! {
    let completed = progress.completed();
    drop(progress);
    let completed = counted(completed);
    remark(format_args!("crashing hard after {completed}, as asked; run again to finish the rest"));
    process::abort()
}

/// Resolves when somebody wants this process to end.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
