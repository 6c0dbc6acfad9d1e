//! Instances whose results are kept for a short time only, and whose failures are kept for ever.

use std::time::Duration;

use resilient::FunctionId;
use resilient::prelude::*;
use resilient_tests::orders::Ledger;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::audit::Audit;
use super::process::Processes;
use super::random::Random;

/// How many there are of them in each seed.
pub(crate) const BRIEFS: u64 = 8;

/// Their type.
pub(crate) const BRIEF: &str = "model.Brief";

/// How long their results are kept.
pub(crate) fn kept_for(seed: u64) -> Duration {
    Random::new(seed, 8).millis(4_000, 12_000)
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Work {
    time: Duration,
    broken: bool,
}

/// Comes to a number that no other run comes to.
#[resilient_fn(type_id = "model.Brief", register = false)]
pub(crate) async fn brief(work: Work, context: &Context, ledger: Dep<Ledger>) -> resilient::Result<u64> {
    let running = ledger.begin(&name(context.instance_id().as_str()));
    sleep(work.time).await;
    if work.broken {
        return Err(resilient::Error::msg("it is broken"));
    }
    drop(running);
    Ok(ledger.next())
}

/// Its name in the ledger, which it shares with others.
fn name(instance: &str) -> String {
    format!("{BRIEF} {instance}")
}

/// How one has ended, as the one who asked for it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    /// It has ended, and whoever asks comes too late.
    Gone,
}

/// One of them, with who asks for it.
pub(crate) struct Brief {
    number: u64,
    work: Work,
    asker: JoinHandle<End>,
}

impl Brief {
    /// Asks for it, sometimes twice.
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut random = Random::new(seed, 40_000 + number);
        let work = Work { time: random.millis(1, 2_000), broken: random.percent(25) };
        let asker = ask(processes.clone(), Random::new(seed, 41_000 + number), number.to_string(), work);
        Self { number, work, asker: tokio::spawn(asker) }
    }

    /// Waits for its end, and for the end of the time for which it is kept.
    pub(crate) async fn expect_kept(self, seed: u64, audit: &Audit, ledger: &Ledger, drain: Duration) {
        let Self { number, work, asker } = self;
        let Ok(Ok(end)) = timeout(drain, asker).await else {
            return audit.violation(format!("brief {number} is stuck or failed: {work:?}"));
        };
        audit.expect((end == End::Failed) == work.broken, || format!("brief {number} {work:?}: {end:?}"));
        let id = FunctionId::new(BRIEF, number.to_string());
        let is_gone = async {
            while audit.row(&id).await.is_some_and(|row| row.status != Status::Failed) {
                sleep(Duration::from_millis(500)).await;
            }
        };
        // It is looked for about as often as it is kept long.
        if timeout(kept_for(seed) * 2 + drain, is_gone).await.is_err() {
            audit.violation(format!("the result of {number} does not expire"));
        }
        let is_kept = audit.row(&id).await.is_some();
        audit.expect(is_kept == work.broken, || format!("brief {number} {work:?} is kept: {is_kept}"));
        let page = ledger.page(&name(&number.to_string()));
        audit.expect(page.most_at_once <= 1, || format!("brief {number} ran beside itself"));
    }
}

async fn ask(processes: Processes, mut random: Random, id: String, work: Work) -> End {
    sleep(random.millis(0, 25_000)).await;
    let stored = |runtime: Runtime, _| {
        let id = id.clone();
        async move { brief::schedule(&runtime, id, work).await.ok() }
    };
    processes.insist(&mut random, stored).await;
    let mut end = processes.insist(&mut random, |runtime, _| completion(runtime, id.clone())).await;
    // Sometimes it is asked for once more: it is still there, or begins anew.
    if random.percent(30) {
        sleep(random.millis(0, 15_000)).await;
        let anew = |runtime, _| invoke(runtime, id.clone(), work);
        end = processes.insist(&mut random, anew).await;
    }
    end
}

async fn completion(runtime: Runtime, id: String) -> Option<End> {
    end_of(brief::completion(&runtime, id).await)
}

async fn invoke(runtime: Runtime, id: String, work: Work) -> Option<End> {
    end_of(brief::invoke(&runtime, id, work).await)
}

fn end_of(answer: Result<u64, InvokeError>) -> Option<End> {
    match answer {
        Ok(_) => Some(End::Done),
        Err(InvokeError::Failed(_)) => Some(End::Failed),
        Err(InvokeError::NotFound { .. }) => Some(End::Gone),
        Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::Postponed { .. }) => None,
        Err(other) => panic!("whoever asks cannot go on after: {other:?}"),
    }
}
