//! A description of a schedule.

use syn::{Ident, LitStr};

use crate::diagnostics::Errors;
use crate::names;
use crate::pairs::{Key, Value};

const EVERY: Key = Key { name: names::EVERY, kind: "a duration", example: "\"1h\"" };
const CRON: Key = Key { name: names::CRON, kind: "a text", example: "\"30 2 * * *\"" };
const TIMEZONE: Key = Key { name: names::TIMEZONE, kind: "a text", example: "\"Europe/Copenhagen\"" };
const MISSED: Key = Key { name: names::MISSED, kind: "a text", example: "\"every\"" };
const KEYS: [Key; 4] = [EVERY, CRON, TIMEZONE, MISSED];

/// A value that would be right for this argument.
pub(in crate::resilient_fn) fn example(key: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|known| known.name == key).map(|known| known.example)
}

/// What was said of the schedule.
#[derive(Default)]
pub(crate) struct Recurring {
    pub(super) every: Option<Given>,
    pub(super) cron: Option<Given>,
    pub(super) timezone: Option<Given>,
    pub(super) missed: Option<Given>,
}

/// An argument.
pub(super) struct Given {
    /// The word itself.
    pub(super) key: Ident,
    /// What it says, when it could be read.
    pub(super) text: Option<LitStr>,
}

/// By which of its arguments a function recurs.
pub(in crate::resilient_fn) enum Schedule<'a> {
    Every(&'a LitStr),
    Cron(&'a LitStr),
}

impl Recurring {
    /// Reads one of the arguments.
    pub(in crate::resilient_fn) fn take(&mut self, errors: &mut Errors, key: Ident, value: Value) {
        let (place, about) = match key.to_string().as_str() {
            names::EVERY => (&mut self.every, &EVERY),
            names::CRON => (&mut self.cron, &CRON),
            names::TIMEZONE => (&mut self.timezone, &TIMEZONE),
            _ => (&mut self.missed, &MISSED),
        };
        *place = Some(Given { key, text: value.string(errors, about) });
    }

    /// When it is due; `None` for a function that does not recur.
    pub(in crate::resilient_fn) fn schedule(&self) -> Option<Schedule<'_>> {
        match (&self.every, &self.cron) {
            (Some(every), _) => every.text.as_ref().map(Schedule::Every),
            (None, Some(cron)) => cron.text.as_ref().map(Schedule::Cron),
            (None, None) => None,
        }
    }

    /// What an argument says, when it is given and could be read.
    pub(super) fn text(given: Option<&Given>) -> Option<(&LitStr, String)> {
        given.and_then(|given| given.text.as_ref()).map(|text| (text, text.value()))
    }
}
