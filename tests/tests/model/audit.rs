//! What every write must keep, whoever sends it, and whatever was lost on the way.
//!
//! It looks at the store right before and right after each call. On one thread and in memory nothing comes between.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use resilient::store::{After, Delete, Edit, Ending, Finish, Save, Write, Written};
use resilient::{
    Clock, Epoch, Filter, FunctionId, InMemoryStore, ReplicaId, Status, Store, StoredFunction, StoredMessage,
    Timestamp,
};
use tokio::time::Instant;

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
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<String>,
    violations: Vec<String>,
}

impl Audit {
    pub(crate) fn new() -> Self {
        let clock = FromTheBeginning(Instant::now());
        Self { clock, store: InMemoryStore::with_clock(clock), log: Arc::default() }
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

    pub(crate) fn violations(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics here").violations.clone()
    }

    fn expect(&self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.violation(text());
        }
    }

    pub(crate) async fn all(&self) -> Vec<StoredFunction> {
        let filter = Filter { limit: u32::MAX, ..Filter::default() };
        self.store.list(&filter).await.expect("memory works")
    }

    async fn row(&self, id: &FunctionId) -> Option<StoredFunction> {
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
            Write::Cancel(_) => after.is_some_and(|row| row.cancel_requested),
            Write::Delete(Delete { epoch, .. }) => epochs(before) == Some(*epoch) && after.is_none(),
        };
        self.expect(holds, || format!("the guard did not hold: {}", context()));
        let had_succeeded = before.is_some_and(|row| row.status == Status::Succeeded);
        self.expect(!had_succeeded || before == after, || {
            format!("a result was written over: {}", context())
        });
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
            let holds = before.iter().find(|old| old.id == row.id).is_some_and(|old| {
                matches!(old.status, Status::Postponed | Status::Suspended) && old.epoch < row.epoch
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
            let holds =
                old.status == Status::Executing && new.status == Status::Postponed && new.epoch > old.epoch;
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
