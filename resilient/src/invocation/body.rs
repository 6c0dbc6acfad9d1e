//! The body of the function, as the innermost of all that wraps a run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::Claimed;
use super::post::RunPost;
use super::saver::{RunSaver, Settled};
use crate::codec::reader_says;
use crate::context::{Context, Notes};
use crate::engine::Engine;
use crate::id::Epoch;
use crate::journal::Journal;
use crate::middleware::Innermost;
use crate::outcome::{Failure, RawOutcome};
use crate::panics::caught;
use crate::payload::Payload;
use crate::registry::arg::Env;
use crate::registry::function::Finished;
use crate::registry::{Dependencies, Registration};

/// The body of one run. Middleware may run it several times: each time from its top, with the latest scrapbook.
pub(super) struct Body {
    registration: Registration,
    param: Payload,
    context: Context,
    notes: Arc<Notes>,
    saver: Arc<RunSaver>,
    dependencies: Arc<Dependencies>,
    known_dead_letters: BTreeSet<i64>,
    /// The scrapbook that the last time has left, to be stored with the outcome.
    left: Mutex<Option<Payload>>,
    /// Whether it was begun in this run.
    begun: AtomicBool,
    /// Whether it was begun with a scrapbook that is not stored yet.
    repeated: AtomicBool,
}

impl Body {
    /// Prepares the body, unless what is stored beside its data cannot be read.
    pub(super) fn new(engine: &Arc<Engine>, claimed: &Claimed) -> Result<Self, Failure> {
        let (id, epoch) = (claimed.ticket.id().clone(), claimed.ticket.epoch());
        let journal = Journal::read(claimed.journal.as_deref());
        let journal = journal.map_err(|error| Failure::new("unreadable journal", reader_says(&error)))?;
        let known_dead_letters = journal.dead_letters.keys().copied().collect();
        let saver = Arc::new(RunSaver::new(engine, claimed));
        let notes = Notes::new(journal, Some(Arc::clone(&saver) as _)).telling(engine.codecs.discretion());
        let notes = Arc::new(notes);
        // Epoch 0 is that of a new instance, 1 that of the first claim; a hand-over takes the attempt back, not the epoch.
        let post = Arc::new(RunPost::new(engine, claimed));
        let context = Context::new(id, claimed.attempt, engine.shutting_down.subscribe())
            .after_other_runs(epoch > Epoch::ZERO.next())
            .attached(Arc::clone(&notes), post, claimed.message_count, claimed.ticket.cancelled());
        Ok(Self {
            registration: claimed.registration,
            param: claimed.param.clone(),
            context,
            notes,
            saver,
            dependencies: Arc::clone(&engine.dependencies),
            known_dead_letters,
            left: Mutex::default(),
            begun: AtomicBool::new(false),
            repeated: AtomicBool::new(false),
        })
    }

    /// The version of the function that runs.
    pub(super) fn version(&self) -> u32 {
        self.registration.version
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    /// How many messages this run could not read that were not known for it.
    pub(super) fn new_dead_letters(&self) -> usize {
        let is_new = |position: &&i64| !self.known_dead_letters.contains(*position);
        self.notes.read(|journal| journal.dead_letters.keys().filter(is_new).count())
    }

    /// The scrapbook to be stored with the outcome.
    pub(super) fn left(&self) -> Option<Payload> {
        let kept = || self.repeated.load(Ordering::Relaxed).then(|| self.saver.latest()).flatten();
        self.lock_left().clone().or_else(kept)
    }

    /// Whether a transaction of the user's may still hold the instance.
    pub(super) fn may_be_open(&self) -> bool {
        self.saver.may_be_open()
    }

    /// Forgets the scrapbook that was left when it says what a transaction was to store that was not committed: the stored
    /// one stays as it is.
    pub(super) async fn settle(&self, again: bool) {
        if self.saver.settle(again).await == Settled::Undone {
            *self.lock_left() = None;
            self.repeated.store(false, Ordering::Relaxed);
        }
    }

    fn lock_left(&self) -> MutexGuard<'_, Option<Payload>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The context of the body that begins now: what middleware repeats is no first run.
    fn next_context(&self) -> Context {
        let context = self.context.begin();
        if self.begun.swap(true, Ordering::Relaxed) { context.after_other_runs(true) } else { context }
    }
}

#[async_trait]
impl Innermost for Body {
    async fn run(&self) -> RawOutcome {
        self.settle(true).await;
        let context = self.next_context();
        if let Some(left) = self.lock_left().take() {
            // It is what counts from here on, until the next save: the body may panic or be dropped.
            self.saver.keep(left);
            self.repeated.store(true, Ordering::Relaxed);
        }
        let env = Env {
            param: self.param.clone(),
            scrapbook: self.saver.latest(),
            saver: Some(Arc::clone(&self.saver) as _),
            context,
            dependencies: Arc::clone(&self.dependencies),
        };
        let finished = caught((self.registration.run)(env)).await.unwrap_or_else(|payload| Finished {
            outcome: RawOutcome::Failed(Failure::panic(payload)),
            scrapbook: None,
        });
        // After a panic the last save counts, or what was left before it.
        *self.lock_left() = finished.scrapbook;
        finished.outcome
    }
}
