//! Not public API: what generated code names. It may change with every release.

pub use crate::backoff::seed_jitter;
pub use crate::codec::EncodeError;
pub use crate::outcome::{ErrorProbe, PlainError, ReturnProbe, Returns, ReturnsFallback};
pub use crate::payload::Payload;
pub use crate::registry::arg::{Arg, Env, Join, Kind, Lend, Without, accept};
pub use crate::registry::function::{Finished, Registration, ResilientFn, RunFuture};
pub use crate::registry::requirements::Requirements;
pub use crate::version::{
    DecodeError, Output, Param, ScrapbookState, UnversionedFallback, VersionProbe, Versioned, decode_exact,
    out_of_range, upgrade_step,
};
pub use crate::{ControlPanel, InstanceId, InvokeError, Message, Messages, Outgoing, Runtime};
pub use inventory;
pub use serde;

/// Submits a registration. The tokens that `inventory` needs come out of a macro of this crate, so that the
/// user's `forbid(unsafe_code)` does not meet them.
#[doc(hidden)]
#[macro_export]
macro_rules! __submit {
    ($registration:expr) => {
        $crate::__private::inventory::submit! { $registration }
    };
}
pub use crate::__submit as submit;

/// Serde for the enum of all versions of a type.
///
/// Serde's `remote` writes one type as another: the enum itself stays free of paths into this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __versions {
    ($versions:ident $remote:literal $($tag:literal $variant:ident($ty:ty)),*) => {
        #[derive($crate::__private::serde::Serialize, $crate::__private::serde::Deserialize)]
        #[serde(crate = "__resilient::serde", remote = $remote, tag = "v", content = "data")]
        #[allow(dead_code, reason = "serde reads its shape only")]
        enum __Stored { $(#[serde(rename = $tag)] $variant($ty)),* }

        #[automatically_derived]
        impl $crate::__private::serde::Serialize for $versions {
            fn serialize<__S: $crate::__private::serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                __Stored::serialize(self, __serializer)
            }
        }

        #[automatically_derived]
        impl<'de> $crate::__private::serde::Deserialize<'de> for $versions {
            fn deserialize<__D: $crate::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __Stored::deserialize(__deserializer)
            }
        }
    };
}
pub use crate::__versions as versions;

/// The stored name of what stands in a variant of an enum of messages.
pub const fn message_name<M: Message>() -> &'static str {
    M::NAME
}

/// Reads what stands in a variant of an enum of messages.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode_message<M: Message>(payload: &Payload) -> Result<M, DecodeError> {
    <M as Versioned>::decode(payload)
}

/// Whether one of these names is this one; at compile time, where `==` of texts is not to be had.
pub const fn is_name_among(name: &str, names: &[&str]) -> bool {
    let mut names = names;
    while let [first, rest @ ..] = names {
        if is_same(first.as_bytes(), name.as_bytes()) {
            return true;
        }
        names = rest;
    }
    false
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([left, left_rest @ ..], [right, right_rest @ ..]) => {
            *left == *right && is_same(left_rest, right_rest)
        }
        _ => false,
    }
}

/// Puts one run into a box.
pub fn boxed(run: impl Future<Output = Finished> + Send + 'static) -> RunFuture {
    Box::pin(run)
}

/// Reports a future that is not `Send` at the user's function, with the value and the `.await` that make it so.
pub fn assert_send<F: Future + Send>(future: F) -> F {
    future
}
