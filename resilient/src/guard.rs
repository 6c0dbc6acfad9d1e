//! Guards around calls that talk to the outside: what is known of a call when a run begins again.

use serde::{Deserialize, Serialize};

/// A call that must not happen twice, as a field of a scrapbook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtMostOnce<T> {
    /// The call was not begun.
    #[default]
    NotStarted,
    /// The call was begun, and its end was not noted: whether it happened is unknown.
    Started,
    /// The call has happened.
    Done(T),
    /// A person decided that it is not to be waited for.
    GivenUp,
}

/// A call that has to happen, and may happen twice, as a field of a scrapbook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLeastOnce<T> {
    /// The call is not known to have happened.
    #[default]
    NotDone,
    /// The call has happened.
    Done(T),
}
