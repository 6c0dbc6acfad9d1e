//! Instances in an SQLite database: a file that several processes may share, or the memory of this one.

mod batch;
mod lifeline;
mod pool;
mod statements;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{Claimable, Lifeline, Write, Written};
use resilient::{Filter, FunctionId, LiveReplica, ReplicaId, Store, StoreError, StoredFunction};
use sqlx::error::DatabaseError;

use self::pool::Connections;
pub use self::pool::SqliteOptions;
use self::statements::Statements;
use crate::error::Trouble;
use crate::row::{bind_filter, functions, live_replicas};
use crate::store;

/// A store in SQLite: one file, no server.
///
/// The file is in WAL mode with `synchronous=FULL`, so what was acknowledged survives a power failure. Other
/// processes on the same machine may use the same file; network file systems are not safe for SQLite.
///
/// ```no_run
/// # async fn open() -> Result<(), resilient::StoreError> {
/// use resilient_sqlx::SqliteStore;
///
/// let store = SqliteStore::open("sqlite://orders.db?mode=rwc").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    connections: Arc<Connections>,
    statements: Arc<Statements>,
}

impl SqliteStore {
    /// Opens a file: a URL such as `sqlite://orders.db?mode=rwc`, or a path, which is created when it is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be opened, or when the SQLite that is linked is older than 3.51.3.
    pub async fn open(url_or_path: &str) -> Result<Self, StoreError> {
        SqliteOptions::new(url_or_path).open().await
    }

    /// A new database in the memory of this process, shared by all clones of the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the SQLite that is linked is older than 3.51.3.
    pub async fn in_memory() -> Result<Self, StoreError> {
        SqliteOptions::in_memory().open().await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("prefix", &self.statements.prefix).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.migrate().await.map_err(during("the migration of its tables"))
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        store::write(self, batch).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let rows = self.read(ids).await.map_err(during("a read of instances"))?;
        Ok(store::in_order(ids, rows))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        let listing = async {
            let mut lease = self.connections.reader().await?;
            let sql = self.statements.list(filter);
            let rows = bind_filter(sql.query(), filter, 1).fetch_all(&mut *lease).await?;
            lease.give_back();
            functions(&rows)
        };
        listing.await.map_err(during("a listing"))
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.take(replica, kinds, limit).await.map_err(during("a claim"))
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.release().await.map_err(during("the release of what dead replicas ran"))
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let reading = async {
            let mut lease = self.connections.reader().await?;
            let query = self.statements.replicas.query().bind(self.connections.now());
            let rows = query.fetch_all(&mut *lease).await?;
            lease.give_back();
            live_replicas(&rows)
        };
        reading.await.map_err(during("a read of the replicas"))
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        lifeline::open(self).await.map_err(during("a connection for signs of life"))
    }

    fn virtual_time(&self) -> bool {
        self.connections.is_virtual()
    }
}

/// From what went wrong to the error of the store.
fn during(doing: &'static str) -> impl FnOnce(Trouble) -> StoreError {
    move |trouble| trouble.while_doing("SQLite", doing, is_transient)
}

/// Somebody else holds a lock, or the disk or the memory may be free again later.
fn is_transient(error: &dyn DatabaseError) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NO_MEMORY: i32 = 7;
    const INTERRUPTED: i32 = 9;
    const IO: i32 = 10;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    const PROTOCOL: i32 = 15;
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).map(|extended| extended & 0xff);
    matches!(code, Some(BUSY | LOCKED | NO_MEMORY | INTERRUPTED | IO | FULL | CANNOT_OPEN | PROTOCOL))
}
