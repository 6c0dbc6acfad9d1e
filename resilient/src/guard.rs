//! Guards around calls that talk to the outside: what is known of a call when a run begins again.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A call that must not happen twice, as a field of a scrapbook.
///
/// It is used with [`Scrapbook::at_most_once`](crate::Scrapbook::at_most_once), which shows an example.
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
///
/// It is used with [`Scrapbook::at_least_once`](crate::Scrapbook::at_least_once).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLeastOnce<T> {
    /// The call is not known to have happened.
    #[default]
    NotDone,
    /// The call has happened.
    Done(T),
}

/// What a guarded call is called, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guarded {
    /// By the field of the scrapbook that guards it.
    Field(&'static str),
    /// By the type of the scrapbook, when the field is not known: the guard is in a list or a map.
    FieldOf(&'static str),
    /// By the name that it was given.
    Call(String),
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "`{name}`"),
            Self::FieldOf(type_name) => write!(f, "a guard of `{type_name}`"),
            Self::Call(name) => write!(f, "`{name}`"),
        }
    }
}

/// Whether a call has happened cannot be known by code: a person has to find out.
///
/// Anywhere among the causes of a function's error it makes the type of the stored [`Failure`](crate::Failure)
/// `unknown outcome`, and no retry policy tries such a failure again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the outcome of {guarded} is unknown: its call was begun, and its end was not noted; \
     find out what happened, and resolve it through a control panel"
)]
pub struct UnknownOutcome {
    /// Which call it is.
    pub guarded: Guarded,
}

/// The type of the stored failure of a function that ends with a call that a person has given up.
pub(crate) const GIVEN_UP: &str = "given up";

impl UnknownOutcome {
    /// The type of the stored failure.
    pub const FAILURE: &'static str = "unknown outcome";
}
