//! Why an invocation or a repair has no result.

use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::clock::{TimeError, Timestamp};
use crate::codec::EncodeError;
use crate::guard::Guarded;
use crate::id::{FunctionId, IdError};
use crate::outcome::{Cancelled, Failure, Postpone, Suspend};
use crate::status::Status;
use crate::store::StoreError;
use crate::version::DecodeError;

/// Why an invocation or a repair has no result.
///
/// `Failed`, `Postponed` and `Suspended` are stored facts about the instance; everything else is about this call.
///
/// In the body of a resilient function, `?` does with each of them what is to be done: while the other instance has no
/// result, the body is run again later, and else it fails.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The function failed; a person decides what comes next.
    #[error("the function failed: {0}")]
    Failed(Failure),
    /// The function has put itself off, or is tried again later. [`completion`](crate::Runtime::completion) waits through that.
    ///
    /// A body that leaves with it is put off until then, too.
    #[error("postponed until {}", shown(*until))]
    Postponed {
        /// When it becomes due.
        until: SystemTime,
        /// What becomes of a body that leaves with it.
        #[source]
        again: Postpone,
    },
    /// The function waits for a message or for a child, or sleeps. [`completion`](crate::Runtime::completion) waits through
    /// that.
    ///
    /// A body that leaves with it is put off for 10 seconds, for nobody would wake it; one that has asked through its
    /// [`Context`](crate::Context) gets [`Waiting`](Self::Waiting).
    #[error("suspended until what it waits for arrives or its time has come")]
    Suspended {
        /// What becomes of a body that leaves with it.
        #[source]
        again: Postpone,
    },
    /// The child has not ended yet: leave the body with `?`, and another run begins when it has.
    #[error("the child has not ended yet; leave the function with `?`")]
    Waiting(#[from] Suspend),
    /// The instance that asks is to be [cancelled](crate::Runtime::cancel), and waits for nothing any more.
    #[error("the child is not waited for, because the instance is to be cancelled")]
    Cancelled(#[from] Cancelled),
    /// A unit test has given no result for a child.
    #[error("no result was given for the child `{id}`; give one with `Context::with_child`")]
    NoSuchChild {
        /// The child.
        id: FunctionId,
    },
    /// The child that a run asks for is the child of another instance, which may have given it other work.
    ///
    /// Parents of two function types may have one id; then their children of one type need different names.
    #[error("`{id}` is the child of `{parent}` already; give it another name, or its parent another id")]
    ChildOfAnother {
        /// The child.
        id: FunctionId,
        /// Whose child it is.
        parent: FunctionId,
    },
    /// One of many instances is refused, so none of them was stored.
    #[error("`{id}` is refused, and with it all that were to be stored together")]
    Refused {
        /// The instance.
        id: FunctionId,
        /// Why it is refused.
        #[source]
        problem: Box<Self>,
    },
    /// Middleware panicked when the instance was to be started; nothing was stored.
    #[error("not started, for middleware panicked: {}", failure.message)]
    NotStarted {
        /// The panic.
        failure: Failure,
    },
    /// This runtime does not know the function.
    #[error(
        "version {version} of function type `{type_id}` is not registered; add `.discover()` or `.register::<F>()` to the builder"
    )]
    NotRegistered {
        /// The function type.
        type_id: String,
        /// The version of the function.
        version: u32,
    },
    /// The instance belongs to another version of the function, whose data these types do not describe.
    ///
    /// It runs in the version that it was started with. Its failure is the failure of every version, and so is its
    /// result when it reads as this version's; the types and the verbs of a control panel are those of its own.
    #[error(
        "`{id}` runs in version {stored} of its function, and was asked for in version {asked}; ask in its own"
    )]
    OtherVersion {
        /// The instance.
        id: FunctionId,
        /// The version that it was started with.
        stored: u32,
        /// The version of the function that asked.
        asked: u32,
    },
    /// There is no such instance.
    #[error("there is no instance `{id}`")]
    NotFound {
        /// What was looked for.
        id: FunctionId,
    },
    /// The instance is executing, so its data cannot be edited and it cannot be begun again.
    #[error("`{id}` is executing; wait for it, or postpone or fail it first")]
    Executing {
        /// The instance.
        id: FunctionId,
    },
    /// A person is to resolve the outcome of a call, and it is not unknown.
    #[error("there is nothing to resolve in {guarded} of `{id}`: {found}")]
    NothingToResolve {
        /// The instance.
        id: FunctionId,
        /// Which call it is.
        guarded: Guarded,
        /// What is known of it.
        found: &'static str,
    },
    /// A message is to be edited, and is not there.
    #[error("`{id}` has no message at position {position}; it has {count}, counted from 1")]
    NoMessage {
        /// The instance.
        id: FunctionId,
        /// The position.
        position: i64,
        /// How many messages it has.
        count: usize,
    },
    /// A message is to be added, and another one has its key.
    #[error("the message at position {position} of `{id}` has the key `{key}` already; give another one")]
    KeyTaken {
        /// The instance.
        id: FunctionId,
        /// The key.
        key: String,
        /// The position of the other message.
        position: i64,
    },
    /// Somebody else changed the instance since it was read, or it has got a message while its messages were edited.
    #[error("`{id}` has changed since it was read; reload it and decide again")]
    Changed {
        /// The instance.
        id: FunctionId,
    },
    /// The instance has succeeded, so it reads no more messages.
    #[error("`{id}` has succeeded and reads no more messages")]
    Completed {
        /// The instance.
        id: FunctionId,
    },
    /// The instance has ended already, and not because it was cancelled.
    #[error("`{id}` has {status} already, so there is nothing to cancel")]
    Ended {
        /// The instance.
        id: FunctionId,
        /// How it has ended: it has succeeded or failed.
        status: Status,
    },
    /// The id, or the name or the key of a message, cannot be stored.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The time cannot be stored.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The value cannot be stored.
    #[error("the {field} cannot be stored")]
    Encode {
        /// `parameter`, `scrapbook`, `result`, `result of the call`, `message` or `journal`.
        field: &'static str,
        /// What is wrong with it.
        source: EncodeError,
    },
    /// The text is not JSON.
    #[error("the {field} is not JSON: {problem}")]
    NotJson {
        /// `parameter`, `scrapbook`, `result`, `result of the call`, `message` or `journal`.
        field: &'static str,
        /// What the reader says, with the place in the text.
        problem: String,
    },
    /// The value is too large to be stored.
    #[error("the {field} has {bytes} bytes; at most {limit} are kept, see `Settings::max_payload`")]
    TooLarge {
        /// `parameter`, `scrapbook`, `result`, `result of the call`, `message` or `journal`.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The codec does not take the value.
    #[error("the {field} cannot be stored, for codec `{codec}` refuses it: {problem}")]
    Codec {
        /// `parameter`, `scrapbook`, `result`, `message` or `journal`.
        field: &'static str,
        /// The name of the codec.
        codec: String,
        /// What it says.
        problem: String,
    },
    /// The stored value cannot be read by this code.
    #[error("the stored {field} cannot be read")]
    Decode {
        /// `parameter`, `scrapbook`, `result`, `result of the call`, `message` or `journal`.
        field: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// What was given as a transaction is none in which the store can write, or the database has ended it; nothing was
    /// written.
    #[error("the store cannot write in a `{given}`: {problem}")]
    UnfitTransaction {
        /// The type that was given.
        given: &'static str,
        /// What the store takes, or what to do.
        problem: String,
    },
    /// The store is away or broken; whether something was stored is unknown, and asking again is safe.
    #[error("the store is away or broken")]
    Store(#[from] StoreError),
    /// This runtime is shutting down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

/// How long a body is put off that leaves with the answer of an instance that waits: nobody tells it of the end.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl InvokeError {
    pub(crate) fn postponed(until: SystemTime) -> Self {
        Self::Postponed { until, again: Postpone::until(until) }
    }

    pub(crate) fn suspended() -> Self {
        Self::Suspended { again: Postpone::for_(LOOK_AGAIN) }
    }
}

fn shown(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX).to_string()
}
