//! What the derive adds to the enum.
//!
//! ```text
//! const _: () = {
//!     use ::resilient::__private as __resilient;      the only path that can be wrong
//!     type __Message0 = FundsReserved;          every message, by one name at its place
//!     const __KIND0: Kind<__Message0, Reply> = kind(Reply::Reserved);
//!     const _: () = assert!(…);                 no two of one name
//!     impl Messages for Reply { … }
//! };
//! ```
//!
//! The type of a message is asked for its traits in one place, its `__KIND`, so that a wrong one is one error.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::model::{Kind, Kinds};
use crate::diagnostics;

/// Everything the derive adds.
pub(crate) fn expand(kinds: &Kinds<'_>) -> TokenStream {
    let messages = messages(kinds);
    let ident = &kinds.input.ident;
    let declarations = expand_kinds(&messages, ident);
    let decode = expand_decode(&messages);
    let consts = messages.iter().map(|message| &message.kind);
    let krate = kinds.krate();
    quote! {
        const _: () = {
            use #krate::__private as __resilient;
            use __resilient::{
                MessageKind as __Kind, is_name_among as __is_name_among, message_kind as __kind,
            };
            #declarations
            #[automatically_derived]
            impl __resilient::Messages for #ident {
                const NAMES: &'static [&'static str] = &[#(#consts.name),*];
                #decode
            }
        };
    }
}

/// For an enum that is wrong: it still can be waited for, so that the functions that do so do not light up, too.
pub(crate) fn fallback(kinds: &Kinds<'_>) -> TokenStream {
    if !kinds.input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let ident = &kinds.input.ident;
    let krate = kinds.krate();
    quote! {
        const _: () = {
            use #krate::__private as __resilient;
            #[automatically_derived]
            impl __resilient::Messages for #ident {
                const NAMES: &'static [&'static str] = &[];
                fn decode(
                    _: &str,
                    _: &__resilient::Payload,
                ) -> ::core::result::Result<Self, __resilient::DecodeError> {
                    loop {}
                }
            }
        };
    }
}

/// One variant: the message's type, an alias of it and what is made of it, both with the span of the type. Whatever
/// the compiler has to say about the type it says there.
struct Message<'a> {
    variant: &'a Ident,
    ty: &'a Type,
    alias: Ident,
    kind: Ident,
}

fn messages<'a>(kinds: &Kinds<'a>) -> Vec<Message<'a>> {
    let message = |(index, Kind { variant, ty }): (usize, Kind<'a>)| Message {
        variant,
        ty,
        alias: format_ident!("__Message{index}", span = ty.span()),
        kind: format_ident!("__KIND{index}", span = ty.span()),
    };
    kinds.iter().enumerate().map(message).collect()
}

/// ```text
/// type __Message1 = FundsDeclined;
/// const __KIND1: Kind<__Message1, Reply> = kind(Reply::Declined);
/// const _: () = assert!(!is_name_among(__KIND1.name, &[__KIND0.name]), "…");
/// ```
fn expand_kinds(messages: &[Message<'_>], ident: &Ident) -> TokenStream {
    let text = diagnostics::message_name_twice();
    let items = messages.iter().enumerate().map(|(index, Message { variant, ty, alias, kind })| {
        let earlier = messages.iter().take(index).map(|earlier| &earlier.kind);
        quote_spanned! {ty.span()=>
            type #alias = #ty;
            const #kind: __Kind<#alias, #ident> = __kind::<#alias, _>(#ident::#variant);
            const _: () = ::core::assert!(!__is_name_among(#kind.name, &[#(#earlier.name),*]), #text);
        }
    });
    quote!(#(#items)*)
}

/// ```text
/// fn decode(__name: &str, __payload: &Payload) -> Result<Self, DecodeError> {
///     if __name == __KIND0.name { return __KIND0.decode(__payload); }
///     __KIND1.decode(__payload)
/// }
/// ```
fn expand_decode(messages: &[Message<'_>]) -> TokenStream {
    let Some((Message { kind: last, .. }, others)) = messages.split_last() else {
        return TokenStream::new();
    };
    let others = others
        .iter()
        .map(|Message { kind, .. }| quote!(if __name == #kind.name { return #kind.decode(__payload); }));
    let name = if messages.len() > 1 { quote!(__name) } else { quote!(_) };
    quote! {
        fn decode(
            #name: &str,
            __payload: &__resilient::Payload,
        ) -> ::core::result::Result<Self, __resilient::DecodeError> {
            #(#others)*
            #last.decode(__payload)
        }
    }
}
