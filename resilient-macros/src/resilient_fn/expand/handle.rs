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

/// In the order of the documentation: what starts an instance, what an instance is sent, what there is afterwards.
fn methods(types: &Types) -> Vec<Method> {
    let ty = &types.param;
    let param = || argument("param", quote_spanned!(types.param_alias.span()=> #ty));
    let time = argument("time", quote!(::std::time::SystemTime));
    let delay = argument("delay", quote!(::core::time::Duration));
    let outgoing = quote!(impl ::core::iter::IntoIterator<Item = __resilient::Outgoing>);
    let messages = || argument("messages", outgoing.clone());
    let output = || quote!(<Self as __resilient::ResilientFn>::Output);
    let panel = quote!(__resilient::ControlPanel<Self>);
    let method = |name, docs, inputs, output| Method { docs, name, inputs, output };
    vec![
        method("invoke", docs::INVOKE, vec![param()], output()),
        method("invoke_with", docs::INVOKE_WITH, vec![param(), messages()], output()),
        method("schedule", docs::SCHEDULE, vec![param()], quote!(())),
        method("schedule_with", docs::SCHEDULE_WITH, vec![param(), messages()], quote!(())),
        method("schedule_at", docs::SCHEDULE_AT, vec![param(), time], quote!(())),
        method("schedule_after", docs::SCHEDULE_AFTER, vec![param(), delay], quote!(())),
        method("send_all", docs::SEND_ALL, vec![messages()], quote!(())),
        method("cancel", docs::CANCEL, Vec::new(), quote!(())),
        method("reinvoke", docs::REINVOKE, Vec::new(), output()),
        method("control_panel", docs::CONTROL_PANEL, Vec::new(), panel),
        method("completion", docs::COMPLETION, Vec::new(), output()),
    ]
}

fn argument(name: &str, ty: TokenStream) -> (Ident, TokenStream) {
    (Ident::new(name, Span::call_site()), ty)
}

/// What each of them promises.
mod docs {
    pub(super) const INVOKE: &str = "Runs the instance `id` once and waits for its result; a second call, from anywhere, gets the same one.";
    pub(super) const INVOKE_WITH: &str =
        "Like `invoke`, with messages that are there when the instance begins.";
    pub(super) const SCHEDULE: &str = "Returns as soon as the instance `id` is stored; any replica runs it.";
    pub(super) const SCHEDULE_WITH: &str =
        "Like `schedule`, with messages that are there when the instance begins.";
    pub(super) const SCHEDULE_AT: &str = "Stores the instance `id`, to be run at this time.";
    pub(super) const SCHEDULE_AFTER: &str = "Stores the instance `id`, to be run after this long.";
    pub(super) const SEND_ALL: &str = "Stores messages for an instance, all of them or none, in this order.";
    pub(super) const CANCEL: &str =
        "Asks that an instance ends: at once when it waits, and by its context when it runs.";
    pub(super) const REINVOKE: &str = "Runs an instance again that has ended or waits.";
    pub(super) const CONTROL_PANEL: &str =
        "Opens an instance for a person or a tool: to read, edit, run again or end it.";
    pub(super) const COMPLETION: &str =
        "Waits for the result of an instance that was started elsewhere, through all postponements.";
}

/// The message is taken before the future is made, whose type then says nothing of it: what is no message is one error.
fn expand_send() -> TokenStream {
    quote! {
        /// Stores a message for an instance, and wakes it when it waits for one.
        ///
        /// # Errors
        ///
        /// The error says why the message cannot be stored, or that the store cannot be reached.
        pub fn send<'__runtime>(
            runtime: &'__runtime __resilient::Runtime,
            id: impl ::core::convert::Into<__resilient::InstanceId>,
            message: impl ::core::convert::Into<__resilient::Outgoing>,
        ) -> __resilient::Sending<'__runtime> {
            __resilient::send::<Self>(runtime, id.into(), message.into())
        }
    }
}

/// The items come as pairs, and the ids not before them.
fn expand_schedule_many(types: &Types) -> TokenStream {
    let ty = &types.param;
    let param = quote_spanned!(types.param_alias.span()=> #ty);
    quote! {
        /// Stores many instances that any replica runs at once, in few statements; answers how many are new.
        ///
        /// # Errors
        ///
        /// The error names an instance that cannot be stored, or says that the store cannot be reached.
        pub fn schedule_many(
            runtime: &__resilient::Runtime,
            items: impl ::core::iter::IntoIterator<
                Item = (impl ::core::convert::Into<__resilient::InstanceId>, #param),
            >,
        ) -> impl ::core::future::Future<Output = ::core::result::Result<usize, __resilient::InvokeError>> {
            runtime.schedule_many::<Self>(items)
        }
    }
}

/// What is stored with the rows of the user's own.
fn expand_in_transactions(types: &Types) -> TokenStream {
    let ty = &types.param;
    let param = quote_spanned!(types.param_alias.span()=> #ty);
    quote! {
        /// Like `schedule`, in a transaction of the user's own: the instance is stored exactly when that is committed.
        ///
        /// # Errors
        ///
        /// The error says why the instance cannot be stored, or what the store takes as a transaction.
        pub fn schedule_in(
            runtime: &__resilient::Runtime,
            transaction: &mut (impl ::core::any::Any + ::core::marker::Send),
            id: impl ::core::convert::Into<__resilient::InstanceId>,
            param: #param,
        ) -> impl ::core::future::Future<Output = ::core::result::Result<(), __resilient::InvokeError>> {
            runtime.schedule_in::<Self>(transaction, id, param)
        }

        /// Like `send`, in a transaction of the user's own: the message is stored exactly when that is committed.
        ///
        /// # Errors
        ///
        /// The error says why the message cannot be stored, or what the store takes as a transaction.
        pub fn send_in<'__call>(
            runtime: &'__call __resilient::Runtime,
            transaction: &'__call mut (impl ::core::any::Any + ::core::marker::Send),
            id: impl ::core::convert::Into<__resilient::InstanceId>,
            message: impl ::core::convert::Into<__resilient::Outgoing>,
        ) -> __resilient::Sending<'__call> {
            __resilient::send_in::<Self>(runtime, transaction, id.into(), message.into())
        }
    }
}

pub(super) fn expand_handles(function: &Function, types: &Types) -> TokenStream {
    let (type_id, version, handle) = (function.type_id(), function.version(), function.handle());
    let in_transactions = expand_in_transactions(types);
    let methods = methods(types).into_iter().map(expand_method);
    let (send, schedule_many) = (expand_send(), expand_schedule_many(types));
    quote! {
        #[automatically_derived]
        impl #handle {
            /// The name under which instances are stored.
            pub const TYPE_ID: &'static str = #type_id;
            /// The version of the function.
            pub const VERSION: u32 = #version;
            #(#methods)*
            #schedule_many
            #send
            #in_transactions
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
