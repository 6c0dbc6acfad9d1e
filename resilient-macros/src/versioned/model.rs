//! A type with versions.

use std::iter::repeat;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, DeriveInput, Field, Fields, LitStr, Path, Variant, parse_quote};

use super::attr::{Attr, Earlier};
use crate::names;
use crate::pairs::Version;

/// Which derive it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Scrapbook,
    Versioned,
    Message,
}

impl Role {
    /// The name of its attribute.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Scrapbook => names::SCRAPBOOK,
            Self::Versioned => names::VERSIONED,
            Self::Message => names::MESSAGE,
        }
    }

    /// What may stand in its attribute.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Message => "name = \"FundsReserved\"",
            Self::Scrapbook | Self::Versioned => "version = 1",
        }
    }

    /// The arguments of its attribute.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        const KEYS: &[&str] = &[names::NAME, names::VERSION, "v1", "v2", names::OLDEST, names::CRATE];
        match self {
            Self::Message => KEYS,
            Self::Scrapbook | Self::Versioned => KEYS.split_first().map_or(KEYS, |(_, keys)| keys),
        }
    }
}

/// The annotated type and its history.
pub(crate) struct Data<'a> {
    pub(crate) role: Role,
    pub(crate) input: &'a DeriveInput,
    pub(crate) attr: Attr,
}

impl<'a> Data<'a> {
    pub(crate) fn new(role: Role, attr: Attr, input: &'a DeriveInput) -> Self {
        Self { role, input, attr }
    }

    /// The attributes of its fields and variants.
    pub(crate) fn inner_attributes(&self) -> Vec<(&'a Attribute, Option<&'a Field>)> {
        let of =
            |fields: &'a Fields| fields.iter().flat_map(|field| field.attrs.iter().zip(repeat(Some(field))));
        match &self.input.data {
            syn::Data::Struct(node) => of(&node.fields).collect(),
            syn::Data::Enum(node) => {
                let own = |variant: &'a Variant| variant.attrs.iter().zip(repeat(None));
                node.variants.iter().flat_map(|variant| own(variant).chain(of(&variant.fields))).collect()
            }
            syn::Data::Union(_) => Vec::new(),
        }
    }

    /// The version that is written.
    pub(crate) fn version(&self) -> u32 {
        self.attr.version.as_ref().map_or(1, Version::number)
    }

    /// The first version that can be read.
    pub(crate) fn oldest(&self) -> u32 {
        self.attr.oldest.as_ref().map_or(1, Version::number)
    }

    /// The name a message is stored under.
    pub(crate) fn name(&self) -> String {
        self.attr.name.as_ref().map_or_else(|| self.input.ident.unraw().to_string(), LitStr::value)
    }

    /// What gives a message its name.
    pub(crate) fn name_tokens(&self) -> TokenStream {
        match &self.attr.name {
            Some(literal) => literal.to_token_stream(),
            None => self.input.ident.to_token_stream(),
        }
    }

    /// The types of earlier versions, in their order.
    pub(crate) fn earlier(&self) -> &[Earlier] {
        &self.attr.earlier
    }

    /// The versions whose types are not given.
    pub(crate) fn missing(&self) -> Vec<u32> {
        let is_given = |version: &u32| self.earlier().iter().any(|earlier| earlier.version == *version);
        // One more than can sensibly be listed is enough to know that there is a gap.
        (self.oldest()..self.version()).filter(|version| !is_given(version)).take(MOST_LISTED + 1).collect()
    }

    /// The path of the runtime's crate.
    pub(crate) fn krate(&self) -> Path {
        self.attr.krate.clone().unwrap_or_else(|| parse_quote!(::resilient))
    }
}

/// How many missing types an error lists.
pub(crate) const MOST_LISTED: usize = 2;
