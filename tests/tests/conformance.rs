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
    async fn open() -> resilient_sqlx::SqliteStore {
        resilient_sqlx::SqliteStore::in_memory().await.expect("SQLite is built in")
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
