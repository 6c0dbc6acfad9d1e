//! Instances in MySQL or MariaDB.

mod append;
mod batch;
mod claim;
mod expire;
mod pool;
mod rows;
mod schema;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient::store::{After, Expiry};
use resilient::{Filter, FunctionId, LiveReplica, StoreError, StoredFunction, StoredMessage};
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{MySql, RawSql, Row};

pub use self::pool::MySqlOptions;
use self::rows::ByRows;
use self::statements::{MIGRATIONS, Statements};
use crate::backend::{Backend, Claim, Signs, implement_store};
use crate::error::Trouble;
use crate::pool::Pool;
use crate::record::{Known, Record, bind_filter};
use crate::row::{functions, live_replicas, messages};
use crate::schema::Migration;
use crate::sql::Sql;
use crate::store::{Answers, Plan};

/// A store in MySQL 8 or MariaDB 10.6 and newer.
///
/// Its tables are `InnoDB` tables; with the server's default `innodb_flush_log_at_trx_commit = 1`, what was acknowledged
/// survives a power failure. The settings of the server's sessions do not matter, for each connection makes its own.
/// A binary log needs the format `row` or `mixed`. What is written in a `sqlx::Transaction<'static, MySql>` of the user's, or
/// on its connection, is stored with that: see the [crate's documentation](crate#in-a-transaction-of-your-own).
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
        f.debug_struct("MySqlStore").field("prefix", &self.statements.versions.prefix).finish_non_exhaustive()
    }
}

implement_store!(MySqlStore);

impl Backend for MySqlStore {
    type Driver = MySql;
    type Connection = MySqlConnection;
    type Statement = ByRows;

    const NAME: &'static str = "MySQL";
    const TRANSACTION: &'static str = "a `sqlx::Transaction<'static, sqlx::MySql>`";
    const BEGIN: &'static str = "begin";
    const STEPS: &'static [Migration] = MIGRATIONS;
    /// Longer than a statement of this store takes, or waits for a lock.
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(40));

    fn is_transient(error: &dyn DatabaseError) -> bool {
        pool::is_transient(error)
    }

    fn forget_idle(&self) {
        self.pool.forget_idle();
    }

    async fn is_prepared(&self) -> Result<bool, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let prepared = schema::is_prepared(&mut lease, &self.statements).await?;
        lease.give_back();
        Ok(prepared)
    }

    async fn migrate(&self) -> Result<(), Trouble> {
        schema::migrate(&self.pool, &self.statements).await
    }

    async fn apply(&self, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let answers = batch::apply(self, &mut lease, plan).await?;
        lease.give_back();
        Ok(answers)
    }

    /// A deadlock undoes all of a transaction, and some statements commit it. Outside of one, a savepoint is none.
    async fn is_open(on: &mut MySqlConnection) -> Result<bool, Trouble> {
        const NO_SAVEPOINT: u16 = 1305;
        let savepoint = sqlx::raw_sql("savepoint resilient_is_open; release savepoint resilient_is_open");
        match Self::script(on, savepoint).await {
            Ok(()) => Ok(true),
            Err(error) if rows::number(&error) == Some(NO_SAVEPOINT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn apply_in(&self, on: &mut MySqlConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        batch::apply_in(self, on, plan).await
    }

    async fn read_in(
        &self,
        on: &mut MySqlConnection,
        ids: &[FunctionId],
    ) -> Result<Vec<StoredFunction>, Trouble> {
        read(on, &self.statements.share, ids).await
    }

    async fn read(&self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let stored = read(&mut lease, &self.statements.read, ids).await?;
        lease.give_back();
        Ok(stored)
    }

    async fn read_messages(
        &self,
        wanted: &[After],
        limit: u32,
    ) -> Result<Vec<(FunctionId, StoredMessage)>, Trouble> {
        let statement = &self.statements.messages;
        let known: Vec<_> = wanted.iter().map(|after| Known { after, limit }).collect();
        let mut found = Vec::new();
        let mut lease = self.pool.acquire().await?;
        for piece in statement.cut(&known) {
            let rows = statement.query(&piece).bind(limit).fetch_all(&mut *lease).await?;
            found.extend(messages(&rows)?);
        }
        lease.give_back();
        Ok(found)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, Trouble> {
        let sql = self.statements.list(filter);
        functions(&self.fetch(bind_filter(sql.query(), filter, 2)).await?)
    }

    async fn take(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let taken = claim::claim(&mut lease, &self.statements, &claim).await?;
        lease.give_back();
        Ok(taken)
    }

    async fn release(&self) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let released = claim::release_dead(&mut lease, &self.statements).await?;
        lease.give_back();
        Ok(released)
    }

    async fn discard(&self, expiries: &[Expiry], limit: u32) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let expired = expire::expire(&mut lease, &self.statements, expiries, limit).await?;
        lease.give_back();
        Ok(expired)
    }

    async fn live(&self) -> Result<Vec<LiveReplica>, Trouble> {
        live_replicas(&self.fetch(self.statements.replicas.query()).await?)
    }

    fn signs(&self) -> &Signs<ByRows> {
        &self.statements.signs
    }

    async fn separate(&self) -> Result<Option<MySqlConnection>, Trouble> {
        Ok(Some(self.pool.connect().await?))
    }

    async fn script(on: &mut MySqlConnection, script: RawSql) -> Result<(), sqlx::Error> {
        script.execute(on).await.map(drop)
    }

    async fn number(on: &mut MySqlConnection, sql: &Sql) -> Result<i64, sqlx::Error> {
        sql.query().fetch_one(on).await?.try_get(0)
    }

    async fn run<R: Record + Sync>(
        &self,
        on: &mut MySqlConnection,
        statement: &ByRows,
        records: &[R],
    ) -> Result<usize, Trouble> {
        let mut written = 0;
        for rows in statement.cut(records) {
            written += statement.query(&rows).execute(&mut *on).await?.rows_affected();
        }
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
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
