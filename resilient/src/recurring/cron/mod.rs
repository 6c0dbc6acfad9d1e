//! Cron expressions, in time zones.
//!
//! `croner` does with daylight saving what cron has done since Vixie's: it tells jobs at a fixed time of the day, which
//! run once a day, from those that recur during the day, which follow the clock on the wall. What it does is in the docs of
//! the attribute, and in the tests here: another version of it must not do otherwise.

use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;

use super::Tick;

/// An expression that can be read, in a time zone that is known.
#[derive(Debug, Clone)]
pub(super) struct Cron {
    expression: croner::Cron,
    timezone: TimeZone,
}

impl Cron {
    pub(super) fn new(expression: &str, timezone: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let expression = parser
            .parse(expression)
            .map_err(|error| format!("is no cron expression: {}", without_period(&error.to_string())))?;
        let timezone = TimeZone::get(timezone).map_err(|_| {
            "has an unknown time zone; expected a name of the IANA database, like `\"Europe/Copenhagen\"`"
        })?;
        Ok(Self { expression, timezone })
    }

    /// The first tick after this second.
    pub(super) fn next(&self, second: Tick) -> Option<Tick> {
        let second = jiff::Timestamp::from_second(i64::try_from(second.seconds()).ok()?).ok()?;
        let zoned = second.to_zoned(self.timezone.clone());
        let next = self.expression.find_next_occurrence(&zoned, false).ok()?;
        u64::try_from(next.timestamp().as_second()).ok().map(Tick::of_seconds)
    }
}

fn without_period(text: &str) -> &str {
    text.trim_end_matches('.')
}

#[cfg(test)]
mod tests;
