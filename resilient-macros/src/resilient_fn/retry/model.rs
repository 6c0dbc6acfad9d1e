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

/// The longest duration, 1,000 years; the runtime has the same limit.
pub(super) const MAX_DAYS: u64 = 365_250;

/// Why a text is no duration.
pub(super) enum NotADuration {
    Invalid,
    TooLong,
}

/// `30s` in milliseconds: a whole number with its unit, `ms`, `s`, `m`, `h` or `d`.
pub(super) fn milliseconds(text: &str) -> Result<u64, NotADuration> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => DAY,
        _ => return Err(NotADuration::Invalid),
    };
    if number.is_empty() {
        return Err(NotADuration::Invalid);
    }
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.filter(|number| *number <= MAX_DAYS * DAY).ok_or(NotADuration::TooLong)
}

const DAY: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        let read = |text| milliseconds(text).ok();
        assert_eq!(
            ["0s", "500ms", "30s", "5m", "1h", "2d"].map(read),
            [0, 500, 30_000, 300_000, 3_600_000, 172_800_000].map(Some)
        );
        assert_eq!(["", "1", "s", "1.5s", "-1s", "1 s", "1S", "1h30m", "٣s"].map(read), [None; 9]);
        assert_eq!(
            ["365250d", "365251d", "18446744073709551616ms"].map(read),
            [Some(365_250 * DAY), None, None]
        );
    }
}
