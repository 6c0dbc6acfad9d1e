//! What callers ask for: invoke, schedule, send, wait, cancel, invoke again. Untyped; the runtime puts types around it.

mod bulk;
mod cancel;
mod send;
mod transaction;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use self::bulk::schedule_many;
pub(crate) use self::cancel::cancel;
pub(crate) use self::send::{message, messages, send};
pub(crate) use self::transaction::{schedule_in, send_in};
pub(crate) use crate::invocation::Instance;
use crate::invocation::{owner_of, task_lost, unexpected};

use crate::answer::Answer;
use crate::clock::Due;
use crate::codec::Discretion;
use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId};
use crate::invocation::{self, Begun, Claimed};
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::registry::{Registration, ResilientFn};
use crate::runs::{Ended, Ticket};
use crate::status::Status;
use crate::store::{Edit, Replace, Start, StoreError, Transition, Write, Written};
use crate::version::{DecodeError, check_decoded};
use crate::waiting::{Pace, Until};

/// Runs an instance here, or waits for the one that exists.
pub(crate) async fn invoke(engine: &Arc<Engine>, instance: Instance) -> Result<Answer, InvokeError> {
    instance.check(engine)?;
    check_open(engine)?;
    let (id, registration) = (instance.id.clone(), instance.registration);
    let kind = (registration.type_id, registration.version);
    let ticket = loop {
        let ended = match engine.runs.enter(&id, Epoch::ZERO, kind, engine.lease_of(kind)) {
            Ok(ticket) => break ticket,
            Err(ended) => ended,
        };
        match wait_here(engine, id.clone(), ended).await {
            // What the other call ran was never stored, or is deleted: this one begins anew.
            Err(InvokeError::NotFound { .. }) => check_open(engine)?,
            answer => return answer,
        }
    };
    let ended = ticket.ended();
    match invocation::begin(engine, ticket, instance).await? {
        None => wait_here(engine, id, ended).await,
        Some(existing) => match Answer::of(&existing) {
            Some(answer) => Ok(answer),
            None => wait(engine, id, Until::Paused).await,
        },
    }
}

/// Stores an instance that becomes due; one that exists already stays as it is.
pub(crate) async fn schedule(engine: &Arc<Engine>, instance: Instance, due: Due) -> Result<(), InvokeError> {
    check_not_stopped(engine)?;
    instance.check(engine)?;
    due.check()?;
    let instance = instance.noted(engine)?;
    let FunctionId { type_id, instance_id } = instance.id.clone();
    match engine.writer.write(Write::Create(instance.create(Start::Waiting(due)))).await? {
        Written::Exists(_) => Ok(()),
        Written::Done => {
            tracing::debug!(%type_id, %instance_id, ?due, "scheduled");
            engine.wakes.at(due);
            Ok(())
        }
        other => Err(unexpected("a create", &other)),
    }
}

/// Waits for a result or a failure, through postponements, wherever the instance runs.
pub(crate) async fn completion(engine: &Arc<Engine>, id: FunctionId) -> Result<Answer, InvokeError> {
    id.check()?;
    wait(engine, id, Until::Completed).await
}

/// Reads one instance.
pub(crate) async fn read(engine: &Engine, id: &FunctionId) -> Result<StoredFunction, InvokeError> {
    id.check()?;
    let row = engine.store.get(std::slice::from_ref(id)).await?.pop().flatten();
    row.ok_or_else(|| InvokeError::NotFound { id: id.clone() })
}

/// A change that goes together with a new run, in one compare-and-set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) param: Option<Payload>,
    pub(crate) scrapbook: Option<Payload>,
    pub(crate) journal: Option<String>,
    pub(crate) messages: Option<Replace>,
}

impl Changes {
    /// The write that stores them, with what becomes of the instance.
    pub(crate) fn edit(self, row: &StoredFunction, transition: Transition) -> Edit {
        let Self { param, scrapbook, journal, messages } = self;
        Edit { param, scrapbook, journal, messages, ..Edit::of(row, transition) }
    }
}

/// Runs an instance again, as it was read and with these changes, if nobody changed it meanwhile.
pub(crate) async fn reinvoke(
    engine: &Arc<Engine>,
    registration: Registration,
    row: StoredFunction,
    changes: Changes,
) -> Result<Answer, InvokeError> {
    check_open(engine)?;
    let id = row.id.clone();
    if row.status == Status::Executing {
        return Err(InvokeError::Executing { id });
    }
    check_readable(&registration, &row, &changes)?;
    let kind = (registration.type_id, registration.version);
    let entered = engine.runs.enter(&id, row.epoch.next(), kind, engine.lease_of(kind));
    let ticket = entered.map_err(|_| InvokeError::Changed { id: id.clone() })?;
    let ended = ticket.ended();
    let begun = tokio::spawn(claim_and_run(Arc::clone(engine), registration, ticket, row, changes)).await;
    begun.map_err(|_| task_lost())??;
    wait_here(engine, id, ended).await
}

async fn claim_and_run(
    engine: Arc<Engine>,
    registration: Registration,
    ticket: Ticket,
    row: StoredFunction,
    changes: Changes,
) -> Result<(), InvokeError> {
    let owner = owner_of(&engine, registration, &ticket).await?;
    let journal = changes.journal.or_else(|| Journal::begun_anew(row.journal.as_deref()));
    let changes = Changes { journal, ..changes };
    let edit = changes.clone().edit(&row, Transition::Run(owner));
    let asked = Instant::now();
    check_edited(&row.id, &engine.writer.write(Write::Edit(edit)).await?)?;
    // An edit does not show the store's clock, and later the row may show a later time.
    let shown = read(&engine, &row.id).await.ok().map(|row| row.updated_at);
    let begun = Begun { asked, answered: Instant::now(), shown };
    let Changes { param, scrapbook, journal, messages } = changes;
    let claimed = Claimed {
        ticket,
        owner,
        registration,
        attempt: row.attempts.saturating_add(1),
        param: param.unwrap_or(row.param),
        scrapbook: scrapbook.or(row.scrapbook),
        journal: journal.or(row.journal),
        saves: row.saves,
        message_count: messages.map_or(row.message_count, |replace| replace.count()),
        begun,
    };
    invocation::run(&engine, claimed).await;
    Ok(())
}

/// What the answer to an edit means to its caller.
pub(crate) fn check_edited(id: &FunctionId, written: &Written) -> Result<(), InvokeError> {
    match written {
        Written::Done => Ok(()),
        Written::Changed => Err(InvokeError::Changed { id: id.clone() }),
        Written::NotFound => Err(InvokeError::NotFound { id: id.clone() }),
        Written::LostOwnership => {
            Err(StoreError::transient("this replica lost its lease before it could begin the run; try again")
                .into())
        }
        other @ (Written::Exists(_) | Written::Completed) => Err(unexpected("an edit", other)),
    }
}

/// What newer code wrote, this code does not touch, and what it cannot decode it does not begin.
fn check_readable(
    registration: &Registration,
    row: &StoredFunction,
    changes: &Changes,
) -> Result<(), InvokeError> {
    let (stored, newest) = (changes.param.as_ref().unwrap_or(&row.param).version, registration.param.newest);
    if stored > newest {
        let source = DecodeError::Newer { type_name: registration.fn_path, stored, newest };
        return Err(InvokeError::Decode { field: "parameter", source });
    }
    let scrapbook = changes.scrapbook.as_ref().or(row.scrapbook.as_ref());
    check_scrapbook(registration, scrapbook)?;
    let param = changes.param.as_ref().unwrap_or(&row.param);
    let scrapbook = scrapbook.filter(|_| registration.scrapbook.is_some());
    let values = [
        ("parameter", Some(param.body.as_str())),
        ("scrapbook", scrapbook.map(|scrapbook| scrapbook.body.as_str())),
        ("journal", changes.journal.as_ref().or(row.journal.as_ref()).map(String::as_str)),
    ];
    for (field, text) in values {
        let decoded = check_decoded(registration.fn_path, text.unwrap_or_default());
        decoded.map_err(|source| InvokeError::Decode { field, source })?;
    }
    Ok(())
}

/// The function reads the stored scrapbook, or has said that it does without it.
pub(crate) fn check_scrapbook(
    registration: &Registration,
    stored: Option<&Payload>,
) -> Result<(), InvokeError> {
    let (stored, newest) = (stored.map_or(0, |stored| stored.version), registration.newest_scrapbook());
    if stored <= newest {
        return Ok(());
    }
    let source = match registration.scrapbook {
        Some(_) => DecodeError::Newer { type_name: registration.fn_path, stored, newest },
        None => DecodeError::NoScrapbook { stored },
    };
    Err(InvokeError::Decode { field: "scrapbook", source })
}

/// What runs inside a run is still taken while the runtime drains, or a body could not finish its work.
fn check_open(engine: &Engine) -> Result<(), InvokeError> {
    match engine.stage() {
        Stage::Running => Ok(()),
        Stage::Draining if invocation::is_inside_a_run() => Ok(()),
        _ => Err(InvokeError::ShuttingDown),
    }
}

/// What is only stored is taken until the end, while what runs winds up.
fn check_not_stopped(engine: &Engine) -> Result<(), InvokeError> {
    if engine.stage() >= Stage::Stopped { Err(InvokeError::ShuttingDown) } else { Ok(()) }
}

/// Waits for a run of this process; when it was stopped, whoever took the instance over answers.
async fn wait_here(engine: &Arc<Engine>, id: FunctionId, mut ended: Ended) -> Result<Answer, InvokeError> {
    let answer = match ended.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone(),
        Err(_) => None,
    };
    match answer {
        Some(answer) => Ok(answer),
        None => wait(engine, id, Until::Paused).await,
    }
}

async fn wait(engine: &Arc<Engine>, id: FunctionId, until: Until) -> Result<Answer, InvokeError> {
    let (finds, mut found) = mpsc::unbounded_channel();
    engine.waiting.add(id.clone(), until, Pace::every(engine.settings.wait_poll), finds);
    let found = tokio::select! {
        biased;
        found = found.recv() => found,
        () = engine.reached(Stage::Stopped) => return Err(InvokeError::ShuttingDown),
    };
    match found {
        Some((_, Some(answer))) => Ok(answer),
        Some((_, None)) => Err(InvokeError::NotFound { id }),
        None => Err(InvokeError::ShuttingDown),
    }
}

/// What the instance has to say, in the types of this version of its function.
pub(crate) fn typed<F: ResilientFn>(
    discretion: Discretion,
    id: &FunctionId,
    answer: Answer,
) -> Result<F::Output, InvokeError> {
    match answer {
        Answer::Succeeded { version, result } => {
            discretion.within(|| F::decode_output(&result)).map_err(|source| {
                // What another version says has another form with good reason: nothing is damaged.
                check_version::<F>(id, version)
                    .err()
                    .unwrap_or(InvokeError::Decode { field: "result", source })
            })
        }
        Answer::Failed(failure) => Err(InvokeError::Failed(failure)),
        Answer::Postponed(until) => Err(InvokeError::postponed(until)),
        Answer::Suspended => Err(InvokeError::suspended()),
    }
}

/// The instance is of this version of the function, or the error that says so.
pub(crate) fn check_version<F: ResilientFn>(id: &FunctionId, stored: u32) -> Result<(), InvokeError> {
    let asked = F::VERSION;
    if stored == asked { Ok(()) } else { Err(InvokeError::OtherVersion { id: id.clone(), stored, asked }) }
}
