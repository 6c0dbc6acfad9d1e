//! The begin of a new instance: it is stored, and its first run goes on here.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::instance::message_count;
use super::{Begun, Claimed, Instance, hand_over, run};
use crate::engine::Engine;
use crate::id::{Epoch, ReplicaId};
use crate::invoke_error::InvokeError;
use crate::record::StoredFunction;
use crate::registry::Registration;
use crate::runs::Ticket;
use crate::store::{Start, StoreError, Write, Written};

/// The instance that exists, if one does.
type Existing = Option<Box<StoredFunction>>;

/// Stores an instance and begins its run; it returns when the instance is stored, or answers the one that exists.
pub(crate) async fn begin(
    engine: &Arc<Engine>,
    ticket: Ticket,
    instance: Instance,
) -> Result<Existing, InvokeError> {
    let instance = instance.noted(engine)?;
    let (begun, is_begun) = oneshot::channel();
    // A task of its own: a caller that goes away takes neither the instance nor its run with it.
    tokio::spawn(create_and_run(Arc::clone(engine), ticket, instance, begun));
    is_begun.await.map_err(|_| task_lost())?
}

async fn create_and_run(
    engine: Arc<Engine>,
    ticket: Ticket,
    instance: Instance,
    begun: oneshot::Sender<Result<Existing, InvokeError>>,
) {
    match create(&engine, ticket, instance).await {
        Ok(Created::New(claimed)) => {
            let _ = begun.send(Ok(None));
            run(&engine, *claimed).await;
        }
        Ok(Created::Exists(existing)) => drop(begun.send(Ok(Some(existing)))),
        Err(error) => drop(begun.send(Err(error))),
    }
}

/// What became of a create.
enum Created {
    New(Box<Claimed>),
    Exists(Box<StoredFunction>),
}

async fn create(engine: &Engine, ticket: Ticket, instance: Instance) -> Result<Created, InvokeError> {
    let registration = instance.registration;
    let owner = owner_of(engine, registration, &ticket).await?;
    let create = instance.create(Start::Running(owner));
    let asked = Instant::now();
    match engine.writer.write(Write::Create(create.clone())).await? {
        Written::Exists(existing) => {
            // At this epoch it runs nowhere: this ticket is the only one. It is what a create left whose answer was
            // lost, or a run that was stopped, which may have come further than this call knows.
            if existing.owner == Some(owner) && existing.epoch == Epoch::ZERO {
                let left = vec![(existing.id.clone(), existing.epoch)];
                hand_over(engine, owner, left).await?;
                engine.wakes.now();
            }
            return Ok(Created::Exists(existing));
        }
        Written::Done => {}
        other => return Err(unexpected("a create", &other)),
    }
    let begun = Begun { asked, answered: Instant::now(), shown: None };
    Ok(Created::New(Box::new(Claimed {
        ticket,
        owner,
        registration,
        attempt: 1,
        message_count: message_count(&create),
        param: create.param,
        scrapbook: create.scrapbook,
        journal: create.journal,
        saves: 0,
        begun,
    })))
}

/// Who this run will belong to.
pub(crate) async fn owner_of(
    engine: &Engine,
    registration: Registration,
    ticket: &Ticket,
) -> Result<ReplicaId, InvokeError> {
    let lease = engine.lease_of((registration.type_id, registration.version));
    loop {
        let owner = engine.lease.held(lease, engine.settings.store_patience).await?;
        // It was stopped with the last lease, before it owned anything.
        if !ticket.restart() {
            return Err(InvokeError::ShuttingDown);
        }
        // Looked at in this order, because whoever ends a lease does so before all that is entered is stopped.
        if engine.lease.holder() == Some(owner) && engine.lease.covers(lease) {
            return Ok(owner);
        }
    }
}

pub(crate) fn task_lost() -> InvokeError {
    StoreError::transient("the task that ran the function was lost; the instance is taken over").into()
}

pub(crate) fn unexpected(what: &str, written: &Written) -> InvokeError {
    StoreError::permanent(format!("the store answered {what} with {written:?}")).into()
}
