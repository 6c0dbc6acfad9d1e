//! Ending instances, from any process.

use super::{Runtime, function_id};
use crate::calls;
use crate::id::InstanceId;
use crate::invoke_error::InvokeError;
use crate::registry::ResilientFn;

impl Runtime {
    /// Asks that an instance ends; it returns when that is stored.
    ///
    /// What becomes of it depends on where it stands:
    ///
    /// - What **waits** fails at once, without another run: scheduled, put off, asleep, or suspended until a message comes.
    ///   Its failure is of the type [`Cancelled::FAILURE`](crate::Cancelled::FAILURE); see
    ///   [`Failure::is_cancelled`](crate::Failure::is_cancelled).
    /// - What **runs** goes on and is told. [`Context::is_cancelled`](crate::Context::is_cancelled) says so from then on, and
    ///   in every later run; [`Context::cancelled`](crate::Context::cancelled) comes back; sleeps and waits for messages end
    ///   with [`WaitError::Cancelled`](crate::WaitError::Cancelled), which `?` carries out, and the instance fails as above.
    ///   A body may undo what it has done before that: calls, guards and saves work as ever. It may also succeed, or fail
    ///   of another cause, and then that counts. But it cannot be put away any more: instead of being postponed or
    ///   suspended it fails as above, and it is not tried again.
    ///
    /// What runs in this process is told at once, elsewhere within a [`sweep`](crate::Settings::sweep). After a crash the
    /// next run begins with the request. A person who lets the instance run again takes the request back.
    ///
    /// A function that has something to undo also when it waits for long listens for a message beside that, and is sent one
    /// instead of being cancelled. The function need not be registered here, and the instance may be of any version of it.
    ///
    /// ```
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Print")]
    /// async fn print(pages: u32, context: &Context) -> resilient::Result<u32> {
    ///     for _page in 0..pages {
    ///         tokio::select! {
    ///             () = tokio::time::sleep(std::time::Duration::from_millis(10)) => {}
    ///             () = context.cancelled() => {
    ///                 context.at_least_once("eject", async || Ok::<(), resilient::Error>(())).await?;
    ///                 Err(Cancelled)?;
    ///             }
    ///         }
    ///     }
    ///     Ok(pages)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// print::schedule(&runtime, "a long book", 1_000_000).await?;
    /// print::cancel(&runtime, "a long book").await?;
    /// match print::completion(&runtime, "a long book").await {
    ///     Err(InvokeError::Failed(failure)) => assert!(failure.is_cancelled()),
    ///     other => panic!("it has {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`]; [`InvokeError::Ended`] when it has succeeded or failed already, but what was cancelled may
    /// be cancelled again; [`InvokeError::Changed`] when somebody lets it run again at this very moment.
    /// [`InvokeError::Store`] means that the store is away: whether the request was stored is unknown, and asking again is
    /// safe.
    ///
    /// # Cancellation
    ///
    /// Once polled, the request is stored even when this future is dropped.
    pub async fn cancel<F: ResilientFn>(&self, id: impl Into<InstanceId>) -> Result<(), InvokeError> {
        calls::cancel(self.engine(), function_id::<F>(id)).await
    }
}
