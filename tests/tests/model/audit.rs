//! What every write must keep, whoever sends it, and whatever was lost on the way.
//!
//! It looks at the store right before and right after each call. On one thread and in memory nothing comes between.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::store::{After, Cancel, Delete, Edit, Ending, Expiry, Finish, Save, Write, Written};
use resilient::{
    Clock, Epoch, Filter, FunctionId, InMemoryStore, Journal, ReplicaId, Status, Store, StoredFunction,
    StoredMessage, Timestamp,
};
use tokio::time::Instant;

use super::family;

/// The time of tokio's timers, which begins anew with each seed.
#[derive(Debug, Clone, Copy)]
struct FromTheBeginning(Instant);

impl Clock for FromTheBeginning {
    fn now(&self) -> Timestamp {
        // Long ago: what compares it with the clock of this machine finds the same each time.
        Timestamp::from_micros(1_000_000_000_000_000).saturating_add(self.0.elapsed())
    }
}

/// What happened, and what must not have happened.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    clock: FromTheBeginning,
    store: InMemoryStore,
    log: Arc<Mutex<Log>>,
    /// How long the results of those types are kept that are not kept for ever.
    kept_for: BTreeMap<&'static str, Duration>,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<String>,
    violations: Vec<String>,
    deleted_when_due: HashSet<FunctionId>,
}

impl Audit {
    pub(crate) fn new(kept_for: BTreeMap<&'static str, Duration>) -> Self {
        let clock = FromTheBeginning(Instant::now());
        Self { clock, store: InMemoryStore::with_clock(clock), log: Arc::default(), kept_for }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn store(&self) -> &InMemoryStore {
        &self.store
    }

    pub(crate) fn note(&self, who: impl Debug, what: impl Debug) {
        let line = format!("{:8.3} {who:?} {what:?}", self.clock.0.elapsed().as_secs_f64());
        self.log.lock().expect("nobody panics here").events.push(line);
    }

    pub(crate) fn violation(&self, text: String) {
        self.note("VIOLATION", &text);
        self.log.lock().expect("nobody panics here").violations.push(text);
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics here").events.clone()
    }

    /// Whether somebody has deleted it when it was due.
    pub(crate) fn was_deleted_when_due(&self, id: &FunctionId) -> bool {
        self.log.lock().expect("nobody panics here").deleted_when_due.contains(id)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics here").violations.clone()
    }

    pub(crate) fn expect(&self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.violation(text());
        }
    }

    pub(crate) async fn all(&self) -> Vec<StoredFunction> {
        let filter = Filter { limit: u32::MAX, ..Filter::default() };
        self.store.list(&filter).await.expect("memory works")
    }

    pub(crate) async fn row(&self, id: &FunctionId) -> Option<StoredFunction> {
        self.store.get(std::slice::from_ref(id)).await.expect("memory works").remove(0)
    }

    /// All messages of an instance.
    pub(crate) async fn messages(&self, id: &FunctionId) -> Vec<StoredMessage> {
        let all = [After { id: id.clone(), position: 0 }];
        self.store.messages(&all, u32::MAX).await.expect("memory works").remove(0)
    }

    pub(crate) async fn write(&self, who: usize, batch: &[Write]) -> Vec<Written> {
        let mut before = Vec::new();
        for write in batch {
            before.push((self.row(write.id()).await, self.messages(write.id()).await));
        }
        let written = self.store.write(batch).await.expect("memory works");
        self.judge_ends(batch, before.iter().map(|(row, _)| row.as_ref())).await;
        for ((write, written), (before, log)) in batch.iter().zip(&written).zip(before) {
            let after = self.row(write.id()).await;
            self.judge_messages(write, written, &log, after.as_ref()).await;
            self.note(who, (write, written));
            self.judge(write, written, before.as_ref(), after.as_ref());
        }
        written
    }

    fn judge(
        &self,
        write: &Write,
        written: &Written,
        before: Option<&StoredFunction>,
        after: Option<&StoredFunction>,
    ) {
        let context = || format!("{write:?} answered {written:?}: {before:?} became {after:?}");
        if *written != Written::Done {
            return self.expect(before == after, || format!("a refused write changed a row: {}", context()));
        }
        let epochs = |row: Option<&StoredFunction>| row.map(|row| row.epoch);
        let owned = |owner: ReplicaId, epoch: Epoch| {
            before.is_some_and(|row| {
                row.owner == Some(owner) && row.epoch == epoch && row.status == Status::Executing
            })
        };
        let holds = match write {
            Write::Create(_) => before.is_none() && after.is_some(),
            Write::Save(Save { owner, epoch, .. }) => owned(*owner, *epoch) && epochs(after) == Some(*epoch),
            Write::Finish(Finish { owner, epoch, .. }) => {
                owned(*owner, *epoch) && epochs(after) > Some(*epoch)
            }
            Write::Edit(Edit { epoch, .. }) => epochs(before) == Some(*epoch) && epochs(after) > Some(*epoch),
            Write::Append(_) => epochs(after) == epochs(before),
            Write::Cancel(cancel) => before.zip(after).is_some_and(|rows| is_cancelled(cancel, rows)),
            Write::Delete(Delete { epoch, .. }) => epochs(before) == Some(*epoch) && after.is_none(),
        };
        self.expect(holds, || format!("the guard did not hold: {}", context()));
        let had_succeeded = before.is_some_and(|row| row.status == Status::Succeeded);
        let is_deleted = matches!(write, Write::Delete(_));
        self.expect(!had_succeeded || is_deleted || before == after, || {
            format!("a result was written over: {}", context())
        });
        // A failure is final as well, until a person decides anew.
        let had_failed = before.is_some_and(|row| row.status == Status::Failed);
        let is_decided = is_deleted || matches!(write, Write::Edit(_));
        let same =
            |of: fn(&StoredFunction) -> (Status, Option<&String>, Epoch)| before.map(of) == after.map(of);
        let stays = same(|row| (row.status, row.failure.as_ref(), row.epoch));
        self.expect(!had_failed || is_decided || stays, || {
            format!("a failure came to nothing: {}", context())
        });
        self.judge_wish(write, before, after, context);
        let is_due = before.and_then(|row| row.due_at).is_some_and(|due| due <= self.clock.now());
        if is_due && is_deleted {
            self.log.lock().expect("nobody panics here").deleted_when_due.insert(write.id().clone());
        }
    }

    /// What is to be cancelled is not put away, and the wish is not forgotten.
    fn judge_wish(
        &self,
        write: &Write,
        before: Option<&StoredFunction>,
        after: Option<&StoredFunction>,
        context: impl Fn() -> String,
    ) {
        let Some((before, after)) = before.zip(after).filter(|(before, _)| before.cancel_requested) else {
            return;
        };
        let is_put_away = matches!(write, Write::Finish(Finish { ending, .. })
            if matches!(ending, Ending::Postponed(_) | Ending::Suspended { .. }));
        self.expect(!is_put_away, || format!("it waits and is to be cancelled: {}", context()));
        let is_forgotten = !after.cancel_requested && !matches!(write, Write::Edit(_));
        self.expect(!is_forgotten, || {
            format!("the wish to cancel {} is forgotten: {}", before.id, context())
        });
    }

    /// The end of a child comes with the message that tells its parent.
    async fn judge_ends(&self, batch: &[Write], before: impl Iterator<Item = Option<&StoredFunction>>) {
        for (write, before) in batch.iter().zip(before) {
            let Some(row) = self.row(write.id()).await else { continue };
            let has_ended = row.status.is_completed()
                && before.is_none_or(|before| before.epoch != row.epoch || before.status != row.status);
            let Some(parent) = parent_of(&row).filter(|_| has_ended) else { continue };
            let child = serde_json::to_string(&row.id).expect("an id is JSON");
            let is_told = batch.iter().any(|other| {
                matches!(other, Write::Append(append) if append.id == parent
                    && append.messages.iter().any(|message| message.payload.body == child))
            });
            self.expect(is_told, || format!("nobody told {parent} of the end of {row:?}: {batch:?}"));
        }
    }

    pub(crate) async fn expire(&self, who: usize, expiries: &[Expiry], limit: u32) -> u64 {
        let (now, before) = (self.clock.now(), self.all().await);
        let count = self.store.expire(expiries, limit).await.expect("memory works");
        let after = self.all().await;
        let (left, gone): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|row| after.iter().any(|left| left.id == row.id));
        self.expect(left == after, || format!("an expiry changed {left:?} to {after:?}"));
        self.expect(count == u64::try_from(gone.len()).expect("few") && count <= u64::from(limit), || {
            format!("{count} have expired, and these are gone: {gone:?}")
        });
        for row in &gone {
            let parent = row.id.instance_id.as_str().rsplit_once('/').map(|(parent, _)| parent);
            let asks = left.iter().find(|other| {
                parent == Some(other.id.instance_id.as_str()) && family::is_unfinished_parent(other)
            });
            self.expect(asks.is_none(), || format!("{} has expired, and {asks:?} may ask for it", row.id));
            self.note(who, ("expired", &row.id.type_id, &row.id.instance_id));
            let kept_for = self.kept_for.get(row.id.type_id.as_str());
            let holds = row.status == Status::Succeeded
                && row
                    .completed_at
                    .zip(kept_for)
                    .is_some_and(|(ended, kept_for)| now.saturating_since(ended) > *kept_for);
            self.expect(holds, || format!("it has expired at {now} although it is kept: {row:?}"));
            self.expect(self.messages(&row.id).await.is_empty(), || {
                format!("messages of {} are left", row.id)
            });
        }
        count
    }

    /// A log only grows, without gaps, and nothing sleeps over what has come.
    async fn judge_messages(
        &self,
        write: &Write,
        written: &Written,
        before: &[StoredMessage],
        row: Option<&StoredFunction>,
    ) {
        let after = self.messages(write.id()).await;
        if *written == Written::Done && matches!(write, Write::Delete(_)) {
            return self.expect(after.is_empty(), || format!("{} has left {after:?}", write.id()));
        }
        let context = || format!("{write:?} answered {written:?}: {before:?} became {after:?} of {row:?}");
        let keys: HashSet<_> = after.iter().map(|message| &message.key).collect();
        let adds = *written == Written::Done && matches!(write, Write::Create(_) | Write::Append(_));
        let holds = after.starts_with(before)
            && (adds || after.len() == before.len())
            && keys.len() == after.len()
            && after.iter().zip(1..).all(|(message, at)| message.position == at)
            && row.map_or(0, |row| row.message_count) == i64::try_from(after.len()).expect("few");
        self.expect(holds, || format!("a log is broken: {}", context()));
        let has_come = after.len() > before.len();
        let wakes = row.is_none_or(|row| {
            row.status != Status::Suspended || row.due_at.is_some_and(|due| due <= self.clock.now())
        });
        self.expect(!has_come || wakes, || format!("a message woke nobody: {}", context()));
        let sleeps = matches!(write, Write::Finish(Finish { ending: Ending::Suspended { message_count, .. }, .. })
            if *written == Written::Done && *message_count != i64::try_from(after.len()).expect("few"));
        self.expect(!sleeps, || format!("it sleeps over a message: {}", context()));
    }

    pub(crate) async fn claimed(
        &self,
        who: usize,
        replica: ReplicaId,
        before: &[StoredFunction],
        rows: &[StoredFunction],
    ) {
        for row in rows {
            self.note(who, ("claimed", row.id.instance_id.as_str(), row.epoch, replica));
            let now = self.clock.now();
            let holds = before.iter().find(|old| old.id == row.id).is_some_and(|old| {
                matches!(old.status, Status::Postponed | Status::Suspended)
                    && old.epoch < row.epoch
                    && old.due_at.is_some_and(|due| due <= now)
                    && old.cancel_requested == row.cancel_requested
            });
            self.expect(holds && row.owner == Some(replica), || {
                format!("{row:?} was claimed from {before:?}")
            });
            self.expect(self.row(&row.id).await.as_ref() == Some(row), || {
                format!("{row:?} is not what is stored")
            });
        }
    }

    pub(crate) async fn released(&self, who: usize, before: &[StoredFunction], fresh: &HashSet<ReplicaId>) {
        for (old, new) in before.iter().zip(self.all().await) {
            if *old == new {
                continue;
            }
            self.note(who, ("released", old.id.instance_id.as_str(), old.epoch, old.owner));
            let holds = old.status == Status::Executing
                && new.status == Status::Postponed
                && new.epoch > old.epoch
                && new.cancel_requested == old.cancel_requested;
            self.expect(holds, || format!("{old:?} was released as {new:?}"));
            let taken = old.owner.is_some_and(|owner| fresh.contains(&owner));
            self.expect(!taken, || format!("{old:?} was taken from a live replica"));
        }
    }

    /// Those whose last sign of life was given less than the shortest lease ago.
    pub(crate) async fn fresh(&self) -> HashSet<ReplicaId> {
        let now = self.clock.now();
        let live = self.store.replicas().await.expect("memory works");
        let fresh = live.into_iter().filter(|live| {
            let silence = now.saturating_since(live.heartbeat_at);
            live.replica.types.iter().all(|of| silence <= of.lease)
        });
        fresh.map(|live| live.replica.id).collect()
    }
}

/// What a cancellation does: what waits has failed with its failure, what runs is told and nothing else.
fn is_cancelled(cancel: &Cancel, (before, after): (&StoredFunction, &StoredFunction)) -> bool {
    match before.status {
        Status::Executing => {
            let updated_at = after.updated_at;
            *after == StoredFunction { cancel_requested: true, updated_at, ..before.clone() }
        }
        Status::Postponed | Status::Suspended => {
            after.status == Status::Failed
                && after.failure.as_ref() == Some(&cancel.failure)
                && after.epoch > before.epoch
                && after.cancel_requested
                && after.owner.is_none()
        }
        Status::Succeeded | Status::Failed => false,
    }
}

/// Whose child it is.
fn parent_of(row: &StoredFunction) -> Option<FunctionId> {
    Journal::read(row.journal.as_deref()).expect("it can be read").parent
}
