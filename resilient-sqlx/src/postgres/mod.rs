//! Instances in PostgreSQL.

mod append;
mod batch;
mod expire;
mod pool;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient::store::{After, Claimable, Expiry};
use resilient::{Filter, FunctionId, LiveReplica, StoreError, StoredFunction, StoredMessage};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, RawSql, Row};

pub use self::pool::PostgresOptions;
use self::statements::{MIGRATIONS, Statement, Statements};
use crate::backend::{Backend, Claim, Signs, implement_store, migrate};
use crate::error::Trouble;
use crate::pool::Pool;
use crate::record::{Known, Record, bind_filter};
use crate::row::{functions, live_replicas, messages};
use crate::schema::Migration;
use crate::sql::Sql;
use crate::store::{Answers, Plan};

/// A store in PostgreSQL, version 12 or newer.
///
/// All times are those of the database's clock. An acknowledged write is on disk (`synchronous_commit=on`). What is written
/// in a `sqlx::Transaction<'static, Postgres>` of the user's, or on its connection, is stored with that: see the
/// [crate's documentation](crate#in-a-transaction-of-your-own).
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
            .field("prefix", &self.statements.common.versions.prefix)
            .finish_non_exhaustive()
    }
}

implement_store!(PostgresStore);

/// Begins a transaction whose statements, and whose wait for another migration, have no end of their own.
const UNHURRIED: &str = "begin; set local statement_timeout = 0; set local lock_timeout = 0";

impl Backend for PostgresStore {
    type Driver = Postgres;
    type Connection = PgConnection;
    type Statement = Statement;

    const NAME: &'static str = "PostgreSQL";
    const TRANSACTION: &'static str = "a `sqlx::Transaction<'static, sqlx::Postgres>`";
    const BEGIN: &'static str = "begin";
    const STEPS: &'static [Migration] = MIGRATIONS;
    /// The server itself gives up a statement after 30 seconds.
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(40));

    /// By the class of the error: what passes when a connection, a lock or the server comes back.
    fn is_transient(error: &dyn DatabaseError) -> bool {
        let code = error.code().unwrap_or_default();
        let class = code.get(..2).unwrap_or_default();
        // 08 connection, 40 rollback (deadlock, serialization), 53 resources, 57 operator's intervention, 58 system.
        matches!(class, "08" | "40" | "53" | "57" | "58")
            // A lock that was not had in time, an idle transaction that was ended, a primary that became a standby.
            || matches!(&*code, "55P03" | "25P03" | "25006")
    }

    fn forget_idle(&self) {
        self.pool.forget_idle();
    }

    async fn is_prepared(&self) -> Result<bool, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let newest = self.statements.common.versions.are_newest::<Self>(&mut lease).await?;
        lease.give_back();
        Ok(newest)
    }

    async fn migrate(&self) -> Result<(), Trouble> {
        let all = &self.statements.common;
        let mut lease = self.pool.acquire().await?;
        Self::script(&mut lease, sqlx::raw_sql(UNHURRIED)).await?;
        // Whoever comes second waits here until the first is done; the lock ends with the transaction.
        let lock = sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))");
        lock.bind(format!("resilient schema {}", all.versions.prefix)).execute(&mut *lease).await?;
        Self::script(&mut lease, sqlx::raw_sql("set local lock_timeout = '30s'")).await?;
        migrate(self, &mut lease, all).await?;
        Self::script(&mut lease, sqlx::raw_sql("commit")).await?;
        lease.give_back();
        Ok(())
    }

    async fn apply(&self, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        self.apply_all(plan).await
    }

    /// The server itself refuses what comes after an error.
    async fn is_open(_: &mut PgConnection) -> Result<bool, Trouble> {
        Ok(true)
    }

    fn is_aborted(trouble: &Trouble) -> bool {
        const IN_FAILED_TRANSACTION: &str = "25P02";
        let Trouble::Driver(error) = trouble else { return false };
        error
            .as_database_error()
            .and_then(DatabaseError::code)
            .is_some_and(|code| code == IN_FAILED_TRANSACTION)
    }

    async fn apply_in(&self, on: &mut PgConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        self.apply_within(on, plan).await
    }

    async fn read_in(
        &self,
        on: &mut PgConnection,
        ids: &[FunctionId],
    ) -> Result<Vec<StoredFunction>, Trouble> {
        functions(&batch::run(on, &self.statements.common.read, ids).await?)
    }

    async fn read(&self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let rows = batch::run(&mut lease, &self.statements.common.read, ids).await?;
        lease.give_back();
        functions(&rows)
    }

    async fn read_messages(
        &self,
        wanted: &[After],
        limit: u32,
    ) -> Result<Vec<(FunctionId, StoredMessage)>, Trouble> {
        let known: Vec<_> = wanted.iter().map(|after| Known { after, limit }).collect();
        let mut lease = self.pool.acquire().await?;
        let rows = batch::run(&mut lease, &self.statements.common.messages, &known).await?;
        lease.give_back();
        messages(&rows)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, Trouble> {
        let sql = self.statements.common.list(filter);
        functions(&self.fetch(bind_filter(sql.query(), filter, 1)).await?)
    }

    async fn take(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        let column = |number: fn(&Claimable) -> u32| -> Vec<i64> {
            claim.kinds.iter().map(|kind| i64::from(number(kind))).collect()
        };
        let query = self
            .statements
            .claim
            .query::<Postgres>()
            .bind(claim.replica.to_string())
            .bind(claim.kinds.iter().map(|kind| kind.type_id.as_str()).collect::<Vec<_>>())
            .bind(column(|kind| kind.version))
            .bind(column(|kind| kind.param_version))
            .bind(column(|kind| kind.scrapbook_version))
            .bind(column(|kind| kind.limit))
            .bind(i64::from(claim.limit));
        let mut lease = self.pool.acquire().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        functions(&rows)
    }

    /// Two statements, each a transaction by itself: what is not done yet is found again by the next call.
    async fn release(&self) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let released = self.statements.release.query::<Postgres>().execute(&mut *lease).await?;
        self.statements.forget.query::<Postgres>().execute(&mut *lease).await?;
        lease.give_back();
        Ok(released.rows_affected())
    }

    async fn discard(&self, expiries: &[Expiry], limit: u32) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let expired = expire::expire(&mut lease, &self.statements.expire, expiries, limit).await?;
        lease.give_back();
        Ok(expired)
    }

    async fn live(&self) -> Result<Vec<LiveReplica>, Trouble> {
        live_replicas(&self.fetch(self.statements.common.replicas.query()).await?)
    }

    fn signs(&self) -> &Signs<Statement> {
        &self.statements.common.signs
    }

    async fn separate(&self) -> Result<Option<PgConnection>, Trouble> {
        Ok(Some(self.pool.connect().await?))
    }

    async fn script(on: &mut PgConnection, script: RawSql) -> Result<(), sqlx::Error> {
        script.execute(on).await.map(drop)
    }

    async fn number(on: &mut PgConnection, sql: &Sql) -> Result<i64, sqlx::Error> {
        sql.query().fetch_one(on).await?.try_get(0)
    }

    async fn run<R: Record + Sync>(
        &self,
        on: &mut PgConnection,
        statement: &Statement,
        records: &[R],
    ) -> Result<usize, Trouble> {
        Ok(batch::run(on, statement, records).await?.len())
    }
}

impl PostgresStore {
    async fn fetch(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        Ok(rows)
    }
}
