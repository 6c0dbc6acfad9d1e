//! What wraps every run: retries, correlation, spans, and what users add.
//!
//! Middleware is given to the builder, for all functions with [`Builder::middleware`](crate::Builder::middleware) or for
//! one with [`Builder::function_middleware`](crate::Builder::function_middleware). A run goes through it from the outside
//! to the inside, and its outcome comes back the other way:
//!
//! 1. the middleware of the runtime, what was added first outermost,
//! 2. the middleware of the function, what was added first outermost,
//! 3. the `retry(…)` of the function's attribute,
//! 4. the body.
//!
//! All of it runs in one task, so what middleware puts into task locals reaches the body. A panic of middleware is a
//! failure of the run for everything around it.
//!
//! | shipped | does |
//! |---|---|
//! | [`Retry`] | tries failed runs again, later and later |
//! | [`Correlation`] | gives everything that is done for one request one id |
//! | [`TracingSpans`] | puts each run into a span |
//! | [`OnFailure`] | calls a function of yours for every failure that stays |

pub mod correlation;
mod on_failure;
mod retry;
mod spans;
mod stack;
mod starting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

pub use self::correlation::Correlation;
pub use self::on_failure::OnFailure;
pub use self::retry::Retry;
pub use self::spans::TracingSpans;
pub(crate) use self::stack::{Kind, Middlewares, Stack, Stacks};
pub use self::starting::Starting;
use crate::context::{Context, Notes};
use crate::id::Epoch;
use crate::outcome::{Failure, RawOutcome};
use crate::panics::caught;

/// Something that wraps every run, and may look on when an instance is started and when it fails.
///
/// It sees outcomes without the types of the function, so one middleware serves all functions.
///
/// ```
/// use resilient::middleware::{Invocation, Middleware, Next, Starting};
/// use resilient::prelude::*;
/// use resilient::RawOutcome;
///
/// tokio::task_local! {
///     static TENANT: String;
/// }
///
/// /// Whoever starts an instance is its tenant, in every run, on any replica.
/// struct Tenants;
///
/// impl Middleware for Tenants {
///     fn starting(&self, start: &mut Starting) {
///         if let Ok(tenant) = TENANT.try_with(Clone::clone) {
///             start.set_header("tenant", tenant);
///         }
///     }
///
///     async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
///         let tenant = invocation.header("tenant").unwrap_or_else(|| "nobody".to_owned());
///         TENANT.scope(tenant, next.run()).await
///     }
/// }
///
/// #[resilient_fn(type_id = "Bill")]
/// async fn bill(amount: u32) -> String {
///     format!("{amount} from {}", TENANT.get())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(InMemoryStore::new()).middleware(Tenants).discover().start().await?;
/// let billed = TENANT.scope("ann".to_owned(), bill::invoke(&runtime, "1", 7)).await?;
/// assert_eq!(billed, "7 from ann");
/// assert_eq!(bill::invoke(&runtime, "2", 7).await?, "7 from nobody");
/// # Ok(())
/// # }
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Called in the caller's task where an instance is about to be stored, by whatever call: a header that is noted
    /// here is there in every run, on any replica.
    ///
    /// It is called also when the id turns out to be taken; then nothing of it is kept. A panic refuses the call with
    /// [`InvokeError::NotStarted`](crate::InvokeError::NotStarted), and nothing is stored.
    fn starting(&self, start: &mut Starting) {
        let _ = start;
    }

    /// Wraps one run. The outcome that it returns counts, whatever the body said.
    ///
    /// - It may do without `next`: then the body does not run, and the scrapbook stays as it is stored.
    /// - It may return another outcome than it got. A result is not checked against the type of the function: callers
    ///   get [`InvokeError::Decode`](crate::InvokeError::Decode) when it does not fit. The scrapbook is stored as the
    ///   body left it.
    /// - It may run `next` again, one time after the other. Each time the body begins from its top, with the scrapbook as
    ///   the time before has left it; after a panic, as that time has begun with it or last saved it. The context says
    ///   [`Mode::Retry`](crate::Mode::Retry) then, with the same attempt.
    /// - It may drop what `next` returned, as a timeout does. The body ends where it is, as in a panic; a save that was
    ///   under way counts.
    ///
    /// # Cancellation
    ///
    /// The future is dropped when the run is stopped: its lease or its ownership is lost, or a shutdown hands it over.
    fn handle(&self, invocation: &Invocation, next: Next<'_>) -> impl Future<Output = RawOutcome> + Send;

    /// Called when an instance fails for good, before its failure is stored.
    ///
    /// That is after all middleware, so a failure that is tried again is not told here, whatever the order. It covers
    /// what fails without having run, as a crash loop does. It may be called twice for one failure, when the process
    /// dies before that is stored. A panic is told to tracing and changes nothing.
    ///
    /// What somebody [cancels](crate::Runtime::cancel) while it waits is told where that is asked for, if the function is
    /// registered there, and after the failure is stored: not at all when the process dies between the two. What a person
    /// [fails](crate::ControlPanel::fail) through a control panel is not told.
    fn failed(&self, invocation: &Invocation, failure: &Failure) {
        let _ = (invocation, failure);
    }

    /// What is wrong with its description, in words; a runtime does not start with any of it.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The run that is wrapped.
#[derive(Debug)]
pub struct Invocation {
    context: Context,
    epoch: Epoch,
    version: u32,
    notes: Arc<Notes>,
    /// How many retry policies the run has entered.
    policies: AtomicUsize,
}

impl Invocation {
    pub(crate) fn new(context: &Context, epoch: Epoch, version: u32, notes: Arc<Notes>) -> Self {
        Self { context: context.clone(), epoch, version, notes, policies: AtomicUsize::new(0) }
    }

    /// What the run knows about itself.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The fencing token of the run.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The version of the function.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What was noted when the instance was started.
    pub fn header(&self, name: &str) -> Option<String> {
        self.notes.read(|journal| journal.headers.get(name).cloned())
    }

    /// Says for people why the instance waits from now on, when the outcome is to wait.
    pub fn set_reason(&self, reason: impl Into<String>) {
        self.notes.set_reason(reason.into());
    }

    /// Notes something as if it had been noted at the start; it is stored with the next save or the outcome.
    fn note_header(&self, name: &str, value: &str) {
        self.notes.note(|journal| {
            journal.headers.insert(name.to_owned(), value.to_owned());
        });
    }

    /// Counts a retry policy as one that is around the rest of the run; answers its number.
    fn enter_policy(&self) -> usize {
        self.policies.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no other retry policy was entered after this one.
    fn is_innermost_policy(&self, number: usize) -> bool {
        self.policies.load(Ordering::Relaxed) == number
    }

    /// How many tries in a row have failed before this one.
    fn failed_tries(&self) -> u32 {
        self.notes.read(|journal| journal.failed_tries)
    }

    fn note_failed_tries(&self, tries: u32) {
        if tries != self.failed_tries() {
            self.notes.note(|journal| journal.failed_tries = tries);
        }
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

    /// Runs what is inside; a panic there is a failure.
    ///
    /// # Cancellation
    ///
    /// The body ends where it is; see [`Middleware::handle`] for what is left of it.
    pub async fn run(self) -> RawOutcome {
        let inside = async {
            match self.rest.split_first() {
                Some((first, rest)) => first.handle(self.invocation, Next { rest, ..self }).await,
                None => self.body.run().await,
            }
        };
        caught(inside).await.unwrap_or_else(|payload| RawOutcome::Failed(Failure::panic(payload)))
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

    fn failed(&self, invocation: &Invocation, failure: &Failure);

    fn problems(&self) -> Vec<String>;
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

    fn failed(&self, invocation: &Invocation, failure: &Failure) {
        Middleware::failed(self, invocation, failure);
    }

    fn problems(&self) -> Vec<String> {
        Middleware::problems(self)
    }
}
