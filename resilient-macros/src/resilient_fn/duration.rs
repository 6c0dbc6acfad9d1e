//! Durations, as they are written in arguments.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

/// The longest duration, 1,000 years; the runtime has the same limit.
pub(crate) const MAX_DAYS: u64 = 365_250;

/// Why a text is no duration.
pub(crate) enum NotADuration {
    Invalid,
    TooLong,
}

/// `30s` in milliseconds: a whole number with its unit, `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn milliseconds(text: &str) -> Result<u64, NotADuration> {
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

/// A literal that was checked, as an expression that can stand in a constant.
pub(crate) fn expand_literal(literal: &LitStr) -> TokenStream {
    expand(milliseconds(&literal.value()).unwrap_or_default())
}

/// No unit is chosen, so that no lint knows a better one.
pub(crate) fn expand(milliseconds: u64) -> TokenStream {
    let seconds = milliseconds / 1000;
    let nanoseconds = (milliseconds % 1000) * 1_000_000;
    let nanoseconds = proc_macro2::Literal::u64_unsuffixed(nanoseconds);
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

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
