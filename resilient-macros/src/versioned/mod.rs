//! `#[derive(Scrapbook)]`, `#[derive(Versioned)]` and `#[derive(Message)]`: attr → model → check → expand.

mod attr;
mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use quote::quote;

use self::model::Data;
pub(crate) use self::model::Role;
use crate::diagnostics::{self, Rejected};

/// The implementations, and the enum of all versions.
pub(crate) fn derive(role: Role, item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<syn::DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let collected = diagnostics::collect(|errors| {
        let attr = attr::parse(errors, role, &input);
        let data = Data::new(role, attr, &input);
        check::check(errors, &data);
        data
    });
    match collected {
        Ok(data) => expand::expand(&data),
        Err(Rejected { value, errors }) => {
            let inert = expand::fallback(&value);
            quote!(#inert #errors)
        }
    }
}
