//! What a run came to, in the form in which it is stored.

use std::time::{Duration, SystemTime};

use super::body::Body;
use crate::answer::{Answer, failure_json};
use crate::clock::Due;
use crate::codec::Field;
use crate::context::Suspension;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invoke_error::InvokeError;
use crate::outcome::{Cancelled, Failure, RawOutcome};
use crate::payload::Payload;
use crate::store::Ending;

/// What a run came to, in the form in which it is stored.
pub(super) struct Outcome {
    pub(super) ending: Ending,
    pub(super) scrapbook: Option<Payload>,
    pub(super) journal: Option<String>,
    pub(super) reason: Option<String>,
    /// After how long it becomes due, as far as this process knows.
    pub(super) rest: Option<Duration>,
    pub(super) answer: Answer,
    /// Whether a transaction of the user's may still hold the instance, so that nothing else is to be stored with this.
    pub(super) apart: bool,
}

impl Outcome {
    /// Turns what cannot be stored into a failure that says so.
    pub(super) fn check(engine: &Engine, outcome: RawOutcome, body: &Body, message_count: i64) -> Self {
        let id = body.context().id();
        let outcome = storable(engine, id, decided(outcome, body));
        let check = |scrapbook: &_| engine.check_payload(id, Field::Scrapbook, scrapbook);
        let (outcome, scrapbook) = beside(outcome, Field::Scrapbook, body.left(), check);
        let check = |journal: &String| engine.check_journal(id, journal);
        let (outcome, journal) = beside(outcome, Field::Journal, body.notes().changed(), check);
        let ended = Self::of(outcome, body.version(), scrapbook, || body.context().suspension(message_count));
        let reason = ended.said(body.notes().reason());
        Self { journal, reason, apart: body.may_be_open(), ..ended }
    }

    /// Why it waits: what middleware says of it, or else what the run waits for.
    fn said(&self, reason: Option<String>) -> Option<String> {
        let waits = matches!(self.ending, Ending::Postponed(_) | Ending::Suspended { .. });
        reason.or_else(|| self.reason.clone()).filter(|_| waits)
    }

    fn of(
        outcome: RawOutcome,
        version: u32,
        scrapbook: Option<Payload>,
        suspension: impl FnOnce() -> Suspension,
    ) -> Self {
        match outcome {
            RawOutcome::Success(result) => {
                let answer = Answer::Succeeded { version, result: result.clone() };
                Self::new(Ending::Succeeded(result), scrapbook, answer)
            }
            RawOutcome::Postpone(due) => {
                Self::new(Ending::Postponed(due), scrapbook, Answer::Postponed(approximate(due)))
            }
            RawOutcome::Suspend => {
                let Suspension { message_count, due, rest, reason } = suspension();
                let ended = Self::new(Ending::Suspended { message_count, due }, scrapbook, Answer::Suspended);
                Self { reason: Some(reason), rest, ..ended }
            }
            RawOutcome::Failed(failure) => Self::failed(&failure, scrapbook),
        }
    }

    /// The instance is put off as it is, for its body has not run.
    pub(super) fn put_off(due: Due, reason: String) -> Self {
        let put_off = Self::new(Ending::PutOff(due), None, Answer::Postponed(approximate(due)));
        Self { reason: Some(reason), ..put_off }
    }

    pub(super) fn failed(failure: &Failure, scrapbook: Option<Payload>) -> Self {
        Self::new(Ending::Failed(failure_json(failure)), scrapbook, Answer::Failed(failure.clone()))
    }

    fn new(ending: Ending, scrapbook: Option<Payload>, answer: Answer) -> Self {
        Self { ending, scrapbook, journal: None, reason: None, rest: None, answer, apart: false }
    }
}

/// What is to be cancelled is not put away, which the store would refuse: it would run again and again.
///
/// So a run that begins with the wish ends for good, or is handed over by a shutdown or a crash; one that the wish overtakes
/// is followed by one that begins with it.
fn decided(outcome: RawOutcome, body: &Body) -> RawOutcome {
    match outcome {
        RawOutcome::Postpone(_) | RawOutcome::Suspend if body.context().is_cancelled() => {
            RawOutcome::Failed(Cancelled.failure())
        }
        outcome => outcome,
    }
}

fn storable(engine: &Engine, id: &FunctionId, outcome: RawOutcome) -> RawOutcome {
    let problem = match &outcome {
        RawOutcome::Success(result) => {
            engine.check_payload(id, Field::Result, result).err().map(|err| err.to_string())
        }
        RawOutcome::Postpone(due) => due.check().err().map(|err| err.to_string()),
        RawOutcome::Suspend | RawOutcome::Failed(_) => None,
    };
    problem.map_or(outcome, |problem| RawOutcome::Failed(Failure::new(UNSTORABLE, problem)))
}

/// What is stored with the outcome; when it cannot be, it stays as it was stored before, and the run fails.
fn beside<T>(
    outcome: RawOutcome,
    field: Field<'_>,
    value: Option<T>,
    check: impl FnOnce(&T) -> Result<(), InvokeError>,
) -> (RawOutcome, Option<T>) {
    match value.as_ref().map_or(Ok(()), check) {
        Ok(()) => (outcome, value),
        Err(problem) => (RawOutcome::Failed(unsaved(outcome, field, &problem)), None),
    }
}

/// A failure of the run is not hidden by what cannot be stored beside it.
fn unsaved(outcome: RawOutcome, field: Field<'_>, problem: &InvokeError) -> Failure {
    match outcome {
        RawOutcome::Failed(mut failure) => {
            failure.sources.push(format!("besides, the {} was not stored: {problem}", field.name()));
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
