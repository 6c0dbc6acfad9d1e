//! A function of the user's for every failure that stays.

use std::fmt;

use super::{Invocation, Middleware, Next};
use crate::outcome::{Failure, RawOutcome};

/// Calls a function of yours when an instance fails for good, as to tell a person.
///
/// Not for failures that are tried again; also for instances that fail without another run, as in a crash loop or when
/// they are cancelled where they wait. It is called by the replica that stores the failure, in the task of the run, before
/// that: it should be short, or spawn what takes longer. See [`Middleware::failed`] for what is cancelled, and for when it
/// is called twice. A panic of it harms nothing.
///
/// ```
/// use std::sync::mpsc;
/// use resilient::middleware::OnFailure;
/// use resilient::prelude::*;
///
/// #[resilient_fn(type_id = "Deliver")]
/// async fn deliver(_: ()) -> resilient::Result<()> {
///     Err(resilient::Error::msg("nobody was at home"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (alarm, alarms) = mpsc::channel();
/// let hook = OnFailure::new(move |invocation, failure| {
///     let _ = alarm.send(format!("{}: {}", invocation.context().id(), failure.message));
/// });
/// let runtime = Runtime::builder(InMemoryStore::new()).middleware(hook).discover().start().await?;
/// deliver::invoke(&runtime, "7", ()).await.unwrap_err();
/// assert_eq!(alarms.recv()?, "Deliver/7: nobody was at home");
/// # Ok(())
/// # }
/// ```
pub struct OnFailure<F>(F);

impl<F: Fn(&Invocation, &Failure) + Send + Sync + 'static> OnFailure<F> {
    /// Calls this.
    pub fn new(hook: F) -> Self {
        Self(hook)
    }
}

impl<F> fmt::Debug for OnFailure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFailure").finish_non_exhaustive()
    }
}

impl<F: Fn(&Invocation, &Failure) + Send + Sync + 'static> Middleware for OnFailure<F> {
    async fn handle(&self, _: &Invocation, next: Next<'_>) -> RawOutcome {
        next.run().await
    }

    fn failed(&self, invocation: &Invocation, failure: &Failure) {
        (self.0)(invocation, failure);
    }
}
