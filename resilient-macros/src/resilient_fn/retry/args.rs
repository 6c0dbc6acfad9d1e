//! How `retry(…)` is read.

use proc_macro2::TokenStream;
use syn::{Ident, Lit};

use super::model::Retry;
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::{self, Form, Key, Pair, Seen};

const KEYS: [&str; 8] = [
    names::FIRST,
    names::FACTOR,
    names::STEP,
    names::MAX_DELAY,
    names::MAX_TRIES,
    names::JITTER,
    names::IN_MEMORY_BELOW,
    names::ONLY_IF,
];

const FIRST: Key = Key { name: names::FIRST, kind: "a duration", example: "\"1s\"" };
const FACTOR: Key = Key { name: names::FACTOR, kind: "a number", example: "2" };
const STEP: Key = Key { name: names::STEP, kind: "a duration", example: "\"2s\"" };
const MAX_DELAY: Key = Key { name: names::MAX_DELAY, kind: "a duration", example: "\"1h\"" };
const MAX_TRIES: Key = Key { name: names::MAX_TRIES, kind: "a whole number", example: "5" };
const JITTER: Key = Key { name: names::JITTER, kind: "a number", example: "0.1" };
const IN_MEMORY_BELOW: Key = Key { name: names::IN_MEMORY_BELOW, kind: "a duration", example: "\"5s\"" };
const ONLY_IF: Key =
    Key { name: names::ONLY_IF, kind: "the path of a `fn(&Failure) -> bool`", example: "is_transient" };
const FORM: Form = Form { positional, example, lists: &[] };

impl Retry {
    /// Reads all arguments; what is wrong with one does not hide the others.
    pub(in crate::resilient_fn) fn read(errors: &mut Errors, key: Ident, list: TokenStream) -> Self {
        let before = errors.count();
        let mut retry = Self {
            key,
            first: None,
            factor: None,
            step: None,
            max_delay: None,
            max_tries: None,
            jitter: None,
            in_memory_below: None,
            only_if: None,
            unreadable: 0,
        };
        let mut seen = Seen::default();
        for pair in pairs::parse(errors, list, &FORM) {
            if seen.is_first(errors, &pair.key) {
                retry.take(errors, pair);
            }
        }
        retry.unreadable = errors.count() - before;
        retry
    }

    fn take(&mut self, errors: &mut Errors, Pair { key, value }: Pair) {
        let name = key.to_string();
        match name.as_str() {
            names::FIRST => self.first = value.string(errors, &FIRST),
            names::FACTOR => self.factor = value.number(errors, &FACTOR),
            names::STEP => self.step = value.string(errors, &STEP).map(|step| (key, step)),
            names::MAX_DELAY => self.max_delay = value.string(errors, &MAX_DELAY),
            names::MAX_TRIES => self.max_tries = value.count(errors, &MAX_TRIES),
            names::JITTER => self.jitter = value.number(errors, &JITTER),
            names::IN_MEMORY_BELOW => self.in_memory_below = value.string(errors, &IN_MEMORY_BELOW),
            names::ONLY_IF => self.only_if = value.path(errors, &ONLY_IF),
            _ => errors.at(&key, diagnostics::unknown_key("retry(…)", &name, &KEYS)),
        }
    }
}

fn positional(_: &Lit) -> String {
    diagnostics::positional_value().to_owned()
}

fn example(key: &str) -> String {
    let keys = [FIRST, FACTOR, STEP, MAX_DELAY, MAX_TRIES, JITTER, IN_MEMORY_BELOW, ONLY_IF];
    keys.into_iter().find(|known| known.name == key).map_or("…", |known| known.example).to_owned()
}
