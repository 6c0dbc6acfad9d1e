//! Not public API: what generated code names. It may change with every release.

use std::any::Any;
use std::fmt;
use std::pin::Pin;

pub use crate::chance::seed_chance;
pub use crate::codec::EncodeError;
pub use crate::middleware::Retry;
pub use crate::outcome::{ErrorProbe, Failure, PlainError, ReturnProbe, Returns, ReturnsFallback};
pub use crate::payload::Payload;
pub use crate::recurring::{FromTick, Missed, Recurring, Schedule, Tick};
pub use crate::registry::arg::{
    Arg, Env, Join, Kind, Lend, Refused, Without, WithoutScrapbook, accept, accept_dropped, near_miss,
};
pub use crate::registry::function::{Finished, Registration, ResilientFn, RunFuture};
pub use crate::registry::requirements::Requirements;
pub use crate::version::{
    DecodeError, Output, Param, Same, ScrapbookState, Stored, UnversionedFallback, VersionProbe, Versioned,
    assert_stored, decode_exact, out_of_range, upgrade_step,
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

/// The schedule of a `cron` expression.
#[cfg(feature = "cron")]
#[doc(hidden)]
#[macro_export]
macro_rules! __cron {
    ($expression:literal, $timezone:literal) => {
        $crate::__private::Schedule::Cron { expression: $expression, timezone: $timezone }
    };
}
/// Says what is missing.
#[cfg(not(feature = "cron"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __cron {
    ($expression:literal, $timezone:literal) => {
        ::core::compile_error!(
            "`cron` needs a feature; add `features = [\"cron\"]` to the dependency `resilient` in `Cargo.toml`, or use `every`"
        )
    };
}
pub use crate::__cron as cron;

/// Serde for the enum of all versions of a type.
///
/// Serde's `remote` writes one type as another: the enum itself stays free of paths into this crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __versions {
    ($versions:ident $remote:literal $bound:literal [$($bounds:tt)*] $($tag:literal $variant:ident($ty:ty)),*) => {
        #[derive($crate::__private::serde::Serialize, $crate::__private::serde::Deserialize)]
        #[serde(crate = "__resilient::serde", remote = $remote, bound = $bound, tag = "v", content = "data")]
        #[allow(dead_code, reason = "serde reads its shape only")]
        enum __Stored { $(#[serde(rename = $tag)] $variant($ty)),* }

        #[automatically_derived]
        impl $crate::__private::serde::Serialize for $versions where $($bounds)* {
            fn serialize<__S: $crate::__private::serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                __Stored::serialize(self, __serializer)
            }
        }

        #[automatically_derived]
        impl<'de> $crate::__private::serde::Deserialize<'de> for $versions where $($bounds)* {
            fn deserialize<__D: $crate::__private::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __Stored::deserialize(__deserializer)
            }
        }
    };
}
pub use crate::__versions as versions;

/// What stands in one variant of an enum of messages. It asks nothing of the message's type: [`message_kind`] does, once.
pub struct MessageKind<M, E> {
    /// The stored name.
    pub name: &'static str,
    variant: fn(M) -> E,
    decode: fn(&Payload) -> Result<M, DecodeError>,
}

/// The kind of messages that a variant holds.
pub const fn message_kind<M: Message, E>(variant: fn(M) -> E) -> MessageKind<M, E> {
    MessageKind { name: M::NAME, variant, decode: <M as Versioned>::decode }
}

impl<M, E> MessageKind<M, E> {
    /// Reads a message of this kind.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    pub fn decode(&self, payload: &Payload) -> Result<E, DecodeError> {
        (self.decode)(payload).map(self.variant)
    }
}

impl<M, E> fmt::Debug for MessageKind<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageKind").field("name", &self.name).finish_non_exhaustive()
    }
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

/// A message on its way to the store.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send + 'a>>;

/// Stores a message for an instance.
pub fn send<F: ResilientFn>(runtime: &Runtime, id: InstanceId, message: Outgoing) -> Sending<'_> {
    runtime.send::<F>(id, message)
}

/// The parameter of a recurring function, made in the one place that asks whether it can be.
pub fn from_tick<P: FromTick>(tick: Tick) -> P {
    P::from(tick)
}

/// Stores a message for an instance in a transaction of the user's.
pub fn send_in<'a, F: ResilientFn>(
    runtime: &'a Runtime,
    transaction: &'a mut (impl Any + Send),
    id: InstanceId,
    message: Outgoing,
) -> Sending<'a> {
    Box::pin(runtime.send_in::<F>(transaction, id, message))
}

/// Puts one run into a box.
pub fn boxed(run: impl Future<Output = Finished> + Send + 'static) -> RunFuture {
    Box::pin(run)
}

/// Reports a future that is not `Send` at the user's function, with the value and the `.await` that make it so.
pub fn assert_send<F: Future + Send>(future: F) -> F {
    future
}
