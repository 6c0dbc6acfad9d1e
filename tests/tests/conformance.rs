//! The promises of a store, on every store.

use resilient_tests::{Kind, open};

mod memory {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::Memory));
}

mod sqlite {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::Sqlite));
}

mod sqlite_in_memory {
    use resilient::Store;
    use resilient_sqlx::SqliteStore;

    async fn open() -> SqliteStore {
        let store = SqliteStore::in_memory().await.expect("SQLite is built in");
        store.initialize().await.expect("nothing is there yet");
        store
    }
    resilient::store_conformance!(open());
}

mod postgres {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::Postgres));
}

mod mysql {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::MySql));
}
