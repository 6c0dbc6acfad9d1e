//! Names by which stored data is found: the type id of a function, the name of a message.

use quote::ToTokens;
use syn::{Lit, LitStr};

use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::Value;

/// Which name it is.
pub(crate) struct Name {
    /// The argument.
    key: &'static str,
    /// As it is spoken of.
    what: &'static str,
    /// What it should say.
    says: &'static str,
}

pub(crate) const TYPE_ID: Name = Name {
    key: names::TYPE_ID,
    what: "type id",
    says: "what the function does, for example `\"OrderProcessor\"`",
};
pub(crate) const MESSAGE: Name =
    Name { key: names::NAME, what: "message's name", says: "what it says, for example `\"FundsReserved\"`" };

impl Name {
    /// Reads it; only a literal stays the same when other code changes.
    pub(crate) fn read(&self, errors: &mut Errors, value: Value) -> Option<LitStr> {
        match value {
            Value::Lit(Lit::Str(text)) => return Some(text),
            other => errors.at(other, diagnostics::name_not_literal(self.what)),
        }
        None
    }

    /// What is said about a literal without an argument's name: a text is meant as this one.
    pub(crate) fn positional(&self, literal: &Lit) -> String {
        match literal {
            Lit::Str(text) => diagnostics::positional_name(self.what, self.key, &text.value()),
            _ => diagnostics::positional_value().to_owned(),
        }
    }

    /// The rule for its length.
    pub(crate) fn check_length(&self, errors: &mut Errors, at: impl ToTokens, text: &str) {
        match text.len() {
            0 => errors.at(at, diagnostics::name_empty(self.what, self.says)),
            bytes if bytes > names::MAX_NAME_BYTES => {
                errors.at(at, diagnostics::name_too_long(self.what, bytes, names::MAX_NAME_BYTES));
            }
            _ => {}
        }
    }

    /// The rule for its characters: what cannot be seen in a table cannot be asked for, either.
    pub(crate) fn check_characters(&self, errors: &mut Errors, at: impl ToTokens, text: &str) {
        if text.chars().any(char::is_control) {
            errors.at(at, diagnostics::name_control_characters(self.what));
        } else if text.trim() != text {
            errors.at(at, diagnostics::name_white_space(self.what));
        }
    }
}
