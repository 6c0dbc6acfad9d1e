//! Why an instance stands where it stands, in words for people.
//!
//! They are those of the view `overview` that the database stores keep beside their tables.

use crate::answer::failure_of;
use crate::clock::Timestamp;
use crate::record::{LiveReplica, ReplicaType, StoredFunction};
use crate::status::Status;

impl StoredFunction {
    /// Why it stands where it stands, as these replicas are alive, in words for people; see
    /// [`Runtime::reason`](crate::Runtime::reason).
    ///
    /// For tools that have a [`Store`](crate::Store) and no runtime: give what [`Store::replicas`](crate::Store::replicas)
    /// answers.
    pub fn explain(&self, live: &[LiveReplica]) -> String {
        let reason = stands(self, live);
        let is_asked = self.cancel_requested && !self.status.is_completed();
        if is_asked { format!("{reason}; asked to end") } else { reason }
    }
}

fn stands(row: &StoredFunction, live: &[LiveReplica]) -> String {
    match row.status {
        Status::Executing => running(row, live),
        Status::Succeeded => "succeeded".to_owned(),
        Status::Failed => {
            let message = failure_of(row).map(|failure| failure.message).or_else(|| row.failure.clone());
            format!("failed: {}; repair it through the control panel", message.unwrap_or_default())
        }
        Status::Postponed | Status::Suspended => waiting(row, live),
    }
}

/// Why no live replica can take it when it is due; `None` when one can.
pub(crate) fn obstacle(row: &StoredFunction, live: &[LiveReplica]) -> Option<String> {
    let types = || live.iter().flat_map(|live| &live.replica.types);
    if types().any(|of| of.takes(row)) {
        return None;
    }
    let working = |of: &&ReplicaType| of.type_id == row.id.type_id && of.reads.is_some();
    let running = |of: &&ReplicaType| of.runs(row) && of.reads.is_some();
    let reads_param = |of: &ReplicaType| of.reads.is_some_and(|reads| row.param.version <= reads.param);
    Some(if !types().any(|of| working(&of)) {
        "no live replica runs this type; start one that registers it and takes work".to_owned()
    } else if !types().any(|of| running(&of)) {
        format!("no live replica runs version {} of this type", row.version)
    } else if !types().filter(running).any(reads_param) {
        format!("no live replica reads parameter version {} of this type", row.param.version)
    } else {
        let version = row.scrapbook.as_ref().map_or(0, |scrapbook| scrapbook.version);
        format!("no live replica reads scrapbook version {version} of this type")
    })
}

fn running(row: &StoredFunction, live: &[LiveReplica]) -> String {
    let Some(owner) = row.owner else { return "runs, and its owner is not stored".to_owned() };
    let lost = |what: String| {
        let next = obstacle(row, live).unwrap_or_else(|| "it is taken over".to_owned());
        format!("its owner {owner} {what}; {next}")
    };
    let Some(live_owner) = live.iter().find(|live| live.replica.id == owner) else {
        return lost("is not known any more".to_owned());
    };
    let (replica, heartbeat) = (&live_owner.replica, live_owner.heartbeat_at);
    match replica.types.iter().find(|of| of.runs(row)) {
        None => lost(format!("does not run version {} of this type", row.version)),
        Some(of) if now(row, live).saturating_since(heartbeat) > of.lease => {
            lost(format!("gave no sign of life since {heartbeat}"))
        }
        Some(_) => format!("runs on replica {owner} ({}@{})", replica.pid, replica.host),
    }
}

fn waiting(row: &StoredFunction, live: &[LiveReplica]) -> String {
    let obstacle = obstacle(row, live);
    let is_due = row.due_at.is_some_and(|due| due <= now(row, live));
    let (first, second) = if is_due {
        (obstacle.unwrap_or_else(|| free_slot(row)), cause(row).map(str::to_owned))
    } else {
        (goal(row), obstacle)
    };
    Some(first).into_iter().chain(second).collect::<Vec<_>>().join("; ")
}

/// What it waits for.
fn goal(row: &StoredFunction) -> String {
    match (row.reason.as_deref(), row.due_at, row.status) {
        (Some(said), None, _) => said.to_owned(),
        (Some(said), Some(due), _) => format!("{said}; due at {due}"),
        (None, None, _) => "waits for a message".to_owned(),
        (None, Some(due), Status::Suspended) => format!("waits for a message until {due}"),
        (None, Some(due), _) => format!("waits until {due}"),
    }
}

/// Why it is due. What a run has said that was suspended is not so any more: what it waited for has come, or its time.
fn cause(row: &StoredFunction) -> Option<&str> {
    match row.status {
        // Whoever stores a message makes it due in the same statement.
        Status::Suspended => (row.due_at == Some(row.updated_at)).then_some("a message came"),
        _ => row.reason.as_deref(),
    }
}

fn free_slot(row: &StoredFunction) -> String {
    let param = row.param.version;
    let scrapbook =
        row.scrapbook.as_ref().map(|scrapbook| format!(" and scrapbook version {}", scrapbook.version));
    format!(
        "is due, and waits for a replica with a free slot that reads parameter version {param}{}",
        scrapbook.unwrap_or_default()
    )
}

/// The latest time that the store has told of: its own clock, at most a heartbeat behind.
fn now(row: &StoredFunction, live: &[LiveReplica]) -> Timestamp {
    live.iter().map(|live| live.heartbeat_at).fold(row.updated_at, Timestamp::max)
}

#[cfg(test)]
mod tests;
