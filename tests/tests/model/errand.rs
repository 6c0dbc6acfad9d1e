//! Instances that somebody cancels, at any time and at any process: while they run, sleep, wait or are put off.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Cancelled, FunctionId};
use resilient_tests::orders::Ledger;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::audit::Audit;
use super::process::Processes;
use super::random::Random;

/// How many there are of them in each seed.
pub(crate) const ERRANDS: u64 = 8;

const ERRAND: &str = "model.Errand";

/// How it passes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    /// It runs, and does not look whether it is to be cancelled.
    Works,
    /// It runs, and undoes what it has done when it is to be cancelled.
    Listens,
    /// It sleeps.
    Sleeps,
    /// It waits for a message that nobody sends.
    Waits,
    /// It puts itself off, a few times.
    PutsOff,
}

const WAYS: [Way; 5] = [Way::Works, Way::Listens, Way::Sleeps, Way::Waits, Way::PutsOff];

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Wish {
    way: Way,
    time: Duration,
}

/// How often it puts itself off.
const ROUNDS: u32 = 3;

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Rounds {
    done: u32,
}

/// What nobody sends.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Never")]
pub(crate) struct Never;

/// Comes to a number that no other run comes to.
#[resilient_fn(type_id = "model.Errand", register = false)]
pub(crate) async fn errand(
    wish: Wish,
    rounds: &mut Scrapbook<Rounds>,
    context: &Context,
    ledger: Dep<Ledger>,
) -> resilient::Result<u64> {
    let name = name(context.instance_id().as_str());
    let running = ledger.begin(&name);
    match wish.way {
        Way::Works => sleep(wish.time).await,
        Way::Listens => tokio::select! {
            biased;
            () = context.cancelled() => {
                context.at_least_once("undo", async || Ok::<(), resilient::Error>(ledger.charge(&name))).await?;
                Err(Cancelled)?;
            }
            () = sleep(wish.time) => {}
        },
        Way::Sleeps => context.sleep("nap", wish.time).await?,
        Way::Waits => {
            let Never = context.messages().next().await?;
        }
        Way::PutsOff if rounds.done < ROUNDS => {
            rounds.done += 1;
            return Postpone::for_(wish.time).into_err();
        }
        Way::PutsOff => {}
    }
    drop(running);
    Ok(ledger.next())
}

/// Its name in the ledger, which it shares with others.
fn name(instance: &str) -> String {
    format!("{ERRAND} {instance}")
}

/// How one has ended, as the one who asked for it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done(u64),
    Cancelled,
}

/// What became of a cancellation, as the one who asked for it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancellation {
    Stored,
    TooLate(Status),
}

/// One of them, with who wants it and who does not.
pub(crate) struct Errand {
    number: u64,
    wish: Wish,
    /// Whether somebody lets it run again after it was cancelled.
    revived: bool,
    asker: JoinHandle<End>,
    canceller: JoinHandle<Cancellation>,
}

impl Errand {
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut random = Random::new(seed, 30_000 + number);
        let wish = Wish { way: WAYS[random.below(WAYS.len())], time: random.millis(1, 12_000) };
        let revived = wish.way != Way::Waits && random.percent(30);
        let asker =
            ask(processes.clone(), Random::new(seed, 31_000 + number), number.to_string(), (wish, revived));
        let canceller = cancel(processes.clone(), Random::new(seed, 32_000 + number), number.to_string());
        Self { number, wish, revived, asker: tokio::spawn(asker), canceller: tokio::spawn(canceller) }
    }

    /// Waits for its end; a violation when that does not come in time, or is another one than what is stored.
    pub(crate) async fn expect_kept(self, audit: &Audit, ledger: &Ledger, drain: Duration) {
        let Self { number, wish, revived, asker, canceller } = self;
        let limit = drain + wish.time * (ROUNDS + 1) * 2;
        let Ok(Ok(cancellation)) = timeout(limit, canceller).await else {
            return audit.violation(format!("errand {number} cannot be cancelled: {wish:?}"));
        };
        let Ok(Ok(end)) = timeout(limit, asker).await else {
            return audit
                .violation(format!("errand {number} is stuck or failed: {wish:?}, {cancellation:?}"));
        };
        let row = audit.row(&FunctionId::new(ERRAND, number.to_string())).await.expect("it was asked for");
        let context = || format!("errand {number} {wish:?}: {cancellation:?}, {end:?}: {row:?}");
        let is_stored = match end {
            End::Done(end) => row.result.as_ref().is_some_and(|result| result.body == end.to_string()),
            End::Cancelled => {
                row.failure.as_ref().is_some_and(|failure| failure.contains(Cancelled::FAILURE))
            }
        };
        audit.expect(is_stored, || format!("it has ended in another way: {}", context()));
        let fits = match (end, cancellation) {
            (End::Done(_), Cancellation::Stored) => wish.way != Way::Waits,
            (End::Done(_), Cancellation::TooLate(status)) => status == Status::Succeeded,
            (End::Cancelled, cancellation) => cancellation == Cancellation::Stored && !revived,
        };
        audit.expect(fits, || format!("it has not ended as it was told: {}", context()));
        let page = ledger.page(&name(&number.to_string()));
        audit.expect(page.most_at_once <= 1, || format!("it ran beside itself: {}", context()));
        // A call that was begun once is not begun again in a run that knows of it.
        audit.expect(wish.way == Way::Listens || page.charges == 0, || format!("undone: {}", context()));
    }
}

async fn ask(processes: Processes, mut random: Random, id: String, (wish, revived): (Wish, bool)) -> End {
    sleep(random.millis(0, 20_000)).await;
    let attempt = |runtime, choice| attempt(runtime, id.clone(), wish, revived, choice);
    processes.insist(&mut random, attempt).await
}

async fn attempt(runtime: Runtime, id: String, wish: Wish, revived: bool, choice: usize) -> Option<End> {
    let id = id.as_str();
    let asked = match choice % 3 {
        0 => errand::schedule(&runtime, id, wish).await.err(),
        1 => errand::schedule_after(&runtime, id, wish, Duration::from_secs(1)).await.err(),
        _ => match errand::invoke(&runtime, id, wish).await {
            Ok(number) => return Some(End::Done(number)),
            Err(InvokeError::Postponed { .. } | InvokeError::Suspended { .. }) => None,
            Err(error) => Some(error),
        },
    };
    let asked = match asked {
        None => errand::completion(&runtime, id).await,
        Some(error) => Err(error),
    };
    match asked {
        Ok(number) => Some(End::Done(number)),
        Err(InvokeError::Failed(failure)) if failure.is_cancelled() && !revived => Some(End::Cancelled),
        Err(InvokeError::Failed(failure)) if failure.is_cancelled() => {
            let panel = errand::control_panel(&runtime, id).await.ok()?;
            match panel.status() {
                Status::Failed if choice % 2 == 0 => panel.reinvoke().await.ok().map(End::Done),
                Status::Failed => panel.schedule_reinvoke().await.ok().and(None),
                _ => None,
            }
        }
        Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::NotFound { .. }) => None,
        Err(other) => panic!("whoever asks cannot go on after: {other:?}"),
    }
}

async fn cancel(processes: Processes, mut random: Random, id: String) -> Cancellation {
    sleep(random.millis(1_000, 38_000)).await;
    let attempt = |runtime: Runtime, _| {
        let id = id.clone();
        async move {
            match errand::cancel(&runtime, id).await {
                Ok(()) => Some(Cancellation::Stored),
                Err(InvokeError::Ended { status, .. }) => Some(Cancellation::TooLate(status)),
                Err(InvokeError::Store(_) | InvokeError::ShuttingDown) => None,
                Err(InvokeError::NotFound { .. } | InvokeError::Changed { .. }) => None,
                Err(other) => panic!("whoever cancels cannot go on after: {other:?}"),
            }
        }
    };
    processes.insist(&mut random, attempt).await
}
