//! The journal of one run: read when the run begins, stored when something is noted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::journal::Journal;
use crate::scrapbook::{Progress, SaveError, Saver};

/// The journal of one run, shared by the clones of its context.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    state: Mutex<State>,
    /// Held while a change is stored, so that changes are stored in the order in which they are made.
    storing: tokio::sync::Mutex<()>,
    saver: Option<Arc<dyn Saver>>,
}

#[derive(Debug, Default)]
struct State {
    journal: Journal,
    /// Whether the journal was changed since it was stored.
    is_changed: bool,
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
        let state = State { journal, ..State::default() };
        Self { state: Mutex::new(state), storing: tokio::sync::Mutex::default(), saver }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body begins from its top.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.used.clear();
        state.reason = None;
    }

    /// Says why the instance waits, for people.
    pub(crate) fn set_reason(&self, reason: String) {
        self.lock().reason = Some(reason);
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
        let Some(journal) = self.changed() else { return Ok(()) };
        let mut unanswered = Unanswered { notes: self, is_answered: false };
        let saved = match &self.saver {
            Some(saver) => saver.save(Progress { scrapbook: None, journal: Some(journal) }).await,
            None => Ok(()),
        };
        unanswered.is_answered = true;
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

    /// What the next run would find, in a unit test.
    pub(crate) fn next_run(&self, saver: Option<Arc<dyn Saver>>) -> Self {
        Self::new(self.lock().journal.clone(), saver)
    }
}
