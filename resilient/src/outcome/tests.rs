use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::*;
use crate::clock::{Due, Timestamp};
use crate::error::BoxError;
use crate::guard::{Guarded, UnknownOutcome};
use crate::scrapbook::GuardError;

const HOUR: Duration = Duration::from_hours(1);

fn postponed() -> RawOutcome {
    RawOutcome::Postpone(Due::After(HOUR))
}

fn failure(outcome: RawOutcome) -> Failure {
    match outcome {
        RawOutcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// A user's error that wraps another.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payment failed")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn a_failure_says_the_type_of_its_error_unless_that_is_a_text() {
    let said = |error: Error| failure(error.into_outcome()).to_string();
    assert_eq!(said(Error::msg("the customer is unknown")), "the customer is unknown");
    let wrapped = Wrapped(Box::new(fmt::Error));
    let expected = format!("{}: the payment failed: {}", std::any::type_name::<Wrapped>(), fmt::Error);
    assert_eq!(said(wrapped.into()), expected);
}

#[test]
fn a_postponement_is_found_through_every_wrapping() {
    let bare = || Postpone::for_(HOUR);
    assert_eq!(bare().into_outcome(), postponed());
    assert_eq!(Error::from(bare()).into_outcome(), postponed());
    assert_eq!(BoxError::from(bare()).into_outcome(), postponed());
    assert_eq!(Wrapped(bare().into()).into_outcome(), postponed());
    assert_eq!(Error::from(Wrapped(bare().into())).into_outcome(), postponed());
    assert_eq!(Wrapped(Error::from(bare()).into()).into_outcome(), postponed());
    assert_eq!(Wrapped(Box::new(Suspend)).into_outcome(), RawOutcome::Suspend);
}

#[cfg(feature = "anyhow")]
#[test]
fn what_an_error_means_is_found_in_anyhow_bare_and_with_context() {
    use anyhow::Context as _;
    let outcome = |result: anyhow::Result<()>| match Returns::<3>::sort(result) {
        Returned::Value(()) => panic!("not a success"),
        Returned::Undone(undone) => undone.into_outcome(),
    };
    assert_eq!(outcome(Err(Postpone::for_(HOUR).into())), postponed());
    assert_eq!(outcome(Err(Postpone::for_(HOUR)).context("while paying")), postponed());
    assert_eq!(failure(outcome(Err(anyhow::anyhow!("no").context("yes")))).sources, ["no"]);
    let unknown = || UnknownOutcome { guarded: Guarded::Call("ship".to_owned()) };
    assert_eq!(failure(outcome(Err(unknown().into()))).type_name, "unknown outcome");
    assert_eq!(failure(outcome(Err(unknown()).context("while shipping"))).message, unknown().to_string());
}

#[test]
fn an_unknown_outcome_is_found_through_every_wrapping() {
    let bare = || UnknownOutcome { guarded: Guarded::Field("shipping") };
    let said = |sources: &[&str]| {
        let mut failure = Failure::new("unknown outcome", bare().to_string());
        failure.sources = sources.iter().map(|&source| source.to_owned()).collect();
        RawOutcome::Failed(failure)
    };
    assert_eq!(bare().into_outcome(), said(&[]));
    assert_eq!(GuardError::from(bare()).into_outcome(), said(&[]));
    assert_eq!(Error::from(GuardError::from(bare())).into_outcome(), said(&[]));
    let wrapped = || Wrapped(GuardError::from(bare()).into());
    assert_eq!(wrapped().into_outcome(), said(&["the payment failed"]));
    assert_eq!(Error::from(Wrapped(wrapped().into())).into_outcome(), said(&["the payment failed"; 2]));
}

#[test]
fn an_error_of_a_guarded_call_keeps_what_it_means() {
    let of_call = |error| GuardError::call(Guarded::Field("label"), error);
    assert_eq!(of_call(BoxError::from(Postpone::for_(HOUR))).into_outcome(), postponed());
    let failed = failure(of_call(Error::msg("no paper").into()).into_outcome());
    assert_eq!(
        (failed.message.as_str(), failed.sources),
        ("the call of `label` failed", vec!["no paper".to_owned()])
    );
}

#[test]
fn an_error_of_a_call_that_must_not_happen_twice_is_an_unknown_outcome_with_its_cause() {
    let in_doubt = |error| GuardError::in_doubt(Guarded::Field("label"), error);
    assert_eq!(in_doubt(BoxError::from(Postpone::for_(HOUR))).into_outcome(), postponed());
    let failed = failure(in_doubt(Error::msg("no paper").into()).into_outcome());
    assert_eq!(failed.type_name, UnknownOutcome::FAILURE);
    assert!(failed.message.starts_with("the outcome of `label` is unknown"), "{failed}");
    assert_eq!(failed.sources, ["the call of `label` failed", "no paper"]);
}

#[test]
fn a_failure_keeps_the_type_the_text_and_the_causes() {
    let cause = "x".parse::<u32>().unwrap_err();
    let failed = failure(Error::from(Wrapped(cause.into())).into_outcome());
    assert_eq!(failed.type_name, "resilient::outcome::tests::Wrapped");
    assert_eq!(failed.message, "the payment failed");
    assert_eq!(failed.sources, ["invalid digit found in string"]);
    assert_eq!(failure("plain text".into_outcome()).message, "plain text");
}

#[test]
fn the_stored_form_of_a_failure_is_type_message_and_sources() {
    let failed = failure(Error::from("x".parse::<u32>().unwrap_err()).into_outcome());
    let json = serde_json::to_string(&failed).unwrap();
    assert_eq!(
        json,
        r#"{"type":"core::num::error::ParseIntError","message":"invalid digit found in string"}"#
    );
    assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failed);
}

#[test]
fn an_error_that_is_its_own_source_ends() {
    #[derive(Debug)]
    struct Ring;
    impl fmt::Display for Ring {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ring")
        }
    }
    impl StdError for Ring {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(self)
        }
    }
    assert_eq!(failure(Ring.into_outcome()).sources.len(), 31);
}

#[test]
fn long_texts_are_cut_at_a_character_and_marked() {
    let failed = Failure::new("T", "ü".repeat(MAX_FAILURE_TEXT));
    assert!(failed.message.len() <= MAX_FAILURE_TEXT);
    assert!(failed.message.ends_with("ü…"));
    assert_eq!(Failure::new("T", "x".repeat(MAX_FAILURE_TEXT)).message.len(), MAX_FAILURE_TEXT);
}

#[test]
fn nul_in_a_failure_does_not_keep_it_from_being_stored() {
    assert_eq!(Failure::new("T", "a\0b").message, "a\u{fffd}b");
}

#[test]
fn a_panic_is_a_failure_with_its_text() {
    assert_eq!(Failure::panic(Box::new("boom")), Failure::new("panic", "boom"));
    assert_eq!(Failure::panic(Box::new("boom 7".to_owned())), Failure::new("panic", "boom 7"));
    assert_eq!(Failure::panic(Box::new(7)).message, "the panic has no text");
}

#[test]
fn times_out_of_range_fail_with_the_limit_and_never_panic() {
    let failed = failure(Postpone::for_(Duration::MAX).into_outcome());
    assert!(failed.message.contains("longer than 1,000 years"), "{failed}");
    let year_10000 = SystemTime::UNIX_EPOCH + Duration::from_hours(70_389_528);
    let failed = failure(Postpone::until(year_10000).into());
    assert!(failed.message.contains("after the year 9999"), "{failed}");
    let past = Postpone::until(SystemTime::UNIX_EPOCH);
    assert_eq!(past.due(), Ok(Due::At(Timestamp::UNIX_EPOCH)));
}

#[test]
fn an_outcome_is_made_from_a_result() {
    let outcome: Outcome<u32> = Err::<u32, _>(Postpone::for_(HOUR)).into();
    match Returns::<2>::sort(outcome) {
        Returned::Undone(undone) => assert_eq!(undone.into_outcome(), postponed()),
        Returned::Value(value) => panic!("unexpected success {value}"),
    }
}
