//! What stands between a runtime and its store, and meets every call on its way there and back.
//!
//! One place delegates all calls, so that a store that fails, waits or counts says only what is particular to it.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{After, Claimable, Expiry, Lifeline, Write, Written};
use resilient::{
    Filter, FunctionId, LiveReplica, Replica, ReplicaId, Store, StoreError, StoredFunction, StoredMessage,
};

use crate::faults::Call;

/// What happens to calls.
#[async_trait]
pub trait Passage: Debug + Clone + Send + Sync + 'static {
    /// Lets a call pass, or does not.
    ///
    /// # Errors
    ///
    /// Those of the store, and its own.
    async fn call<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError>;

    /// Looks at what is about to be written, before its [`call`](Self::call).
    fn sees(&self, batch: &[Write]) {
        let _ = batch;
    }
}

/// A store behind a passage. Clones share both.
#[derive(Debug, Clone)]
pub struct Between<P> {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) passage: P,
}

impl<P: Passage> Between<P> {
    /// Puts the passage before the store.
    pub fn put(passage: P, inner: impl Store) -> Self {
        Self { inner: Arc::new(inner), passage }
    }
}

#[async_trait]
impl<P: Passage> Store for Between<P> {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.passage.call(Call::Initialize, self.inner.initialize()).await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.passage.sees(batch);
        self.passage.call(Call::Write, self.inner.write(batch)).await
    }

    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        self.passage.sees(batch);
        self.passage.call(Call::WriteIn, self.inner.write_in(transaction, batch)).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        self.passage.call(Call::Get, self.inner.get(ids)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.passage.call(Call::List, self.inner.list(filter)).await
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        self.passage.call(Call::Messages, self.inner.messages(wanted, limit)).await
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.passage.call(Call::Claim, self.inner.claim(replica, kinds, limit)).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.passage.call(Call::ReleaseDead, self.inner.release_dead()).await
    }

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        self.passage.call(Call::Expire, self.inner.expire(expiries, limit)).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.passage.call(Call::Replicas, self.inner.replicas()).await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        let inner = self.passage.call(Call::Lifeline, self.inner.lifeline()).await?;
        Ok(Box::new(Line { inner, passage: self.passage.clone() }))
    }

    fn virtual_time(&self) -> bool {
        self.inner.virtual_time()
    }
}

#[derive(Debug)]
struct Line<P> {
    inner: Box<dyn Lifeline>,
    passage: P,
}

#[async_trait]
impl<P: Passage> Lifeline for Line<P> {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        self.passage.call(Call::Join, self.inner.join(replica)).await
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        self.passage.call(Call::Beat, self.inner.beat(replica)).await
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.passage.call(Call::Leave, self.inner.leave(replica)).await
    }
}
