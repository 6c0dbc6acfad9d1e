//! Instances in PostgreSQL.

mod batch;
mod lifeline;
mod pool;
mod statements;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{Claimable, Lifeline, Write, Written};
use resilient::{Filter, FunctionId, LiveReplica, ReplicaId, Store, StoreError, StoredFunction};
use sqlx::PgConnection;
use sqlx::error::DatabaseError;

pub use self::pool::PostgresOptions;
use self::statements::Statements;
use crate::pool::Pool;
use crate::row::{bind_filter, functions, live_replicas};
use crate::server::Server;
use crate::store;

/// A store in PostgreSQL, version 12 or newer.
///
/// All times are those of the database's clock. An acknowledged write is on disk (`synchronous_commit=on`).
///
/// ```no_run
/// # async fn connect() -> Result<(), resilient::StoreError> {
/// use resilient_sqlx::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://shop@localhost/orders").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pool: Arc<Pool<PgConnection>>,
    statements: Arc<Statements>,
}

impl PostgresStore {
    /// Connects to a database: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the URL makes no sense or the database cannot be reached. The URL is never part of the
    /// error, for it may hold a password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new(url).connect().await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("prefix", &self.statements.prefix)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        SERVER.settle_on(&self.pool, "the migration of its tables", self.migrate()).await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        store::write(self, batch).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        let rows = SERVER.settle_on(&self.pool, "a read of instances", self.read(ids)).await?;
        Ok(store::in_order(ids, rows))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        let listing = async {
            let mut lease = self.pool.acquire().await?;
            let sql = self.statements.list(filter);
            let rows = bind_filter(sql.query(), filter, 1).fetch_all(&mut *lease).await?;
            lease.give_back();
            functions(&rows)
        };
        SERVER.settle_on(&self.pool, "a listing", listing).await
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        SERVER.settle_on(&self.pool, "a claim", self.take(replica, kinds, limit)).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        SERVER.settle_on(&self.pool, "the release of what dead replicas ran", self.release()).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let reading = async {
            let mut lease = self.pool.acquire().await?;
            let rows = self.statements.replicas.query().fetch_all(&mut *lease).await?;
            lease.give_back();
            live_replicas(&rows)
        };
        SERVER.settle_on(&self.pool, "a read of the replicas", reading).await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        SERVER.settle("a connection for signs of life", lifeline::open(self)).await
    }
}

const SERVER: Server =
    Server { name: "PostgreSQL", example: "postgres://user:password@host:port/database", is_transient };

/// By the class of the error: what passes when a connection, a lock or the server comes back.
fn is_transient(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    let class = code.get(..2).unwrap_or_default();
    // 08 connection, 40 rollback (deadlock, serialization), 53 resources, 57 operator's intervention, 58 system error.
    matches!(class, "08" | "40" | "53" | "57" | "58")
        // A lock that was not had in time, an idle transaction that was ended, a primary that became a standby.
        || matches!(&*code, "55P03" | "25P03" | "25006")
}
