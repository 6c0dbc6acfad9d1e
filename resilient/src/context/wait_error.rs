//! Why a wait has not brought what it waits for.

use thiserror::Error;

use crate::clock::TimeError;
use crate::id::IdError;
use crate::outcome::{Cancelled, Suspend};
use crate::scrapbook::SaveError;
use crate::store::StoreError;

/// Why a wait has not brought what it waits for.
///
/// Leave the function with `?`, through whatever error type: a suspension and a cancellation are found among the sources.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// It is not there yet: the run ends, and another one begins when it is.
    #[error("what is waited for is not there yet; leave the function with `?`")]
    Suspended(#[from] Suspend),
    /// The instance is to be [cancelled](crate::Runtime::cancel): every wait of the run ends with this from then on, also one
    /// that has just begun. What does not wait goes on as before.
    #[error("the wait has ended, because the instance is to be cancelled")]
    Cancelled(#[from] Cancelled),
    /// Two waits of one run have the same name, so the second would end with the first.
    #[error("the timer `{name}` was used in this run already; give each one a name of its own")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The name cannot be stored.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The time cannot be stored.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The timer could not be stored.
    #[error("the timer could not be stored")]
    Save(#[from] SaveError),
    /// The store is broken; while it is only away, a wait goes on.
    #[error("the messages or the time could not be read")]
    Store(#[from] StoreError),
}
