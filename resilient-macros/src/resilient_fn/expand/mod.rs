//! What the macro adds to the function.
//!
//! ```text
//! async fn process_order(…) -> … { … }          verbatim, and not blamed for being async
//! pub enum process_order {}                     the handle
//! const _: () = {
//!     use ::resilient::__private as __resilient;      the only path that can be wrong
//!     type __Param = …;                         every type of the signature, by one name
//!     fn __requires(…) { … }                    what it needs, for the start-up check
//!     fn __run(…) -> RunFuture { … }            one run: decode, call, encode
//!     fn __firing(…) -> … { … }                 the parameter, when it recurs
//!     impl ResilientFn for process_order { … }
//!     impl process_order { … }                  invoke, schedule, …: each calls the runtime's generic method
//!     impl Debug for process_order { … }
//!     macro_rules! __resilient_type_id_… { … }  two of one type id do not compile
//!     submit!(__registration());
//! };
//! ```
//!
//! No `async fn` is generated but the one run: each costs the user compile time and repeats errors.

mod handle;
mod types;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use self::handle::{expand_handle, expand_handles};
use self::types::{Argument, Types, expand_aliases};
use super::model::Function;
use super::recurring::Recurring;
use super::{recurring, retry};
use crate::names;

/// The function and everything that is added to it.
pub(crate) fn expand(function: &Function) -> TokenStream {
    let item = &function.item;
    let handle = expand_handle(function);
    let glue = expand_glue(function, &Types::of(function));
    quote! {
        #[allow(clippy::unused_async, reason = "a resilient function is async, whether it awaits or not")]
        #item
        #handle
        #glue
    }
}

/// The same, for a function with mistakes that its callers need not know of: they compile, and nothing finds it.
pub(crate) fn expand_unregistered(mut function: Function) -> TokenStream {
    function.args.register = false;
    function.args.retry = None;
    function.args.recurring = Recurring::default();
    function.args.dropped_scrapbook = None;
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

fn expand_glue(function: &Function, types: &Types) -> TokenStream {
    let attrs = function.shared_attrs();
    let krate = function.krate();
    let deprecated = function
        .is_deprecated()
        .then(|| quote!(#[allow(deprecated, reason = "the warning is for the function's callers")]));
    let imports = expand_imports();
    let aliases = expand_aliases(types);
    let requires = expand_requires(function, types);
    let run = expand_run(function, types);
    let firing = expand_firing(function, types);
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
            #imports
            #aliases
            #requires
            #run
            #firing
            #registration
            #resilient_fn
            #handles
            #debug
            #submit
        };
    }
}

/// Names of one word for whatever stands at the place of a user's type: to the compiler that is the user's own code,
/// and `unused_qualifications` would speak about a path there.
fn expand_imports() -> TokenStream {
    quote! {
        #[allow(unused_imports, reason = "not every function needs every one")]
        use __resilient::{
            Arg as __AsArg, ErrorProbe as __ErrorProbe, Finished as __FinishedRun, Join as __AsJoin,
            Kind as __AsKind, Lend as _, Output as __AsOutput, Param as __AsParam, PlainError as _,
            ReturnProbe as __ReturnProbe, Returns as __AsReturns, ReturnsFallback as _,
            UnversionedFallback as _, VersionProbe as __VersionProbe, Without as __Without,
            accept as __accept, accept_dropped as __accept_dropped, assert_send as __assert_send,
            from_tick as __from_tick,
        };
    }
}

/// ```text
/// fn __requires(__requirements: &mut Requirements) { accept::<…>(); <__Arg0 as Arg>::requires(__requirements); … }
/// ```
fn expand_requires(function: &Function, types: &Types) -> TokenStream {
    let has_dropped = function.args.dropped_scrapbook.is_some();
    let requirements = quote!(__requirements);
    let name = if types.arguments.is_empty() { quote!(_) } else { requirements.clone() };
    let calls = types.arguments.iter().map(|Argument { alias, .. }| {
        let dropped = has_dropped
            .then(|| quote_spanned!(alias.span()=> __accept_dropped::<<#alias as __AsArg>::Kind>();));
        quote_spanned! {alias.span()=>
            __accept::<<#alias as __AsArg>::Verdict>();
            #dropped
            <#alias as __AsArg>::requires(#requirements);
        }
    });
    quote! {
        fn __requires(#name: &mut __resilient::Requirements) { #(#calls)* }
    }
}

/// ```text
/// fn __run(mut __env: Env) -> RunFuture {
///     boxed(async move {
///         let __param = match decode_param(&__env.param) { Ok(param) => param, Err(error) => return … };
///         let mut __arg0 = match <__Arg0 as Arg>::hold(&mut __env) { Ok(holder) => holder, Err(failure) => return … };
///         let __returned = assert_send(process_order(__param, __arg0.lend())).await;
///         let mut __finished = Finished::returned(<__Returned as Returns<…>>::sort(__returned));
///         __finished.settle(<__Arg0 as Arg>::settle(__arg0));
///         __finished
///     })
/// }
/// ```
fn expand_run(function: &Function, types: &Types) -> TokenStream {
    let (name, handle) = (&function.sig.ident, function.handle());
    // Locals keep the hygiene of this macro wherever they stand: the tokens around them may come from one of the user's.
    let (env, param, ret, finished) =
        (quote!(__env), quote!(__param), quote!(__returned), quote!(__finished));
    let hold = types.arguments.iter().map(|Argument { alias, local, .. }| {
        quote_spanned! {alias.span()=>
            let mut #local = match <#alias as __AsArg>::hold(&mut #env) {
                ::core::result::Result::Ok(__holder) => __holder,
                ::core::result::Result::Err(__failure) => return __FinishedRun::before(__failure),
            };
        }
    });
    let lend =
        types.arguments.iter().map(|Argument { local, .. }| quote_spanned!(local.span()=> #local.lend()));
    let settle = types.arguments.iter().map(|Argument { alias, local, .. }| {
        quote_spanned!(alias.span()=> #finished.settle(<#alias as __AsArg>::settle(#local));)
    });
    let call = quote_spanned!(name.span()=> #name(#param, #(#lend),*));
    // A function that is not `async` has been reported; its glue compiles all the same.
    let call = if function.sig.asyncness.is_some() {
        quote_spanned!(name.span()=> __assert_send(#call).await)
    } else {
        call
    };
    let as_returns = types.as_returns();
    let returned = quote_spanned! {types.error_span=>
        __FinishedRun::returned::<#handle, _>(#as_returns::sort(#ret))
    };
    let mutable = (!types.arguments.is_empty()).then(|| quote!(mut));
    quote! {
        fn __run(#mutable __env: __resilient::Env) -> __resilient::RunFuture {
            __resilient::boxed(async move {
                let __param = match <#handle as __resilient::ResilientFn>::decode_param(&__env.param) {
                    ::core::result::Result::Ok(__param) => __param,
                    ::core::result::Result::Err(__error) => {
                        return __FinishedRun::unreadable(&__error);
                    }
                };
                #(#hold)*
                let __returned = #call;
                let #mutable __finished = #returned;
                #(#settle)*
                __finished
            })
        }
    }
}

/// The parameter of a recurring function, for which nobody is there to hand one over.
///
/// ```text
/// fn __firing(__tick: Tick) -> Result<Payload, EncodeError> { encode_param(&from_tick::<__Param>(__tick)) }
/// ```
fn expand_firing(function: &Function, types: &Types) -> Option<TokenStream> {
    function.args.recurring.schedule()?;
    let (handle, param) = (function.handle(), &types.param_alias);
    let tick = quote!(__tick);
    let made = quote_spanned!(param.span()=> __from_tick::<#param>(#tick));
    Some(quote! {
        fn __firing(
            __tick: __resilient::Tick,
        ) -> ::core::result::Result<__resilient::Payload, __resilient::EncodeError> {
            <#handle as __resilient::ResilientFn>::encode_param(&#made)
        }
    })
}

fn expand_registration(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, name) = (function.type_id(), function.version(), function.plain_name());
    let as_param = types.as_param();
    let param = quote_spanned!(types.param_alias.span()=> #as_param::VERSIONS);
    let scrapbook = types.kinds("VERSIONS");
    let dropped_scrapbook = function.dropped_scrapbook();
    let retry = function.args.retry.as_ref().map(retry::expand);
    let (retry, recurring) =
        (expand_option(retry), expand_option(recurring::expand(&function.args.recurring)));
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
                dropped_scrapbook: #dropped_scrapbook,
                retry: #retry,
                recurring: #recurring,
                requires: __requires,
                run: __run,
            }
        }
    }
}

fn expand_option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

fn expand_resilient_fn(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, handle) = (function.type_id(), function.version(), function.handle());
    let Types { param, param_alias, value_alias, .. } = types;
    let (param_span, value_span) = (param_alias.span(), value_alias.span());
    let (as_param, as_output) = (types.as_param(), types.as_output());
    let state = types.kinds("State");
    // What is wrong with an associated type is reported at the whole item.
    let scrapbook_type = quote_spanned!(types.kinds_span()=> type Scrapbook = #state;);
    let output_type = quote_spanned!(value_span=> type Output = #value_alias;);
    let param_type = quote_spanned!(param_span=> type Param = #param;);
    // The arguments of the methods below, with the hygiene of this macro.
    let (value, payload, result) = (quote!(__param), quote!(__payload), quote!(__output));
    let encode_param = quote_spanned!(param_span=> #as_param::encode(#value));
    let decode_param = quote_spanned!(param_span=> #as_param::decode(#payload));
    let encode_output = quote_spanned!(value_span=> #as_output::encode(#result));
    let decode_output = quote_spanned!(value_span=> #as_output::decode(#payload));
    let encoded = quote!(::core::result::Result<__resilient::Payload, __resilient::EncodeError>);
    quote! {
        #[automatically_derived]
        impl __resilient::ResilientFn for #handle {
            const TYPE_ID: &'static str = #type_id;
            const VERSION: u32 = #version;
            #param_type
            #scrapbook_type
            #output_type
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
