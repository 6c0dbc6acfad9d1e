//! The promises of the store seam, on the MySQL or MariaDB server that `RESILIENT_MYSQL_URL` names.
//!
//! Each case has tables of its own, so that they run side by side.
#![cfg(feature = "mysql")]
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the suite generates the tests, and what is skipped is said"
)]

use resilient::{ReplicaId, Store};
use resilient_sqlx::{MySqlOptions, MySqlStore};

async fn open() -> Option<MySqlStore> {
    let Ok(url) = std::env::var("RESILIENT_MYSQL_URL") else {
        println!("skipped: RESILIENT_MYSQL_URL does not name a server");
        return None;
    };
    let prefix = format!("t{}", &ReplicaId::random().to_string().replace('-', "")[..12]);
    let store = MySqlOptions::new(url).table_prefix(prefix).max_connections(4).connect().await.unwrap();
    store.initialize().await.unwrap();
    Some(store)
}

resilient::store_conformance!(open());
