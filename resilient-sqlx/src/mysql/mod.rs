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
use sqlx::MySql;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::query::Query;

pub use self::pool::MySqlOptions;
use self::rows::ByRows;
use self::statements::Statements;
use crate::error::Trouble;
use crate::pool::Pool;
use crate::row::{bind_filter, functions, live_replicas};
use crate::server::Server;
use crate::store::{self, Backend, Plan};

/// A store in MySQL 8 or MariaDB 10.6 and newer.
///
/// Its tables are `InnoDB` tables; with the server's default `innodb_flush_log_at_trx_commit = 1`, what was acknowledged
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
    pool: Arc<Pool<MySqlConnection>>,
    statements: Arc<Statements>,
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
}

impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore")
            .field("prefix", &self.statements.prefix)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MySqlStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        let migration = schema::migrate(&self.pool, &self.statements);
        SERVER.settle_on(&self.pool, "the migration of its tables", migration).await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        store::write(self, batch).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let reading = async {
            let mut lease = self.pool.acquire().await?;
            let rows = read(&mut lease, &self.statements.read, ids).await?;
            lease.give_back();
            Ok(rows)
        };
        Ok(store::in_order(ids, SERVER.settle_on(&self.pool, "a read of instances", reading).await?))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        let sql = self.statements.list(filter);
        let listing = self.fetch(bind_filter(sql.query(), filter, 2));
        let rows = SERVER.settle_on(&self.pool, "a listing", listing).await?;
        functions(&rows).map_err(during("a listing"))
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        let claiming = async {
            let mut lease = self.pool.acquire().await?;
            let claim = claim::Claim { replica, kinds, limit };
            let claimed = claim::claim(&mut lease, &self.statements, &claim).await?;
            lease.give_back();
            Ok(claimed)
        };
        SERVER.settle_on(&self.pool, "a claim", claiming).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        let releasing = async {
            let mut lease = self.pool.acquire().await?;
            let released = claim::release_dead(&mut lease, &self.statements).await?;
            lease.give_back();
            Ok(released)
        };
        SERVER.settle_on(&self.pool, "the release of what dead replicas ran", releasing).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let reading = self.fetch(self.statements.replicas.query());
        let rows = SERVER.settle_on(&self.pool, "a read of the replicas", reading).await?;
        live_replicas(&rows).map_err(during("a read of the replicas"))
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        SERVER.settle("a connection for signs of life", lifeline::open(self)).await
    }
}

impl Backend for MySqlStore {
    async fn apply(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, StoreError> {
        let writing = async {
            let mut lease = self.pool.acquire().await?;
            let applied = batch::apply(&mut lease, &self.statements, plan).await?;
            lease.give_back();
            Ok(applied)
        };
        SERVER.settle_on(&self.pool, "a write of instances", writing).await
    }
}

impl MySqlStore {
    async fn fetch(&self, query: Query<'_, MySql, MySqlArguments>) -> Result<Vec<MySqlRow>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        Ok(rows)
    }
}

const SERVER: Server = Server {
    name: "MySQL",
    example: "mysql://user:password@host:port/database",
    is_transient: pool::is_transient,
};

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
