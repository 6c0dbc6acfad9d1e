//! The types of a function, each by one name.
//!
//! All generated code uses the alias, and the alias has the span of the user's type: whatever the compiler has to say
//! about the type it says there, and once, because it drops errors that are the same in text and place.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::resilient_fn::model::Function;

/// The types of a signature and their aliases.
pub(super) struct Types {
    pub(super) param: Type,
    pub(super) param_alias: Ident,
    returned: Type,
    returned_alias: Ident,
    pub(super) value_alias: Ident,
    pub(super) error_span: Span,
    pub(super) arguments: Vec<Argument>,
}

/// An argument behind the parameter.
pub(super) struct Argument {
    ty: Type,
    pub(super) alias: Ident,
    /// The sum of the kinds up to this argument.
    kinds: Ident,
    pub(super) local: Ident,
}

impl Types {
    pub(super) fn of(function: &Function) -> Self {
        let (param, returned) = (function.param(), function.returned());
        Self {
            param_alias: Ident::new("__Param", param.span()),
            param,
            returned_alias: Ident::new("__Returned", function.returned_span()),
            value_alias: Ident::new("__Value", function.result_part_span(0)),
            returned,
            error_span: function.result_part_span(1),
            arguments: function.arguments().into_iter().enumerate().map(Argument::new).collect(),
        }
    }

    /// `<__Param as Param<{ is it versioned? }>>`
    pub(super) fn as_param(&self) -> TokenStream {
        let param = &self.param_alias;
        quote_spanned! {param.span()=>
            <#param as __AsParam<{ __VersionProbe::<#param>::VERSIONED }>>
        }
    }

    /// `<__Value as Output<{ is it versioned? }>>`
    pub(super) fn as_output(&self) -> TokenStream {
        let value = &self.value_alias;
        quote_spanned! {value.span()=>
            <#value as __AsOutput<{ __VersionProbe::<#value>::VERSIONED }>>
        }
    }

    /// `<__Returned as Returns<{ which form? }>>`
    pub(super) fn as_returns(&self) -> TokenStream {
        let returned = &self.returned_alias;
        quote_spanned! {returned.span()=> <#returned as __AsReturns<{
            __ReturnProbe::<#returned>::FORM + __ErrorProbe::<#returned>::EXTRA
        }>>}
    }

    /// Where the last argument is added to the sum of all kinds.
    pub(super) fn kinds_span(&self) -> Span {
        self.arguments.last().map_or_else(Span::call_site, |argument| argument.kinds.span())
    }

    /// An `item` of the sum of all arguments' kinds.
    pub(super) fn kinds(&self, item: &str) -> TokenStream {
        let kinds = self.arguments.last().map(|argument| argument.kinds.to_token_stream());
        let kinds = kinds.unwrap_or_else(|| quote!(__Without));
        let span = self.kinds_span();
        let item = Ident::new(item, span);
        quote_spanned!(span=> <#kinds as __AsKind>::#item)
    }
}

impl Argument {
    fn new((index, ty): (usize, Type)) -> Self {
        let span = ty.span();
        Self {
            alias: format_ident!("__Arg{index}", span = span),
            kinds: format_ident!("__Kinds{index}", span = span),
            local: format_ident!("__arg{index}", span = span),
            ty,
        }
    }
}

/// ```text
/// type __Param = Order;
/// type __Returned = Result<u32, Error>;
/// type __Value = <__Returned as Returns<…>>::Value;
/// type __Arg0 = &'static mut Scrapbook<Book>;
/// type __Kinds0 = <Without as Join<<__Arg0 as Arg>::Kind>>::Sum;
/// ```
pub(super) fn expand_aliases(types: &Types) -> TokenStream {
    let Types { param, param_alias, returned, returned_alias, value_alias, .. } = types;
    let as_returns = types.as_returns();
    let mut before: Option<Ident> = None;
    let arguments = types.arguments.iter().map(|Argument { ty, alias, kinds, .. }| {
        // A sum is named at the place of the argument that is added to it.
        let before = before.replace(kinds.clone()).map_or_else(
            || quote!(__Without),
            |sum| Ident::new(&sum.to_string(), alias.span()).into_token_stream(),
        );
        let sum = quote_spanned! {alias.span()=>
            type #kinds = <#before as __AsJoin<<#alias as __AsArg>::Kind>>::Sum;
        };
        quote!(type #alias = #ty; #sum)
    });
    quote! {
        type #param_alias = #param;
        type #returned_alias = #returned;
        type #value_alias = #as_returns::Value;
        #(#arguments)*
    }
}
