//! What stands in `#[scrapbook(…)]`, `#[versioned(…)]` and `#[message(…)]`.

use syn::{DeriveInput, Ident, Lit, LitStr, Meta, Path};

use super::model::Role;
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::pairs::{self, Form, Key, Pair, Seen, Version};
use crate::stored;

/// The arguments that could be read.
#[derive(Default)]
pub(crate) struct Attr {
    /// Of a message only.
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<Version>,
    pub(crate) oldest: Option<Version>,
    pub(crate) earlier: Vec<Earlier>,
    pub(crate) krate: Option<Path>,
    /// Something was there and could not be read; what is missing may have been meant by it.
    pub(crate) is_incomplete: bool,
}

/// `v1 = BookV1`
pub(crate) struct Earlier {
    pub(crate) version: u32,
    pub(crate) key: Ident,
    pub(crate) ty: Path,
}

const VERSION: Key = Key { name: names::VERSION, kind: "a number", example: "2" };
const OLDEST: Key = Key { name: names::OLDEST, kind: "a number", example: "2" };
const EARLIER: Key = Key { name: "v1", kind: "the type as it was in that version", example: "BookV1" };
const CRATE: Key = Key { name: names::CRATE, kind: "a path", example: "::resilient" };
const FORM: Form = Form { positional, example, lists: &[] };
const MESSAGE_FORM: Form = Form { positional: |literal| stored::MESSAGE.positional(literal), ..FORM };

/// Reads all arguments of all attributes; what is wrong with one does not hide the others.
pub(crate) fn parse(errors: &mut Errors, role: Role, input: &DeriveInput) -> Attr {
    let before = errors.count();
    let mut attr = Attr::default();
    let mut seen = Seen::default();
    let form = if role == Role::Message { &MESSAGE_FORM } else { &FORM };
    for found in input.attrs.iter().filter(|found| found.path().is_ident(role.attribute())) {
        let Meta::List(list) = &found.meta else {
            errors.at(&found.meta, diagnostics::not_a_list(role.attribute(), role.example()));
            continue;
        };
        for pair in pairs::parse(errors, list.tokens.clone(), form) {
            if seen.is_first(errors, &pair.key) {
                attr.take(errors, role, pair);
            }
        }
    }
    attr.earlier.sort_by_key(|earlier| earlier.version);
    attr.is_incomplete = errors.count() > before;
    attr
}

impl Attr {
    fn take(&mut self, errors: &mut Errors, role: Role, Pair { key, value }: Pair) {
        let name = key.to_string();
        match name.as_str() {
            names::NAME if role == Role::Message => self.name = stored::MESSAGE.read(errors, value),
            names::VERSION => self.version = value.version(errors, &VERSION),
            names::OLDEST => self.oldest = value.version(errors, &OLDEST),
            names::CRATE => self.krate = value.path(errors, &CRATE),
            _ => {
                let Some(version) = names::version_of_key(&name) else {
                    let written = format!("#[{}(…)]", role.attribute());
                    errors.at(&key, diagnostics::unknown_key(&written, &name, role.keys()));
                    return;
                };
                let ty = value.path(errors, &EARLIER);
                self.earlier.extend(ty.map(|ty| Earlier { version, key, ty }));
            }
        }
    }
}

fn positional(_: &Lit) -> String {
    diagnostics::positional_value().to_owned()
}

fn example(key: &str) -> String {
    match key {
        names::NAME => "\"FundsReserved\"".to_owned(),
        names::VERSION | names::OLDEST => VERSION.example.to_owned(),
        names::CRATE => CRATE.example.to_owned(),
        _ => match names::version_of_key(key) {
            Some(version) => format!("BookV{version}"),
            None => "…".to_owned(),
        },
    }
}
