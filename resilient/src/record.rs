//! One stored instance, as every store returns it.

use crate::clock::Timestamp;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::status::Status;

/// One stored instance.
///
/// Stores keep these four facts true: `owner` is there exactly while it is `Executing`, `result` exactly when it
/// has `Succeeded`, `failure` exactly when it has `Failed`, `completed_at` exactly in both of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFunction {
    /// Its identity.
    pub id: FunctionId,
    /// The instance that has begun it as its child; it stays that, also when the parent is gone.
    pub parent: Option<FunctionId>,
    /// Where it stands.
    pub status: Status,
    /// The fencing token.
    pub epoch: Epoch,
    /// The replica that runs it.
    pub owner: Option<ReplicaId>,
    /// How many runs were begun; a graceful hand-over takes its run back.
    pub attempts: u32,
    /// Whether somebody has asked for its end; an edit that decides anew takes that back.
    pub cancel_requested: bool,
    /// How many owners were lost one after the other since the last progress (a save, an outcome or an edit).
    pub crashes: u32,
    /// When it becomes due, for `Postponed` and `Suspended` with a deadline.
    pub due_at: Option<Timestamp>,
    /// The version of the function that it was started with.
    pub version: u32,
    /// Its input.
    pub param: Payload,
    /// Its progress, when any was stored.
    pub scrapbook: Option<Payload>,
    /// Its result.
    pub result: Option<Payload>,
    /// Its failure, as JSON text of [`Failure`](crate::Failure).
    pub failure: Option<String>,
    /// What the framework notes about it, as JSON text of [`Journal`](crate::Journal), when it notes anything.
    pub journal: Option<String>,
    /// What the last run said of its wait, for people. It is not so any more when the instance is due;
    /// [`explain`](Self::explain) says how it stands now.
    pub reason: Option<String>,
    /// The number of its last save.
    pub saves: i64,
    /// The position of its last message; 0 while it has none.
    pub message_count: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it succeeded or failed.
    pub completed_at: Option<Timestamp>,
}

/// A message on its way to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// What it is: the name of the message type.
    pub name: String,
    /// What it says.
    pub payload: Payload,
    /// An instance stores each key once, so that sending again is safe.
    pub key: String,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the order of the instance's messages, counted from 1, without gaps.
    pub position: i64,
    /// What it is: the name of the message type.
    pub name: String,
    /// What it says.
    pub payload: Payload,
    /// Its idempotency key; a random one when the sender gave none.
    pub key: String,
    /// When it was stored.
    pub sent_at: Timestamp,
}

/// A process that runs functions, as it makes itself known to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Fresh for every start.
    pub id: ReplicaId,
    /// How long it counts as alive after a heartbeat: the longest lease of its function types.
    pub lease: std::time::Duration,
    /// The machine, for people.
    pub host: String,
    /// The process, for people.
    pub pid: u32,
    /// The version of the application, for people.
    pub app_version: String,
    /// What it can run.
    pub types: Vec<ReplicaType>,
}

/// A function type that a replica can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaType {
    /// The function type.
    pub type_id: crate::id::TypeId,
    /// The version of the function.
    pub version: u32,
    /// How long after the owner's last heartbeat an instance of this type counts as running.
    pub lease: std::time::Duration,
    /// What it reads of this type when it takes work that is due; a tool takes none.
    pub reads: Option<Reads>,
}

/// The newest versions of stored data that a replica reads of a function type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Of the parameter.
    pub param: u32,
    /// Of the scrapbook, also when it has dropped it; 0 when it runs only what has none.
    pub scrapbook: u32,
}

impl ReplicaType {
    /// Whether it runs instances of this type and version.
    pub(crate) fn runs(&self, row: &StoredFunction) -> bool {
        self.type_id == row.id.type_id && self.version == row.version
    }

    /// Whether it would take the instance when it is due.
    pub(crate) fn takes(&self, row: &StoredFunction) -> bool {
        let scrapbook = row.scrapbook.as_ref().map_or(0, |scrapbook| scrapbook.version);
        let reads =
            self.reads.is_some_and(|reads| row.param.version <= reads.param && scrapbook <= reads.scrapbook);
        self.runs(row) && reads
    }
}

/// A replica that is alive, as the store sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveReplica {
    /// What it said of itself.
    pub replica: Replica,
    /// When it started.
    pub started_at: Timestamp,
    /// Its last accepted sign of life.
    pub heartbeat_at: Timestamp,
}
