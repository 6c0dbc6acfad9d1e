//! Instances that somebody cancels, at any time and at any process: while they run, sleep, wait or are put off.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Cancelled, Failure, FunctionId};
use resilient_tests::orders::Ledger;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ask::{Cancellation, End, cancel, have_done, run_again};
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
                let undo = async || {
                    ledger.charge(&name);
                    Ok::<(), resilient::Error>(())
                };
                context.at_least_once("undo", undo).await?;
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
            sleep(wish.time / 4).await;
            return Postpone::for_(wish.time).into_err();
        }
        Way::PutsOff => {}
    }
    drop(running);
    Ok(ledger.next())
}

fn is_cancelled(failure: &str) -> bool {
    serde_json::from_str::<Failure>(failure).is_ok_and(|failure| failure.is_cancelled())
}

/// Its name in the ledger, which it shares with others.
fn name(instance: &str) -> String {
    format!("{ERRAND} {instance}")
}

/// One of them, with who wants it and who does not.
pub(crate) struct Errand {
    number: u64,
    wish: Wish,
    /// Whether somebody lets it run again after it was cancelled.
    revived: bool,
    asker: JoinHandle<End<u64>>,
    canceller: JoinHandle<Cancellation>,
}

impl Errand {
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut random = Random::new(seed, 30_000 + number);
        let wish = Wish { way: WAYS[random.below(WAYS.len())], time: random.millis(1, 12_000) };
        let revived = wish.way != Way::Waits && random.percent(30);
        let asker =
            ask(processes.clone(), Random::new(seed, 31_000 + number), number.to_string(), (wish, revived));
        let canceller = undo(processes.clone(), Random::new(seed, 32_000 + number), number.to_string());
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
        let is_stored = match &end {
            Ok(end) => row.result.as_ref().is_some_and(|result| result.body == end.to_string()),
            Err(_) => row.failure.as_deref().is_some_and(is_cancelled),
        };
        audit.expect(is_stored, || format!("it has ended in another way: {}", context()));
        let fits = match (&end, cancellation) {
            (Ok(_), Cancellation::Stored) => wish.way != Way::Waits,
            (Ok(_), Cancellation::TooLate(status)) => status == Status::Succeeded,
            (Err(_), cancellation) => cancellation == Cancellation::Stored && !revived,
        };
        audit.expect(fits, || format!("it has not ended as it was told: {}", context()));
        let page = ledger.page(&name(&number.to_string()));
        audit.expect(page.most_at_once <= 1, || format!("it ran beside itself: {}", context()));
        // A call that was begun once is not begun again in a run that knows of it.
        audit.expect(wish.way == Way::Listens || page.charges == 0, || format!("undone: {}", context()));
    }
}

async fn ask(
    processes: Processes,
    mut random: Random,
    id: String,
    (wish, revived): (Wish, bool),
) -> End<u64> {
    sleep(random.millis(0, 20_000)).await;
    let attempt = |runtime, choice| {
        let id = id.clone();
        async move {
            match have_done::<errand>(&runtime, &id, wish, choice).await? {
                Err(failure) if revived && failure.is_cancelled() => {
                    run_again::<errand>(&runtime, &id, choice, Failure::is_cancelled).await
                }
                end => Some(end),
            }
        }
    };
    processes.insist(&mut random, attempt).await
}

async fn undo(processes: Processes, mut random: Random, id: String) -> Cancellation {
    sleep(random.millis(1_000, 38_000)).await;
    let attempt = |runtime, _| {
        let id = id.clone();
        async move { cancel::<errand>(&runtime, &id).await }
    };
    processes.insist(&mut random, attempt).await
}
