//! The macros of `resilient`. Use them through that crate, which has the types that the generated code names.
//!
//! ```text
//! names, diagnostics → pairs → stored → args, attr → model → check → expand → mod → lib
//! ```
//!
//! What each macro takes and refuses stands in `docs/`; its examples are run as tests of `resilient`.

mod diagnostics;
mod messages;
mod names;
mod pairs;
mod resilient_fn;
mod stored;
mod versioned;

use proc_macro::TokenStream;

#[doc = include_str!("docs/resilient_fn.md")]
#[proc_macro_attribute]
pub fn resilient_fn(attr: TokenStream, item: TokenStream) -> TokenStream {
    resilient_fn::resilient_fn(attr.into(), item.into()).into()
}

#[doc = include_str!("docs/scrapbook.md")]
#[proc_macro_derive(Scrapbook, attributes(scrapbook, at_most_once, at_least_once))]
pub fn derive_scrapbook(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Scrapbook, item.into()).into()
}

#[doc = include_str!("docs/versioned.md")]
#[proc_macro_derive(Versioned, attributes(versioned))]
pub fn derive_versioned(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Versioned, item.into()).into()
}

#[doc = include_str!("docs/message.md")]
#[proc_macro_derive(Message, attributes(message))]
pub fn derive_message(item: TokenStream) -> TokenStream {
    versioned::derive(versioned::Role::Message, item.into()).into()
}

#[doc = include_str!("docs/messages.md")]
#[proc_macro_derive(Messages, attributes(messages))]
pub fn derive_messages(item: TokenStream) -> TokenStream {
    messages::derive(item.into()).into()
}
