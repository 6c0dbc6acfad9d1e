//! Points in time, and where they come from.
//!
//! PostgreSQL and MySQL stores use the clock of the database, so that replicas with wrong clocks agree. Stores
//! inside the process take time from a [`Clock`], so that tests can run in virtual time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A point in time: whole microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999999Z, the latest time that every store can keep and show.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This time and a duration later, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros)).min(Self::MAX)
    }

    /// This time and a duration earlier, at least 1970.
    #[must_use]
    pub(crate) fn saturating_sub(self, duration: Duration) -> Self {
        Self::UNIX_EPOCH.saturating_add(self.saturating_since(Self::UNIX_EPOCH).saturating_sub(duration))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = TimeError;

    /// A time before 1970 counts as 1970: for work that is due, both are long ago.
    fn try_from(time: SystemTime) -> Result<Self, TimeError> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).map_err(|_| TimeError::TooLate)?;
        if micros > Self::MAX.0 { Err(TimeError::TooLate) } else { Ok(Self(micros)) }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(time.0).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Self(self.0.clamp(0, Self::MAX.0));
        write!(f, "{}", humantime::format_rfc3339_micros(shown.into()))
    }
}

/// When waiting work becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// After this long, counted on the store's clock from the moment it is written.
    After(Duration),
    /// At this time of the store's clock; a time in the past means at once.
    At(Timestamp),
}

impl Due {
    /// The longest time that something can be put off by at once: 1,000 years.
    pub const MAX_AFTER: Duration = Duration::from_hours(24 * 365_250);

    /// Whether every store can keep it.
    ///
    /// # Errors
    ///
    /// [`TimeError`] when it is later than the year 9999 or further away than [`Due::MAX_AFTER`].
    pub fn check(self) -> Result<(), TimeError> {
        match self {
            Self::After(duration) if duration > Self::MAX_AFTER => Err(TimeError::TooLong { duration }),
            Self::At(time) if time > Timestamp::MAX => Err(TimeError::TooLate),
            _ => Ok(()),
        }
    }

    /// The point in time this means when it is written at `now`.
    pub fn from_now(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::After(duration) => now.saturating_add(duration),
            Self::At(time) => time,
        }
    }
}

/// Why a time cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeError {
    /// It is after [`Timestamp::MAX`].
    #[error("the time is after the year 9999; give an earlier one")]
    TooLate,
    /// It is longer than [`Due::MAX_AFTER`].
    #[error("the duration of {} seconds is longer than 1,000 years; give a shorter one", duration.as_secs())]
    TooLong {
        /// What was asked for.
        duration: Duration,
    },
}

/// Where a store inside the process takes the time from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX)
    }
}

/// The clock of tokio's timers: real time, or virtual time under `tokio::time::pause()`.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    origin: Timestamp,
    started: tokio::time::Instant,
}

impl Default for TokioClock {
    fn default() -> Self {
        Self { origin: SystemClock.now(), started: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.origin.saturating_add(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_survives_the_way_to_system_time_and_back() {
        let time = Timestamp::from_micros(1_795_305_600_123_456);
        assert_eq!(Timestamp::try_from(SystemTime::from(time)), Ok(time));
    }

    #[test]
    fn a_timestamp_is_shown_as_people_write_it() {
        assert_eq!(Timestamp::from_micros(1_000_001).to_string(), "1970-01-01T00:00:01.000001Z");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn times_out_of_range_are_refused_and_never_wrap() {
        let year_10000 = UNIX_EPOCH + Duration::from_hours(70_389_528);
        assert_eq!(Timestamp::try_from(year_10000), Err(TimeError::TooLate));
        assert!(matches!(Due::After(Duration::MAX).check(), Err(TimeError::TooLong { .. })));
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::try_from(UNIX_EPOCH - Duration::from_secs(1)), Ok(Timestamp::UNIX_EPOCH));
    }

    #[tokio::test(start_paused = true)]
    async fn the_tokio_clock_follows_virtual_time() {
        let clock = TokioClock::default();
        let before = clock.now();
        tokio::time::advance(Duration::from_hours(72)).await;
        assert_eq!(clock.now().saturating_since(before), Duration::from_hours(72));
    }
}
