//! What the derive adds to the enum.
//!
//! ```text
//! const _: () = {
//!     use ::resilient::__private as __resilient;      the only path that can be wrong
//!     type __Message0 = FundsReserved;          every message, by one name at its place
//!     const __NAME0: &str = message_name::<__Message0>();
//!     const _: () = assert!(…);                 no two of one name
//!     impl Messages for Reply { … }
//! };
//! ```

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::model::Kinds;
use crate::diagnostics;

/// Everything the derive adds.
pub(crate) fn expand(kinds: &Kinds<'_>) -> TokenStream {
    let messages = messages(kinds);
    let names = expand_names(&messages);
    let decode = expand_decode(&messages);
    let listed = messages.iter().map(|message| &message.name);
    let ident = &kinds.input.ident;
    let krate = kinds.krate();
    quote! {
        const _: () = {
            use #krate::__private as __resilient;
            use __resilient::{
                decode_message as __decode_message, is_name_among as __is_name_among,
                message_name as __message_name,
            };
            #names
            #[automatically_derived]
            impl __resilient::Messages for #ident {
                const NAMES: &'static [&'static str] = &[#(#listed),*];
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

/// One variant: the message's type, an alias of it and the constant with its name, both with the span of the type.
/// Whatever the compiler has to say about the type it says there.
struct Message<'a> {
    variant: &'a Ident,
    ty: &'a Type,
    alias: Ident,
    name: Ident,
}

fn messages<'a>(kinds: &Kinds<'a>) -> Vec<Message<'a>> {
    let message = |(index, kind): (usize, super::model::Kind<'a>)| Message {
        variant: kind.variant,
        ty: kind.ty,
        alias: format_ident!("__Message{index}", span = kind.ty.span()),
        name: format_ident!("__NAME{index}", span = kind.ty.span()),
    };
    kinds.iter().enumerate().map(message).collect()
}

/// ```text
/// type __Message1 = FundsDeclined;
/// const __NAME1: &str = __message_name::<__Message1>();
/// const _: () = assert!(!__is_name_among(__NAME1, &[__NAME0]), "…");
/// ```
fn expand_names(messages: &[Message<'_>]) -> TokenStream {
    let text = diagnostics::message_name_twice();
    let items = messages.iter().enumerate().map(|(index, message)| {
        let Message { ty, alias, name, .. } = message;
        let earlier = messages.iter().take(index).map(|earlier| &earlier.name);
        quote_spanned! {ty.span()=>
            type #alias = #ty;
            const #name: &'static str = __message_name::<#alias>();
            const _: () = ::core::assert!(!__is_name_among(#name, &[#(#earlier),*]), #text);
        }
    });
    quote!(#(#items)*)
}

/// ```text
/// fn decode(__name: &str, __payload: &Payload) -> Result<Self, DecodeError> {
///     if __name == __NAME0 { return __decode_message::<__Message0>(__payload).map(Self::Reserved); }
///     __decode_message::<__Message1>(__payload).map(Self::Declined)
/// }
/// ```
fn expand_decode(messages: &[Message<'_>]) -> TokenStream {
    let payload = quote!(__payload);
    let read = |Message { variant, ty, alias, .. }: &Message<'_>| quote_spanned!(ty.span()=> __decode_message::<#alias>(#payload).map(Self::#variant));
    let (last, others) = match messages.split_last() {
        Some((last, others)) => (read(last), others),
        None => (TokenStream::new(), messages),
    };
    let others = others.iter().map(|message| {
        let (name, read) = (&message.name, read(message));
        quote!(if __name == #name { return #read; })
    });
    let name = if messages.len() > 1 { quote!(__name) } else { quote!(_) };
    quote! {
        fn decode(
            #name: &str,
            __payload: &__resilient::Payload,
        ) -> ::core::result::Result<Self, __resilient::DecodeError> {
            #(#others)*
            #last
        }
    }
}
