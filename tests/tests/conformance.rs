//! The promises of a store, on every store.

mod memory {
    async fn open() -> resilient::InMemoryStore {
        resilient::InMemoryStore::new()
    }

    resilient::store_conformance!(open());
}
