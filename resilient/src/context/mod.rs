//! What a run may know about itself, and what it can ask for.

mod children;
mod guards;
mod inbox;
mod log;
mod notes;
mod post;
mod timers;
mod wait;
mod wait_error;
mod waits;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use self::children::{Child, Ends, Family, Link, Stand};
use self::children::{GivenChildren, child_id};
pub use self::inbox::Inbox;
pub(crate) use self::log::Log;
pub(crate) use self::notes::Notes;
pub(crate) use self::post::{Post, StoreTime};
pub use self::wait_error::WaitError;
pub(crate) use self::waits::{Suspension, Waits};
use crate::answer::Answer;
use crate::codec::Discretion;
use crate::id::{FunctionId, IdError, InstanceId, TypeId};
use crate::invoke_error::InvokeError;
use crate::message::Outgoing;
use crate::scrapbook::FailingSaver;

/// Whether work may have been begun before this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing has run before.
    FirstRun,
    /// An earlier run was postponed, crashed, failed or was asked for again; the scrapbook knows how far it came.
    Retry,
}

/// What a run may know about itself: its id, its attempt, and whether its end was asked for or the process is about to end.
#[derive(Debug, Clone)]
pub struct Context {
    id: FunctionId,
    attempt: u32,
    /// Whether another run was begun before, also one whose attempt was taken back.
    resumed: bool,
    shutdown: watch::Receiver<bool>,
    notes: Arc<Notes>,
    waits: Arc<Waits>,
    /// Which try of the body it was given to.
    number: u64,
    /// The children of the instance; `None` in a unit test, which gives their results.
    family: Option<Arc<dyn Family>>,
    given: GivenChildren,
}

impl Context {
    /// For the runtime.
    #[doc(hidden)]
    pub fn new(id: FunctionId, attempt: u32, shutdown: watch::Receiver<bool>) -> Self {
        let notes = Arc::<Notes>::default();
        let cancel = watch::channel(false).1;
        let waits = Arc::new(Waits::new(Arc::clone(&notes), (Log::read_through(), 0), None, cancel));
        let (resumed, number, given) = Default::default();
        Self { id, attempt, resumed, shutdown, notes, waits, number, family: None, given }
    }

    /// For the runtime: the journal of the run, what it asks while it waits when it was begun with so many messages, and
    /// how it learns that it is to be cancelled.
    pub(crate) fn attached<P>(
        self,
        notes: Arc<Notes>,
        post: Arc<P>,
        message_count: i64,
        cancel: watch::Receiver<bool>,
    ) -> Self
    where
        P: Post + Family + 'static,
    {
        let log = (Log::default(), message_count);
        let waits = Waits::new(Arc::clone(&notes), log, Some(Arc::clone(&post) as _), cancel);
        Self { notes, waits: Arc::new(waits), family: Some(post), ..self }
    }

    fn family(&self) -> &dyn Family {
        self.family.as_deref().unwrap_or(&self.given)
    }

    /// How much its errors say of values.
    pub(crate) fn discretion(&self) -> Discretion {
        self.notes.discretion()
    }

    /// The id of the child of this name.
    pub(crate) fn child_id(&self, type_id: &str, name: &str) -> Result<FunctionId, IdError> {
        child_id(&self.id.instance_id, type_id, name)
    }

    /// Begins a child here, unless it exists, and waits for its end.
    pub(crate) async fn child(&self, child: Child) -> Result<Answer, InvokeError> {
        self.waits.unless_cancelled(self.waits.child(self.family(), child, &self.shutdown)).await
    }

    /// Begins children anywhere, unless they exist, and waits for the ends of all, or for a failure among them.
    pub(crate) async fn children(
        &self,
        children: Vec<Child>,
    ) -> Result<HashMap<FunctionId, Answer>, InvokeError> {
        self.waits.unless_cancelled(self.waits.children(self.family(), children, &self.shutdown)).await
    }

    /// Begins a child anywhere that nobody waits for.
    pub(crate) async fn leave_to_others(&self, child: Child) -> Result<(), InvokeError> {
        self.family().schedule(child).await
    }

    /// For unit tests: how a child ends.
    pub(crate) fn given(self, type_id: &str, name: &str, answer: Answer) -> Self {
        Self { given: self.given.with(type_id, name, answer), ..self }
    }

    /// For the runtime: the context for a body that begins from its top. Those of earlier tries note no calls any more.
    pub(crate) fn begin(&self) -> Self {
        self.waits.begin();
        Self { number: self.notes.begin(), ..self.clone() }
    }

    /// For the runtime: what the run waits for when it ends as suspended, and began with so many messages.
    pub(crate) fn suspension(&self, message_count: i64) -> Suspension {
        self.waits.suspension(message_count)
    }

    /// For the runtime: whether the instance may have been begun before, whatever the attempt says.
    pub(crate) fn after_other_runs(self, resumed: bool) -> Self {
        Self { resumed, ..self }
    }

    /// A detached context for unit tests: instance `test/test`, attempt 1, no shutdown.
    ///
    /// ```
    /// use resilient::{Context, Mode};
    ///
    /// let context = Context::test().with_attempt(3);
    /// assert_eq!((context.attempt(), context.mode()), (3, Mode::Retry));
    /// ```
    pub fn test() -> Self {
        Self::new(FunctionId::new("test", "test"), 1, watch::channel(false).1)
    }

    /// For unit tests: another attempt.
    #[must_use]
    pub fn with_attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// For unit tests: another instance.
    #[must_use]
    pub fn with_instance_id(mut self, instance_id: impl Into<InstanceId>) -> Self {
        self.id.instance_id = instance_id.into();
        self
    }

    /// For unit tests: the process is about to end.
    #[must_use]
    pub fn with_shutdown(self) -> Self {
        Self { shutdown: watch::channel(true).1, ..self }
    }

    /// For unit tests: the instance is to be cancelled.
    ///
    /// ```
    /// use std::time::Duration;
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Nap", register = false)]
    /// async fn nap(_: (), context: &Context) -> resilient::Result<()> {
    ///     Ok(context.sleep("a day", Duration::from_secs(24 * 3600)).await?)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// assert!(nap((), &Context::test().with_cancel()).await.is_err());
    /// # });
    /// # Ok::<(), resilient::Error>(())
    /// ```
    #[must_use]
    pub fn with_cancel(self) -> Self {
        let waits = self.waits.anew(Arc::clone(&self.notes)).with_cancel();
        Self { waits: Arc::new(waits), ..self }
    }

    /// For unit tests: this message is there when the run begins.
    ///
    /// One that cannot be stored is set aside as unreadable.
    ///
    /// ```
    /// use resilient::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize, Message)]
    /// struct Paid(u32);
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// let context = Context::test().with_message(Paid(7));
    /// assert_eq!(context.messages().next::<Paid>().await?, Paid(7));
    /// // Each message is handed out once, and a run that waits for another one ends here.
    /// assert!(context.messages().next::<Paid>().await.is_err());
    /// // The next run reads the log from its start.
    /// assert_eq!(context.next_run().messages().next::<Paid>().await?, Paid(7));
    /// # Ok::<(), resilient::Error>(())
    /// # })?;
    /// # Ok::<(), resilient::Error>(())
    /// ```
    #[must_use]
    pub fn with_message(self, message: impl Into<Outgoing>) -> Self {
        let waits = self.waits.anew(Arc::clone(&self.notes));
        waits.log.send(message.into());
        Self { waits: Arc::new(waits), ..self }
    }

    /// For unit tests: the `n`-th store of what the run notes and all later ones fail, as after a crash at that point.
    /// [`next_run`](Self::next_run) then finds what was stored before.
    ///
    /// A call by [`once`](Self::once) is noted before and after it, one by [`at_least_once`](Self::at_least_once) after it, and
    /// the deadline of [`next_within`](Inbox::next_within) when it has passed. A sleep stores nothing in a unit test.
    #[must_use]
    pub fn failing_at_save(self, n: u32) -> Self {
        let notes = Arc::new(self.notes.next_run(Some(Arc::new(FailingSaver::at(n)))));
        let waits = Arc::new(self.waits.anew(Arc::clone(&notes)));
        Self { notes, waits, ..self }
    }

    /// For unit tests: what the next run would get: attempt and mode count on, what this one has noted is there, and so
    /// are all messages.
    #[must_use]
    pub fn next_run(&self) -> Self {
        let notes = Arc::new(self.notes.next_run(None));
        let waits = Arc::new(self.waits.anew(Arc::clone(&notes)));
        Self { attempt: self.attempt.saturating_add(1), notes, waits, ..self.clone() }
    }

    /// The messages of this instance.
    pub fn messages(&self) -> Inbox {
        Inbox::new(Arc::clone(&self.waits), self.shutdown.clone())
    }

    /// The identity of the work.
    pub fn id(&self) -> &FunctionId {
        &self.id
    }

    /// The function type.
    pub fn type_id(&self) -> &TypeId {
        &self.id.type_id
    }

    /// The instance, as its caller named it.
    pub fn instance_id(&self) -> &InstanceId {
        &self.id.instance_id
    }

    /// Which run of the instance this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether work may have been begun before this run.
    pub fn mode(&self) -> Mode {
        if self.attempt <= 1 && !self.resumed { Mode::FirstRun } else { Mode::Retry }
    }

    /// Whether the process is about to end; what is not finished in time is handed to another replica.
    pub fn is_shutting_down(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// Waits until the process is about to end, for `tokio::select!` around long waits.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    pub async fn shutting_down(&self) {
        told(&self.shutdown).await;
    }

    /// Whether somebody has asked that the instance ends: by [`Runtime::cancel`](crate::Runtime::cancel), in this run or in
    /// an earlier one.
    pub fn is_cancelled(&self) -> bool {
        self.waits.is_cancelled()
    }

    /// Waits until somebody has asked that the instance ends, for `tokio::select!` around what takes long.
    ///
    /// Sleeps and waits for messages need none: they end by themselves then, with [`WaitError::Cancelled`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    pub async fn cancelled(&self) {
        self.waits.cancelled().await;
    }
}

/// Waits until a run is told something.
async fn told(signal: &watch::Receiver<bool>) {
    let mut signal = signal.clone();
    if signal.wait_for(|is_told| *is_told).await.is_err() {
        // The sender is gone without having said anything: nothing will ever end this run.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
