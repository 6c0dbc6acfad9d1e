//! What stands in `#[resilient_fn(…)]`.

use proc_macro2::TokenStream;
use syn::{Ident, Lit, LitStr, Path};

use super::recurring::{self, Recurring};
use super::retry::Retry;
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::{self, Form, Key, Pair, Seen, Version};
use crate::stored;

/// The arguments that could be read.
pub(crate) struct Args {
    pub(crate) type_id: TypeId,
    pub(crate) version: Option<Version>,
    pub(crate) handle: Option<Ident>,
    pub(crate) register: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) recurring: Recurring,
    pub(crate) dropped_scrapbook: Option<Version>,
    pub(crate) krate: Option<Path>,
}

/// The type id, told apart so that one mistake is one error.
pub(crate) enum TypeId {
    Given(LitStr),
    Missing,
    /// It has been reported.
    Unreadable,
}

const KEYS: [&str; 11] = [
    names::TYPE_ID,
    names::VERSION,
    names::HANDLE,
    names::REGISTER,
    names::RETRY,
    names::EVERY,
    names::CRON,
    names::TIMEZONE,
    names::MISSED,
    names::DROPPED_SCRAPBOOK,
    names::CRATE,
];

const VERSION: Key = Key { name: names::VERSION, kind: "a number", example: "2" };
const HANDLE: Key = Key { name: names::HANDLE, kind: "a type's name", example: "ProcessOrder" };
const REGISTER: Key = Key { name: names::REGISTER, kind: "`true` or `false`", example: "false" };
const RETRY: Key = Key { name: names::RETRY, kind: "a list", example: "first = \"1s\"" };
const DROPPED_SCRAPBOOK: Key = Key { name: names::DROPPED_SCRAPBOOK, kind: "a number", example: "1" };
const CRATE: Key = Key { name: names::CRATE, kind: "a path", example: "::resilient" };
const FORM: Form = Form { positional, example, lists: &[names::RETRY] };

/// Reads all arguments; what is wrong with one does not hide the others.
pub(crate) fn parse(errors: &mut Errors, tokens: TokenStream) -> Args {
    let before = errors.count();
    let pairs = pairs::parse(errors, tokens, &FORM);
    let mut args = Args {
        type_id: TypeId::Missing,
        version: None,
        handle: None,
        register: true,
        retry: None,
        recurring: Recurring::default(),
        dropped_scrapbook: None,
        krate: None,
    };
    let mut seen = Seen::default();
    for pair in pairs {
        if seen.is_first(errors, &pair.key) {
            args.take(errors, pair);
        }
    }
    let within_retry = args.retry.as_ref().map_or(0, |retry| retry.unreadable);
    // A word that could not be read may have been meant as the type id.
    if errors.count() > before + within_retry && matches!(args.type_id, TypeId::Missing) {
        args.type_id = TypeId::Unreadable;
    }
    args
}

impl Args {
    fn take(&mut self, errors: &mut Errors, Pair { key, value }: Pair) {
        let name = key.to_string();
        match name.as_str() {
            names::TYPE_ID => {
                let text = stored::TYPE_ID.read(errors, value);
                self.type_id = text.map_or(TypeId::Unreadable, TypeId::Given);
            }
            names::VERSION => self.version = value.version(errors, &VERSION),
            names::HANDLE => self.handle = value.ident(errors, &HANDLE),
            names::REGISTER => self.register = value.boolean(errors, &REGISTER).is_none_or(|is| is.value),
            names::RETRY => {
                self.retry = value.list(errors, &RETRY).map(|list| Retry::read(errors, key, list));
            }
            names::EVERY | names::CRON | names::TIMEZONE | names::MISSED => {
                self.recurring.take(errors, key, value);
            }
            names::DROPPED_SCRAPBOOK => self.dropped_scrapbook = value.version(errors, &DROPPED_SCRAPBOOK),
            names::CRATE => self.krate = value.path(errors, &CRATE),
            _ => errors.at(&key, diagnostics::unknown_key("#[resilient_fn(…)]", &name, &KEYS)),
        }
    }
}

fn positional(literal: &Lit) -> String {
    stored::TYPE_ID.positional(literal)
}

fn example(key: &str) -> String {
    let example = match key {
        names::TYPE_ID => "\"OrderProcessor\"",
        names::VERSION => VERSION.example,
        names::HANDLE => HANDLE.example,
        names::REGISTER => REGISTER.example,
        names::RETRY => RETRY.example,
        names::DROPPED_SCRAPBOOK => DROPPED_SCRAPBOOK.example,
        names::CRATE => CRATE.example,
        _ => recurring::example(key).unwrap_or("…"),
    };
    example.to_owned()
}
