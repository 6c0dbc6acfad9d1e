//! What an enum of messages may not be. Every rule has a name, and a case of that name among the UI tests.

use syn::{Fields, GenericParam, Ident};

use super::model::{self, Kind, Kinds};
use crate::diagnostics::{self, Errors};
use crate::names;

/// All rules.
pub(crate) fn check(errors: &mut Errors, kinds: &Kinds<'_>) {
    check_messages_not_an_enum(errors, kinds);
    check_messages_without_variants(errors, kinds);
    check_generic_messages(errors, kinds);
    check_variant_without_message(errors, kinds);
    check_message_twice(errors, kinds);
}

fn check_messages_not_an_enum(errors: &mut Errors, kinds: &Kinds<'_>) {
    let message = diagnostics::messages_not_an_enum();
    match &kinds.input.data {
        syn::Data::Enum(_) => {}
        syn::Data::Struct(node) => errors.at(node.struct_token, message),
        syn::Data::Union(node) => errors.at(node.union_token, message),
    }
}

fn check_messages_without_variants(errors: &mut Errors, kinds: &Kinds<'_>) {
    if let syn::Data::Enum(node) = &kinds.input.data
        && node.variants.is_empty()
    {
        errors.at(&kinds.input.ident, diagnostics::messages_without_variants());
    }
}

fn check_generic_messages(errors: &mut Errors, kinds: &Kinds<'_>) {
    for param in &kinds.input.generics.params {
        let message = diagnostics::generic_messages();
        match param {
            GenericParam::Type(param) => errors.at(&param.ident, message),
            GenericParam::Const(param) => errors.at(&param.ident, message),
            GenericParam::Lifetime(param) => errors.at(&param.lifetime, message),
        }
    }
}

fn check_variant_without_message(errors: &mut Errors, kinds: &Kinds<'_>) {
    for variant in kinds.variants().filter(|variant| model::message(variant).is_none()) {
        let name = &variant.ident;
        let first = variant.fields.iter().next();
        let message = first.map_or_else(|| name.to_string(), |field| names::written(&field.ty));
        let message = diagnostics::variant_without_message(&format!("{name}({message})"));
        match &variant.fields {
            Fields::Unit => errors.at(name, message),
            fields => errors.at(fields, message),
        }
    }
}

/// A message behind an alias is found by its name, in the generated code.
fn check_message_twice(errors: &mut Errors, kinds: &Kinds<'_>) {
    let mut earlier: Vec<(String, &Ident)> = Vec::new();
    for Kind { variant, ty } in kinds.iter() {
        let written = names::written(ty);
        match earlier.iter().find(|(first, _)| *first == written) {
            Some((_, first)) => errors.at(ty, diagnostics::message_twice(&written, &first.to_string())),
            None => earlier.push((written, variant)),
        }
    }
}
