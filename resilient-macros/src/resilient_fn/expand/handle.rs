//! The type with the function's name, and what can be done with it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::types::Types;
use crate::names;
use crate::resilient_fn::model::Function;

/// An empty enum of the function's name: types and functions have names of their own, so both can be used, and
/// nobody can make a value of it by mistake.
pub(super) fn expand_handle(function: &Function) -> TokenStream {
    let (vis, handle) = (&function.vis, function.handle());
    let attrs = function.shared_attrs();
    let name = function.plain_name();
    let summary = format!(
        "Runs [`{name}`](fn@{}) to its end: `{handle}::invoke(&runtime, id, param).await`.",
        function.sig.ident
    );
    let details = format!(
        "Type id `{}`, version {}, signature `{}`.",
        function.type_id(),
        function.version(),
        names::written(&function.sig)
    );
    quote! {
        #(#attrs)*
        #[doc = #summary]
        #[doc = ""]
        #[doc = #details]
        #[allow(non_camel_case_types, reason = "the handle has the name of its function")]
        #vis enum #handle {}
    }
}

/// One of the handle's functions: `pub fn NAME(runtime, id, ARGS) -> impl Future { runtime.NAME::<Self>(id, ARGS) }`.
struct Method {
    docs: &'static str,
    name: &'static str,
    /// Names and types behind the id.
    inputs: Vec<(Ident, TokenStream)>,
    output: TokenStream,
}

fn methods(types: &Types) -> Vec<Method> {
    let span = Span::call_site();
    let ty = &types.param;
    let param = || (Ident::new("param", span), quote_spanned!(types.param_alias.span()=> #ty));
    let output = || quote!(<Self as __resilient::ResilientFn>::Output);
    let method = |name, docs, inputs, output| Method { docs, name, inputs, output };
    vec![
        method(
            "invoke",
            "Runs the instance `id` once and waits for its result; a second call, from anywhere, gets the same one.",
            vec![param()],
            output(),
        ),
        method(
            "schedule",
            "Returns as soon as the instance `id` is stored; any replica runs it.",
            vec![param()],
            quote!(()),
        ),
        method(
            "schedule_at",
            "Stores the instance `id`, to be run at this time.",
            vec![param(), (Ident::new("time", span), quote!(::std::time::SystemTime))],
            quote!(()),
        ),
        method(
            "schedule_in",
            "Stores the instance `id`, to be run after this long.",
            vec![param(), (Ident::new("delay", span), quote!(::core::time::Duration))],
            quote!(()),
        ),
        method("reinvoke", "Runs an instance again that has ended or waits.", Vec::new(), output()),
        method(
            "control_panel",
            "Opens an instance for a person or a tool: to read, edit, run again or end it.",
            Vec::new(),
            quote!(__resilient::ControlPanel<Self>),
        ),
        method(
            "completion",
            "Waits for the result of an instance that was started elsewhere, through all postponements.",
            Vec::new(),
            output(),
        ),
    ]
}

pub(super) fn expand_handles(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, handle) = (function.type_id(), function.version(), function.handle());
    let methods = methods(types).into_iter().map(expand_method);
    quote! {
        #[automatically_derived]
        impl #handle {
            /// The name under which instances are stored.
            pub const TYPE_ID: &'static str = #type_id;
            /// The version of the function.
            pub const VERSION: u32 = #version;
            #(#methods)*
        }
    }
}

fn expand_method(method: Method) -> TokenStream {
    let Method { docs, output, .. } = method;
    let name = Ident::new(method.name, Span::call_site());
    let (names, types): (Vec<_>, Vec<_>) = method.inputs.into_iter().unzip();
    quote! {
        #[doc = #docs]
        ///
        /// # Errors
        ///
        /// The error says how the instance stands when it has no result, or why it cannot be reached.
        pub fn #name(
            runtime: &__resilient::Runtime,
            id: impl ::core::convert::Into<__resilient::InstanceId>,
            #(#names: #types),*
        ) -> impl ::core::future::Future<Output = ::core::result::Result<#output, __resilient::InvokeError>> {
            runtime.#name::<Self>(id, #(#names),*)
        }
    }
}
