//! What cases start from: ordinary values, of which a case changes the one it is about.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId, TypeId};
use crate::payload::Payload;
use crate::record::{Reads, Replica, ReplicaType, StoredFunction};
use crate::status::Status;
use crate::store::{Claimable, Create, Delete, Edit, Ending, Finish, Save, Start, Transition};

/// The function type of most cases.
pub(super) const TYPE: &str = "Order";

/// Longer than any case takes.
pub(super) const HOUR: Duration = Duration::from_hours(1);

/// A delay that shows when it is rounded.
pub(super) const DELAY: Duration = Duration::from_micros(90_061_987_654);

/// A lease that a case waits for to end.
pub(super) const SHORT: Duration = Duration::from_millis(250);

/// In an expected row: whenever the write happened.
pub(super) const NOW: Timestamp = Timestamp::from_micros(i64::MIN);

/// An instance of the ordinary type.
pub(super) fn id(instance: &str) -> FunctionId {
    FunctionId::new(TYPE, instance)
}

/// A payload with a word in it.
pub(super) fn text(version: u32, word: &str) -> Payload {
    Payload::new(version, format!("{{\"word\":\"{word}\"}}"))
}

pub(super) fn create(instance: &str, start: Start) -> Create {
    Create::new(id(instance), start, 1, text(1, "param"))
}

/// The row that a create makes, with the times of the one that was read.
pub(super) fn created(create: &Create, read: &StoredFunction) -> StoredFunction {
    let (status, owner, attempts) = match create.start {
        Start::Running(owner) => (Status::Executing, Some(owner), 1),
        Start::Waiting(_) => (Status::Postponed, None, 0),
    };
    StoredFunction {
        id: create.id.clone(),
        status,
        epoch: Epoch::ZERO,
        owner,
        attempts,
        crashes: 0,
        due_at: if owner.is_none() { read.due_at } else { None },
        version: create.version,
        param: create.param.clone(),
        scrapbook: create.scrapbook.clone(),
        result: None,
        failure: None,
        journal: create.journal.clone(),
        reason: None,
        saves: 0,
        message_count: 0,
        created_at: read.created_at,
        updated_at: read.updated_at,
        completed_at: None,
    }
}

/// The number of the next save: each is above all earlier ones.
static NUMBER: AtomicI64 = AtomicI64::new(1);

/// A save by the run that this row shows.
pub(super) fn save(run: &StoredFunction, scrapbook: Payload) -> Save {
    let owner = run.owner.expect("a run has an owner");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let scrapbook = Some(scrapbook);
    Save { id: run.id.clone(), owner, epoch: run.epoch, number, scrapbook, journal: None }
}

/// The end of the run that this row shows.
pub(super) fn finish(run: &StoredFunction, ending: Ending) -> Finish {
    let owner = run.owner.expect("a run has an owner");
    Finish::without_progress(run.id.clone(), owner, run.epoch, ending)
}

/// An edit by somebody who has read this row.
pub(super) fn edit(row: &StoredFunction, transition: Transition) -> Edit {
    Edit {
        id: row.id.clone(),
        epoch: row.epoch,
        param: None,
        scrapbook: None,
        journal: None,
        messages: None,
        transition,
    }
}

/// A delete by somebody who has read this row.
pub(super) fn delete(row: &StoredFunction) -> Delete {
    Delete { id: row.id.clone(), epoch: row.epoch }
}

/// One of each ending.
pub(super) fn endings() -> [Ending; 6] {
    [
        Ending::Succeeded(text(1, "result")),
        Ending::Failed("{\"message\":\"no\"}".into()),
        Ending::Postponed(Due::After(HOUR)),
        Ending::Suspended { message_count: 0, due: None },
        Ending::Released,
        Ending::Lost,
    ]
}

/// One of each transition.
pub(super) fn transitions(live: ReplicaId) -> [Transition; 5] {
    [
        Transition::Keep,
        Transition::Run(live),
        Transition::Wait(Due::After(HOUR)),
        Transition::Succeed(text(1, "result")),
        Transition::Fail("{\"message\":\"no\"}".into()),
    ]
}

/// Reads everything that cases write of a type.
pub(super) fn kind(type_id: &str) -> Claimable {
    Claimable { type_id: type_id.into(), version: 1, param_version: 1, scrapbook_version: 2, limit: 10_000 }
}

/// A replica that runs these types in version 1, all with this lease, and reads what [`kind`] describes.
pub(super) fn replica(lease: Duration, types: &[&str]) -> Replica {
    let reads = Some(Reads { param: 1, scrapbook: 2 });
    let runs = |type_id: &&str| ReplicaType { type_id: TypeId::from(*type_id), version: 1, lease, reads };
    Replica {
        id: ReplicaId::random(),
        lease,
        host: "host-1".into(),
        pid: 4711,
        app_version: "1.2.3".into(),
        types: types.iter().map(runs).collect(),
    }
}
