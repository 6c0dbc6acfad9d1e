//! The journal of one run: read when the run begins, stored when something is noted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::Discretion;
use crate::journal::Journal;
use crate::outcome::storable;
use crate::scrapbook::{Progress, SaveError, Saver};

/// The most bytes of a reason: every store keeps so many, and more tells nobody more.
const MAX_REASON: usize = 4 * 1024;

/// The journal of one run, shared by the clones of its context.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    state: Mutex<State>,
    /// Held while a change is stored, so that changes are stored in the order in which they are made.
    storing: tokio::sync::Mutex<()>,
    saver: Option<Arc<dyn Saver>>,
    discretion: Discretion,
}

#[derive(Debug, Default)]
struct State {
    journal: Journal,
    /// The journal as it was stored last; what a crash leaves, in a unit test.
    stored: Journal,
    /// Whether the journal was changed since it was stored.
    is_changed: bool,
    /// Whether a store has failed.
    has_failed: bool,
    /// Which try of the body may note calls. A task that an earlier one has left behind may not: what it notes would meet
    /// what the try that goes on knows, and a call would be made twice.
    current: u64,
    /// Why the instance waits, for people.
    reason: Option<String>,
    /// The names that this run has used, each with its kind.
    used: HashSet<(&'static str, String)>,
}

/// A store whose caller goes away, as a wait does when another one beside it ends first, may come to nothing: the outcome
/// then stores the journal again.
struct Unanswered<'a> {
    notes: &'a Notes,
    is_answered: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.notes.lock().is_changed = true;
        }
    }
}

impl Notes {
    /// With what is stored; without a saver nothing is, as in a unit test.
    pub(crate) fn new(journal: Journal, saver: Option<Arc<dyn Saver>>) -> Self {
        let state = State { stored: journal.clone(), journal, ..State::default() };
        let storing = tokio::sync::Mutex::default();
        Self { state: Mutex::new(state), storing, saver, discretion: Discretion::default() }
    }

    /// Has its context make errors that say as much as this of values. The task of the run is discreet by itself, and the
    /// tasks that a body begins are not.
    pub(crate) fn telling(self, discretion: Discretion) -> Self {
        Self { discretion, ..self }
    }

    pub(crate) fn discretion(&self) -> Discretion {
        self.discretion
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body begins from its top; answers the number of this try.
    pub(crate) fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.used.clear();
        state.reason = None;
        state.current += 1;
        state.current
    }

    /// The body has ended: no call is noted from now on, so that the outcome has all that ever were.
    pub(crate) async fn close(&self) {
        let _storing = self.storing.lock().await;
        self.lock().current = u64::MAX;
    }

    /// Says why the instance waits, for people.
    pub(crate) fn set_reason(&self, reason: String) {
        self.lock().reason = Some(storable(reason, MAX_REASON));
    }

    /// Why the instance waits, for people.
    pub(crate) fn reason(&self) -> Option<String> {
        self.lock().reason.clone()
    }

    /// Looks at the journal.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.lock().journal)
    }

    /// Takes a name for this run; `false` when the run has used it for this kind of thing already.
    pub(crate) fn take_name(&self, kind: &'static str, name: &str) -> bool {
        self.lock().used.insert((kind, name.to_owned()))
    }

    /// Gives a name back: what was to use it has ended without doing so.
    pub(crate) fn free_name(&self, kind: &'static str, name: &str) {
        self.lock().used.remove(&(kind, name.to_owned()));
    }

    /// Notes something without storing it at once: the next change that is stored, or the outcome, takes it along.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Journal)) {
        let mut state = self.lock();
        let before = state.journal.clone();
        change(&mut state.journal);
        state.is_changed |= before != state.journal;
    }

    /// Notes something and stores it.
    pub(crate) async fn store(&self, change: impl FnOnce(&mut Journal) + Send) -> Result<(), SaveError> {
        let _storing = self.storing.lock().await;
        self.note(change);
        self.store_changes().await
    }

    /// Notes something of a call and stores it, if this try of the body still goes on; `None` when it does not.
    pub(crate) async fn store_call(
        &self,
        number: u64,
        change: impl FnOnce(&mut Journal) + Send,
    ) -> Option<Result<(), SaveError>> {
        let _storing = self.storing.lock().await;
        if self.lock().current != number {
            return None;
        }
        self.note(change);
        Some(self.store_changes().await)
    }

    /// Stores what was noted; the caller holds `storing`.
    async fn store_changes(&self) -> Result<(), SaveError> {
        let Some(journal) = self.changed() else { return Ok(()) };
        let mut unanswered = Unanswered { notes: self, is_answered: false };
        let saved = match &self.saver {
            Some(saver) => saver.save(Progress { scrapbook: None, journal: Some(journal) }).await,
            None => Ok(()),
        };
        unanswered.is_answered = saved.is_ok();
        let mut state = self.lock();
        state.has_failed |= saved.is_err();
        if saved.is_ok() {
            state.stored = state.journal.clone();
        }
        drop(state);
        saved
    }

    /// What is to be stored with the outcome, when anything was noted since the last store.
    ///
    /// From then on it counts as stored: when that fails, so does the run.
    pub(crate) fn changed(&self) -> Option<String> {
        let mut state = self.lock();
        if !std::mem::take(&mut state.is_changed) {
            return None;
        }
        // An emptied journal is stored as one, for `None` would leave the old one.
        Some(state.journal.text().unwrap_or_else(|| "{}".to_owned()))
    }

    /// What the next run would find, in a unit test: after a store that failed, what was stored before.
    pub(crate) fn next_run(&self, saver: Option<Arc<dyn Saver>>) -> Self {
        let state = self.lock();
        let journal = if state.has_failed { &state.stored } else { &state.journal };
        Self::new(journal.clone(), saver)
    }
}
