//! When a firing is due.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::Timestamp;
use crate::id::InstanceId;

/// The time at which a recurring function is due, to the second: the id of the firing, and its parameter.
///
/// It is written, stored and read as people write a time in UTC, so that ids sort as times do.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use resilient::Tick;
///
/// # fn main() -> Result<(), resilient::TickError> {
/// let tick: Tick = "2026-11-22T00:00:00Z".parse()?;
/// assert_eq!(tick, Tick::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)));
/// assert_eq!(tick.to_string(), "2026-11-22T00:00:00Z");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tick(u64);

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

impl Tick {
    /// The tick of this time, for a unit test; parts of a second are left out. It is never before 1970 nor after 9999.
    pub fn at(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::of_seconds(since.as_secs())
    }

    /// When the firing is due, whenever it runs.
    pub fn due(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0)
    }

    /// The tick of the second in which this time lies.
    pub(crate) fn within(time: Timestamp) -> Self {
        Self::of_seconds(u64::try_from(time.as_micros() / 1_000_000).unwrap_or(0))
    }

    /// So many seconds after 1970.
    pub(super) fn of_seconds(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    pub(super) fn seconds(self) -> u64 {
        self.0
    }

    pub(crate) fn time(self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add(Duration::from_secs(self.0))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.due()).fmt(f)
    }
}

impl FromStr for Tick {
    type Err = TickError;

    fn from_str(text: &str) -> Result<Self, TickError> {
        let tick = humantime::parse_rfc3339(text).ok().map(Self::at);
        // One spelling only: two ids would be two firings.
        tick.filter(|tick| tick.to_string() == text).ok_or_else(|| TickError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Tick {
    type Error = TickError;

    fn try_from(text: String) -> Result<Self, TickError> {
        text.parse()
    }
}

impl From<Tick> for String {
    fn from(tick: Tick) -> Self {
        tick.to_string()
    }
}

/// A firing is found by its tick.
impl From<Tick> for InstanceId {
    fn from(tick: Tick) -> Self {
        Self::from(tick.to_string())
    }
}

/// A recurring function that does not ask when it was due.
impl From<Tick> for () {
    fn from(_: Tick) {}
}

/// A text that is no [`Tick`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no tick; expected a time to the second in UTC, like `2026-11-22T00:00:00Z`")]
pub struct TickError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_has_one_spelling() {
        for text in ["1970-01-01T00:00:00Z", "2026-11-22T00:00:00Z", "9999-12-31T23:59:59Z"] {
            let tick: Tick = text.parse().unwrap();
            assert_eq!(tick.to_string(), text);
            assert_eq!(serde_json::to_string(&tick).unwrap(), format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Tick>(&format!("{text:?}")).unwrap(), tick);
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22 00:00:00Z",
            "2026-11-22T00:00:00.000Z",
            "2026-02-30T00:00:00Z",
            "4711",
        ] {
            assert!(text.parse::<Tick>().is_err(), "{text:?}");
        }
        let error = serde_json::from_str::<Tick>("\"soon\"").unwrap_err();
        assert!(error.to_string().starts_with("`soon` is no tick; expected a time"), "{error}");
    }

    #[test]
    fn times_out_of_range_never_wrap() {
        assert_eq!(
            Tick::at(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).to_string(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(Tick::of_seconds(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Tick::within(Timestamp::from_micros(i64::MIN)).seconds(), 0);
        assert_eq!(Tick::within(Timestamp::from_micros(1_999_999)).time(), Timestamp::from_micros(1_000_000));
    }
}
