//! `#[derive(Messages)]`: attr → model → check → expand.

mod attr;
mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use quote::quote;

use self::model::Kinds;
use crate::diagnostics::{self, Rejected};

/// The implementation.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<syn::DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let collected = diagnostics::collect(|errors| {
        let kinds = Kinds::new(attr::parse(errors, &input), &input);
        check::check(errors, &kinds);
        kinds
    });
    match collected {
        Ok(kinds) => expand::expand(&kinds),
        Err(Rejected { value, errors }) => {
            let inert = expand::fallback(&value);
            quote!(#inert #errors)
        }
    }
}
