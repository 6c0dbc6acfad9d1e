//! Async functions that run to their end, whatever crashes, with nothing but your own database.

// Generated code names the crate from outside, also in this crate's own tests.
#[allow(unused_extern_crates, reason = "the macros need it")]
extern crate self as resilient;

mod clock;
mod id;
mod payload;
mod record;
mod status;
pub mod store;

mod standin;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod codec;
mod context;
mod error;
mod outcome;
pub mod registry;
mod scrapbook;
mod version;

pub use self::clock::{Clock, Due, SystemClock, TimeError, Timestamp, TokioClock};
pub use self::id::{Epoch, FunctionId, IdError, InstanceId, MAX_ID_BYTES, ReplicaId, TypeId};
pub use self::payload::Payload;
pub use self::record::{LiveReplica, Replica, ReplicaType, StoredFunction};
pub use self::status::Status;
pub use self::store::{Filter, InMemoryStore, Store, StoreError};

pub use self::standin::{ControlPanel, InvokeError, Runtime};

pub use self::codec::EncodeError;
pub use self::context::{Context, Mode};
pub use self::error::{BoxError, Error, Result};
pub use self::outcome::{Failure, IntoFailure, MAX_FAILURE_TEXT, Outcome, Postpone, RawOutcome, Suspend};
pub use self::registry::{Dep, Registration, ResilientFn};
pub use self::scrapbook::{SaveError, Scrapbook};
pub use self::version::{
    DecodeError, NoScrapbook, Output, Param, ScrapbookState, UpgradeFrom, VersionRange, Versioned,
};
pub use resilient_macros::{Scrapbook, Versioned, resilient_fn};

/// What user code imports.
pub mod prelude {
    pub use crate::{
        Context, Dep, Outcome, Postpone, ResilientFn, Runtime, Scrapbook, Versioned, resilient_fn,
    };
}
