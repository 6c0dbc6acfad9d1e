//! The promises of the store seam, on SQLite.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, reason = "the suite generates the tests")]

use std::path::PathBuf;

use resilient::{ReplicaId, Store};
use resilient_sqlx::{SqliteOptions, SqliteStore};

/// A directory that is removed with its files.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("resilient-{}", ReplicaId::random()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> String {
        self.0.join("orders.db").display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

mod file {
    use super::*;

    async fn open() -> (SqliteStore, Directory) {
        let directory = Directory::new();
        let store = SqliteStore::open(&directory.file()).await.unwrap();
        store.initialize().await.unwrap();
        (store, directory)
    }
    resilient::store_conformance!(open());
}

mod memory {
    use super::*;

    async fn open() -> SqliteStore {
        let store = SqliteOptions::in_memory().table_prefix("shop").open().await.unwrap();
        store.initialize().await.unwrap();
        store
    }
    resilient::store_conformance!(open());
}
