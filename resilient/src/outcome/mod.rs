//! How a run ends.
//!
//! Postponing and suspending are error values, so that `?` carries them out of any helper, through the user's own
//! error types, `resilient::Result`, boxes and `anyhow`. [`IntoFailure`] finds them again among the sources.

mod failure;
mod returns;

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::{Due, TimeError, Timestamp};
use crate::error::Error;
use crate::payload::Payload;

pub(crate) use self::failure::storable;
pub use self::failure::{Failure, IntoFailure, MAX_FAILURE_TEXT};
pub(crate) use self::returns::Returned;
pub use self::returns::{ErrorProbe, PlainError, ReturnProbe, Returns, ReturnsFallback};

/// "Run me again later."
///
/// The scrapbook is stored with it, the run ends, and any replica begins the next one when the time has come.
///
/// ```
/// use resilient::Postpone;
/// use std::time::Duration;
///
/// async fn pay(open: bool) -> resilient::Result<()> {
///     if !open {
///         Err(Postpone::for_(Duration::from_secs(3600)))?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postpone(Result<Due, TimeError>);

impl Postpone {
    /// For this long, counted from the moment it is stored.
    ///
    /// More than 1,000 years fails the run with a text that says so.
    pub fn for_(duration: Duration) -> Self {
        Self::checked(Due::After(duration))
    }

    /// Until this time; one in the past means at once.
    ///
    /// A time after the year 9999 fails the run with a text that says so.
    pub fn until(time: SystemTime) -> Self {
        match Timestamp::try_from(time) {
            Ok(time) => Self::checked(Due::At(time)),
            Err(error) => Self(Err(error)),
        }
    }

    fn checked(due: Due) -> Self {
        Self(due.check().map(|()| due))
    }

    /// Leaves the function: `return Postpone::for_(delay).into_err();`
    ///
    /// # Errors
    ///
    /// Always: that is its purpose.
    pub fn into_err<T, E: From<Self>>(self) -> Result<T, E> {
        Err(E::from(self))
    }

    /// When the work becomes due, unless the time is out of range.
    ///
    /// # Errors
    ///
    /// [`TimeError`] names the limit.
    pub fn due(&self) -> Result<Due, TimeError> {
        self.0.clone()
    }
}

impl fmt::Display for Postpone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(Due::Now) => f.write_str("postponed, due now"),
            Ok(Due::After(duration)) => write!(f, "postponed for {duration:?}"),
            Ok(Due::At(time)) => write!(f, "postponed until {} µs after 1970", time.as_micros()),
            Err(error) => write!(f, "cannot be postponed: {error}"),
        }
    }
}

impl std::error::Error for Postpone {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().err().map(|error| error as _)
    }
}

/// "Run me again when something arrives for me."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspend;

impl Suspend {
    /// Runs again when a message arrives that this run has not seen.
    ///
    /// For functional code: [`Inbox::next`](crate::Inbox::next) suspends the run by itself.
    ///
    /// ```
    /// use resilient::{Outcome, Suspend};
    ///
    /// async fn count(votes: u32) -> Outcome<u32> {
    ///     match votes {
    ///         0 => Outcome::Suspend(Suspend::until_message()),
    ///         votes => Outcome::Success(votes),
    ///     }
    /// }
    /// ```
    pub fn until_message() -> Self {
        Self
    }
}

impl fmt::Display for Suspend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("suspended until a message arrives")
    }
}

impl std::error::Error for Suspend {}

/// "My end was asked for."
///
/// What a wait ends with when the instance is to be [cancelled](crate::Runtime::cancel). A function may also end with it by
/// itself: `Err(Cancelled)?`. Anywhere among the causes of a function's error it makes the type of the stored
/// [`Failure`] [`Cancelled::FAILURE`], and no retry policy tries such a failure again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl Cancelled {
    /// The type of the stored failure.
    pub const FAILURE: &'static str = "cancelled";

    /// The failure of what neither succeeds nor fails of its own.
    pub(crate) fn failure(self) -> Failure {
        Failure::new(Self::FAILURE, self.to_string())
    }

    /// The failure of what waits when its end is asked for.
    pub(crate) fn failure_of_what_waits(self) -> Failure {
        Failure::new(Self::FAILURE, format!("{self} while it waited"))
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled on request")
    }
}

impl std::error::Error for Cancelled {}

/// The outcome as a value, for functions that do without `?`.
///
/// ```
/// use resilient::Outcome;
/// use std::time::Duration;
///
/// async fn count(n: u32) -> Outcome<u32> {
///     match n {
///         0 => Outcome::postpone_for(Duration::from_secs(60)),
///         n => Outcome::Success(n),
///     }
/// }
/// ```
#[derive(Debug)]
pub enum Outcome<T> {
    /// The work is done.
    Success(T),
    /// Run again later.
    Postpone(Postpone),
    /// Run again when something arrives.
    Suspend(Suspend),
    /// A person has to look.
    Fail(Error),
}

impl<T> Outcome<T> {
    /// Runs again after this long.
    pub fn postpone_for(duration: Duration) -> Self {
        Self::Postpone(Postpone::for_(duration))
    }

    /// Runs again at this time.
    pub fn postpone_until(time: SystemTime) -> Self {
        Self::Postpone(Postpone::until(time))
    }

    /// Fails with any error.
    pub fn fail(error: impl Into<Error>) -> Self {
        Self::Fail(error.into())
    }
}

impl<T, E: Into<Error>> From<Result<T, E>> for Outcome<T> {
    /// A [`Postpone`] or [`Suspend`] inside the error is found when the run ends.
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Success(value),
            Err(error) => Self::Fail(error.into()),
        }
    }
}

/// The outcome as the runtime and the stores see it, without the user's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawOutcome {
    /// Done, with the stored form of the result.
    Success(Payload),
    /// To be run again.
    Postpone(Due),
    /// To be run again when something arrives.
    Suspend,
    /// To be looked at by a person.
    Failed(Failure),
}

impl RawOutcome {
    /// One word for it, as events and metrics name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::Postpone(_) => "postpone",
            Self::Suspend => "suspend",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<Postpone> for RawOutcome {
    fn from(postpone: Postpone) -> Self {
        match postpone.0 {
            Ok(due) => Self::Postpone(due),
            Err(error) => Self::Failed(Failure::of("resilient::Postpone", &error)),
        }
    }
}

#[cfg(test)]
mod tests;
