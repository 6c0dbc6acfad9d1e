//! Stand-ins until the runtime is here.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use crate::{InstanceId, ResilientFn};

/// Why an invocation has no result.
#[derive(Debug, thiserror::Error)]
#[error("there is no runtime yet")]
pub struct InvokeError;

/// A view on one instance.
#[derive(Debug)]
pub struct ControlPanel<F>(PhantomData<F>);

/// Runs functions.
#[derive(Debug)]
pub struct Runtime;

macro_rules! handles {
    ($($(#[$docs:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        impl Runtime {$(
            $(#[$docs])*
            ///
            /// # Errors
            ///
            /// Always.
            #[allow(clippy::unused_async, reason = "a stand-in")]
            pub async fn $name<F: ResilientFn>(&self, id: impl Into<InstanceId>, $($arg: $ty),*) -> Result<$out, InvokeError> {
                let _ = (id.into(), $($arg),*);
                Err(InvokeError)
            }
        )*}
    };
}
handles! {
    /// Invokes.
    invoke(param: F::Param) -> F::Output;
    /// Schedules.
    schedule(param: F::Param) -> ();
    /// Schedules.
    schedule_at(param: F::Param, time: SystemTime) -> ();
    /// Schedules.
    schedule_in(param: F::Param, delay: Duration) -> ();
    /// Invokes again.
    reinvoke() -> F::Output;
    /// Waits.
    completion() -> F::Output;
    /// Opens.
    control_panel() -> ControlPanel<F>;
}
