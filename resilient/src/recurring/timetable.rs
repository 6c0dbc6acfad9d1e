//! Which tick comes after a time.

use super::{Schedule, Tick};
use crate::clock::Timestamp;

/// A schedule that was found to be good.
#[derive(Debug, Clone)]
pub(crate) struct Timetable(Plan);

#[derive(Debug, Clone)]
enum Plan {
    /// In seconds, at least 1.
    Every(u64),
    #[cfg(feature = "cron")]
    Cron(Box<super::cron::Cron>),
}

impl Timetable {
    /// Reads a schedule.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn new(schedule: &Schedule) -> Result<Self, String> {
        let plan = match schedule {
            Schedule::Every(interval) if interval.as_secs() == 0 => {
                return Err("is less than a second; give at least `\"1s\"`".to_owned());
            }
            Schedule::Every(interval) => Plan::Every(interval.as_secs()),
            #[cfg(feature = "cron")]
            Schedule::Cron { expression, timezone } => {
                Plan::Cron(Box::new(super::cron::Cron::new(expression, timezone)?))
            }
        };
        let timetable = Self(plan);
        if timetable.next(Timestamp::UNIX_EPOCH).is_none() {
            return Err("is never due; there is no such day".to_owned());
        }
        Ok(timetable)
    }

    /// The first tick after this time; `None` when there is none in the years that can be stored.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Tick> {
        let second = Tick::within(after);
        let next = match &self.0 {
            Plan::Every(interval) => {
                let count = second.seconds().checked_div(*interval)?;
                Tick::of_seconds(count.saturating_add(1).saturating_mul(*interval))
            }
            #[cfg(feature = "cron")]
            Plan::Cron(cron) => cron.next(second)?,
        };
        // Time goes on, or a chain of ticks would go round in circles.
        (next > second).then_some(next)
    }

    /// Whether this is one of its ticks, and not that of another schedule.
    pub(crate) fn has(&self, tick: Tick) -> bool {
        let before = tick.seconds().checked_sub(1).map(Tick::of_seconds);
        before.is_some_and(|before| self.next(before.time()) == Some(tick))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn every(seconds: u64) -> Timetable {
        Timetable::new(&Schedule::Every(Duration::from_secs(seconds))).unwrap()
    }

    #[test]
    fn an_interval_ticks_at_its_multiples_since_1970() {
        let next = |interval, after| every(interval).next(Timestamp::from_micros(after)).unwrap().seconds();
        assert_eq!(next(90, 0), 90);
        assert_eq!(next(90, 89_999_999), 90);
        assert_eq!(next(90, 90_000_000), 180, "after it, not at it");
        assert_eq!(next(86_400, 1_795_305_600_000_001), 1_795_392_000);
        assert_eq!(next(1, 1_500_000), 2);
        assert_eq!(next(60, -1), 60, "before 1970 is 1970");
    }

    #[test]
    fn an_interval_knows_its_ticks() {
        let has = |seconds| every(90).has(Tick::of_seconds(seconds));
        assert_eq!([90, 180, 1_795_305_600].map(has), [true, true, 1_795_305_600 % 90 == 0]);
        assert_eq!([0, 1, 89, 91].map(has), [false; 4]);
    }

    #[test]
    fn the_last_tick_is_in_the_year_9999() {
        assert_eq!(every(1).next(Timestamp::MAX), None);
        let interval = Duration::from_secs(u64::MAX);
        assert!(Timetable::new(&Schedule::Every(interval)).is_ok());
        assert!(Timetable::new(&Schedule::Every(Duration::from_millis(999))).is_err());
    }
}
