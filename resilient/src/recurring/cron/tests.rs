use super::*;
use crate::recurring::{Schedule, Timetable};

fn copenhagen(expression: &'static str) -> Timetable {
    Timetable::new(&Schedule::Cron { expression, timezone: "Europe/Copenhagen" }).unwrap()
}

/// The ticks after `from` and up to `to`.
fn ticks(timetable: &Timetable, from: &str, to: &str) -> Vec<String> {
    let to: Tick = to.parse().unwrap();
    let mut last: Tick = from.parse().unwrap();
    let mut ticks = Vec::new();
    while let Some(next) = timetable.next(last.time()).filter(|next| *next <= to) {
        assert!(next > last, "{next} is not after {last}");
        assert!(timetable.has(next), "{next} is not known as a tick");
        ticks.push(next.to_string());
        last = next;
    }
    ticks
}

/// From 02:00 to 03:00 there is no time in Denmark.
fn spring(expression: &'static str) -> Vec<String> {
    ticks(&copenhagen(expression), "2026-03-27T22:59:59Z", "2026-03-30T10:00:00Z")
}

/// The hour from 02:00 to 03:00 comes twice in Denmark.
fn autumn(expression: &'static str) -> Vec<String> {
    ticks(&copenhagen(expression), "2026-10-23T21:59:59Z", "2026-10-26T11:00:00Z")
}

#[test]
fn a_fixed_time_that_spring_leaves_out_runs_right_after_the_gap() {
    let found = spring("30 2 * * *");
    assert_eq!(found, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // The first moment after the gap is 03:00, whatever the minute was.
    assert_eq!(spring("0 2 * * *"), ["2026-03-28T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]);
}

#[test]
fn a_fixed_time_that_comes_twice_in_autumn_runs_once() {
    let found = autumn("30 2 * * *");
    assert_eq!(found, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[test]
fn a_fixed_time_outside_the_change_is_the_same_on_the_clock() {
    assert_eq!(spring("0 8 * * *"), ["2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z"]);
    assert_eq!(autumn("0 8 * * *"), ["2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z", "2026-10-26T07:00:00Z"]);
}

#[test]
fn what_recurs_within_the_hour_goes_on_every_quarter_through_both_changes() {
    let quarters = |day: &str, hours: std::ops::Range<u32>| -> Vec<String> {
        let minutes = [0, 15, 30, 45];
        let at = |hour| minutes.map(|minute| format!("{day}T{hour:02}:{minute:02}:00Z"));
        hours.flat_map(at).collect()
    };
    // From midnight to 05:00 there are four hours in spring and six in autumn: UTC has no gap.
    let every_quarter = copenhagen("*/15 * * * *");
    let found = ticks(&every_quarter, "2026-03-28T23:59:59Z", "2026-03-29T02:59:59Z");
    assert_eq!(found, quarters("2026-03-29", 0..3));
    let found = ticks(&every_quarter, "2026-10-24T23:59:59Z", "2026-10-25T03:59:59Z");
    assert_eq!(found, quarters("2026-10-25", 0..4));
}

#[test]
fn what_recurs_in_the_changed_hour_only_is_left_out_in_spring_and_comes_twice_in_autumn() {
    let spring = spring("*/30 2 * * *");
    assert_eq!(
        spring,
        ["2026-03-28T01:00:00Z", "2026-03-28T01:30:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"]
    );
    let autumn = autumn("*/30 2 * * *");
    assert_eq!(
        autumn,
        [
            "2026-10-24T00:00:00Z",
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:00:00Z",
            "2026-10-26T01:30:00Z"
        ]
    );
}

#[test]
fn a_list_of_hours_counts_as_recurring() {
    let found = spring("30 2,14 * * *");
    assert!(!found.iter().any(|tick| tick.starts_with("2026-03-29T01")), "{found:?}");
    let found = autumn("30 2,14 * * *");
    assert!(found.contains(&"2026-10-25T01:30:00Z".to_owned()), "{found:?}");
}

#[test]
fn in_utc_nothing_changes() {
    let timetable = Timetable::new(&Schedule::Cron { expression: "30 2 * * *", timezone: "UTC" }).unwrap();
    let found = ticks(&timetable, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z");
    assert_eq!(found, ["2026-03-28T02:30:00Z", "2026-03-29T02:30:00Z"]);
}

#[test]
fn names_nicknames_and_rare_days_are_read() {
    for (expression, next) in [
        ("0 12 * * MON-FRI", "2026-03-30T12:00:00Z"),
        ("@daily", "2026-03-29T00:00:00Z"),
        ("0 0 1 JAN *", "2027-01-01T00:00:00Z"),
        ("0 0 L * *", "2026-03-31T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
    ] {
        let timetable = Timetable::new(&Schedule::Cron { expression, timezone: "UTC" }).unwrap();
        let from: Tick = "2026-03-28T13:00:00Z".parse().unwrap();
        assert_eq!(timetable.next(from.time()).unwrap().to_string(), next, "{expression}");
    }
}

#[test]
fn what_cannot_be_a_schedule_is_said_in_words() {
    let problem =
        |expression, timezone| Timetable::new(&Schedule::Cron { expression, timezone }).unwrap_err();
    assert_eq!(problem("0 0 30 2 *", "UTC"), "is never due; there is no such day");
    assert!(problem("61 0 * * *", "UTC").starts_with("is no cron expression: "));
    assert!(problem("0 0 0 * * *", "UTC").starts_with("is no cron expression: "));
    assert!(problem("@sometimes", "UTC").starts_with("is no cron expression: "));
    for zone in ["Europe/Kopenhagen", "", "local"] {
        assert!(problem("0 0 * * *", zone).starts_with("has an unknown time zone; "), "{zone:?}");
    }
    let lower = Timetable::new(&Schedule::Cron { expression: "0 0 * * *", timezone: "europe/copenhagen" });
    assert!(lower.is_ok(), "names are told apart by their letters only");
}

/// A replica that starts between two ticks finds the second one, as the chain does that went by the first.
#[test]
fn the_next_tick_does_not_depend_on_the_moment_of_the_question() {
    // Each zone changes its clock within a day, by an hour, by half of one or by two, at midnight too.
    let changes = [
        ("Europe/Copenhagen", "2026-10-24T14:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T04:00:00Z"),
        ("America/Havana", "2026-10-31T20:00:00Z"),
        ("Antarctica/Troll", "2026-10-24T14:00:00Z"),
    ];
    for (timezone, from) in changes {
        for expression in ["30 2 * * *", "30 0 * * *", "45 1 * * *", "*/20 2 * * *", "15 1-3 * * *"] {
            let timetable = Timetable::new(&Schedule::Cron { expression, timezone }).unwrap();
            let from: Tick = from.parse().unwrap();
            let mut expected = timetable.next(from.time()).unwrap();
            for count in 0..24 * 6 {
                let now = Tick::of_seconds(from.seconds() + count * 600 + 30);
                while expected <= now {
                    expected = timetable.next(expected.time()).unwrap();
                }
                assert_eq!(
                    timetable.next(now.time()),
                    Some(expected),
                    "{expression} in {timezone} after {now}"
                );
            }
        }
    }
}
