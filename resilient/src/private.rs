//! Not public API: what generated code names. It may change with every release.

pub use crate::codec::EncodeError;
pub use crate::outcome::{ErrorProbe, PlainError, ReturnProbe, Returns, ReturnsFallback};
pub use crate::payload::Payload;
pub use crate::registry::arg::{Arg, Env, Join, Kind, Lend, Without};
pub use crate::registry::function::{Finished, Registration, ResilientFn, RunFuture};
pub use crate::registry::requirements::Requirements;
pub use crate::version::{
    DecodeError, Output, Param, ScrapbookState, UnversionedFallback, VersionProbe, Versioned, decode_exact,
    out_of_range, upgrade_step,
};
pub use crate::{ControlPanel, InstanceId, InvokeError, Runtime};
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

/// Puts one run into a box.
pub fn boxed(run: impl Future<Output = Finished> + Send + 'static) -> RunFuture {
    Box::pin(run)
}

/// Reports a future that is not `Send` at the user's function, with the value and the `.await` that make it so.
pub fn assert_send<F: Future + Send>(future: F) -> F {
    future
}
