//! When a failed run is tried again.

use std::time::Duration;

use crate::outcome::Failure;

/// When a failed run is tried again: a description that can stand in a constant.
///
/// As the attribute `retry(…)` of a function it belongs to that function; as middleware it belongs to all.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    first: Duration,
    factor: f64,
    step: Duration,
    max_delay: Duration,
    max_tries: u32,
    jitter: f64,
    in_memory_below: Duration,
    only_if: fn(&Failure) -> bool,
}

impl Retry {
    const DEFAULT: Self = Self {
        first: Duration::from_secs(1),
        factor: 1.0,
        step: Duration::ZERO,
        max_delay: Duration::from_hours(1),
        max_tries: 10,
        jitter: 0.1,
        in_memory_below: Duration::ZERO,
        only_if: |_| true,
    };

    /// Each delay is so many times the one before.
    pub const fn exponential(first: Duration, factor: f64) -> Self {
        Self { first, factor, ..Self::DEFAULT }
    }

    /// Each delay is so much longer than the one before; with a step of zero all are the same.
    pub const fn linear(first: Duration, step: Duration) -> Self {
        Self { first, step, ..Self::DEFAULT }
    }

    /// No delay is longer. Default 1 hour.
    #[must_use]
    pub const fn max_delay(self, max_delay: Duration) -> Self {
        Self { max_delay, ..self }
    }

    /// How many runs there are at most, the first one included. Default 10.
    #[must_use]
    pub const fn max_tries(self, max_tries: u32) -> Self {
        Self { max_tries, ..self }
    }

    /// By which part of it, at most, a delay is varied. Default 0.1.
    #[must_use]
    pub const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// Delays shorter than this are waited for in memory; all others are stored, and cost nothing while they last.
    /// Default zero: all are stored.
    #[must_use]
    pub const fn in_memory_below(self, in_memory_below: Duration) -> Self {
        Self { in_memory_below, ..self }
    }

    /// Which failures are tried again. Default: all.
    #[must_use]
    pub const fn only_if(self, only_if: fn(&Failure) -> bool) -> Self {
        Self { only_if, ..self }
    }
}
