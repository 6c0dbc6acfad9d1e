//! Fresh stores for tests.

mod place;

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{After, Claimable, Expiry, Lifeline, Write, Written};
use resilient::{
    Filter, FunctionId, LiveReplica, ReplicaId, Store, StoreError, StoredFunction, StoredMessage,
};

pub use self::place::Kind;
use self::place::Place;

/// A store of one test, and whatever has to live as long as it.
///
/// It is a [`Store`] itself, so that it can be given to a runtime; clones use the same connections. What it wrote is
/// out of the way of other tests: in a map, a file or tables of its own.
#[derive(Debug, Clone)]
pub struct TestStore {
    store: Arc<dyn Store>,
    place: Arc<Place>,
}

/// A fresh, empty, initialized store, or `None` when its server is missing.
///
/// # Panics
///
/// When the server is missing and `CI` is set, or when it is there and does not work.
pub async fn open(kind: Kind) -> Option<TestStore> {
    let place = Arc::new(Place::fresh(kind)?);
    let store = TestStore::connect(place).await;
    store.initialize().await.expect("a fresh store can be initialized");
    Some(store)
}

impl TestStore {
    async fn connect(place: Arc<Place>) -> Self {
        let store = place.connect().await.expect("a store of the environment can be opened");
        Self { store, place }
    }

    /// Another handle on the same data, with connections of its own, as another process would have.
    ///
    /// In memory, where there are no connections, it is a clone.
    pub async fn another(&self) -> Self {
        Self::connect(Arc::clone(&self.place)).await
    }

    /// Which store this is.
    pub fn kind(&self) -> Kind {
        self.place.kind()
    }

    /// The URL of its database, for programs that a test starts; `None` in memory.
    pub fn url(&self) -> Option<&str> {
        self.place.url()
    }

    /// The prefix of its tables; empty in memory.
    pub fn prefix(&self) -> &str {
        self.place.prefix()
    }
}

impl Deref for TestStore {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

#[async_trait]
impl Store for TestStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.store.initialize().await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.store.write(batch).await
    }

    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        self.store.write_in(transaction, batch).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        self.store.get(ids).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.store.list(filter).await
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        self.store.messages(wanted, limit).await
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.store.claim(replica, kinds, limit).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.store.release_dead().await
    }

    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        self.store.expire(expiries, limit).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.store.replicas().await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        self.store.lifeline().await
    }

    fn virtual_time(&self) -> bool {
        self.store.virtual_time()
    }
}

#[cfg(test)]
mod tests {
    use resilient::store::{Create, Start};
    use resilient::{Due, Payload};

    use super::*;

    async fn create(store: &TestStore) -> Written {
        let param = Payload { version: 1, body: "1".to_owned() };
        let id = FunctionId::new("Order", "1");
        let create = Create::new(id, Start::Waiting(Due::Now), 1, param);
        store.write(&[Write::Create(create)]).await.expect("the store works").remove(0)
    }

    #[tokio::test]
    async fn a_store_shares_its_data_with_another_handle_and_with_nobody_else() {
        let store = open(Kind::Memory).await.expect("memory is always there");
        assert_eq!(create(&store).await, Written::Done);
        assert!(matches!(create(&store.another().await).await, Written::Exists(_)));
        let other = open(Kind::Memory).await.expect("memory is always there");
        assert_eq!(create(&other).await, Written::Done);
    }
}
