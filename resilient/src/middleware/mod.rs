//! What wraps every run: retries, correlation, spans, and what users add.

mod retry;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::retry::Retry;
use crate::context::{Context, Notes};
use crate::outcome::RawOutcome;

/// Something that wraps every run, and may look on when an instance is started.
///
/// ```
/// use resilient::middleware::{Invocation, Middleware, Next};
/// use resilient::RawOutcome;
///
/// struct Log;
///
/// impl Middleware for Log {
///     async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
///         println!("{} begins", invocation.context().id());
///         let outcome = next.run().await;
///         println!("{} ends with {}", invocation.context().id(), outcome.kind());
///         outcome
///     }
/// }
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Called where an instance is started, before it is stored: a header that is noted here is there in every run.
    fn starting(&self, start: &mut Starting) {
        let _ = start;
    }

    /// Wraps one run. What it returns is stored.
    ///
    /// The future is dropped when the run is stopped. `next` may be run several times: each time the body begins from its top.
    fn handle(&self, invocation: &Invocation, next: Next<'_>) -> impl Future<Output = RawOutcome> + Send;
}

/// An instance that is being started.
#[derive(Debug, Default)]
pub struct Starting {
    pub(crate) headers: std::collections::BTreeMap<String, String>,
}

impl Starting {
    /// Notes something that every run of the instance can read with [`Invocation::header`].
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.insert(name.into(), value.into());
    }
}

/// The run that is wrapped.
#[derive(Debug)]
pub struct Invocation {
    context: Context,
    notes: Arc<Notes>,
}

impl Invocation {
    pub(crate) fn new(context: &Context, notes: Arc<Notes>) -> Self {
        Self { context: context.clone(), notes }
    }

    /// What the run knows about itself.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What was noted when the instance was started.
    pub fn header(&self, name: &str) -> Option<String> {
        self.notes.read(|journal| journal.headers.get(name).cloned())
    }

    /// Says for people why the instance waits from now on, when the outcome is to wait.
    pub fn set_reason(&self, reason: impl Into<String>) {
        self.notes.set_reason(reason.into());
    }
}

/// What is inside: more middleware, and in the end the body.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Arc<dyn DynMiddleware>],
    invocation: &'a Invocation,
    body: &'a dyn Innermost,
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("middleware_left", &self.rest.len()).finish_non_exhaustive()
    }
}

impl<'a> Next<'a> {
    pub(crate) fn new(
        rest: &'a [Arc<dyn DynMiddleware>],
        invocation: &'a Invocation,
        body: &'a dyn Innermost,
    ) -> Self {
        Self { rest, invocation, body }
    }

    /// Runs what is inside.
    pub async fn run(self) -> RawOutcome {
        match self.rest.split_first() {
            Some((first, rest)) => first.handle(self.invocation, Next { rest, ..self }).await,
            None => self.body.run().await,
        }
    }
}

/// The body, without its types.
#[async_trait]
pub(crate) trait Innermost: Send + Sync {
    /// Runs it from its top.
    async fn run(&self) -> RawOutcome;
}

/// [`Middleware`] as an object.
pub(crate) trait DynMiddleware: Send + Sync {
    fn starting(&self, start: &mut Starting);

    fn handle<'a>(
        &'a self,
        invocation: &'a Invocation,
        next: Next<'a>,
    ) -> Pin<Box<dyn Future<Output = RawOutcome> + Send + 'a>>;
}

impl<M: Middleware> DynMiddleware for M {
    fn starting(&self, start: &mut Starting) {
        Middleware::starting(self, start);
    }

    fn handle<'a>(
        &'a self,
        invocation: &'a Invocation,
        next: Next<'a>,
    ) -> Pin<Box<dyn Future<Output = RawOutcome> + Send + 'a>> {
        Box::pin(Middleware::handle(self, invocation, next))
    }
}
