//! Why an instance stands where it stands, in words for people.
//!
//! They are those of the view `overview` that the database stores keep beside their tables.

use crate::answer::failure_of;
use crate::clock::Timestamp;
use crate::record::{LiveReplica, ReplicaType, StoredFunction};
use crate::status::Status;

/// Why an instance stands where it stands, as these replicas are alive.
pub(crate) fn reason(row: &StoredFunction, live: &[LiveReplica]) -> String {
    let reason = stands(row, live);
    let is_asked = row.cancel_requested && !row.status.is_completed();
    if is_asked { format!("{reason}; asked to end") } else { reason }
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

/// Why no live replica can take what is due; `None` when one can.
pub(crate) fn obstacle(row: &StoredFunction, live: &[LiveReplica]) -> Option<String> {
    let types = || live.iter().flat_map(|live| &live.replica.types);
    if types().any(|of| of.takes(row)) {
        return None;
    }
    let reads_param = |of: &ReplicaType| of.reads.is_some_and(|reads| row.param.version <= reads.param);
    let working = |of: &&ReplicaType| of.runs(row) && of.reads.is_some();
    Some(if !types().any(|of| working(&of)) {
        format!("no live replica runs version {} of this type", row.version)
    } else if !types().filter(working).any(reads_param) {
        format!("no live replica reads parameter version {} of this type", row.param.version)
    } else {
        let version = row.scrapbook.as_ref().map_or(0, |scrapbook| scrapbook.version);
        format!("no live replica reads scrapbook version {version} of this type")
    })
}

fn running(row: &StoredFunction, live: &[LiveReplica]) -> String {
    let Some(owner) = row.owner else { return "runs, and its owner is not stored".to_owned() };
    let Some(live_owner) = live.iter().find(|live| live.replica.id == owner) else {
        return format!("its owner {owner} is not known any more; it is taken over");
    };
    let (replica, heartbeat) = (&live_owner.replica, live_owner.heartbeat_at);
    match replica.types.iter().find(|of| of.runs(row)) {
        None => {
            let version = row.version;
            format!("its owner {owner} does not run version {version} of this type; it is taken over")
        }
        Some(of) if now(row, live).saturating_since(heartbeat) > of.lease => {
            format!("its owner {owner} gave no sign of life since {heartbeat}; it is taken over")
        }
        Some(_) => format!("runs on replica {owner} ({}@{})", replica.pid, replica.host),
    }
}

fn waiting(row: &StoredFunction, live: &[LiveReplica]) -> String {
    let said = row.reason.as_deref();
    let Some(due) = row.due_at else { return said.unwrap_or("waits for a message").to_owned() };
    if due > now(row, live) {
        return match (said, row.status) {
            (Some(said), _) => format!("{said}; due at {due}"),
            (None, Status::Suspended) => format!("waits for a message until {due}"),
            (None, _) => format!("waits until {due}"),
        };
    }
    let why = obstacle(row, live).unwrap_or_else(|| free_slot(row));
    said.map_or(why.clone(), |said| format!("{why}; {said}"))
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
