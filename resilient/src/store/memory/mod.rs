//! The store for tests: everything in this process, shared by all clones, in real or virtual time.
//!
//! It is also the shortest complete description of what a store does: `state` holds the writes, `row` the transitions.

mod row;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::state::{State, is_alive, matches};
use super::{After, Claimable, Expiry, Filter, Lifeline, Store, StoreError, Write, Written};
use crate::clock::{Clock, TokioClock};
use crate::id::{FunctionId, ReplicaId};
use crate::record::{LiveReplica, Replica, StoredFunction, StoredMessage};

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

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        let now = self.clock.now();
        Ok(self.lock().expire(expiries, limit, now))
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
