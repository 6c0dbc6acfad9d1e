//! One resilient function: its types, and the entry it submits to the registry.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::arg::Env;
use super::requirements::Requirements;
use crate::codec::EncodeError;
use crate::middleware::Retry;
use crate::outcome::{Failure, IntoFailure, RawOutcome, Returned};
use crate::payload::Payload;
use crate::record::Reads;
use crate::recurring::Recurring;
use crate::version::{DecodeError, ScrapbookState, VersionRange};

/// Implemented by the type that `#[resilient_fn]` adds beside the function, under the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resilient function",
    label = "has no handles",
    note = "annotate the function with `#[resilient_fn(type_id = \"…\")]`"
)]
pub trait ResilientFn: Send + Sync + 'static {
    /// The name under which instances are stored.
    const TYPE_ID: &'static str;
    /// The version of the function; two versions can live side by side.
    const VERSION: u32;
    /// What it is invoked with.
    type Param: Send + Sync + 'static;
    /// The state of its scrapbook; [`NoScrapbook`](crate::NoScrapbook) when it takes none.
    type Scrapbook: ScrapbookState;
    /// What it succeeds with.
    type Output: Send + Sync + 'static;

    /// Writes the stored form of a parameter.
    ///
    /// # Errors
    ///
    /// It could not be read back.
    #[doc(hidden)]
    fn encode_param(param: &Self::Param) -> Result<Payload, EncodeError>;

    /// Reads the stored form of a parameter.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    #[doc(hidden)]
    fn decode_param(payload: &Payload) -> Result<Self::Param, DecodeError>;

    /// Writes the stored form of a result.
    ///
    /// # Errors
    ///
    /// It could not be read back.
    #[doc(hidden)]
    fn encode_output(output: &Self::Output) -> Result<Payload, EncodeError>;

    /// Reads the stored form of a result.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    #[doc(hidden)]
    fn decode_output(payload: &Payload) -> Result<Self::Output, DecodeError>;

    /// The entry in the registry.
    #[doc(hidden)]
    fn registration() -> Registration;
}

/// One run.
#[doc(hidden)]
pub type RunFuture = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// What a run leaves.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub outcome: RawOutcome,
    /// The scrapbook to be stored with the outcome; `None` leaves the stored one as it is.
    pub scrapbook: Option<Payload>,
}

impl Finished {
    /// The body was not run.
    pub fn before(failure: Failure) -> Self {
        Self { outcome: RawOutcome::Failed(failure), scrapbook: None }
    }

    /// The body was not run, because the stored parameter cannot be read.
    pub fn unreadable(error: &DecodeError) -> Self {
        Self::before(Failure::of("resilient::DecodeError", error))
    }

    /// The body returned.
    pub fn returned<F: ResilientFn, U: IntoFailure>(returned: Returned<F::Output, U>) -> Self {
        let outcome = match returned {
            Returned::Value(value) => match F::encode_output(&value) {
                Ok(payload) => RawOutcome::Success(payload),
                Err(error) => unstorable(&error),
            },
            Returned::Undone(undone) => undone.into_outcome(),
        };
        Self { outcome, scrapbook: None }
    }

    /// Takes an argument back. A scrapbook that cannot be stored fails the run: a later one would not know how far
    /// this one came.
    pub fn settle(&mut self, settled: Result<Option<Payload>, EncodeError>) {
        match settled {
            Ok(Some(scrapbook)) => self.scrapbook = Some(scrapbook),
            Ok(None) => {}
            Err(error) => self.add(&error),
        }
    }

    /// The scrapbook cannot be stored: that fails a run that went well, and is told beside a failure that there is.
    fn add(&mut self, error: &EncodeError) {
        match &mut self.outcome {
            // A save said it before, and the body left with it.
            RawOutcome::Failed(failure) if failure.message == error.to_string() => {}
            RawOutcome::Failed(failure) => {
                failure.sources.push(format!("besides, the scrapbook cannot be stored: {error}"));
            }
            _ => self.outcome = unstorable(error),
        }
    }
}

fn unstorable(error: &EncodeError) -> RawOutcome {
    RawOutcome::Failed(Failure::of("resilient::EncodeError", error))
}

/// What `#[resilient_fn]` submits: how to find, check and run one function.
#[derive(Clone, Copy)]
pub struct Registration {
    /// The name under which instances are stored.
    pub type_id: &'static str,
    /// The version of the function.
    pub version: u32,
    /// Its path in the program.
    pub fn_path: &'static str,
    /// The file it stands in.
    pub file: &'static str,
    /// The line of its attribute.
    pub line: u32,
    /// The versions of the parameter it can read.
    pub param: VersionRange,
    /// The versions of the scrapbook it can read, when it takes one.
    pub scrapbook: Option<VersionRange>,
    /// The newest version of a scrapbook that it took once and does without now; 0 when it never took one.
    pub dropped_scrapbook: u32,
    /// When its failed runs are tried again.
    pub retry: Option<Retry>,
    /// When it is due by itself, when it recurs.
    pub recurring: Option<Recurring>,
    /// Names its dependencies.
    #[doc(hidden)]
    pub requires: fn(&mut Requirements),
    /// Runs it.
    #[doc(hidden)]
    pub run: fn(Env) -> RunFuture,
}

impl Registration {
    /// The newest version of a stored scrapbook that it can run with.
    pub(crate) fn newest_scrapbook(&self) -> u32 {
        self.scrapbook.map_or(self.dropped_scrapbook, |range| range.newest)
    }

    /// The newest versions of stored data that it reads.
    pub(crate) fn reads(&self) -> Reads {
        Reads { param: self.param.newest, scrapbook: self.newest_scrapbook() }
    }

    /// Whether both stand for the same function: it may be registered by name and found again by discovery.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        (self.fn_path, self.file, self.line) == (other.fn_path, other.file, other.line)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}: {} ({}:{})", self.type_id, self.version, self.fn_path, self.file, self.line)
    }
}
