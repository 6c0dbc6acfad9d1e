//! An enum of messages.

use syn::{DeriveInput, Fields, Ident, Path, Type, Variant, parse_quote};

/// The annotated enum.
pub(crate) struct Kinds<'a> {
    pub(crate) input: &'a DeriveInput,
    krate: Option<Path>,
}

/// A variant that holds one message.
pub(crate) struct Kind<'a> {
    pub(crate) variant: &'a Ident,
    pub(crate) ty: &'a Type,
}

impl<'a> Kinds<'a> {
    pub(crate) fn new(krate: Option<Path>, input: &'a DeriveInput) -> Self {
        Self { input, krate }
    }

    /// All variants, whatever they hold.
    pub(crate) fn variants(&self) -> impl Iterator<Item = &'a Variant> + use<'a> {
        let variants = match &self.input.data {
            syn::Data::Enum(node) => Some(&node.variants),
            syn::Data::Struct(_) | syn::Data::Union(_) => None,
        };
        variants.into_iter().flatten()
    }

    /// The variants that hold one message.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Kind<'a>> + use<'a> {
        self.variants().filter_map(|variant| message(variant).map(|ty| Kind { variant: &variant.ident, ty }))
    }

    /// The path of the runtime's crate.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::resilient))
    }
}

/// The one message of a variant.
pub(crate) fn message(variant: &Variant) -> Option<&Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
        _ => None,
    }
}
