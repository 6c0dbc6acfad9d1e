//! What the derives add to the type.
//!
//! ```text
//! pub enum BookVersions { V1(BookV1), V2(Book) }      outside, so that it can be named
//! const _: () = {
//!     use ::resilient::__private as __resilient;      the only path that can be wrong
//!     impl Versioned for Book { … }
//!     impl ScrapbookState for Book { … }         or Message
//!     impl BookVersions { fn upgrade(self) -> … }
//!     versions! { … }                                 impl Serialize, Deserialize for BookVersions
//!     impl Debug for BookVersions { … }
//! };
//! ```
//!
//! What stands at the place of a type of the user's is named by one word: `unused_qualifications` would speak about a
//! path there.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::model::{Data, Role};
use crate::names;

/// Everything the derive adds.
pub(crate) fn expand(data: &Data<'_>) -> TokenStream {
    let steps = steps(data);
    let versions = names::versions_enum(&data.input.ident);
    let declaration = expand_enum(data, &steps, &versions);
    let bounds = bounds(&steps);
    let versioned = expand_versioned(data, &steps, &versions);
    let role = expand_role(data, &bounds);
    let upgrade = expand_upgrade(data, &steps, &versions);
    let serde = expand_serde(&steps, &versions);
    let debug = expand_debug(&steps, &versions);
    let stored = expand_stored(&steps);
    let krate = data.krate();
    quote! {
        #declaration
        const _: () = {
            use #krate::__private as __resilient;
            #[allow(unused_imports, reason = "a type without earlier versions needs none")]
            use __resilient::{
                assert_stored as __assert_stored, decode_exact as __decode_exact, upgrade_step as __upgrade_step,
            };
            #stored
            #versioned
            #role
            #upgrade
            #serde
            #debug
        };
    }
}

/// For a type whose attribute is wrong: it still is what the derive says, so that the functions that use it do not
/// light up, too.
pub(crate) fn fallback(data: &Data<'_>) -> TokenStream {
    let is_impossible =
        !data.input.generics.params.is_empty() || matches!(data.input.data, syn::Data::Union(_));
    if is_impossible {
        return TokenStream::new();
    }
    let krate = data.krate();
    let ident = &data.input.ident;
    let body = quote!(__resilient::decode_exact(__payload));
    let step = Step { version: 1, variant: names::version_variant(1), ty: ident.clone().into() };
    let bounds = bounds(std::slice::from_ref(&step));
    let versioned = expand_impl(ident, (1, 1), &bounds, &body);
    let role = expand_role(data, &bounds);
    quote! {
        const _: () = {
            use #krate::__private as __resilient;
            type __V1 = #ident;
            #versioned
            #role
        };
    }
}

/// One version: its number, its variant and its type.
struct Step {
    version: u32,
    variant: Ident,
    ty: Path,
}

fn steps(data: &Data<'_>) -> Vec<Step> {
    let step = |version, ty| Step { version, variant: names::version_variant(version), ty };
    let earlier = data.earlier().iter().map(|earlier| step(earlier.version, earlier.ty.clone()));
    earlier.chain([step(data.version(), data.input.ident.clone().into())]).collect()
}

/// ```text
/// pub enum BookVersions { V1(BookV1), V2(Book) }
/// ```
fn expand_enum(data: &Data<'_>, steps: &[Step], versions: &Ident) -> TokenStream {
    let vis = &data.input.vis;
    let docs = format!(
        "Every version of [`{}`], for export and import: `{{\"v\":\"{}\",\"data\":…}}`.",
        data.input.ident,
        data.version()
    );
    let variants = steps.iter().map(|Step { version, variant, ty }| {
        let docs = format!("Version {version}.");
        quote!(#[doc = #docs] #variant(#ty))
    });
    quote! {
        #[doc = #docs]
        #[allow(dead_code, private_interfaces, reason = "it is there for those who need it")]
        #[allow(non_camel_case_types, reason = "its name begins with that of its type")]
        #vis enum #versions { #(#variants),* }
    }
}

/// ```text
/// type __V1 = BookV1;
/// const _: () = assert_stored::<__V1>();
/// ```
fn expand_stored(steps: &[Step]) -> TokenStream {
    let checks = steps.iter().map(|step| {
        let (ty, alias) = (&step.ty, alias(step));
        let check = quote_spanned!(ty.span()=> __assert_stored::<#alias>());
        quote!(type #alias = #ty; const _: () = #check;)
    });
    checks.collect()
}

/// The type of a version by one word, at the place of that type.
fn alias(step: &Step) -> Ident {
    format_ident!("__{}", step.variant, span = step.ty.span())
}

/// That all types can be stored, as conditions: what cannot is told by [`expand_stored`], and not by each implementation.
///
/// ```text
/// for<'__a> <() as Same<'__a, __V1>>::Same: Stored, …
/// ```
fn bounds(steps: &[Step]) -> TokenStream {
    let bounds = steps.iter().map(|step| {
        let alias = format_ident!("__{}", step.variant);
        quote!(for<'__a> <() as __resilient::Same<'__a, #alias>>::Same: __resilient::Stored)
    });
    quote!(#(#bounds),*)
}

fn expand_impl(
    ident: &Ident,
    (version, oldest): (u32, u32),
    bounds: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __resilient::Versioned for #ident where #bounds {
            const VERSION: u32 = #version;
            const OLDEST: u32 = #oldest;
            fn decode(
                __payload: &__resilient::Payload,
            ) -> ::core::result::Result<Self, __resilient::DecodeError> {
                #body
            }
        }
    }
}

/// ```text
/// match __payload.version {
///     1 => BookVersions::V1(decode_exact::<BookV1>(__payload)?).upgrade(),
///     2 => decode_exact(__payload),
///     other => Err(out_of_range::<Self>(other)),
/// }
/// ```
fn expand_versioned(data: &Data<'_>, steps: &[Step], versions: &Ident) -> TokenStream {
    let version = data.version();
    // With the hygiene of this macro wherever it stands: a type may come from one of the user's.
    let payload = quote!(__payload);
    let earlier = steps.iter().filter(|step| step.version != version).map(|step| {
        let Step { version, variant, ty } = step;
        quote_spanned! {ty.span()=>
            #version => #versions::#variant(__decode_exact::<#ty>(#payload)?).upgrade(),
        }
    });
    let body = quote! {
        match __payload.version {
            #(#earlier)*
            #version => __resilient::decode_exact(__payload),
            __other => ::core::result::Result::Err(__resilient::out_of_range::<Self>(__other)),
        }
    };
    expand_impl(&data.input.ident, (version, data.oldest()), &bounds(steps), &body)
}

/// What the type is, beside having versions.
fn expand_role(data: &Data<'_>, bounds: &TokenStream) -> Option<TokenStream> {
    match data.role {
        Role::Scrapbook => Some(expand_state(data, bounds)),
        Role::Message => Some(expand_message(data, bounds)),
        Role::Versioned => None,
    }
}

/// ```text
/// impl ScrapbookState for Book {
///     const FIELDS: &'static [(&'static str, usize)] = &[("emails", offset_of!(Book, emails)), …];
/// }
/// near_miss!(&'static mut Book, [], WithoutScrapbook<Book>);      an argument that has forgotten its `Scrapbook<…>`
/// ```
fn expand_state(data: &Data<'_>, bounds: &TokenStream) -> TokenStream {
    let ident = &data.input.ident;
    let fields = fields(data).map(|field| {
        let name = field.unraw().to_string();
        quote!((#name, ::core::mem::offset_of!(#ident, #field)))
    });
    quote! {
        #[automatically_derived]
        impl __resilient::ScrapbookState for #ident where #bounds {
            const FIELDS: &'static [(&'static str, usize)] = &[#(#fields),*];
        }
        __resilient::near_miss!(&'static mut #ident, [], __resilient::WithoutScrapbook<#ident>);
        __resilient::near_miss!(&'static #ident, [], __resilient::WithoutScrapbook<#ident>);
        __resilient::near_miss!(#ident, [], __resilient::WithoutScrapbook<#ident>);
    }
}

/// The fields that have a name.
fn fields<'a>(data: &'a Data<'_>) -> impl Iterator<Item = &'a Ident> {
    let fields = match &data.input.data {
        syn::Data::Struct(node) => Some(&node.fields),
        syn::Data::Enum(_) | syn::Data::Union(_) => None,
    };
    fields.into_iter().flatten().filter_map(|field| field.ident.as_ref())
}

fn expand_message(data: &Data<'_>, bounds: &TokenStream) -> TokenStream {
    let (ident, name) = (&data.input.ident, data.name());
    quote! {
        #[automatically_derived]
        impl __resilient::Message for #ident where #bounds {
            const NAME: &'static str = #name;
        }
    }
}

/// ```text
/// match self {
///     Self::V1(__value) => {
///         let __value = upgrade_step::<Book, BookV1, BookV2>(1, __value)?;
///         let __value = upgrade_step::<Book, BookV2, Book>(1, __value)?;
///         Ok(__value)
///     }
///     Self::V3(__value) => Ok(__value),
/// }
/// ```
fn expand_upgrade(data: &Data<'_>, steps: &[Step], versions: &Ident) -> TokenStream {
    let ident = &data.input.ident;
    let arms = (0..steps.len()).filter_map(|from| {
        let Step { version, variant, .. } = steps.get(from)?;
        let chain = steps.get(from..)?.windows(2).map(|pair| expand_step(*version, pair, ident));
        Some(quote!(Self::#variant(__value) => { #(#chain)* ::core::result::Result::Ok(__value) }))
    });
    quote! {
        #[automatically_derived]
        impl #versions {
            /// Makes the newest version, one step after the other.
            ///
            /// # Errors
            ///
            /// A step that is a `TryFrom` refused.
            pub fn upgrade(self) -> ::core::result::Result<#ident, __resilient::DecodeError> {
                match self { #(#arms)* }
            }
        }
    }
}

fn expand_step(stored: u32, pair: &[Step], newest: &Ident) -> TokenStream {
    let [Step { ty: from, .. }, Step { ty: to, .. }] = pair else { return TokenStream::new() };
    let value = quote!(__value);
    quote_spanned! {to.span()=>
        let #value = __upgrade_step::<#newest, #from, #to>(#stored, #value)?;
    }
}

/// How the enum is written and read stands in a macro of the runtime's crate: a wrong path to that crate is one
/// error then, and serde's derives see nothing of it.
fn expand_serde(steps: &[Step], versions: &Ident) -> TokenStream {
    let remote = versions.to_string();
    let variants = steps.iter().map(|Step { version, variant, ty }| {
        let tag = version.to_string();
        quote!(#tag #variant(#ty))
    });
    let bounds = bounds(steps);
    let bound = bounds.to_string();
    quote!(__resilient::versions! { #versions #remote #bound [#bounds] #(#variants),* })
}

/// The name of the variant only: the types inside need not be `Debug`.
fn expand_debug(steps: &[Step], versions: &Ident) -> TokenStream {
    let arms = steps.iter().map(|Step { variant, .. }| {
        let text = format!("{versions}::{variant}(..)");
        quote!(Self::#variant(_) => #text,)
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #versions {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                __f.write_str(match self { #(#arms)* })
            }
        }
    }
}
