//! Functions that recur: their schedules, and the times at which they are due.
//!
//! It knows neither a store nor a clock: a time goes in, and the tick after it comes out, the same on every replica.

#[cfg(feature = "cron")]
mod cron;
mod tick;
mod timetable;

use std::fmt;
use std::time::Duration;

pub use self::tick::{Tick, TickError};
pub(crate) use self::timetable::Timetable;
use crate::codec::EncodeError;
use crate::payload::Payload;

/// How a function recurs, as its attribute says.
#[derive(Clone, Copy)]
pub struct Recurring {
    /// When it is due.
    pub schedule: Schedule,
    /// What becomes of ticks at which no replica was there.
    pub missed: Missed,
    /// The parameter of a firing, in its stored form.
    #[doc(hidden)]
    pub param: fn(Tick) -> Result<Payload, EncodeError>,
}

impl fmt::Debug for Recurring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, missed, .. } = self;
        f.debug_struct("Recurring")
            .field("schedule", schedule)
            .field("missed", missed)
            .finish_non_exhaustive()
    }
}

/// When a recurring function is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// At the multiples of this interval since 1970, in whole seconds.
    Every(Duration),
    /// At the times of this expression, in this time zone.
    #[cfg(feature = "cron")]
    Cron {
        /// Minute, hour, day of the month, month, day of the week.
        expression: &'static str,
        /// A name of the IANA database.
        timezone: &'static str,
    },
}

impl fmt::Display for Schedule {
    /// As it stands in the attribute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every = \"{}s\"", interval.as_secs()),
            #[cfg(feature = "cron")]
            Self::Cron { expression, timezone } => {
                write!(f, "cron = {expression:?}, timezone = {timezone:?}")
            }
        }
    }
}

/// What becomes of ticks at which no replica was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missed {
    /// The first of them is made up for, late; the others are left out.
    #[default]
    Once,
    /// Each of them is made up for, in their order.
    Every,
}

/// What a recurring function is given: made of the tick, so that it can be invoked with nobody there.
#[diagnostic::on_unimplemented(
    message = "a recurring function cannot be given `{Self}`",
    label = "not made of a tick",
    note = "nobody is there to hand over a parameter: write `_: ()`, or `tick: Tick` to know when the firing was due",
    note = "a type of your own implements `From<resilient::Tick>`"
)]
pub trait FromTick: From<Tick> {}

#[diagnostic::do_not_recommend]
impl<P: From<Tick>> FromTick for P {}
