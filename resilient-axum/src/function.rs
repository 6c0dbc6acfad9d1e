//! One resilient function in a handler.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use resilient::{ControlPanel, InstanceId, InvokeError, Outgoing, ResilientFn, Runtime};

/// One resilient function of the runtime in the router's state, as an argument of a handler.
///
/// The state is the [`Runtime`], or a struct of yours with `#[derive(FromRef)]` and a field of that type. What its methods
/// promise is said at the methods of [`Runtime`] of the same names.
///
/// ```
/// use axum::Router;
/// use axum::routing::post;
/// use resilient::prelude::*;
/// use resilient_axum::{Function, Problem};
///
/// #[resilient_fn(type_id = "Doubling")]
/// async fn double(number: u32) -> u32 {
///     2 * number
/// }
///
/// async fn handler(doubling: Function<double>, number: String) -> Result<String, Problem> {
///     let number = number.parse().map_err(|_| Problem::bad_request("the body is no number"))?;
///     Ok(doubling.invoke("7", number).await?.to_string())
/// }
///
/// let app: Router<Runtime> = Router::new().route("/double", post(handler));
/// ```
pub struct Function<F> {
    runtime: Runtime,
    function: PhantomData<fn() -> F>,
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("runtime", &self.runtime).finish()
    }
}

impl<F> Clone for Function<F> {
    fn clone(&self) -> Self {
        Self { runtime: self.runtime.clone(), function: PhantomData }
    }
}

impl<F: ResilientFn> Function<F> {
    /// The function of this runtime, for calls from outside of a handler.
    pub fn of(runtime: &Runtime) -> Self {
        Self { runtime: runtime.clone(), function: PhantomData }
    }

    /// The runtime, for what is not here: `order::schedule_in(orders.runtime(), …)`.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Runs an instance to its end, or waits for the one that has this id.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::invoke`].
    ///
    /// # Cancellation
    ///
    /// The run goes on when the client goes away.
    pub async fn invoke(&self, id: impl Into<InstanceId>, param: F::Param) -> Result<F::Output, InvokeError> {
        self.runtime.invoke::<F>(id, param).await
    }

    /// Stores an instance that any replica runs at once.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::schedule`].
    pub async fn schedule(&self, id: impl Into<InstanceId>, param: F::Param) -> Result<(), InvokeError> {
        self.runtime.schedule::<F>(id, param).await
    }

    /// Stores a message for an instance, and wakes it.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::send`].
    pub async fn send(
        &self,
        id: impl Into<InstanceId>,
        message: impl Into<Outgoing>,
    ) -> Result<(), InvokeError> {
        self.runtime.send::<F>(id, message).await
    }

    /// Waits for the result of an instance, wherever it runs.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::completion`].
    pub async fn completion(&self, id: impl Into<InstanceId>) -> Result<F::Output, InvokeError> {
        self.runtime.completion::<F>(id).await
    }

    /// Asks that an instance ends.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::cancel`].
    pub async fn cancel(&self, id: impl Into<InstanceId>) -> Result<(), InvokeError> {
        self.runtime.cancel::<F>(id).await
    }

    /// Opens an instance for a person: to read, edit, run again or end it.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::control_panel`].
    pub async fn control_panel(&self, id: impl Into<InstanceId>) -> Result<ControlPanel<F>, InvokeError> {
        self.runtime.control_panel::<F>(id).await
    }
}

impl<S, F> FromRequestParts<S> for Function<F>
where
    Runtime: FromRef<S>,
    S: Send + Sync,
    F: ResilientFn,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&Runtime::from_ref(state)))
    }
}
