//! What versioned data may not be. Every rule has a name, and a case of that name among the UI tests.

use proc_macro2::TokenTree;
use syn::{Attribute, Field, Fields, GenericParam, Meta};

use super::model::{Data, MOST_LISTED, Role};
use crate::diagnostics::{self, Errors};
use crate::names;
use crate::stored;

/// All rules.
pub(crate) fn check(errors: &mut Errors, data: &Data<'_>) {
    check_scrapbook_not_a_struct(errors, data);
    check_versioned_union(errors, data);
    check_generic_data(errors, data);
    check_guard_as_attribute(errors, data);
    check_attribute_on_a_field(errors, data);
    check_data_version_range(errors, data);
    check_message_name_length(errors, data);
    check_message_name_characters(errors, data);
    check_message_name_reserved(errors, data);
    if data.attr.is_incomplete {
        // What seems to be missing may be what could not be read.
        return;
    }
    check_missing_version(errors, data);
    check_missing_earlier_type(errors, data);
    check_type_not_earlier(errors, data);
    check_type_before_oldest(errors, data);
    check_oldest_after_version(errors, data);
    check_own_type_as_earlier(errors, data);
}

/// A struct with named fields grows by fields without a new version; an enum or a tuple does not.
fn check_scrapbook_not_a_struct(errors: &mut Errors, data: &Data<'_>) {
    if data.role != Role::Scrapbook {
        return;
    }
    let message = diagnostics::scrapbook_not_a_struct();
    match &data.input.data {
        syn::Data::Struct(node) => match &node.fields {
            Fields::Unnamed(fields) => errors.at(fields, message),
            Fields::Named(_) | Fields::Unit => {}
        },
        syn::Data::Enum(node) => errors.at(node.enum_token, message),
        syn::Data::Union(node) => errors.at(node.union_token, message),
    }
}

fn check_versioned_union(errors: &mut Errors, data: &Data<'_>) {
    if let (Role::Versioned | Role::Message, syn::Data::Union(node)) = (data.role, &data.input.data) {
        errors.at(node.union_token, diagnostics::versioned_union());
    }
}

fn check_generic_data(errors: &mut Errors, data: &Data<'_>) {
    for param in &data.input.generics.params {
        match param {
            GenericParam::Type(param) => errors.at(&param.ident, diagnostics::generic_data()),
            GenericParam::Const(param) => errors.at(&param.ident, diagnostics::generic_data()),
            GenericParam::Lifetime(param) => errors.at(&param.lifetime, diagnostics::generic_data()),
        }
    }
}

/// Without a word it would be ignored, and the call made twice.
fn check_guard_as_attribute(errors: &mut Errors, data: &Data<'_>) {
    for (attribute, field) in data.inner_attributes() {
        if let (Some(guard), Some(field)) = (guard(data, attribute), field) {
            errors.at(attribute, diagnostics::guard_as_attribute(&guarded(guard, field)));
        }
    }
}

/// `parcel: AtMostOnce<String>`
fn guarded(guard: &str, field: &Field) -> String {
    let ty = names::written(&field.ty);
    match &field.ident {
        Some(name) => format!("{name}: {guard}<{ty}>"),
        None => format!("{guard}<{ty}>"),
    }
}

/// The type of the guard that `#[at_most_once]` or `#[scrapbook(at_most_once)]` means.
fn guard(data: &Data<'_>, attribute: &Attribute) -> Option<&'static str> {
    let named = |word: &dyn Fn(&str) -> bool| {
        names::GUARDS.iter().find(|(name, _)| word(name)).map(|(_, guard)| *guard)
    };
    if data.role != Role::Scrapbook {
        return None;
    }
    match &attribute.meta {
        Meta::List(list) if attribute.path().is_ident(names::SCRAPBOOK) => {
            let Some(TokenTree::Ident(first)) = list.tokens.clone().into_iter().next() else { return None };
            named(&|name| first == name)
        }
        _ => named(&|name| attribute.path().is_ident(name)),
    }
}

fn check_attribute_on_a_field(errors: &mut Errors, data: &Data<'_>) {
    let written = data.role.attribute();
    for (attribute, _) in data.inner_attributes() {
        if attribute.path().is_ident(written) && guard(data, attribute).is_none() {
            errors.at(attribute, diagnostics::attribute_on_a_field(written));
        }
    }
}

fn check_data_version_range(errors: &mut Errors, data: &Data<'_>) {
    if let Some(version) = &data.attr.version {
        version.check_range(errors, names::VERSION);
    }
    if let Some(oldest) = &data.attr.oldest {
        oldest.check_range(errors, names::OLDEST);
    }
    for earlier in data.earlier().iter().filter(|earlier| earlier.version == 0) {
        errors.at(&earlier.key, diagnostics::version_zero("v0"));
    }
}

fn check_message_name_length(errors: &mut Errors, data: &Data<'_>) {
    if data.role == Role::Message {
        stored::MESSAGE.check_length(errors, data.name_tokens(), &data.name());
    }
}

fn check_message_name_characters(errors: &mut Errors, data: &Data<'_>) {
    if data.role == Role::Message {
        stored::MESSAGE.check_characters(errors, data.name_tokens(), &data.name());
    }
}

/// The runtime refuses it, too, when it is sent.
fn check_message_name_reserved(errors: &mut Errors, data: &Data<'_>) {
    if data.role == Role::Message && data.name().starts_with(names::RESERVED) {
        errors.at(data.name_tokens(), diagnostics::message_name_reserved());
    }
}

fn check_missing_version(errors: &mut Errors, data: &Data<'_>) {
    if let (None, Some(last)) = (&data.attr.version, data.earlier().last()) {
        let version = last.version.saturating_add(1);
        errors.at(&last.key, diagnostics::missing_version(version));
    }
}

fn check_missing_earlier_type(errors: &mut Errors, data: &Data<'_>) {
    let missing = data.missing();
    let (Some(version), Some(last)) = (&data.attr.version, missing.last()) else { return };
    let name = &data.input.ident;
    let mut additions: Vec<_> = missing.iter().map(|n| format!("`v{n} = {name}V{n}`")).collect();
    if additions.len() > MOST_LISTED {
        additions.truncate(MOST_LISTED);
        additions.push("…".to_owned());
    }
    let oldest = if missing.len() > MOST_LISTED { data.version() } else { last.saturating_add(1) };
    let message = diagnostics::missing_earlier_types(data.version(), &additions.join(", "), oldest);
    errors.at(&version.literal, message);
}

fn check_type_not_earlier(errors: &mut Errors, data: &Data<'_>) {
    if data.attr.version.is_none() {
        return;
    }
    for earlier in data.earlier().iter().filter(|earlier| earlier.version >= data.version()) {
        errors.at(&earlier.key, diagnostics::type_not_earlier(&earlier.key.to_string(), data.version()));
    }
}

fn check_type_before_oldest(errors: &mut Errors, data: &Data<'_>) {
    let is_before = |version: u32| version != 0 && version < data.oldest();
    for earlier in data.earlier().iter().filter(|earlier| is_before(earlier.version)) {
        errors.at(&earlier.key, diagnostics::type_before_oldest(&earlier.key.to_string(), data.oldest()));
    }
}

fn check_oldest_after_version(errors: &mut Errors, data: &Data<'_>) {
    if let Some(oldest) = &data.attr.oldest
        && data.oldest() > data.version()
    {
        errors.at(&oldest.literal, diagnostics::oldest_after_version(data.oldest(), data.version()));
    }
}

fn check_own_type_as_earlier(errors: &mut Errors, data: &Data<'_>) {
    for earlier in data.earlier().iter().filter(|earlier| earlier.ty.is_ident(&data.input.ident)) {
        errors.at(&earlier.ty, diagnostics::own_type_as_earlier(&earlier.key.to_string()));
    }
}
