//! The way from one process to the store, and all that can happen on it.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use resilient::store::{After, Claimable, Expiry, Lifeline, Write, Written};
use resilient::{
    Filter, FunctionId, LiveReplica, Replica, ReplicaId, Store, StoreError, StoredFunction, StoredMessage,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::audit::Audit;
use super::random::Random;

/// The way from one process to the store. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    process: usize,
    audit: Audit,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    cut: bool,
    down_until: Instant,
    frozen_until: Instant,
    lifeline_frozen_until: Instant,
    errors_until: Instant,
    slow_until: Instant,
}

/// A trouble on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every call errs, and is not applied.
    Down,
    /// Every call waits, and is applied afterwards.
    Frozen,
    /// Signs of life wait.
    NoLife,
    /// Some calls err, before or after they are applied.
    Errors,
    /// Calls and their answers take their time.
    Slow,
}

impl Trouble {
    pub(crate) const ALL: [Self; 5] = [Self::Down, Self::Frozen, Self::NoLife, Self::Errors, Self::Slow];
}

impl Link {
    pub(crate) fn new(process: usize, audit: &Audit, random: Random) -> Self {
        let now = Instant::now();
        let state = State {
            random,
            cut: false,
            down_until: now,
            frozen_until: now,
            lifeline_frozen_until: now,
            errors_until: now,
            slow_until: now,
        };
        Self { process, audit: audit.clone(), state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics here")
    }

    /// From now on nothing is applied or answered: the process is no more.
    pub(crate) fn cut(&self) {
        self.state().cut = true;
    }

    pub(crate) fn trouble(&self, trouble: Trouble, until: Instant) {
        let mut state = self.state();
        let limit = match trouble {
            Trouble::Down => &mut state.down_until,
            Trouble::Frozen => &mut state.frozen_until,
            Trouble::NoLife => &mut state.lifeline_frozen_until,
            Trouble::Errors => &mut state.errors_until,
            Trouble::Slow => &mut state.slow_until,
        };
        *limit = until;
    }

    /// All troubles are over.
    pub(crate) fn heal(&self) {
        for trouble in Trouble::ALL {
            self.trouble(trouble, Instant::now());
        }
    }

    /// On the way to the store.
    async fn there(&self, call: &str, is_life: bool) -> Result<(), StoreError> {
        let (frozen, slow) = {
            let mut state = self.state();
            let frozen = if is_life {
                state.frozen_until.max(state.lifeline_frozen_until)
            } else {
                state.frozen_until
            };
            let slow = (Instant::now() < state.slow_until).then(|| state.random.millis(1, 2_500));
            (frozen, slow)
        };
        sleep_until(frozen).await;
        if let Some(slow) = slow {
            sleep(slow).await;
        }
        self.alive().await;
        let refused = {
            let mut state = self.state();
            let now = Instant::now();
            now < state.down_until || (now < state.errors_until && state.random.percent(20))
        };
        if refused {
            self.audit.note(self.process, ("refused", call));
            return Err(StoreError::transient("it was not applied"));
        }
        Ok(())
    }

    /// On the way back.
    async fn back(&self, call: &str) -> Result<(), StoreError> {
        self.alive().await;
        let (lost, slow) = {
            let mut state = self.state();
            let now = Instant::now();
            let lost = now < state.errors_until && state.random.percent(20);
            (lost, (now < state.slow_until).then(|| state.random.millis(1, 2_500)))
        };
        if let Some(slow) = slow {
            sleep(slow).await;
            self.alive().await;
        }
        if lost {
            self.audit.note(self.process, ("lost the answer of", call));
            return Err(StoreError::transient("the answer was lost"));
        }
        Ok(())
    }

    async fn alive(&self) {
        if self.state().cut {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for Link {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.there("initialize", false).await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.there("write", false).await?;
        let written = self.audit.write(self.process, batch).await;
        self.back("write").await.map(|()| written)
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        self.there("get", false).await?;
        let rows = self.audit.store().get(ids).await;
        self.back("get").await.and(rows)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.there("list", false).await?;
        let rows = self.audit.store().list(filter).await;
        self.back("list").await.and(rows)
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        self.there("messages", false).await?;
        let messages = self.audit.store().messages(wanted, limit).await;
        self.back("messages").await.and(messages)
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.there("claim", false).await?;
        let before = self.audit.all().await;
        let rows = self.audit.store().claim(replica, kinds, limit).await?;
        self.audit.claimed(self.process, replica, &before, &rows).await;
        self.back("claim").await.map(|()| rows)
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.there("release_dead", false).await?;
        let (before, fresh) = (self.audit.all().await, self.audit.fresh().await);
        let released = self.audit.store().release_dead().await;
        self.audit.released(self.process, &before, &fresh).await;
        self.back("release_dead").await.and(released)
    }

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        self.there("expire", false).await?;
        let expired = self.audit.expire(self.process, expiries, limit).await;
        self.back("expire").await.map(|()| expired)
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.there("replicas", false).await?;
        self.audit.store().replicas().await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        self.there("lifeline", true).await?;
        Ok(Box::new(Line { link: self.clone(), inner: self.audit.store().lifeline().await? }))
    }

    fn virtual_time(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Line {
    link: Link,
    inner: Box<dyn Lifeline>,
}

#[async_trait]
impl Lifeline for Line {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        self.link.there("join", true).await?;
        self.link.audit.note(self.link.process, ("joined", replica.id));
        self.inner.join(replica).await?;
        self.link.back("join").await
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        self.link.there("beat", true).await?;
        let renewed = self.inner.beat(replica).await;
        self.link.back("beat").await.and(renewed)
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.link.there("leave", true).await?;
        self.link.audit.note(self.link.process, ("left", replica));
        self.inner.leave(replica).await?;
        self.link.back("leave").await
    }
}
