//! Async functions that run to their end, whatever crashes, with nothing but your own database.

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod id;
mod payload;
mod record;
mod status;
pub mod store;

pub use self::clock::{Clock, Due, SystemClock, TimeError, Timestamp, TokioClock};
pub use self::id::{Epoch, FunctionId, IdError, InstanceId, MAX_ID_BYTES, ReplicaId, TypeId};
pub use self::payload::Payload;
pub use self::record::{LiveReplica, Replica, ReplicaType, StoredFunction};
pub use self::status::Status;
pub use self::store::{Filter, InMemoryStore, Store, StoreError};
