//! A description of retries.

use syn::{Ident, LitInt, LitStr, Path};

use crate::pairs::Number;

/// What stands in `retry(…)`.
pub(in crate::resilient_fn) struct Retry {
    /// The word itself.
    pub(super) key: Ident,
    pub(super) first: Option<LitStr>,
    pub(super) factor: Option<Number>,
    pub(super) step: Option<(Ident, LitStr)>,
    pub(super) max_delay: Option<LitStr>,
    pub(super) max_tries: Option<LitInt>,
    pub(super) jitter: Option<Number>,
    pub(super) in_memory_below: Option<LitStr>,
    pub(super) only_if: Option<Path>,
    /// How many mistakes were found while it was read; what is missing may have been meant by one.
    pub(in crate::resilient_fn) unreadable: usize,
}

impl Retry {
    /// Everything that is written as a duration.
    pub(super) fn durations(&self) -> impl Iterator<Item = &LitStr> {
        let step = self.step.as_ref().map(|(_, step)| step);
        [self.first.as_ref(), step, self.max_delay.as_ref(), self.in_memory_below.as_ref()]
            .into_iter()
            .flatten()
    }
}
