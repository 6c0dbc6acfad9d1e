//! Where the data of one test lives, and how to connect to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs};

use resilient::{InMemoryStore, Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteStore};
use uuid::Uuid;

use crate::report::{Use, record};
use crate::servers;

/// The stores that tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the memory of the test.
    Memory,
    /// A file.
    Sqlite,
    /// The PostgreSQL server of the environment.
    Postgres,
    /// The MySQL or MariaDB server of the environment.
    MySql,
}

/// Data of one test.
#[derive(Debug)]
pub(super) enum Place {
    Memory(InMemoryStore),
    Sqlite(TemporaryFile),
    Postgres(Tables),
    MySql(Tables),
}

/// Tables in a database that other tests use too: creating them is much faster than creating a database.
#[derive(Debug)]
pub(super) struct Tables {
    url: String,
    prefix: String,
}

impl Tables {
    fn fresh(url: &str) -> Self {
        let mut prefix = format!("t{}", Uuid::new_v4().simple());
        prefix.truncate(13);
        Self { url: url.to_owned(), prefix }
    }
}

impl Place {
    /// A place that nothing was stored in yet, or `None` when its server is missing.
    pub(super) fn fresh(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Memory => {
                record("memory", Use::Run);
                Self::Memory(InMemoryStore::new())
            }
            Kind::Sqlite => {
                record("sqlite", Use::Run);
                Self::Sqlite(TemporaryFile::new())
            }
            Kind::Postgres => Self::Postgres(Tables::fresh(servers::postgres()?.url())),
            Kind::MySql => Self::MySql(Tables::fresh(servers::mysql()?.url())),
        })
    }

    /// Opens connections of its own.
    pub(super) async fn connect(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(file) => Arc::new(SqliteStore::open(&file.url).await?),
            Self::Postgres(tables) => {
                Arc::new(PostgresOptions::new(&tables.url).table_prefix(&tables.prefix).connect().await?)
            }
            Self::MySql(tables) => {
                Arc::new(MySqlOptions::new(&tables.url).table_prefix(&tables.prefix).connect().await?)
            }
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Memory(_) => Kind::Memory,
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
            Self::MySql(_) => Kind::MySql,
        }
    }

    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Memory(_) => None,
            Self::Sqlite(file) => Some(&file.url),
            Self::Postgres(tables) | Self::MySql(tables) => Some(&tables.url),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Memory(_) => "",
            Self::Sqlite(_) => "resilient",
            Self::Postgres(tables) | Self::MySql(tables) => &tables.prefix,
        }
    }
}

/// A database file, alone in a directory that is removed with it: SQLite puts more files beside it.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    directory: PathBuf,
    url: String,
}

impl TemporaryFile {
    fn new() -> Self {
        let directory = env::temp_dir().join(format!("resilient-test-{}", Uuid::new_v4()));
        fs::create_dir(&directory).expect("a directory can be created among the temporary files");
        let url = format!("sqlite://{}?mode=rwc", directory.join("store.db").display());
        Self { directory, url }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // What cannot be removed is left among the temporary files, which is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
