//! When a failed run is tried again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::Instant;

use super::{Invocation, Middleware, Next};
use crate::backoff::shortened;
use crate::clock::Due;
use crate::context::Context;
use crate::guard::{GIVEN_UP, UnknownOutcome};
use crate::metrics;
use crate::outcome::{Cancelled, Failure, RawOutcome};

/// When a failed run is tried again: a description that can stand in a constant.
///
/// As the attribute `retry(…)` of a function it belongs to that function; as middleware it belongs to all, or to the
/// function that it is given for. When a run goes through several of them, the innermost decides alone: that of a function
/// replaces that of the runtime, so `Retry::linear(..).max_tries(1)` says for one function that nothing is tried again.
///
/// A failed run becomes a postponed one: it is stored with the scrapbook as the body left it, costs nothing while it
/// waits, and is begun again by any replica. Delays below [`in_memory_below`](Self::in_memory_below) are waited for in
/// memory instead, in the same run and with the same attempt; a shutdown ends the wait and hands the try on.
///
/// Tries are counted per instance, as failures in a row: a success, a suspension, a postponement of the body's own and a
/// person who lets it run again begin the count anew. A crash does not count, and a panic counts as any failure does.
/// Four failures are never tried again: `unknown outcome`, which only a person can decide, `given up`, which one has
/// decided, `cancelled`, and stored data that this code cannot read. Nor is any failure of a run that is to be
/// [cancelled](crate::Runtime::cancel); but a try that waits in memory when that is asked begins at once, so that its body
/// can undo what was done.
///
/// ```
/// use std::time::Duration;
/// use resilient::middleware::Retry;
/// use resilient::prelude::*;
///
/// #[resilient_fn(type_id = "Fetch")]
/// async fn fetch(_: (), context: &Context) -> resilient::Result<u32> {
///     if context.attempt() < 3 {
///         return Err(resilient::Error::msg("no answer"));
///     }
///     Ok(context.attempt())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // 1 s, 2 s, 4 s and so on, at most 5 minutes, each up to a tenth shorter.
/// let retry = Retry::exponential(Duration::from_secs(1), 2.0).max_delay(Duration::from_secs(300));
/// # let retry = Retry::exponential(Duration::from_millis(1), 2.0);
/// let runtime = Runtime::builder(InMemoryStore::new()).middleware(retry).discover().start().await?;
/// assert!(matches!(fetch::invoke(&runtime, "1", ()).await, Err(InvokeError::Postponed { .. })));
/// assert_eq!(fetch::completion(&runtime, "1").await?, 3);
/// # Ok(())
/// # }
/// ```
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

    /// Each delay is so many times the one before; a runtime does not start with a factor below 1.
    ///
    /// A first delay of zero means that all are: every try begins at once.
    pub const fn exponential(first: Duration, factor: f64) -> Self {
        Self { first, factor, ..Self::DEFAULT }
    }

    /// Each delay is so much longer than the one before; with a step of zero all are the same.
    pub const fn linear(first: Duration, step: Duration) -> Self {
        Self { first, step, ..Self::DEFAULT }
    }

    /// No delay is longer. Default 1 hour; what is above 1,000 years counts as 1,000 years.
    #[must_use]
    pub const fn max_delay(self, max_delay: Duration) -> Self {
        Self { max_delay, ..self }
    }

    /// How many tries there are at most, the first one included; 1 tries nothing again. Default 10.
    #[must_use]
    pub const fn max_tries(self, max_tries: u32) -> Self {
        Self { max_tries, ..self }
    }

    /// By which part of it, from 0 to 1, a delay is shortened at most, at random, so that what failed together is not
    /// tried again together. Default 0.1.
    #[must_use]
    pub const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// Delays shorter than this are waited for in memory; all others are stored, and cost nothing while they last.
    /// Default zero: all are stored.
    ///
    /// Tries in memory are stored with the next thing that is: a crash during the wait forgets them.
    #[must_use]
    pub const fn in_memory_below(self, in_memory_below: Duration) -> Self {
        Self { in_memory_below, ..self }
    }

    /// Which failures are tried again. Default: all that can be. A panic of it means no.
    #[must_use]
    pub const fn only_if(self, only_if: fn(&Failure) -> bool) -> Self {
        Self { only_if, ..self }
    }

    /// The delay after so many failed tries, before jitter. Whatever cannot be computed is the longest delay.
    fn delay(&self, tries: u32) -> Duration {
        let before = tries.saturating_sub(1);
        let power = self.factor.powi(i32::try_from(before).unwrap_or(i32::MAX));
        let grown = Duration::try_from_secs_f64(self.first.as_secs_f64() * power).unwrap_or(Duration::MAX);
        // Zero times infinity is not a number.
        let grown = if self.first.is_zero() { Duration::ZERO } else { grown };
        let delay = grown.saturating_add(self.step.saturating_mul(before));
        delay.min(self.max_delay).min(Due::MAX_AFTER)
    }

    fn tries_again(&self, failure: &Failure, tries: u32) -> bool {
        let wanted = || catch_unwind(AssertUnwindSafe(|| (self.only_if)(failure))).unwrap_or(false);
        tries < self.max_tries && !HOPELESS.contains(&failure.type_name.as_str()) && wanted()
    }

    /// Waits in memory when the delay is short enough, and the run is not to be cancelled; answers how long is left to wait.
    async fn wait(&self, delay: Duration, context: &Context) -> Option<Duration> {
        if delay >= self.in_memory_below {
            return Some(delay);
        }
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = context.shutting_down() => Some(delay.saturating_sub(begun.elapsed())),
            () = context.cancelled() => None,
            () = tokio::time::sleep(delay) => None,
        }
    }
}

/// The types of the failures that another try cannot change.
const HOPELESS: [&str; 4] = [UnknownOutcome::FAILURE, GIVEN_UP, Cancelled::FAILURE, "resilient::DecodeError"];

impl Middleware for Retry {
    async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
        let number = invocation.enter_policy();
        loop {
            let outcome = next.run().await;
            if !invocation.is_innermost_policy(number) {
                return outcome;
            }
            let RawOutcome::Failed(failure) = &outcome else {
                invocation.note_failed_tries(0);
                return outcome;
            };
            let tries = invocation.failed_tries().saturating_add(1);
            // What is to be cancelled cannot be put off, and must not try for ever in memory.
            if invocation.context().is_cancelled() || !self.tries_again(failure, tries) {
                return outcome;
            }
            invocation.note_failed_tries(tries);
            let delay = shortened(self.delay(tries), self.jitter);
            tell(invocation, tries, delay);
            let left = self.wait(delay, invocation.context()).await;
            metrics::retry(invocation.context().type_id(), if left.is_some() { "stored" } else { "memory" });
            if let Some(delay) = left {
                let (most, message) = (self.max_tries, &failure.message);
                invocation.set_reason(format!("try {tries} of {most} failed: {message}; tried again"));
                return RawOutcome::Postpone(Due::After(delay));
            }
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.factor.is_finite() || self.factor < 1.0 {
            problems.push(format!("the factor of a retry is {}; give a number from 1 on", self.factor));
        }
        if self.max_tries == 0 {
            problems
                .push("`max_tries` of a retry is 0; give at least 1, which tries nothing again".to_owned());
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            problems.push(format!("the jitter of a retry is {}; give a number from 0 to 1", self.jitter));
        }
        problems
    }
}

fn tell(invocation: &Invocation, tries: u32, delay: Duration) {
    let context = invocation.context();
    let (type_id, instance_id, epoch) = (context.type_id(), context.instance_id(), invocation.epoch());
    tracing::debug!(%type_id, %instance_id, %epoch, tries, ?delay, "failed; it is tried again");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(retry: &Retry, tries: impl IntoIterator<Item = u32>) -> Vec<Duration> {
        tries.into_iter().map(|tries| retry.delay(tries)).collect()
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        let retry = Retry::exponential(SECOND, 2.0).max_delay(SECOND * 10);
        assert_eq!(delays(&retry, 1..=6), [1, 2, 4, 8, 10, 10].map(Duration::from_secs));
        let retry = Retry::exponential(SECOND / 10, 1.5);
        assert_eq!(delays(&retry, 1..=3), [100, 150, 225].map(Duration::from_millis));
        let retry = Retry::linear(SECOND, SECOND * 3).max_delay(SECOND * 8);
        assert_eq!(delays(&retry, 1..=4), [1, 4, 7, 8].map(Duration::from_secs));
        assert_eq!(delays(&Retry::linear(SECOND, Duration::ZERO), [1, u32::MAX]), [SECOND, SECOND]);
    }

    #[test]
    fn delays_never_overflow() {
        let longest = Duration::from_hours(1);
        let factors = [f64::MAX, f64::INFINITY, f64::NAN, 2.0];
        for factor in factors {
            let retry = Retry::exponential(SECOND, factor);
            assert_eq!(delays(&retry, [5_000, u32::MAX]), [longest, longest], "{factor}");
        }
        for factor in [f64::NEG_INFINITY, -2.0, 0.0] {
            let found = delays(&Retry::exponential(SECOND, factor), [1, 2, 3, u32::MAX]);
            assert!(found.iter().all(|delay| *delay <= longest), "{factor}: {found:?}");
        }
        let all = Retry::linear(Duration::MAX, Duration::MAX).max_delay(Duration::MAX);
        assert_eq!(delays(&all, [1, 2, u32::MAX]), [Due::MAX_AFTER; 3]);
        assert_eq!(delays(&Retry::exponential(Duration::ZERO, 9.0), [1, u32::MAX]), [Duration::ZERO; 2]);
    }
}
