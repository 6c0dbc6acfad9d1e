//! One run: from a claimed instance through the body to its stored outcome.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::answer::{Answer, failure_json};
use crate::backoff::Backoff;
use crate::clock::Due;
use crate::context::Context;
use crate::engine::Engine;
use crate::events;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::invoke_error::InvokeError;
use crate::outcome::{Failure, RawOutcome};
use crate::panics::caught;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::registry::Registration;
use crate::registry::arg::Env;
use crate::registry::function::Finished;
use crate::runs::Ticket;
use crate::scrapbook::{SaveError, Saver};
use crate::store::{Ending, Finish, Save, StoreError, Write, Written};

tokio::task_local! {
    /// Set inside a run: what a running function starts is still taken while the runtime drains.
    static INSIDE: ();
}

/// Whether the caller is the body of a resilient function.
pub(crate) fn is_inside_a_run() -> bool {
    INSIDE.try_with(|()| ()).is_ok()
}

/// What is claimed and about to run: an instance that `owner` owns at the ticket's epoch.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) ticket: Ticket,
    pub(crate) owner: ReplicaId,
    pub(crate) registration: Registration,
    pub(crate) attempt: u32,
    pub(crate) param: Payload,
    pub(crate) scrapbook: Option<Payload>,
    pub(crate) message_count: i64,
}

impl Claimed {
    pub(crate) fn new(
        ticket: Ticket,
        owner: ReplicaId,
        registration: Registration,
        row: StoredFunction,
    ) -> Self {
        Self {
            ticket,
            owner,
            registration,
            attempt: row.attempts,
            param: row.param,
            scrapbook: row.scrapbook,
            message_count: row.message_count,
        }
    }
}

/// Runs a claimed instance to its stored outcome, in this task.
///
/// It ends early, and writes nothing more, when the run is stopped or has lost ownership.
pub(crate) async fn run(engine: &Arc<Engine>, claimed: Claimed) {
    let (id, epoch) = (claimed.ticket.id().clone(), claimed.ticket.epoch());
    claimed.ticket.own();
    events::run_begins(&id, epoch, claimed.attempt);
    let body = INSIDE.scope((), caught((claimed.registration.run)(env(engine, &claimed))));
    let finished = tokio::select! {
        biased;
        () = claimed.ticket.stopped() => {
            return events::run_stopped(&id, epoch);
        }
        finished = body => finished.unwrap_or_else(|payload| Finished {
            outcome: RawOutcome::Failed(Failure::panic(payload)),
            scrapbook: None,
        }),
    };
    let ending = Outcome::check(engine, finished, claimed.message_count);
    finish(engine, claimed, ending).await;
    engine.waiting.hint(&id);
    engine.wakes.place_free();
}

/// Makes instances that this replica owns and does not run due at once, so that nobody has to wait for the end of its
/// lease; answers how many.
pub(crate) async fn hand_over(
    engine: &Engine,
    owner: ReplicaId,
    left: Vec<(FunctionId, Epoch)>,
) -> Result<usize, StoreError> {
    let mut releases = Vec::with_capacity(left.len());
    for (id, epoch) in left {
        let finish = Finish { id: id.clone(), owner, epoch, scrapbook: None, ending: Ending::Released };
        let writer = engine.writer.clone();
        releases.push(tokio::spawn(async move {
            let written = writer.write(Write::Finish(finish)).await?;
            if written == Written::Done {
                events::handed_over(&id, epoch);
            }
            Ok(written)
        }));
    }
    let mut handed_over = 0;
    let mut failed = None;
    for release in releases {
        match release.await {
            Ok(Ok(written)) => handed_over += usize::from(written == Written::Done),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(StoreError::permanent("a hand-over was lost")),
        }
    }
    failed.map_or(Ok(handed_over), Err)
}

fn env(engine: &Arc<Engine>, claimed: &Claimed) -> Env {
    let (id, epoch) = (claimed.ticket.id().clone(), claimed.ticket.epoch());
    let saver = RunSaver { engine: Arc::downgrade(engine), id: id.clone(), owner: claimed.owner, epoch };
    // Epoch 0 is that of a new instance, 1 that of the first claim; a hand-over takes the attempt back, not the epoch.
    Env {
        param: claimed.param.clone(),
        scrapbook: claimed.scrapbook.clone(),
        saver: Some(Arc::new(saver)),
        context: Context::new(id, claimed.attempt, engine.shutting_down.subscribe())
            .after_other_runs(epoch > Epoch::ZERO.next()),
        dependencies: Arc::clone(&engine.dependencies),
    }
}

/// What a run came to, in the form in which it is stored.
struct Outcome {
    ending: Ending,
    scrapbook: Option<Payload>,
    answer: Answer,
}

impl Outcome {
    /// Turns what cannot be stored into a failure that says so.
    fn check(engine: &Engine, finished: Finished, message_count: i64) -> Self {
        let Finished { outcome, scrapbook } = finished;
        let outcome = storable(engine, outcome);
        let too_large = scrapbook.as_ref().and_then(|payload| engine.check_size("scrapbook", payload).err());
        match too_large {
            None => Self::of(outcome, scrapbook, message_count),
            Some(problem) => Self::failed(&unsaved(outcome, &problem), None),
        }
    }

    fn of(outcome: RawOutcome, scrapbook: Option<Payload>, message_count: i64) -> Self {
        match outcome {
            RawOutcome::Success(result) => Self {
                ending: Ending::Succeeded(result.clone()),
                scrapbook,
                answer: Answer::Succeeded(result),
            },
            RawOutcome::Postpone(due) => Self {
                ending: Ending::Postponed(due),
                scrapbook,
                answer: Answer::Postponed(approximate(due)),
            },
            RawOutcome::Suspend => {
                Self { ending: Ending::Suspended { message_count }, scrapbook, answer: Answer::Suspended }
            }
            RawOutcome::Failed(failure) => Self::failed(&failure, scrapbook),
        }
    }

    fn failed(failure: &Failure, scrapbook: Option<Payload>) -> Self {
        Self {
            ending: Ending::Failed(failure_json(failure)),
            scrapbook,
            answer: Answer::Failed(failure.clone()),
        }
    }
}

fn storable(engine: &Engine, outcome: RawOutcome) -> RawOutcome {
    let problem = match &outcome {
        RawOutcome::Success(result) => engine.check_size("result", result).err().map(|err| err.to_string()),
        RawOutcome::Postpone(due) => due.check().err().map(|err| err.to_string()),
        RawOutcome::Suspend | RawOutcome::Failed(_) => None,
    };
    problem.map_or(outcome, |problem| RawOutcome::Failed(Failure::new(UNSTORABLE, problem)))
}

/// What is stored when the scrapbook cannot be: a failure of the run is not hidden by it.
fn unsaved(outcome: RawOutcome, problem: &InvokeError) -> Failure {
    match outcome {
        RawOutcome::Failed(mut failure) => {
            failure.sources.push(format!("besides, the scrapbook was not stored: {problem}"));
            failure
        }
        _ => Failure::new(UNSTORABLE, problem.to_string()),
    }
}

/// The type of such failures.
const UNSTORABLE: &str = "outcome that cannot be stored";

/// What the caller is told; the store's own clock decides.
fn approximate(due: Due) -> SystemTime {
    let now = SystemTime::now();
    match due {
        Due::Now => now,
        Due::After(duration) => now.checked_add(duration).unwrap_or(now),
        Due::At(time) => time.into(),
    }
}

async fn finish(engine: &Engine, claimed: Claimed, outcome: Outcome) {
    let Outcome { mut ending, scrapbook, answer } = outcome;
    let Claimed { ticket, owner, .. } = claimed;
    let (id, epoch) = (ticket.id().clone(), ticket.epoch());
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let finish =
            Finish { id: id.clone(), owner, epoch, scrapbook: scrapbook.clone(), ending: ending.clone() };
        let written = tokio::select! {
            biased;
            () = ticket.stopped() => return,
            written = engine.writer.write(Write::Finish(finish)) => written,
        };
        match written {
            Ok(Written::Done) => {
                events::run_ended(&id, epoch, &ending);
                wake(engine, &ending);
                return ticket.end(answer);
            }
            // A message arrived between the last look and the suspension: run again at once.
            Ok(Written::Changed) => ending = Ending::Released,
            Ok(_) => return events::outcome_dropped(&id, epoch),
            Err(error) => {
                let transient = error.is_transient();
                engine.reporter.report("finish", error);
                // What the store cannot take now it will not take later; the sweep hands the instance over.
                if !transient {
                    return;
                }
                backoff.wait().await;
            }
        }
    }
}

fn wake(engine: &Engine, ending: &Ending) {
    match ending {
        Ending::Postponed(due) => engine.wakes.at(*due),
        Ending::Released | Ending::Lost => engine.wakes.now(),
        Ending::Succeeded(_) | Ending::Failed(_) | Ending::Suspended { .. } => {}
    }
}

/// Stores the scrapbook of one run.
///
/// It knows the engine weakly: a scrapbook that user code keeps longer than its run must not keep the runtime alive.
#[derive(Debug)]
struct RunSaver {
    engine: Weak<Engine>,
    id: FunctionId,
    owner: ReplicaId,
    epoch: Epoch,
}

#[async_trait]
impl Saver for RunSaver {
    async fn save(&self, scrapbook: Payload) -> Result<(), SaveError> {
        let lost = || SaveError::LostOwnership { id: self.id.clone() };
        let Some(engine) = self.engine.upgrade() else { return Err(lost()) };
        let (bytes, limit) = (scrapbook.body.len(), engine.settings.max_payload);
        if bytes > limit {
            return Err(SaveError::TooLarge { field: "scrapbook", bytes, limit });
        }
        let save = Save { id: self.id.clone(), owner: self.owner, epoch: self.epoch, scrapbook };
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            match engine.writer.write(Write::Save(save.clone())).await {
                Ok(Written::Done) => {
                    let (type_id, instance_id, epoch) = (&self.id.type_id, &self.id.instance_id, self.epoch);
                    tracing::trace!(%type_id, %instance_id, %epoch, "scrapbook saved");
                    return Ok(());
                }
                Ok(_) => {
                    // The body may ignore the error; what it does from here on is dropped with it.
                    engine.runs.stop_one(&self.id, self.epoch);
                    return Err(lost());
                }
                Err(error) if error.is_transient() => {
                    engine.reporter.report("save", error);
                    backoff.wait().await;
                }
                Err(error) => return Err(SaveError::Store { problem: error.to_string() }),
            }
        }
    }
}
