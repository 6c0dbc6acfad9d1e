//! What is stored of an error.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cancelled, Postpone, RawOutcome, Suspend};
use crate::error::{BoxError, MESSAGE, Named};
use crate::guard::UnknownOutcome;
use crate::scrapbook::GuardError;

/// The most bytes kept of one text of a [`Failure`]; longer ones end with `…`.
pub const MAX_FAILURE_TEXT: usize = 16 * 1024;

/// How far the sources of an error are followed, for errors that name themselves as their source.
const MAX_SOURCES: usize = 32;

/// The stored form of an error: its type, its text, and the texts of what caused it.
///
/// It is for people. The Rust error itself is not stored, and a program should not match on `type_name`: another
/// compiler may write it in another way. Only the names that this crate gives are fixed: `panic`,
/// [`UnknownOutcome::FAILURE`], [`GuardError::GIVEN_UP`] and [`Cancelled::FAILURE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the error's type; `panic` for a panic.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What the error says.
    pub message: String,
    /// What its causes say, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

impl Failure {
    /// A failure without causes.
    pub fn new(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { type_name: stored(type_name.into()), message: stored(message.into()), sources: Vec::new() }
    }

    /// The failure that an error and its causes are.
    pub fn of(type_name: impl Into<String>, error: &(dyn StdError + 'static)) -> Self {
        let mut failure = Self::new(type_name, error.to_string());
        failure.sources = chain(error).skip(1).map(|cause| stored(cause.to_string())).collect();
        failure
    }

    /// The failure that a caught panic is.
    pub fn panic(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(other) => match other.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "the panic has no text".to_owned(),
            },
        };
        Self::new("panic", message)
    }

    /// Whether it is that of an instance that has ended because somebody [asked](crate::Runtime::cancel) for it.
    pub fn is_cancelled(&self) -> bool {
        self.type_name == Cancelled::FAILURE
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is a text and nothing else has no type worth telling.
        if self.type_name != MESSAGE {
            write!(f, "{}: ", self.type_name)?;
        }
        f.write_str(&self.message)?;
        self.sources.iter().try_for_each(|source| write!(f, ": {source}"))
    }
}

fn stored(text: String) -> String {
    storable(text, MAX_FAILURE_TEXT)
}

/// A text as every store can keep it: not too long, and without NUL.
pub(crate) fn storable(text: String, most: usize) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() > most {
        let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The error, its source, the source of that, and so on.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let source = |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    };
    std::iter::successors(Some(error), source).take(MAX_SOURCES)
}

/// What can stand in the `Err` of a resilient function: every `std::error::Error`, `resilient::Error`,
/// `anyhow::Error`, `Box<dyn Error + Send + Sync>`, `String` and `&str`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a resilient function",
    label = "not convertible into a stored failure",
    note = "implement `std::error::Error` for `{Self}`, for example with thiserror, or return `resilient::Result<T>`; a box must be `Box<dyn Error + Send + Sync>`"
)]
pub trait IntoFailure: Send + 'static {
    /// The outcome this error means: a [`Postpone`] or a [`Suspend`] among its causes is one, all else is a failure.
    ///
    /// With an [`UnknownOutcome`] among its causes the type of the failure is [`UnknownOutcome::FAILURE`], with a call that
    /// a person has given up [`GuardError::GIVEN_UP`], and with a [`Cancelled`] and none of these [`Cancelled::FAILURE`].
    fn into_outcome(self) -> RawOutcome;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError> + Send + 'static> IntoFailure for E {
    fn into_outcome(self) -> RawOutcome {
        let (name, error) = Named::open(self.into());
        if let Some(outcome) = meant(chain(&*error)) {
            return outcome;
        }
        RawOutcome::Failed(Failure::of(name.unwrap_or(std::any::type_name::<E>()), &*error))
    }
}

/// The outcome that a chain of causes has a word for: to wait counts before a call in doubt, which needs a person and so
/// counts before a cancellation; then the outermost.
pub(super) fn meant<'a>(chain: impl Iterator<Item = &'a (dyn StdError + 'static)>) -> Option<RawOutcome> {
    let chain: Vec<&'a (dyn StdError + 'static)> = chain.collect();
    if let Some(waits) = chain.iter().find_map(|&error| waiting(error)) {
        return Some(waits);
    }
    let failure = chain.iter().find_map(|&error| guarded(error, &chain));
    let cancelled = || {
        let cancelled = chain.iter().find_map(|error| error.downcast_ref::<Cancelled>());
        cancelled.map(|cancelled| named(Cancelled::FAILURE, cancelled, &chain))
    };
    failure.or_else(cancelled).map(RawOutcome::Failed)
}

/// The unknown outcome that this very error is.
fn unknown<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a UnknownOutcome> {
    let guard = || error.downcast_ref::<GuardError>().and_then(GuardError::unknown_outcome);
    error.downcast_ref().or_else(guard)
}

/// The failure when this very error says that a call is in doubt, or was given up.
fn guarded(error: &(dyn StdError + 'static), chain: &[&(dyn StdError + 'static)]) -> Option<Failure> {
    if let Some(unknown) = unknown(error) {
        return Some(named(UnknownOutcome::FAILURE, unknown, chain));
    }
    let given_up = matches!(error.downcast_ref(), Some(GuardError::GivenUp { .. }));
    given_up.then(|| named(GuardError::GIVEN_UP, error, chain))
}

/// The failure that says what counts, wherever in the chain that stands; all else that the chain says comes after it.
fn named(type_name: &str, error: &dyn fmt::Display, chain: &[&(dyn StdError + 'static)]) -> Failure {
    let mut failure = Failure::new(type_name, error.to_string());
    let others = chain.iter().map(|cause| stored(cause.to_string()));
    failure.sources = others.filter(|text| *text != failure.message).collect();
    failure
}

/// The outcome when this very error is one that asks to be run again.
fn waiting(error: &(dyn StdError + 'static)) -> Option<RawOutcome> {
    if let Some(postpone) = error.downcast_ref::<Postpone>() {
        return Some(postpone.clone().into());
    }
    error.is::<Suspend>().then_some(RawOutcome::Suspend)
}
