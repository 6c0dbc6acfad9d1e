//! What `retry(…)` may not be. Every rule has a name, and a case of that name among the UI tests.

use super::model::Retry;
use crate::diagnostics::{self, Errors};
use crate::pairs;
use crate::resilient_fn::duration::{self, NotADuration};

/// All rules.
pub(in crate::resilient_fn) fn check(errors: &mut Errors, retry: &Retry) {
    check_missing_first_delay(errors, retry);
    check_factor_beside_step(errors, retry);
    check_invalid_duration(errors, retry);
    check_duration_too_long(errors, retry);
    check_factor_range(errors, retry);
    check_jitter_range(errors, retry);
    check_max_tries_range(errors, retry);
}

fn check_missing_first_delay(errors: &mut Errors, retry: &Retry) {
    if retry.first.is_none() && retry.unreadable == 0 {
        errors.at(&retry.key, diagnostics::missing_first_delay());
    }
}

fn check_factor_beside_step(errors: &mut Errors, retry: &Retry) {
    if let (Some(_), Some((step, _))) = (&retry.factor, &retry.step) {
        errors.at(step, diagnostics::factor_beside_step());
    }
}

fn check_invalid_duration(errors: &mut Errors, retry: &Retry) {
    for literal in retry.durations() {
        if let Err(NotADuration::Invalid) = duration::milliseconds(&literal.value()) {
            errors.at(literal, diagnostics::invalid_duration(&literal.value()));
        }
    }
}

fn check_duration_too_long(errors: &mut Errors, retry: &Retry) {
    for literal in retry.durations() {
        if let Err(NotADuration::TooLong) = duration::milliseconds(&literal.value()) {
            errors.at(literal, diagnostics::duration_too_long(&literal.value(), duration::MAX_DAYS));
        }
    }
}

fn check_factor_range(errors: &mut Errors, retry: &Retry) {
    for factor in retry.factor.iter().filter(|factor| !(factor.value >= 1.0 && factor.value.is_finite())) {
        errors.at(&factor.literal, diagnostics::factor_range());
    }
}

fn check_jitter_range(errors: &mut Errors, retry: &Retry) {
    for jitter in retry.jitter.iter().filter(|jitter| !(0.0..=1.0).contains(&jitter.value)) {
        errors.at(&jitter.literal, diagnostics::jitter_range());
    }
}

fn check_max_tries_range(errors: &mut Errors, retry: &Retry) {
    let Some(max_tries) = &retry.max_tries else { return };
    match pairs::whole(max_tries) {
        0 => errors.at(max_tries, diagnostics::max_tries_zero()),
        tries if tries > u64::from(u32::MAX) => {
            errors.at(max_tries, diagnostics::max_tries_too_large(u32::MAX));
        }
        _ => {}
    }
}
