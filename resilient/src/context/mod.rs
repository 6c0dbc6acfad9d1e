//! What a run may know about itself, and what it can ask for.

mod guards;
mod notes;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use self::notes::Notes;

use crate::id::{FunctionId, InstanceId, TypeId};
use crate::scrapbook::FailingSaver;

/// Whether work may have been begun before this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing has run before.
    FirstRun,
    /// An earlier run was postponed, crashed, failed or was asked for again; the scrapbook knows how far it came.
    Retry,
}

/// What a run may know about itself: its id, its attempt, and whether the process is about to end.
#[derive(Debug, Clone)]
pub struct Context {
    id: FunctionId,
    attempt: u32,
    /// Whether another run was begun before, also one whose attempt was taken back.
    resumed: bool,
    shutdown: watch::Receiver<bool>,
    notes: Arc<Notes>,
}

impl Context {
    /// For the runtime.
    #[doc(hidden)]
    pub fn new(id: FunctionId, attempt: u32, shutdown: watch::Receiver<bool>) -> Self {
        Self { id, attempt, resumed: false, shutdown, notes: Arc::default() }
    }

    /// For the runtime: the journal of the run.
    pub(crate) fn with_notes(self, notes: Arc<Notes>) -> Self {
        Self { notes, ..self }
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

    /// For unit tests: the `n`-th store of what the run notes and all later ones fail, as after a crash at that point.
    ///
    /// [`next_run`](Self::next_run) then finds what was stored before.
    #[must_use]
    pub fn failing_at_save(self, n: u32) -> Self {
        Self { notes: Arc::new(self.notes.next_run(Some(Arc::new(FailingSaver::at(n))))), ..self }
    }

    /// For unit tests: what the next run would get: attempt and mode count on, and what this one has noted is there.
    #[must_use]
    pub fn next_run(&self) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            notes: Arc::new(self.notes.next_run(None)),
            ..self.clone()
        }
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
        let mut shutdown = self.shutdown.clone();
        if shutdown.wait_for(|ends| *ends).await.is_err() {
            // The sender is gone without having said anything: nothing will ever end this run.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_attempt_is_the_first_run() {
        assert_eq!(Context::test().mode(), Mode::FirstRun);
        assert_eq!(Context::test().with_attempt(2).mode(), Mode::Retry);
    }

    #[tokio::test]
    async fn the_signal_is_seen_by_waiting_and_by_asking() {
        let (sender, receiver) = watch::channel(false);
        let context = Context::new(FunctionId::new("T", "1"), 1, receiver);
        assert!(!context.is_shutting_down());
        let waiting = tokio::spawn({
            let context = context.clone();
            async move { context.shutting_down().await }
        });
        sender.send(true).unwrap();
        waiting.await.unwrap();
        assert!(context.is_shutting_down());
    }

    #[tokio::test(start_paused = true)]
    async fn a_detached_context_waits_for_ever() {
        let context = Context::test();
        let waited = tokio::time::timeout(Duration::from_hours(1), context.shutting_down()).await;
        assert!(waited.is_err());
        Context::test().with_shutdown().shutting_down().await;
    }
}
