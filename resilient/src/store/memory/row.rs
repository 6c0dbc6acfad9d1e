//! The transitions of one stored instance.

use crate::clock::Timestamp;
use crate::id::ReplicaId;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::status::Status;

impl StoredFunction {
    /// Whether it waits, and has waited long enough.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Postponed | Status::Suspended)
            && self.due_at.is_some_and(|due| due <= now)
    }

    /// What every transition does.
    pub(super) fn step(&mut self, now: Timestamp) {
        self.epoch = self.epoch.next();
        self.updated_at = now;
    }

    /// Takes over what was given of the progress.
    pub(super) fn keep(&mut self, scrapbook: Option<&Payload>, journal: Option<&String>) {
        if let Some(scrapbook) = scrapbook {
            self.scrapbook = Some(scrapbook.clone());
        }
        if let Some(journal) = journal {
            self.journal = Some(journal.clone());
        }
    }

    fn clear(&mut self, status: Status, now: Timestamp) {
        self.step(now);
        self.status = status;
        self.owner = None;
        self.due_at = None;
        self.reason = None;
        self.result = None;
        self.failure = None;
        self.completed_at = None;
    }

    /// What an edit does before the transition, unless the status stays.
    pub(super) fn decide_anew(&mut self) {
        self.cancel_requested = false;
    }

    pub(super) fn run(&mut self, replica: ReplicaId, now: Timestamp) {
        self.clear(Status::Executing, now);
        self.owner = Some(replica);
        self.attempts = self.attempts.saturating_add(1);
    }

    pub(super) fn wait(&mut self, due: Timestamp, now: Timestamp) {
        self.clear(Status::Postponed, now);
        self.due_at = Some(due);
    }

    /// Waits, and has its attempt back.
    pub(super) fn hand_back(&mut self, due: Timestamp, now: Timestamp) {
        self.attempts = self.attempts.saturating_sub(1);
        self.wait(due, now);
    }

    pub(super) fn suspend(&mut self, due: Option<Timestamp>, now: Timestamp) {
        self.clear(Status::Suspended, now);
        self.due_at = due;
    }

    pub(super) fn succeed(&mut self, result: Payload, now: Timestamp) {
        self.clear(Status::Succeeded, now);
        self.result = Some(result);
        self.completed_at = Some(now);
    }

    pub(super) fn fail(&mut self, failure: String, now: Timestamp) {
        self.clear(Status::Failed, now);
        self.failure = Some(failure);
        self.completed_at = Some(now);
    }
}
