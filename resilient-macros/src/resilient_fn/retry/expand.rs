//! The description as an expression that can stand in a constant.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::model::Retry;
use crate::pairs;
use crate::resilient_fn::duration;

/// ```text
/// Retry::exponential(Duration::new(1, 0), 2.0).max_delay(Duration::new(3600, 0)).max_tries(5)
/// ```
pub(in crate::resilient_fn) fn expand(retry: &Retry) -> TokenStream {
    let first = retry.first.as_ref().map_or_else(|| duration::expand(0), duration::expand_literal);
    let start = match (&retry.factor, &retry.step) {
        (Some(factor), _) => {
            let factor = factor.value;
            quote!(__resilient::Retry::exponential(#first, #factor))
        }
        (None, step) => {
            let step =
                step.as_ref().map_or_else(|| duration::expand(0), |(_, step)| duration::expand_literal(step));
            quote!(__resilient::Retry::linear(#first, #step))
        }
    };
    let max_delay =
        retry.max_delay.as_ref().map(duration::expand_literal).map(|delay| quote!(.max_delay(#delay)));
    let max_tries = retry.max_tries.as_ref().map(|tries| {
        let tries = u32::try_from(pairs::whole(tries)).unwrap_or(u32::MAX);
        quote!(.max_tries(#tries))
    });
    let jitter = retry.jitter.as_ref().map(|jitter| {
        let jitter = jitter.value;
        quote!(.jitter(#jitter))
    });
    let in_memory = retry.in_memory_below.as_ref().map(duration::expand_literal);
    let in_memory = in_memory.map(|below| quote!(.in_memory_below(#below)));
    let only_if = retry.only_if.as_ref().map(|path| quote_spanned!(path.span()=> .only_if(#path)));
    quote!(#start #max_delay #max_tries #jitter #in_memory #only_if)
}
