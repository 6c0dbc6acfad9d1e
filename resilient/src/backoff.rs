//! Waiting longer and longer, and never in step with others.

use std::time::Duration;

use crate::chance;

/// Exponential back-off with jitter.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { first, next: first, max }
    }

    /// Waits, and makes the next wait twice as long.
    pub(crate) async fn wait(&mut self) {
        let pause = self.next_pause();
        tokio::time::sleep(pause).await;
    }

    /// The next pause, between half and all of what it would be in step with others.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = jittered(self.next);
        self.next = self.next.saturating_mul(2).min(self.max);
        pause
    }

    /// Begins anew, after something went well.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between half of a duration and all of it, so that replicas that started together do not stay together.
pub(crate) fn jittered(duration: Duration) -> Duration {
    let share = u32::try_from(chance::number() % 1_000).unwrap_or(0);
    duration / 2 + (duration / 2).saturating_mul(share) / 1_000
}

/// A duration that is shortened at random, by at most this share of it.
pub(crate) fn shortened(duration: Duration, share: f64) -> Duration {
    let random = f64::from(u32::try_from(chance::number() % 1_000_000).unwrap_or(0)) / 1_000_000.0;
    let left = 1.0 - share * random;
    // A share of zero leaves every nanosecond; one that is no share at all counts as none.
    if (0.0..1.0).contains(&left) { duration.mul_f64(left) } else { duration }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shortened_by_its_share_at_most() {
        let whole = Duration::from_secs(100);
        for _ in 0..100 {
            let found = shortened(whole, 0.1);
            assert!(found <= whole && found >= whole * 9 / 10, "{found:?}");
            assert!(shortened(whole, 1.0) <= whole);
        }
        for share in [0.0, -1.0, f64::NAN, f64::INFINITY, 2.0] {
            assert!(shortened(Duration::MAX, share) <= Duration::MAX, "{share}");
        }
        assert_eq!(shortened(whole, 0.0), whole);
    }

    #[test]
    fn the_pauses_grow_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let pauses: Vec<_> = (0..5).map(|_| backoff.next_pause()).collect();
        let limits = [100, 200, 400, 400, 400];
        for (pause, limit) in pauses.iter().zip(limits) {
            let limit = Duration::from_millis(limit);
            assert!(*pause >= limit / 2 && *pause <= limit, "{pause:?} is not within {limit:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(100));
    }
}
