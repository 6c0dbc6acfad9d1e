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

mod postgres {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::Postgres));
}

mod mysql {
    use super::{Kind, open};
    resilient::store_conformance!(open(Kind::MySql));
}
