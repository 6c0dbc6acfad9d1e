//! What cases start from: ordinary values, of which a case changes the one it is about.

use std::time::Duration;

use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId, TypeId};
use crate::payload::Payload;
use crate::record::{NewMessage, Reads, Replica, ReplicaType, StoredFunction};
use crate::status::Status;
use crate::store::{
    Append, Cancel, Claimable, Create, Delete, Edit, Ending, Finish, Save, Start, Transition,
};

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

/// The row that a create makes whose messages have different keys, with the times of the one that was read.
pub(super) fn created(create: &Create, read: &StoredFunction) -> StoredFunction {
    let (status, owner, attempts) = match create.start {
        Start::Running(owner) => (Status::Executing, Some(owner), 1),
        Start::Waiting(_) => (Status::Postponed, None, 0),
    };
    StoredFunction {
        id: create.id.clone(),
        parent: create.parent.clone(),
        status,
        epoch: Epoch::ZERO,
        owner,
        attempts,
        cancel_requested: false,
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
        message_count: i64::try_from(create.messages.len()).expect("few"),
        created_at: read.created_at,
        updated_at: read.updated_at,
        completed_at: None,
    }
}

/// A message with this key, whose other parts say which one it is.
pub(super) fn message(key: &str) -> NewMessage {
    NewMessage { name: format!("Name of {key}"), payload: text(1, key), key: key.to_owned() }
}

/// Messages with these keys, in this order.
pub(super) fn messages<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Vec<NewMessage> {
    keys.into_iter().map(|key| message(key.as_ref())).collect()
}

/// Messages with these keys for an instance of the ordinary type.
pub(super) fn append<K: AsRef<str>>(instance: &str, keys: impl IntoIterator<Item = K>) -> Append {
    Append { id: id(instance), messages: messages(keys) }
}

/// The failure of what is cancelled.
pub(super) const CANCELLED: &str = "{\"message\":\"cancelled\"}";

/// The wish that an instance of the ordinary type ends.
pub(super) fn cancel(instance: &str) -> Cancel {
    Cancel { id: id(instance), failure: CANCELLED.to_owned() }
}

/// The next save by the run that this row shows.
pub(super) fn save(run: &StoredFunction, scrapbook: Payload) -> Save {
    let owner = run.owner.expect("a run has an owner");
    let (number, scrapbook) = (run.saves + 1, Some(scrapbook));
    Save { id: run.id.clone(), owner, epoch: run.epoch, number, scrapbook, journal: None }
}

/// A save by the run that this row shows, with a number of its own.
pub(super) fn numbered(run: &StoredFunction, number: i64, scrapbook: Payload) -> Save {
    Save { number, ..save(run, scrapbook) }
}

/// A save of nothing but notes.
pub(super) fn note(run: &StoredFunction, journal: &str) -> Save {
    Save { scrapbook: None, journal: Some(journal.to_owned()), ..save(run, text(1, "")) }
}

/// The end of the run that this row shows.
pub(super) fn finish(run: &StoredFunction, ending: Ending) -> Finish {
    let owner = run.owner.expect("a run has an owner");
    Finish::without_progress(run.id.clone(), owner, run.epoch, ending)
}

/// An edit by somebody who has read this row.
pub(super) fn edit(row: &StoredFunction, transition: Transition) -> Edit {
    Edit::of(row, transition)
}

/// A delete by somebody who has read this row.
pub(super) fn delete(row: &StoredFunction) -> Delete {
    Delete::of(row)
}

/// One of each ending.
pub(super) fn endings() -> [Ending; 7] {
    [
        Ending::Succeeded(text(1, "result")),
        Ending::Failed("{\"message\":\"no\"}".into()),
        Ending::Postponed(Due::After(HOUR)),
        Ending::PutOff(Due::After(HOUR)),
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
