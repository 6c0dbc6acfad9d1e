//! What a run asks its store while it waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::log::Log;
use crate::clock::Timestamp;
use crate::record::StoredMessage;
use crate::store::StoreError;

/// Where the messages of one run come from, and the time.
#[async_trait]
pub(crate) trait Post: fmt::Debug + Send + Sync {
    /// Reads the messages after a position, all of them.
    async fn read(&self, after: i64) -> Result<Vec<StoredMessage>, StoreError>;

    /// What the store's clock shows.
    async fn time(&self) -> Result<StoreTime, StoreError>;

    /// From now on, what arrives is added to the log, until it was unwatched as often as it was watched.
    fn watch(&self, log: &Arc<Log>, at_once: bool);

    /// The end of [`watch`](Self::watch).
    fn unwatch(&self, log: &Arc<Log>);

    /// Tells that a message cannot be read.
    fn set_aside(&self, position: i64, name: &str);

    /// Whether this replica does not have a codec of this name.
    fn lacks_codec(&self, name: &str) -> bool;

    /// How long a wait stays in memory before the run ends with it.
    fn stay_in_memory(&self) -> Duration;
}

/// What the store's clock shows, as exactly as a process knows that asked for it once.
///
/// Its answer is from some moment between the question and the arrival of the answer. A timer begins at the latest
/// that the clock can show and ends at the earliest, so it never ends early, wherever the next run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreTime {
    shown: Timestamp,
    asked: Instant,
    answered: Instant,
}

impl StoreTime {
    pub(crate) fn new(shown: Timestamp, asked: Instant, answered: Instant) -> Self {
        Self { shown, asked, answered }
    }

    /// The time now, or a little earlier.
    pub(crate) fn at_least(&self) -> Timestamp {
        self.shown.saturating_add(self.answered.elapsed())
    }

    /// The time now, or a little later.
    pub(crate) fn at_most(&self) -> Timestamp {
        self.shown.saturating_add(self.asked.elapsed())
    }

    /// From when on the clock certainly shows this time; `None` when that is too far away to be waited for.
    pub(crate) fn reaches(&self, time: Timestamp) -> Option<Instant> {
        self.answered.checked_add(time.saturating_since(self.shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_makes_the_time_uncertain_by_as_much() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(30)).await;
        let time = StoreTime::new(Timestamp::from_micros(1_000_000), asked, Instant::now());
        tokio::time::advance(Duration::from_millis(5)).await;
        assert_eq!(time.at_least(), Timestamp::from_micros(1_005_000));
        assert_eq!(time.at_most(), Timestamp::from_micros(1_035_000));
        let reached = time.reaches(Timestamp::from_micros(1_007_000));
        assert_eq!(reached, Some(Instant::now() + Duration::from_millis(2)));
        assert!(time.reaches(Timestamp::from_micros(1)) <= Some(Instant::now()), "long ago");
    }
}
