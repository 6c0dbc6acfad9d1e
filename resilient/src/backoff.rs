//! Waiting longer and longer, and never in step with others.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

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
    // Every `RandomState` is keyed anew, which is all the randomness that jitter needs.
    let random = RandomState::new().build_hasher().finish() % 1_000;
    let share = u32::try_from(random).unwrap_or(0);
    duration / 2 + (duration / 2).saturating_mul(share) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

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
