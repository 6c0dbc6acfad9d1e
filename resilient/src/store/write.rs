//! The write operations of a store, and their answers.

use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::record::{NewMessage, StoredFunction};

/// One write on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new instance. Answers `Done` or `Exists`.
    Create(Create),
    /// Progress of a run. Answers `Done` or `LostOwnership`.
    Save(Save),
    /// The end of a run. Answers `Done`, `LostOwnership` or `Changed`: for a suspension that a message overtook, and for
    /// one or a postponement of what is to be cancelled.
    Finish(Finish),
    /// Messages for an instance. Answers `Done`, `NotFound` or `Completed`.
    Append(Append),
    /// The wish that an instance ends. Answers `Done`, `NotFound` or, when it has ended already, `Completed`.
    Cancel(Cancel),
    /// A change by a person or a tool. Answers `Done`, `Changed`, `NotFound` or, for a replica that is not alive,
    /// `LostOwnership`.
    Edit(Edit),
    /// The removal of an instance and all that belongs to it. Answers `Done`, `Changed` or `NotFound`.
    Delete(Delete),
}

impl Write {
    /// The instance that is written.
    pub fn id(&self) -> &FunctionId {
        match self {
            Self::Create(Create { id, .. })
            | Self::Save(Save { id, .. })
            | Self::Finish(Finish { id, .. })
            | Self::Append(Append { id, .. })
            | Self::Cancel(Cancel { id, .. })
            | Self::Edit(Edit { id, .. })
            | Self::Delete(Delete { id, .. }) => id,
        }
    }
}

/// Creates an instance with epoch 0, unless its id is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its identity.
    pub id: FunctionId,
    /// Whether it runs at once or waits.
    pub start: Start,
    /// The version of the function.
    pub version: u32,
    /// Its input.
    pub param: Payload,
    /// Its first progress, when there is any.
    pub scrapbook: Option<Payload>,
    /// What the framework notes about it, as JSON text of [`Journal`](crate::Journal).
    pub journal: Option<String>,
    /// The instance whose child it is: its result is [kept](crate::Store::expire) as long as that may ask for it.
    pub parent: Option<FunctionId>,
    /// Its first messages; of several with one key the first counts.
    pub messages: Vec<NewMessage>,
}

impl Create {
    /// Without progress, notes, a parent and messages.
    pub fn new(id: FunctionId, start: Start, version: u32, param: Payload) -> Self {
        let (scrapbook, journal, parent, messages) = (None, None, None, Vec::new());
        Self { id, start, version, param, scrapbook, journal, parent, messages }
    }
}

/// How a new instance starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// `Executing` under this replica, attempts 1.
    Running(ReplicaId),
    /// `Postponed` until this is due, attempts 0.
    Waiting(Due),
}

/// Stores the progress of a run, guarded by epoch and owner, and never with a scrapbook version below the stored one.
///
/// The epoch stays; the count of crashes starts again from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// The instance.
    pub id: FunctionId,
    /// Who runs it.
    pub owner: ReplicaId,
    /// The epoch of the run.
    pub epoch: Epoch,
    /// The number of this save, which becomes the stored one; it has to be above that. So a save that was given up
    /// and lands late never overwrites one that came after it.
    pub number: i64,
    /// The progress; `None` leaves what is stored.
    pub scrapbook: Option<Payload>,
    /// What the framework notes; `None` leaves what is stored.
    pub journal: Option<String>,
}

/// Ends a run, guarded by epoch and owner: the epoch is one higher, nobody owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// The instance.
    pub id: FunctionId,
    /// Who runs it.
    pub owner: ReplicaId,
    /// The epoch of the run.
    pub epoch: Epoch,
    /// The last progress; `None` leaves what is stored, and so does a version below the stored one, which loses the guard.
    pub scrapbook: Option<Payload>,
    /// What the framework notes; `None` leaves what is stored.
    pub journal: Option<String>,
    /// Why it waits from now on, for people; cleared by the next change of its status.
    pub reason: Option<String>,
    /// What comes after the run.
    pub ending: Ending,
}

impl Finish {
    /// The end of a run that leaves data, notes and reason as they are stored.
    pub fn without_progress(id: FunctionId, owner: ReplicaId, epoch: Epoch, ending: Ending) -> Self {
        Self { id, owner, epoch, scrapbook: None, journal: None, reason: None, ending }
    }
}

/// What comes after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// `Succeeded` with this result. The count of crashes starts again from 0, as for all but `PutOff`, `Released` and `Lost`.
    Succeeded(Payload),
    /// `Failed` with this failure, as JSON text.
    Failed(String),
    /// `Postponed` until this is due, unless it is to be [cancelled](Cancel): then nothing changes and the answer is
    /// `Changed`.
    Postponed(Due),
    /// `Suspended`, if the stored count of messages is still this one and it is not to be [cancelled](Cancel); else
    /// nothing changes and the answer is `Changed`.
    Suspended {
        /// How many messages the run knew of.
        message_count: i64,
        /// When it becomes due although no message has arrived.
        due: Option<Due>,
    },
    /// As `Postponed`, of an instance that was claimed and not run: the attempt is taken back.
    PutOff(Due),
    /// A graceful hand-over: `Postponed`, due at once; the attempt is taken back.
    Released,
    /// The run was lost without its replica dying: `Postponed`, due at once, crashes one higher.
    Lost,
}

/// Changes an instance, guarded by its epoch and its creation: the epoch is one higher, the count of crashes starts
/// again from 0.
///
/// Whoever runs it loses ownership. An instance that was deleted and created again is another one: epochs start at 0
/// with each, so it is told by when it was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The instance.
    pub id: FunctionId,
    /// The epoch that was read.
    pub epoch: Epoch,
    /// The creation that was read.
    pub created_at: Timestamp,
    /// A new input; `None` leaves it.
    pub param: Option<Payload>,
    /// A new scrapbook; `None` leaves it.
    pub scrapbook: Option<Payload>,
    /// What the framework notes; `None` leaves it.
    pub journal: Option<String>,
    /// Other messages instead of all that there are, which makes due what is `Suspended` from then on; `None` leaves them.
    pub messages: Option<Replace>,
    /// What becomes of it.
    pub transition: Transition,
}

impl Edit {
    /// A change of nothing but the status, of the instance as it was read.
    pub fn of(row: &StoredFunction, transition: Transition) -> Self {
        let StoredFunction { id, epoch, created_at, .. } = row;
        let (id, epoch, created_at) = (id.clone(), *epoch, *created_at);
        Self {
            id,
            epoch,
            created_at,
            param: None,
            scrapbook: None,
            journal: None,
            messages: None,
            transition,
        }
    }
}

/// Replaces all messages of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The count of messages that was read; the edit answers `Changed` when it is another one by now.
    pub message_count: i64,
    /// The new messages; they get the positions from 1 on, and their number becomes the count.
    pub messages: Vec<NewMessage>,
}

impl Replace {
    /// How many messages there are from then on.
    pub(crate) fn count(&self) -> i64 {
        i64::try_from(self.messages.len()).unwrap_or(i64::MAX)
    }
}

/// Appends messages to an instance that has not succeeded.
///
/// A message whose key the instance has stored already is left out. If any are left, they get the positions that follow
/// [`message_count`](StoredFunction::message_count), which grows by their number, and what is `Suspended` becomes due at
/// once; all of that happens, or nothing. The epoch stays. When all keys are stored already, the answer is `Done`,
/// whatever the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The instance.
    pub id: FunctionId,
    /// The messages, in their order; of several with one key the first counts.
    pub messages: Vec<NewMessage>,
}

/// Asks that an instance ends, whoever runs it.
///
/// What waits becomes `Failed` with this failure, its epoch one higher. What is `Executing` goes on as it is, and
/// [`cancel_requested`](StoredFunction::cancel_requested) is set: its run is told and decides, and neither it nor a later
/// run can be put away to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The instance.
    pub id: FunctionId,
    /// The failure of what waits, as JSON text of [`Failure`](crate::Failure).
    pub failure: String,
}

/// What becomes of an edited instance.
///
/// Every transition but `Keep` clears a result, a failure and the wish to cancel it before it sets its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The status stays, with result, failure and due time; what is `Executing` becomes `Postponed`, due at once.
    Keep,
    /// `Executing` under this replica if that is alive; attempts one higher.
    Run(ReplicaId),
    /// `Postponed` until this is due.
    Wait(Due),
    /// `Succeeded` with this result.
    Succeed(Payload),
    /// `Failed` with this failure, as JSON text.
    Fail(String),
}

/// Removes an instance with all that belongs to it, guarded by its epoch and its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The instance.
    pub id: FunctionId,
    /// The epoch that was read.
    pub epoch: Epoch,
    /// The creation that was read.
    pub created_at: Timestamp,
}

impl Delete {
    /// The removal of an instance as it was read.
    pub fn of(row: &StoredFunction) -> Self {
        Self { id: row.id.clone(), epoch: row.epoch, created_at: row.created_at }
    }
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was applied.
    Done,
    /// The id is taken, by this.
    Exists(Box<StoredFunction>),
    /// The run is not the owner at that epoch any more; also when the instance is gone.
    LostOwnership,
    /// The instance is at another epoch than expected, is another one of that id, has more messages, or is to be cancelled.
    Changed,
    /// There is no such instance.
    NotFound,
    /// The instance has ended: one that has succeeded reads no more messages, and there is nothing to cancel. Nothing was stored.
    Completed,
}
