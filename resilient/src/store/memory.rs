//! The store for tests: everything in this process, shared by all clones, in real or virtual time.
//!
//! It is also the shortest complete description of what a store does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    After, Append, Claimable, Create, Delete, Edit, Ending, Filter, Finish, Lifeline, Save, Start, Store,
    StoreError, Transition, Write, Written,
};
use crate::clock::{Clock, Timestamp, TokioClock};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::{LiveReplica, NewMessage, Replica, StoredFunction, StoredMessage};
use crate::status::Status;

/// A store in the memory of this process.
///
/// Clones share their data, so that several runtimes can stand for several replicas, and one that is dropped for a
/// crashed one. It keeps all the promises of [`Store`] but durability.
///
/// ```
/// use resilient::InMemoryStore;
///
/// let store = InMemoryStore::new();
/// let the_same = store.clone();
/// # drop(the_same);
/// ```
#[derive(Debug, Clone)]
pub struct InMemoryStore {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    functions: BTreeMap<FunctionId, StoredFunction>,
    messages: HashMap<FunctionId, Vec<StoredMessage>>,
    replicas: HashMap<ReplicaId, LiveReplica>,
}

impl InMemoryStore {
    /// An empty store whose time is that of tokio's timers: virtual under `tokio::time::pause()`.
    pub fn new() -> Self {
        Self::with_clock(TokioClock::default())
    }

    /// An empty store with another clock.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), state: Arc::default() }
    }

    // A panic elsewhere while the lock was held cannot leave a half-done change: each one is a plain assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InMemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        let now = self.clock.now();
        let mut state = self.lock();
        Ok(batch.iter().map(|write| state.apply(write, now)).collect())
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let state = self.lock();
        Ok(ids.iter().map(|id| state.functions.get(id).cloned()).collect())
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        let now = self.clock.now();
        let state = self.lock();
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let found = state.functions.values().filter(|row| matches(filter, row));
        let found = found.filter(|row| !filter.stuck || state.is_stuck(row, now));
        Ok(found.take(limit).cloned().collect())
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        let state = self.lock();
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let after = |After { id, position }: &After| {
            let all = state.messages.get(id).into_iter().flatten();
            let found: Vec<_> =
                all.filter(|message| message.position > *position).take(left).cloned().collect();
            left -= found.len();
            found
        };
        Ok(wanted.iter().map(after).collect())
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        let now = self.clock.now();
        Ok(self.lock().claim(replica, kinds, limit, now))
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        Ok(self.lock().release_dead(now))
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let now = self.clock.now();
        let state = self.lock();
        let mut live: Vec<_> = state.replicas.values().filter(|live| is_alive(live, now)).cloned().collect();
        live.sort_by_key(|live| (live.started_at, live.replica.id));
        Ok(live)
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        Ok(Box::new(MemoryLifeline(self.clone())))
    }

    fn virtual_time(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct MemoryLifeline(InMemoryStore);

#[async_trait]
impl Lifeline for MemoryLifeline {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        let live = LiveReplica { replica: replica.clone(), started_at: now, heartbeat_at: now };
        self.0.lock().replicas.insert(replica.id, live);
        Ok(())
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        match self.0.lock().replicas.get_mut(&replica) {
            Some(live) if is_alive(live, now) => {
                live.heartbeat_at = now;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.0.lock().replicas.remove(&replica);
        Ok(())
    }
}

fn is_alive(live: &LiveReplica, now: Timestamp) -> bool {
    now.saturating_since(live.heartbeat_at) <= live.replica.lease
}

fn matches(filter: &Filter, row: &StoredFunction) -> bool {
    filter.type_id.as_ref().is_none_or(|type_id| *type_id == row.id.type_id)
        && filter.status.is_none_or(|status| status == row.status)
        && filter.owner.is_none_or(|owner| row.owner == Some(owner))
        && filter.after.as_ref().is_none_or(|after| *after < row.id)
}

fn describes(kind: &Claimable, row: &StoredFunction) -> bool {
    kind.type_id == row.id.type_id
        && kind.version == row.version
        && row.param.version <= kind.param_version
        && row.scrapbook.as_ref().is_none_or(|scrapbook| scrapbook.version <= kind.scrapbook_version)
}

impl State {
    fn apply(&mut self, write: &Write, now: Timestamp) -> Written {
        match write {
            Write::Create(create) => self.create(create, now),
            Write::Save(save) => self.save(save, now),
            Write::Finish(finish) => self.finish(finish, now),
            Write::Append(append) => self.append(append, now),
            Write::Edit(edit) => self.edit(edit, now),
            Write::Delete(delete) => self.delete(delete),
        }
    }

    fn create(&mut self, create: &Create, now: Timestamp) -> Written {
        if let Some(row) = self.functions.get(&create.id) {
            return Written::Exists(Box::new(row.clone()));
        }
        let (status, owner, attempts, due_at) = match create.start {
            Start::Running(owner) => (Status::Executing, Some(owner), 1, None),
            Start::Waiting(due) => (Status::Postponed, None, 0, Some(due.from_now(now))),
        };
        let row = StoredFunction {
            id: create.id.clone(),
            status,
            epoch: Epoch::ZERO,
            owner,
            attempts,
            crashes: 0,
            due_at,
            version: create.version,
            param: create.param.clone(),
            scrapbook: create.scrapbook.clone(),
            result: None,
            failure: None,
            journal: create.journal.clone(),
            reason: None,
            saves: 0,
            message_count: 0,
            created_at: now,
            updated_at: now,
            completed_at: None,
        };
        self.functions.insert(create.id.clone(), row);
        self.add_messages(&create.id, &create.messages, now);
        Written::Done
    }

    /// Adds messages whose keys are new to an instance that is there; answers whether there were any.
    fn add_messages(&mut self, id: &FunctionId, messages: &[NewMessage], now: Timestamp) -> bool {
        let Some(row) = self.functions.get_mut(id) else { return false };
        let stored = self.messages.entry(id.clone()).or_default();
        let before = row.message_count;
        for NewMessage { name, payload, key } in messages {
            if stored.iter().any(|known| known.key == *key) {
                continue;
            }
            row.message_count += 1;
            let (name, payload, key) = (name.clone(), payload.clone(), key.clone());
            stored.push(StoredMessage { position: row.message_count, name, payload, key, sent_at: now });
        }
        row.message_count > before
    }

    fn append(&mut self, append: &Append, now: Timestamp) -> Written {
        let Some(row) = self.functions.get(&append.id) else { return Written::NotFound };
        let has = |message: &NewMessage| {
            let stored = self.messages.get(&append.id);
            stored.is_some_and(|stored| stored.iter().any(|known| known.key == message.key))
        };
        if row.status == Status::Succeeded && !append.messages.iter().all(has) {
            return Written::Completed;
        }
        if self.add_messages(&append.id, &append.messages, now) {
            self.wake(&append.id, now);
        }
        Written::Done
    }

    /// Other messages are there: what waits for one is due.
    fn wake(&mut self, id: &FunctionId, now: Timestamp) {
        let Some(row) = self.functions.get_mut(id) else { return };
        row.updated_at = now;
        if row.status == Status::Suspended {
            row.due_at = Some(now);
        }
    }

    /// The instance, if this owner runs it at this epoch and has not fallen behind its scrapbook's version.
    fn owned(
        &mut self,
        id: &FunctionId,
        owner: ReplicaId,
        epoch: Epoch,
        scrapbook: Option<&crate::payload::Payload>,
    ) -> Option<&mut StoredFunction> {
        self.functions.get_mut(id).filter(|row| {
            let stored = row.scrapbook.as_ref().map_or(0, |stored| stored.version);
            row.owner == Some(owner)
                && row.epoch == epoch
                && row.status == Status::Executing
                && scrapbook.is_none_or(|new| new.version >= stored)
        })
    }

    fn save(&mut self, save: &Save, now: Timestamp) -> Written {
        let scrapbook = save.scrapbook.as_ref();
        let row = self.owned(&save.id, save.owner, save.epoch, scrapbook);
        let Some(row) = row.filter(|row| row.saves < save.number) else { return Written::LostOwnership };
        row.saves = save.number;
        row.keep(scrapbook, save.journal.as_ref());
        row.crashes = 0;
        row.updated_at = now;
        Written::Done
    }

    fn finish(&mut self, finish: &Finish, now: Timestamp) -> Written {
        let scrapbook = finish.scrapbook.as_ref();
        let Some(row) = self.owned(&finish.id, finish.owner, finish.epoch, scrapbook) else {
            return Written::LostOwnership;
        };
        if matches!(finish.ending, Ending::Suspended { message_count, .. } if message_count != row.message_count)
        {
            return Written::Changed;
        }
        row.keep(scrapbook, finish.journal.as_ref());
        row.crashes = match finish.ending {
            Ending::Lost => row.crashes.saturating_add(1),
            Ending::Released => row.crashes,
            _ => 0,
        };
        match &finish.ending {
            Ending::Succeeded(result) => row.succeed(result.clone(), now),
            Ending::Failed(failure) => row.fail(failure.clone(), now),
            Ending::Postponed(due) => row.wait(due.from_now(now), now),
            Ending::Suspended { due, .. } => row.suspend(due.map(|due| due.from_now(now)), now),
            Ending::Released => {
                row.attempts = row.attempts.saturating_sub(1);
                row.wait(now, now);
            }
            Ending::Lost => row.wait(now, now),
        }
        row.reason.clone_from(&finish.reason);
        Written::Done
    }

    fn edit(&mut self, edit: &Edit, now: Timestamp) -> Written {
        let dead = |id: &ReplicaId| !self.replicas.get(id).is_some_and(|live| is_alive(live, now));
        if matches!(&edit.transition, Transition::Run(replica) if dead(replica)) {
            return Written::LostOwnership;
        }
        let Some(row) = self.functions.get_mut(&edit.id) else { return Written::NotFound };
        if row.epoch != edit.epoch {
            return Written::Changed;
        }
        if edit.messages.as_ref().is_some_and(|replace| replace.message_count != row.message_count) {
            return Written::Changed;
        }
        if let Some(param) = &edit.param {
            row.param = param.clone();
        }
        row.keep(edit.scrapbook.as_ref(), edit.journal.as_ref());
        row.crashes = 0;
        match &edit.transition {
            Transition::Keep if row.status == Status::Executing => row.wait(now, now),
            Transition::Keep => row.step(now),
            Transition::Run(replica) => row.run(*replica, now),
            Transition::Wait(due) => row.wait(due.from_now(now), now),
            Transition::Succeed(result) => row.succeed(result.clone(), now),
            Transition::Fail(failure) => row.fail(failure.clone(), now),
        }
        if let Some(replace) = &edit.messages {
            row.message_count = 0;
            self.messages.remove(&edit.id);
            self.add_messages(&edit.id, &replace.messages, now);
            self.wake(&edit.id, now);
        }
        Written::Done
    }

    fn delete(&mut self, delete: &Delete) -> Written {
        match self.functions.get(&delete.id) {
            None => Written::NotFound,
            Some(row) if row.epoch != delete.epoch => Written::Changed,
            Some(_) => {
                self.functions.remove(&delete.id);
                self.messages.remove(&delete.id);
                Written::Done
            }
        }
    }

    fn claim(
        &mut self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
        now: Timestamp,
    ) -> Vec<StoredFunction> {
        if !self.replicas.get(&replica).is_some_and(|live| is_alive(live, now)) {
            return Vec::new();
        }
        let mut due: Vec<_> = kinds.iter().flat_map(|kind| self.due(kind, now)).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut claimed = Vec::with_capacity(due.len());
        for (_, id) in due {
            if let Some(row) = self.functions.get_mut(&id) {
                row.run(replica, now);
                claimed.push(row.clone());
            }
        }
        claimed
    }

    fn due(&self, kind: &Claimable, now: Timestamp) -> Vec<(Timestamp, FunctionId)> {
        let due = self.functions.values().filter(|row| row.is_due(now) && describes(kind, row));
        let mut due: Vec<_> = due.filter_map(|row| Some((row.due_at?, row.id.clone()))).collect();
        due.sort();
        due.truncate(usize::try_from(kind.limit).unwrap_or(usize::MAX));
        due
    }

    fn is_stuck(&self, row: &StoredFunction, now: Timestamp) -> bool {
        let mut live = self.replicas.values().filter(|live| is_alive(live, now));
        row.is_due(now) && !live.any(|live| live.replica.types.iter().any(|of| of.takes(row)))
    }

    fn release_dead(&mut self, now: Timestamp) -> u64 {
        let Self { functions, replicas, .. } = self;
        let mut released = 0;
        for row in functions.values_mut().filter(|row| row.status == Status::Executing) {
            let owner = row.owner.and_then(|owner| replicas.get(&owner));
            if !owner.is_some_and(|live| runs(live, row, now)) {
                row.crashes = row.crashes.saturating_add(1);
                row.wait(now, now);
                released += 1;
            }
        }
        replicas.retain(|_, live| is_alive(live, now));
        released
    }
}

/// Whether this replica is a live owner of the instance.
fn runs(live: &LiveReplica, row: &StoredFunction, now: Timestamp) -> bool {
    let silent = now.saturating_since(live.heartbeat_at);
    let mut types = live.replica.types.iter();
    types.any(|of| of.runs(row) && silent <= of.lease)
}

impl StoredFunction {
    /// Whether it waits, and has waited long enough.
    fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Postponed | Status::Suspended)
            && self.due_at.is_some_and(|due| due <= now)
    }

    /// What every transition does.
    fn step(&mut self, now: Timestamp) {
        self.epoch = self.epoch.next();
        self.updated_at = now;
    }

    /// Takes over what was given of the progress.
    fn keep(&mut self, scrapbook: Option<&crate::payload::Payload>, journal: Option<&String>) {
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

    fn run(&mut self, replica: ReplicaId, now: Timestamp) {
        self.clear(Status::Executing, now);
        self.owner = Some(replica);
        self.attempts = self.attempts.saturating_add(1);
    }

    fn wait(&mut self, due: Timestamp, now: Timestamp) {
        self.clear(Status::Postponed, now);
        self.due_at = Some(due);
    }

    fn suspend(&mut self, due: Option<Timestamp>, now: Timestamp) {
        self.clear(Status::Suspended, now);
        self.due_at = due;
    }

    fn succeed(&mut self, result: crate::payload::Payload, now: Timestamp) {
        self.clear(Status::Succeeded, now);
        self.result = Some(result);
        self.completed_at = Some(now);
    }

    fn fail(&mut self, failure: String, now: Timestamp) {
        self.clear(Status::Failed, now);
        self.failure = Some(failure);
        self.completed_at = Some(now);
    }
}
