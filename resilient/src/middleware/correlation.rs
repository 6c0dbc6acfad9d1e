//! One id for everything that is done for one request, in every run, on any replica.

use std::future::Future;

use super::{Invocation, Middleware, Next, Starting};
use crate::chance;
use crate::outcome::RawOutcome;

/// The header that holds the id.
pub const HEADER: &str = "correlation-id";

tokio::task_local! {
    static CURRENT: String;
}

/// The correlation id of this task: that of the run, or that of the [`scope`] around it.
///
/// A task that is spawned has none: wrap what it does in a [`scope`].
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Does something under this correlation id: functions that it starts get it.
///
/// # Cancellation
///
/// That of the future.
pub async fn scope<F: Future>(id: impl Into<String>, future: F) -> F::Output {
    CURRENT.scope(id.into(), future).await
}

/// Gives every instance a correlation id, which [`current`] answers in each of its runs.
///
/// It is that of the [`scope`] in which the instance was started, or else a random UUID. It is stored with the instance,
/// so every later run has it, on any replica, and functions that are started from inside a run inherit it. An instance
/// that was started before this middleware was added gets one in its next run.
///
/// ```
/// use resilient::middleware::{Correlation, correlation};
/// use resilient::prelude::*;
///
/// #[resilient_fn(type_id = "Ship")]
/// async fn ship(_: ()) -> Option<String> {
///     correlation::current()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(InMemoryStore::new()).middleware(Correlation).discover().start().await?;
/// let request = correlation::scope("request-7", ship::invoke(&runtime, "1", ()));
/// assert_eq!(request.await?.as_deref(), Some("request-7"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Correlation;

impl Middleware for Correlation {
    fn starting(&self, start: &mut Starting) {
        // What is around it may take the id from elsewhere, as from the headers of a request.
        if start.header(HEADER).is_none() {
            start.set_header(HEADER, current().unwrap_or_else(random));
        }
    }

    async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
        let id = invocation.header(HEADER).unwrap_or_else(|| {
            let id = random();
            invocation.note_header(HEADER, &id);
            id
        });
        scope(id, next.run()).await
    }
}

fn random() -> String {
    chance::unique().to_string()
}
