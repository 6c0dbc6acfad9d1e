//! What stands in `#[messages(…)]`.

use syn::{DeriveInput, Lit, Meta, Path};

use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::{self, Form, Key, Seen};

const CRATE: Key = Key { name: names::CRATE, kind: "a path", example: "::resilient" };
const FORM: Form = Form { positional, example, lists: &[] };

/// Reads all attributes: where the runtime's crate is.
pub(crate) fn parse(errors: &mut Errors, input: &DeriveInput) -> Option<Path> {
    let mut krate = None;
    let mut seen = Seen::default();
    for found in input.attrs.iter().filter(|found| found.path().is_ident(names::MESSAGES)) {
        let Meta::List(list) = &found.meta else {
            errors.at(&found.meta, diagnostics::not_a_list(names::MESSAGES, "crate = ::resilient"));
            continue;
        };
        for pair in pairs::parse(errors, list.tokens.clone(), &FORM) {
            let name = pair.key.to_string();
            if !seen.is_first(errors, &pair.key) {
                continue;
            }
            if name == names::CRATE {
                krate = pair.value.path(errors, &CRATE);
            } else {
                errors.at(&pair.key, diagnostics::unknown_key("#[messages(…)]", &name, &[names::CRATE]));
            }
        }
    }
    krate
}

fn positional(_: &Lit) -> String {
    diagnostics::positional_value().to_owned()
}

fn example(key: &str) -> String {
    if key == names::CRATE { CRATE.example.to_owned() } else { "…".to_owned() }
}
