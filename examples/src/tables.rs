//! How things look in a terminal.

use std::time::{Duration, SystemTime};

use comfy_table::{ContentArrangement, Table, presets};
use resilient::Timestamp;

/// Terminals that say they are narrower have not been told how wide they are.
const NARROWEST: u16 = 20;

/// An empty table that fits the terminal.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    if table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// `129.00` for 12,900 cents.
pub(crate) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// So many orders, in words.
pub(crate) fn counted(orders: usize) -> String {
    if orders == 1 { "1 order".to_owned() } else { format!("{orders} orders") }
}

/// `3 s ago`, or `in 3 s`.
pub(crate) fn when(time: Timestamp) -> String {
    match SystemTime::from(time).duration_since(SystemTime::now()) {
        Ok(left) => format!("in {}", length(left)),
        Err(passed) => format!("{} ago", length(passed.duration())),
    }
}

fn length(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        secs @ 1..120 => format!("{secs} s"),
        secs @ 120..7_200 => format!("{} min", secs / 60),
        secs @ 7_200..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_decimals() {
        assert_eq!(money(12_905), "129.05");
    }

    #[test]
    fn lengths_are_given_in_a_unit_people_use() {
        let lengths = [5, 1_000, 119_000, 7_199_000, 86_400_000, 864_000_000];
        let words = lengths.map(|millis| length(Duration::from_millis(millis)));
        assert_eq!(words, ["5 ms", "1 s", "119 s", "119 min", "24 h", "10 days"]);
    }
}
