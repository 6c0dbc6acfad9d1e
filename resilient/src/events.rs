//! What is told of runs and writes, to tracing and to metrics: ids and numbers, never the user's data.

use crate::answer::is_cancelled;
use crate::id::{Epoch, FunctionId};
use crate::metrics::{self, Run};
use crate::store::{Ending, StoreError};

/// The run is measured until what this answers is dropped.
pub(crate) fn run_begins(id: &FunctionId, epoch: Epoch, attempt: u32) -> Run {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::debug!(%type_id, %instance_id, %epoch, attempt, "run begins");
    Run::begin(type_id)
}

pub(crate) fn run_stopped(id: &FunctionId, epoch: Epoch) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, %epoch, "run stopped: its lease or its ownership is lost");
}

pub(crate) fn outcome_dropped(id: &FunctionId, epoch: Epoch) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, %epoch, "outcome dropped: ownership is lost");
}

pub(crate) fn run_ended(run: &mut Run, (id, epoch): (&FunctionId, Epoch), ending: &Ending) {
    run.ends(measured(ending));
    if matches!(ending, Ending::Failed(failure) if !is_cancelled(failure)) {
        return failed(id, epoch);
    }
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::debug!(%type_id, %instance_id, %epoch, "{}", outcome(ending));
}

/// Without the reason, which may quote the message.
pub(crate) fn set_aside(id: &FunctionId, position: i64, name: &str) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, position, name, "a message cannot be read and is set aside");
}

pub(crate) fn handed_over(id: &FunctionId, epoch: Epoch) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::info!(%type_id, %instance_id, %epoch, "handed over");
}

/// What waits has ended with it, and what runs is told.
pub(crate) fn cancel_asked(id: &FunctionId) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    metrics::cancelled(type_id);
    tracing::info!(%type_id, %instance_id, "its end was asked for");
}

/// Results whose time is over.
pub(crate) fn expired(instances: u64) {
    metrics::expired(instances);
    tracing::info!(instances, "results are deleted, for their retention is over");
}

pub(crate) fn batch_failed(writes: usize, error: &StoreError) {
    tracing::warn!(writes, %error, "a batch of writes failed");
}

fn failed(id: &FunctionId, epoch: Epoch) {
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, %epoch, "failed; it waits for a person");
}

fn outcome(ending: &Ending) -> &'static str {
    match ending {
        Ending::Succeeded(_) => "succeeded",
        Ending::Failed(failure) if is_cancelled(failure) => "cancelled",
        Ending::Failed(_) => "failed",
        Ending::Postponed(_) | Ending::PutOff(_) => "postponed",
        Ending::Suspended { .. } => "suspended",
        Ending::Released | Ending::Lost => "handed over",
    }
}

fn measured(ending: &Ending) -> &'static str {
    match ending {
        Ending::Succeeded(_) => "success",
        Ending::Failed(failure) if is_cancelled(failure) => "cancelled",
        Ending::Failed(_) => "failed",
        Ending::Postponed(_) | Ending::PutOff(_) => "postpone",
        Ending::Suspended { .. } => "suspend",
        Ending::Released | Ending::Lost => "again",
    }
}
