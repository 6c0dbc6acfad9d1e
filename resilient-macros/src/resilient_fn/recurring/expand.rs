//! The description as an expression that can stand in a constant.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{Recurring, Schedule};
use crate::resilient_fn::duration;

/// ```text
/// Recurring { schedule: Schedule::Every(Duration::new(3600, 0)), missed: Missed::Once, param: __firing }
/// ```
pub(in crate::resilient_fn) fn expand(recurring: &Recurring) -> Option<TokenStream> {
    let schedule = match recurring.schedule()? {
        Schedule::Every(interval) => {
            let interval = duration::expand_literal(interval);
            quote!(__resilient::Schedule::Every(#interval))
        }
        Schedule::Cron(expression) => {
            let timezone = Recurring::text(recurring.timezone.as_ref());
            let timezone = timezone.map_or_else(|| "UTC".to_owned(), |(_, timezone)| timezone);
            // A macro, which says so when the feature for it is missing.
            quote_spanned!(expression.span()=> __resilient::cron!(#expression, #timezone))
        }
    };
    let missed = match Recurring::text(recurring.missed.as_ref()) {
        Some((_, missed)) if missed == "every" => quote!(Every),
        _ => quote!(Once),
    };
    Some(quote! {
        __resilient::Recurring { schedule: #schedule, missed: __resilient::Missed::#missed, param: __firing }
    })
}
