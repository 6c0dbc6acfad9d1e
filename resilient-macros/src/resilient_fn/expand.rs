//! What the macro adds to the function.
//!
//! ```text
//! async fn process_order(…) -> … { … }          verbatim
//! pub enum process_order {}                     the handle
//! const _: () = {
//!     use ::resilient::__private as __resilient;      the only path that can be wrong
//!     fn __requires(…) { … }                    what it needs, for the start-up check
//!     fn __run(…) -> RunFuture { … }            one run: decode, call, encode
//!     impl ResilientFn for process_order { … }
//!     impl process_order { … }                  invoke, schedule, …: each calls the runtime's generic method
//!     impl Debug for process_order { … }
//!     macro_rules! __resilient_type_id_… { … }  two of one type id do not compile
//!     submit!(__registration());
//! };
//! ```
//!
//! Whatever mentions a type of the user's has the span of that type, so that the compiler's own errors appear
//! there. No `async fn` is generated but the one run: each costs the user compile time and repeats errors.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::model::Function;
use crate::names;

/// The function and everything that is added to it.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let item = &function.item;
    let handle = expand_handle(function);
    let glue = expand_glue(function, &Types::of(function));
    quote!(#item #handle #glue)
}

/// The same, for a function whose attribute is wrong: its callers compile, and nothing finds it.
pub(crate) fn expand_unregistered(mut function: Function) -> TokenStream {
    function.args.register = false;
    expand(&function)
}

/// The function and an empty handle, for a signature that cannot be called. With a receiver it stands inside an
/// `impl`, where an enum would be one more error.
pub(crate) fn fallback(function: &Function) -> TokenStream {
    let item = &function.item;
    if function.sig.receiver().is_some() {
        return item.clone();
    }
    let handle = expand_handle(function);
    quote!(#item #handle)
}

/// The types of a function, each in the forms and with the span the generated code needs.
struct Types {
    param: Type,
    /// `<P as Param<{ is it versioned? }>>`
    as_param: TokenStream,
    arguments: Vec<Type>,
    /// The sum of the arguments' kinds.
    kind: TokenStream,
    /// The span of the last argument, or the function's name.
    kind_span: Span,
    /// `<R as Returns<{ which form? }>>`
    as_returns: TokenStream,
    /// `<… as Returns<…>>::Value`
    value: TokenStream,
    value_span: Span,
    /// `<value as Output<{ is it versioned? }>>`
    as_output: TokenStream,
    error_span: Span,
}

impl Types {
    fn of(function: &Function) -> Self {
        let param = function.param();
        let span = param.span();
        let as_param = quote_spanned!(span=>
            <#param as __resilient::Param<{ __resilient::VersionProbe::<#param>::VERSIONED }>>
        );
        let arguments = function.arguments();
        let returned = function.returned();
        let span = function.returned_span();
        let as_returns = quote_spanned!(span=> <#returned as __resilient::Returns<{
            __resilient::ReturnProbe::<#returned>::FORM + __resilient::ErrorProbe::<#returned>::EXTRA
        }>>);
        let value = quote_spanned!(span=> #as_returns::Value);
        let value_span = function.result_part_span(0);
        let as_output = quote_spanned!(value_span=>
            <#value as __resilient::Output<{ __resilient::VersionProbe::<#value>::VERSIONED }>>
        );
        Self {
            kind: sum_of_kinds(&arguments),
            kind_span: arguments.last().map_or(function.sig.ident.span(), Spanned::span),
            error_span: function.result_part_span(1),
            param,
            as_param,
            arguments,
            as_returns,
            value,
            value_span,
            as_output,
        }
    }
}

/// `<<Without as Join<<A as Arg>::Kind>>::Sum as Join<<B as Arg>::Kind>>::Sum`, each step at its argument: a second
/// scrapbook is reported at the second scrapbook.
fn sum_of_kinds(arguments: &[Type]) -> TokenStream {
    let mut sum = quote!(__resilient::Without);
    for ty in arguments {
        sum = quote_spanned! {ty.span()=>
            <#sum as __resilient::Join<<#ty as __resilient::Arg>::Kind>>::Sum
        };
    }
    sum
}

/// An empty enum of the function's name: types and functions have names of their own, so both can be used, and
/// nobody can make a value of it by mistake.
fn expand_handle(function: &Function) -> TokenStream {
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

fn expand_glue(function: &Function, types: &Types) -> TokenStream {
    let attrs = function.shared_attrs();
    let krate = function.krate();
    let deprecated = function
        .is_deprecated()
        .then(|| quote!(#[allow(deprecated, reason = "the warning is for the function's callers")]));
    let requires = expand_requires(types);
    let run = expand_run(function, types);
    let registration = expand_registration(function, types);
    let resilient_fn = expand_resilient_fn(function, types);
    let handles = expand_handles(function, types);
    let debug = expand_debug(function);
    let submit = function.args.register.then(|| expand_submit(function));
    quote! {
        #(#attrs)*
        #deprecated
        const _: () = {
            use #krate::__private as __resilient;
            #[allow(unused_imports, reason = "a probe that finds its answer needs no fallback")]
            use __resilient::{PlainError as _, ReturnsFallback as _, UnversionedFallback as _};
            #requires
            #run
            #registration
            #resilient_fn
            #handles
            #debug
            #submit
        };
    }
}

/// ```text
/// fn __requires(__requirements: &mut Requirements) { <A as Arg>::requires(__requirements); … }
/// ```
fn expand_requires(types: &Types) -> TokenStream {
    if types.arguments.is_empty() {
        return quote!(
            fn __requires(_: &mut __resilient::Requirements) {}
        );
    }
    let calls = types
        .arguments
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> <#ty as __resilient::Arg>::requires(__requirements);));
    quote! {
        fn __requires(__requirements: &mut __resilient::Requirements) { #(#calls)* }
    }
}

/// ```text
/// fn __run(mut __env: Env) -> RunFuture {
///     boxed(async move {
///         let __param = match decode_param(&__env.param) { Ok(param) => param, Err(error) => return … };
///         let mut __arg0 = match <A as Arg>::hold(&mut __env) { Ok(holder) => holder, Err(failure) => return … };
///         let __returned = assert_send(process_order(__param, __arg0.lend())).await;
///         let mut __finished = Finished::returned(<R as Returns<…>>::sort(__returned));
///         __finished.settle::<A>(__arg0);
///         __finished
///     })
/// }
/// ```
fn expand_run(function: &Function, types: &Types) -> TokenStream {
    let (name, handle) = (&function.sig.ident, function.handle());
    let locals: Vec<Ident> = (0..types.arguments.len()).map(|n| format_ident!("__arg{n}")).collect();
    let arguments = || types.arguments.iter().zip(&locals);
    let hold = arguments().map(|(ty, arg)| {
        quote_spanned! {ty.span()=>
            let mut #arg = match <#ty as __resilient::Arg>::hold(&mut __env) {
                ::core::result::Result::Ok(__holder) => __holder,
                ::core::result::Result::Err(__failure) => return __resilient::Finished::before(__failure),
            };
        }
    });
    let lend = arguments().map(|(ty, arg)| quote_spanned!(ty.span()=> __resilient::Lend::lend(&mut #arg)));
    let settle = arguments().map(|(ty, arg)| quote_spanned!(ty.span()=> __finished.settle::<#ty>(#arg);));
    let call = quote_spanned!(name.span()=> __resilient::assert_send(#name(__param, #(#lend),*)).await);
    let as_returns = &types.as_returns;
    let returned = quote_spanned! {types.error_span=>
        __resilient::Finished::returned::<#handle, _>(#as_returns::sort(__returned))
    };
    let env = if locals.is_empty() { quote!(__env) } else { quote!(mut __env) };
    let finished = if locals.is_empty() { quote!(__finished) } else { quote!(mut __finished) };
    quote! {
        fn __run(#env: __resilient::Env) -> __resilient::RunFuture {
            __resilient::boxed(async move {
                let __param = match <#handle as __resilient::ResilientFn>::decode_param(&__env.param) {
                    ::core::result::Result::Ok(__param) => __param,
                    ::core::result::Result::Err(__error) => {
                        return __resilient::Finished::unreadable(&__error);
                    }
                };
                #(#hold)*
                let __returned = #call;
                let #finished = #returned;
                #(#settle)*
                __finished
            })
        }
    }
}

fn expand_registration(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, name) = (function.type_id(), function.version(), function.plain_name());
    let Types { as_param, kind, kind_span, .. } = types;
    let param = quote_spanned!(types.param.span()=> #as_param::VERSIONS);
    let scrapbook = quote_spanned!(*kind_span=> <#kind as __resilient::Kind>::VERSIONS);
    quote! {
        const fn __registration() -> __resilient::Registration {
            __resilient::Registration {
                type_id: #type_id,
                version: #version,
                fn_path: ::core::concat!(::core::module_path!(), "::", #name),
                file: ::core::file!(),
                line: ::core::line!(),
                param: #param,
                scrapbook: #scrapbook,
                requires: __requires,
                run: __run,
            }
        }
    }
}

fn expand_resilient_fn(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, handle) = (function.type_id(), function.version(), function.handle());
    let Types { param, as_param, kind, value, as_output, .. } = types;
    let param_span = param.span();
    let scrapbook = quote_spanned!(types.kind_span=> type Scrapbook = <#kind as __resilient::Kind>::State;);
    let param_type = quote_spanned!(param_span=> type Param = #param;);
    let encode_param = quote_spanned!(param_span=> #as_param::encode(__param));
    let decode_param = quote_spanned!(param_span=> #as_param::decode(__payload));
    let encode_output = quote_spanned!(types.value_span=> #as_output::encode(__output));
    let decode_output = quote_spanned!(types.value_span=> #as_output::decode(__payload));
    let encoded = quote!(::core::result::Result<__resilient::Payload, __resilient::EncodeError>);
    quote! {
        #[automatically_derived]
        impl __resilient::ResilientFn for #handle {
            const TYPE_ID: &'static str = #type_id;
            const VERSION: u32 = #version;
            #param_type
            #scrapbook
            type Output = #value;
            fn encode_param(__param: &Self::Param) -> #encoded { #encode_param }
            fn decode_param(
                __payload: &__resilient::Payload,
            ) -> ::core::result::Result<Self::Param, __resilient::DecodeError> {
                #decode_param
            }
            fn encode_output(__output: &Self::Output) -> #encoded { #encode_output }
            fn decode_output(
                __payload: &__resilient::Payload,
            ) -> ::core::result::Result<Self::Output, __resilient::DecodeError> {
                #decode_output
            }
            fn registration() -> __resilient::Registration { __registration() }
        }
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
    let param = || (Ident::new("param", span), quote_spanned!(types.param.span()=> #ty));
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

fn expand_handles(function: &Function, types: &Types) -> TokenStream {
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

fn expand_debug(function: &Function) -> TokenStream {
    let handle = function.handle();
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #handle {
            fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { match *self {} }
        }
    }
}

/// The entry in the registry, and the marker: two exported macros of one name in a crate do not compile, which
/// catches a copied type id without a linker trick.
fn expand_submit(function: &Function) -> TokenStream {
    let marker = names::marker(&function.type_id(), function.version(), function.type_id_span());
    quote! {
        #[doc(hidden)]
        #[allow(non_local_definitions, reason = "it is exported to be seen by the whole crate")]
        #[macro_export]
        macro_rules! #marker { () => {} }
        __resilient::submit!(__registration());
    }
}
