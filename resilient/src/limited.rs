//! Calls of the store that never answer are given up.
//!
//! A server that vanishes without a word leaves calls waiting for an answer that nobody sends. The heartbeat goes on
//! over another connection, so the lease is held, and without a limit neither the writer nor the loops would ever move
//! again.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::id::{FunctionId, ReplicaId};
use crate::record::{LiveReplica, StoredFunction, StoredMessage};
use crate::store::{After, Claimable, Expiry, Filter, Lifeline, Store, StoreError, Write, Written};

/// Longer than a server that is there takes for anything: its own limits are shorter.
const LIMIT: Duration = Duration::from_secs(40);

/// A store whose calls end.
#[derive(Debug)]
pub(crate) struct Limited(Arc<dyn Store>);

impl Limited {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(LIMIT, call).await.unwrap_or_else(|_| {
        Err(StoreError::transient(format!("the store did not answer within {LIMIT:?}; its call is given up")))
    })
}

#[async_trait]
impl Store for Limited {
    async fn initialize(&self) -> Result<(), StoreError> {
        // A migration takes as long as it takes, and nothing runs yet.
        self.0.initialize().await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        limited(self.0.write(batch)).await
    }

    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        limited(self.0.write_in(transaction, batch)).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        limited(self.0.get(ids)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        limited(self.0.list(filter)).await
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        limited(self.0.messages(wanted, limit)).await
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        limited(self.0.claim(replica, kinds, limit)).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        limited(self.0.release_dead()).await
    }

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        limited(self.0.expire(expiries, limit)).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        limited(self.0.replicas()).await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        // The heartbeat has shorter limits of its own.
        self.0.lifeline().await
    }

    fn virtual_time(&self) -> bool {
        self.0.virtual_time()
    }
}
