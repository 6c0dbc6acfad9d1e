//! Asking an instance to end.

use std::sync::Arc;

use super::{check_not_stopped, read, unexpected};
use crate::answer::{failure_json, failure_of};
use crate::engine::Engine;
use crate::events;
use crate::id::FunctionId;
use crate::invocation::{self, Unrun};
use crate::invoke_error::InvokeError;
use crate::outcome::{Cancelled, Failure};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Cancel, StoreError, Write, Written};

/// Asks that an instance ends, wherever it stands.
pub(crate) async fn cancel(engine: &Arc<Engine>, id: FunctionId) -> Result<(), InvokeError> {
    check_not_stopped(engine)?;
    id.check()?;
    // A task of its own: a caller that goes away does not take the request with it.
    let asked = tokio::spawn(ask(Arc::clone(engine), id)).await;
    asked.map_err(|_| StoreError::transient("the task that stored the request was lost; ask again"))?
}

async fn ask(engine: Arc<Engine>, id: FunctionId) -> Result<(), InvokeError> {
    let failure = failure_json(&Cancelled.failure_of_what_waits());
    // Whose child it is stays the same as long as it is there. What waits ends here, and its parent is told; what runs
    // does not, and a parent that is told all the same looks and waits on.
    // What is made after the look is not asked for: it might be a child, and nobody would tell its parent.
    let Some(row) = engine.store.get(std::slice::from_ref(&id)).await?.pop().flatten() else {
        return Err(InvokeError::NotFound { id });
    };
    let cancel = Write::Cancel(Cancel { id: id.clone(), failure });
    match invocation::tell_parent(&engine, row.journal.as_deref(), cancel).await? {
        Written::Done => {
            events::cancel_asked(&id);
            // If it runs here, it need not wait for the sweep; if it waited, it is over for those who wait for it.
            engine.runs.cancel(&id);
            engine.waiting.hint(&id);
            tell_middleware(&engine, &row).await;
            Ok(())
        }
        Written::NotFound => Err(InvokeError::NotFound { id }),
        Written::Completed => how_it_ended(&engine, id).await,
        other => Err(unexpected("a cancellation", &other)),
    }
}

/// Tells middleware of the failure that this request has stored: what waited has no run that does. What ran, or was just
/// claimed, tells of its end itself.
async fn tell_middleware(engine: &Engine, before: &StoredFunction) {
    // Whoever does not run the function has no middleware for it.
    let registration = engine.registration(before.id.type_id.as_str(), before.version);
    let (Ok(registration), None) = (registration, before.owner) else { return };
    if engine.middleware_of(&registration).layers().is_empty() || was_claimed(engine, before).await {
        return;
    }
    let (id, epoch) = (&before.id, before.epoch.next());
    let unrun = Unrun { id, epoch, attempt: before.attempts, journal: before.journal.as_deref() };
    invocation::fails_unrun(engine, &registration, unrun, &Cancelled.failure_of_what_waits());
}

/// Whether somebody has claimed what waited, before the request or after it: only what is one step further and failed was
/// ended by the request. No claim is assumed when the store does not answer, for a failure is better told twice than never.
async fn was_claimed(engine: &Engine, before: &StoredFunction) -> bool {
    let is_ended = |row: &StoredFunction| {
        row.status == Status::Failed
            && (row.created_at, row.epoch) == (before.created_at, before.epoch.next())
    };
    match engine.store.get(std::slice::from_ref(&before.id)).await {
        Ok(rows) => !rows.iter().flatten().any(is_ended),
        Err(_) => false,
    }
}

/// To cancel twice is to cancel once.
async fn how_it_ended(engine: &Engine, id: FunctionId) -> Result<(), InvokeError> {
    let row = read(engine, &id).await?;
    if failure_of(&row).as_ref().is_some_and(Failure::is_cancelled) {
        return Ok(());
    }
    // Somebody lets it run again at this very moment, and has not seen the request.
    if !row.status.is_completed() {
        return Err(InvokeError::Changed { id });
    }
    Err(InvokeError::Ended { id, status: row.status })
}
