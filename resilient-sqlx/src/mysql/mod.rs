//! Instances in MySQL or MariaDB.

mod batch;
mod claim;
mod lifeline;
mod pool;
mod rows;
mod schema;
mod statements;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{Claimable, Lifeline, Write, Written};
use resilient::{Filter, FunctionId, LiveReplica, ReplicaId, Store, StoreError, StoredFunction};
use sqlx::mysql::MySqlConnection;

pub use self::pool::MySqlOptions;
use self::rows::ByRows;
use self::statements::Statements;
use crate::error::Trouble;
use crate::pool::{Lease, Pool};
use crate::row::{bind_filter, functions, live_replicas};
use crate::store::{self, Backend, Plan};

/// A store in MySQL 8 or MariaDB 10.6 and newer.
///
/// Its tables are InnoDB tables; with the server's default `innodb_flush_log_at_trx_commit = 1`, what was acknowledged
/// survives a power failure. The settings of the server's sessions do not matter, for each connection makes its own.
/// A binary log needs the format `row` or `mixed`.
///
/// ```no_run
/// # async fn open() -> Result<(), resilient::StoreError> {
/// use resilient_sqlx::MySqlStore;
///
/// let store = MySqlStore::connect("mysql://user:secret@localhost/shop").await?;
/// # drop(store); Ok(()) }
/// ```
#[derive(Clone)]
pub struct MySqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool<MySqlConnection>,
    statements: Statements,
}

impl MySqlStore {
    /// Opens the database that a URL names, with at most 8 connections and tables that begin with `resilient`.
    ///
    /// # Errors
    ///
    /// As [`MySqlOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        MySqlOptions::new(url).connect().await
    }

    fn new(pool: Pool<MySqlConnection>, statements: Statements) -> Self {
        Self { inner: Arc::new(Inner { pool, statements }) }
    }

    async fn acquire(&self) -> Result<Lease<'_, MySqlConnection>, StoreError> {
        self.inner.pool.acquire().await.map_err(Trouble::from).map_err(during("the opening of a connection"))
    }

    /// Keeps the connection of an operation that went well. One that met an error is closed, and whatever it had
    /// begun is undone by the server; when it broke, the idle ones are not trusted either.
    fn end<T>(
        &self,
        lease: Lease<'_, MySqlConnection>,
        result: Result<T, Trouble>,
        doing: &'static str,
    ) -> Result<T, StoreError> {
        match result {
            Ok(value) => {
                lease.give_back();
                Ok(value)
            }
            Err(trouble) => {
                drop(lease);
                let error = during(doing)(trouble);
                if error.is_transient() {
                    self.inner.pool.forget_idle();
                }
                Err(error)
            }
        }
    }
}

impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").field("prefix", &self.inner.statements.prefix).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MySqlStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        schema::migrate(&self.inner).await.map_err(during("the migration of its tables"))
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        store::write(self, batch).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let mut lease = self.acquire().await?;
        let result = read(&mut lease, &self.inner.statements.read, ids).await;
        Ok(store::in_order(ids, self.end(lease, result, "a read of instances")?))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        let mut lease = self.acquire().await?;
        let query = bind_filter(self.inner.statements.list(filter).query(), filter);
        let rows = query.fetch_all(&mut *lease).await.map_err(Trouble::from);
        self.end(lease, rows.and_then(|rows| functions(&rows)), "a listing")
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        let mut lease = self.acquire().await?;
        let claim = claim::Claim { replica, kinds, limit };
        let result = claim::claim(&mut lease, &self.inner.statements, &claim).await;
        self.end(lease, result, "a claim")
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        let mut lease = self.acquire().await?;
        let result = claim::release_dead(&mut lease, &self.inner.statements).await;
        self.end(lease, result, "the release of what dead replicas ran")
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let mut lease = self.acquire().await?;
        let query = self.inner.statements.replicas.query();
        let rows = query.fetch_all(&mut *lease).await.map_err(Trouble::from);
        self.end(lease, rows.and_then(|rows| live_replicas(&rows)), "a read of the replicas")
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        lifeline::open(self).await.map_err(during("a connection for signs of life"))
    }
}

impl Backend for MySqlStore {
    async fn apply(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, StoreError> {
        let mut lease = self.acquire().await?;
        let result = batch::apply(&mut lease, &self.inner.statements, plan).await;
        self.end(lease, result, "a write of instances")
    }
}

/// Reads instances by a statement of this kind.
async fn read(
    connection: &mut MySqlConnection,
    statement: &ByRows,
    ids: impl IntoIterator<Item = &FunctionId>,
) -> Result<Vec<StoredFunction>, Trouble> {
    let mut stored = Vec::new();
    for piece in statement.cut(ids) {
        stored.extend(functions(&statement.query(&piece).fetch_all(&mut *connection).await?)?);
    }
    Ok(stored)
}

/// From what went wrong to the error of the store.
fn during(doing: &'static str) -> impl FnOnce(Trouble) -> StoreError {
    move |trouble| trouble.while_doing("MySQL", doing, pool::is_transient)
}
