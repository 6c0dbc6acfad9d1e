//! `#[resilient_fn]`: args → model → check → expand.

mod args;
mod check;
mod duration;
mod expand;
mod model;
mod recurring;
mod retry;

use proc_macro2::TokenStream;
use quote::quote;

use self::model::Function;
use crate::diagnostics::{self, Rejected};

/// The function as it is written, and everything the macro adds to it.
///
/// When something is wrong, as much as possible is added beside the errors, so that the callers of the function
/// do not light up, too.
pub(crate) fn resilient_fn(attr: TokenStream, item: TokenStream) -> TokenStream {
    let collected = diagnostics::collect(|errors| {
        let args = args::parse(errors, attr);
        let function = Function::from_syn(errors, args, item.clone())?;
        check::check_surroundings(errors, &function);
        let before = errors.count();
        check::check_signature(errors, &function);
        Some((function, errors.count() == before))
    });
    match collected {
        Ok(Some((function, _))) => expand::expand(&function),
        Ok(None) => item,
        Err(Rejected { value: Some((function, is_sound)), errors }) => {
            let rest =
                if is_sound { expand::expand_unregistered(function) } else { expand::fallback(&function) };
            quote!(#rest #errors)
        }
        Err(Rejected { value: None, errors }) => quote!(#item #errors),
    }
}
