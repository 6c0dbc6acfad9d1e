//! What a schedule may not be. Every rule has a name, and a case of that name among the UI tests.
//!
//! The runtime reads expressions and time zones, when it starts; what is seen to be wrong is said here.

use super::model::Recurring;
use crate::diagnostics::{self, Errors};
use crate::resilient_fn::duration::{self, NotADuration};

/// All rules.
pub(in crate::resilient_fn) fn check(errors: &mut Errors, recurring: &Recurring) {
    check_every_beside_cron(errors, recurring);
    check_every_duration(errors, recurring);
    check_every_too_short(errors, recurring);
    check_cron_characters(errors, recurring);
    check_cron_fields(errors, recurring);
    check_timezone_without_cron(errors, recurring);
    check_timezone_name(errors, recurring);
    check_missed_alone(errors, recurring);
    check_missed_value(errors, recurring);
}

fn check_every_beside_cron(errors: &mut Errors, recurring: &Recurring) {
    if let (Some(_), Some(cron)) = (&recurring.every, &recurring.cron) {
        errors.at(&cron.key, diagnostics::every_beside_cron());
    }
}

fn check_every_duration(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.every.as_ref()) else { return };
    match duration::milliseconds(&text) {
        Err(NotADuration::Invalid) => errors.at(literal, diagnostics::invalid_duration(&text)),
        Err(NotADuration::TooLong) => {
            errors.at(literal, diagnostics::duration_too_long(&text, duration::MAX_DAYS));
        }
        Ok(_) => {}
    }
}

fn check_every_too_short(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.every.as_ref()) else { return };
    let milliseconds = duration::milliseconds(&text);
    if milliseconds.is_ok_and(|milliseconds| milliseconds == 0 || milliseconds % 1000 != 0) {
        errors.at(literal, diagnostics::every_too_short());
    }
}

fn check_cron_characters(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.cron.as_ref()) else { return };
    let is_known = |character: char| character.is_ascii_alphanumeric() || " \t*,-/#?+@".contains(character);
    if let Some(unknown) = text.chars().find(|character| !is_known(*character)) {
        errors.at(literal, diagnostics::cron_characters(unknown));
    }
}

/// A nickname like `@daily` stands for all five.
fn check_cron_fields(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.cron.as_ref()) else { return };
    let fields = text.split_whitespace().count();
    let is_nickname = fields == 1 && text.trim_start().starts_with('@');
    if fields != 5 && !is_nickname {
        errors.at(literal, diagnostics::cron_fields(fields));
    }
}

fn check_timezone_without_cron(errors: &mut Errors, recurring: &Recurring) {
    if let (None, Some(timezone)) = (&recurring.cron, &recurring.timezone) {
        errors.at(&timezone.key, diagnostics::timezone_without_cron());
    }
}

fn check_timezone_name(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.timezone.as_ref()) else { return };
    let is_known = |character: char| character.is_ascii_alphanumeric() || "/_-+".contains(character);
    if text.is_empty() || !text.chars().all(is_known) {
        errors.at(literal, diagnostics::timezone_name());
    }
}

fn check_missed_alone(errors: &mut Errors, recurring: &Recurring) {
    if let (None, None, Some(missed)) = (&recurring.every, &recurring.cron, &recurring.missed) {
        errors.at(&missed.key, diagnostics::missed_alone());
    }
}

fn check_missed_value(errors: &mut Errors, recurring: &Recurring) {
    let Some((literal, text)) = Recurring::text(recurring.missed.as_ref()) else { return };
    if text != "once" && text != "every" {
        errors.at(literal, diagnostics::missed_value());
    }
}
