//! Instances in an SQLite database: a file that several processes may share, or the memory of this one.

mod append;
mod batch;
mod claim;
mod expire;
mod pool;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient::store::{After, Expiry};
use resilient::{Filter, FunctionId, LiveReplica, StoreError, StoredFunction, StoredMessage};
use sqlx::error::DatabaseError;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{RawSql, Row, Sqlite};

use self::pool::Connections;
pub use self::pool::SqliteOptions;
use self::statements::{MIGRATIONS, Statement, Statements};
use crate::backend::{Backend, Claim, Sign, Signs, implement_store, migrate};
use crate::error::Trouble;
use crate::record::{Known, Record, bind_filter};
use crate::row::{functions, live_replicas, messages};
use crate::schema::Migration;
use crate::sql::Sql;
use crate::store::{Answers, Plan};

/// A store in SQLite: one file, no server.
///
/// The file is in WAL mode with `synchronous=FULL`, so what was acknowledged survives a power failure. Other
/// processes on the same machine may use the same file; network file systems are not safe for SQLite. What is written in a
/// `sqlx::Transaction<'static, Sqlite>` of the user's on that file, or on its connection, is stored with that: see the
/// [crate's documentation](crate#in-a-transaction-of-your-own).
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

/// "Unable to open the database file": its folder is missing, or the process has no file handles left.
const CANNOT_OPEN: i32 = 14;

/// The result code without what extends it.
fn primary_code(error: &dyn DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|extended| extended & 0xff)
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
        f.debug_struct("SqliteStore")
            .field("prefix", &self.statements.common.versions.prefix)
            .finish_non_exhaustive()
    }
}

implement_store!(SqliteStore);

/// A migration waits for the file for an hour, in milliseconds: somebody else may migrate it, or hold it and hang.
const UNHURRIED: &str = "pragma busy_timeout = 3600000";

/// As long as a connection waits for the file when it is opened.
const HURRIED: &str = "pragma busy_timeout = 5000";

impl Backend for SqliteStore {
    type Driver = Sqlite;
    type Connection = SqliteConnection;
    type Statement = Statement;

    const NAME: &'static str = "SQLite";
    const TRANSACTION: &'static str = "a `sqlx::Transaction<'static, sqlx::Sqlite>` on its file";
    /// Takes the write lock at once: a lock that is asked for after a read cannot be waited for.
    const BEGIN: &'static str = "begin immediate";
    const STEPS: &'static [Migration] = MIGRATIONS;
    /// SQLite answers in any case, and a timer would go off when virtual time moves on.
    const PATIENCE: Option<Duration> = None;

    /// Somebody else holds a lock, or the disk or the memory may be free again later.
    fn is_transient(error: &dyn DatabaseError) -> bool {
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const NO_MEMORY: i32 = 7;
        const INTERRUPTED: i32 = 9;
        const IO: i32 = 10;
        const FULL: i32 = 13;
        const PROTOCOL: i32 = 15;
        matches!(
            primary_code(error),
            Some(BUSY | LOCKED | NO_MEMORY | INTERRUPTED | IO | FULL | CANNOT_OPEN | PROTOCOL)
        )
    }

    fn is_virtual(&self) -> bool {
        self.connections.is_virtual()
    }

    fn forget_idle(&self) {
        self.connections.forget_idle();
    }

    async fn is_prepared(&self) -> Result<bool, Trouble> {
        let mut writer = self.connections.writer().await?;
        let newest = self.statements.common.versions.are_newest::<Self>(&mut writer).await?;
        writer.give_back();
        Ok(newest)
    }

    async fn migrate(&self) -> Result<(), Trouble> {
        let mut writer = self.connections.writer().await?;
        // Whoever comes second waits here until the first is done.
        Self::script(&mut writer, sqlx::raw_sql(UNHURRIED)).await?;
        Self::script(&mut writer, sqlx::raw_sql(Self::BEGIN)).await?;
        migrate(self, &mut writer, &self.statements.common).await?;
        Self::script(&mut writer, sqlx::raw_sql("commit")).await?;
        Self::script(&mut writer, sqlx::raw_sql(HURRIED)).await?;
        writer.give_back();
        Ok(())
    }

    async fn apply(&self, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        self.apply_all(plan).await
    }

    /// One that was undone, by `insert or rollback` or a full disk, can be begun anew.
    async fn is_open(on: &mut SqliteConnection) -> Result<bool, Trouble> {
        if Self::script(on, sqlx::raw_sql("begin")).await.is_err() {
            return Ok(true);
        }
        Self::script(on, sqlx::raw_sql("rollback")).await?;
        Ok(false)
    }

    async fn apply_in(&self, on: &mut SqliteConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let _still = self.connections.stand_still();
        if !plan.appends.is_empty() {
            batch::run(on, &self.statements.lock, self.connections.now(), &plan.changed()).await?;
        }
        self.apply_on(on, plan).await
    }

    async fn read_in(
        &self,
        on: &mut SqliteConnection,
        ids: &[FunctionId],
    ) -> Result<Vec<StoredFunction>, Trouble> {
        let _still = self.connections.stand_still();
        functions(&batch::run(on, &self.statements.common.read, self.connections.now(), ids).await?)
    }

    async fn read(&self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, Trouble> {
        let mut reader = self.connections.reader().await?;
        let rows = batch::run(&mut reader, &self.statements.common.read, self.connections.now(), ids).await?;
        reader.give_back();
        functions(&rows)
    }

    async fn read_messages(
        &self,
        wanted: &[After],
        limit: u32,
    ) -> Result<Vec<(FunctionId, StoredMessage)>, Trouble> {
        let known: Vec<_> = wanted.iter().map(|after| Known { after, limit }).collect();
        let statement = &self.statements.common.messages;
        let mut reader = self.connections.reader().await?;
        let rows = batch::run(&mut reader, statement, self.connections.now(), &known).await?;
        reader.give_back();
        messages(&rows)
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, Trouble> {
        let sql = self.statements.common.list(filter);
        let query = if filter.stuck { sql.query().bind(self.connections.now()) } else { sql.query() };
        functions(&self.fetch(bind_filter(query, filter, 1)).await?)
    }

    async fn take(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        self.take_all(claim).await
    }

    async fn release(&self) -> Result<u64, Trouble> {
        self.release_all().await
    }

    async fn discard(&self, expiries: &[Expiry], limit: u32) -> Result<u64, Trouble> {
        self.expire_all(expiries, limit).await
    }

    async fn live(&self) -> Result<Vec<LiveReplica>, Trouble> {
        live_replicas(
            &self.fetch(self.statements.common.replicas.query().bind(self.connections.now())).await?,
        )
    }

    fn signs(&self) -> &Signs<Statement> {
        &self.statements.common.signs
    }

    /// A file has a connection of its own for signs of life; a database in memory has only one connection.
    async fn separate(&self) -> Result<Option<SqliteConnection>, Trouble> {
        if self.connections.is_file() { Ok(Some(self.connections.separate().await?)) } else { Ok(None) }
    }

    async fn script(on: &mut SqliteConnection, script: RawSql) -> Result<(), sqlx::Error> {
        script.execute(on).await.map(drop)
    }

    async fn number(on: &mut SqliteConnection, sql: &Sql) -> Result<i64, sqlx::Error> {
        sql.query().fetch_one(on).await?.try_get(0)
    }

    async fn run<R: Record + Sync>(
        &self,
        on: &mut SqliteConnection,
        statement: &Statement,
        records: &[R],
    ) -> Result<usize, Trouble> {
        Ok(batch::run(on, statement, self.connections.now(), records).await?.len())
    }

    async fn give(&self, own: &mut Option<SqliteConnection>, sign: &Sign<'_>) -> Result<bool, Trouble> {
        if !self.connections.is_file() {
            let mut writer = self.connections.writer().await?;
            let known = sign.give(self, &mut writer).await?;
            writer.give_back();
            return Ok(known);
        }
        let _still = self.connections.stand_still();
        let mut on = match own.take() {
            Some(on) => on,
            None => self.connections.separate().await?,
        };
        let known = sign.give(self, &mut on).await?;
        *own = Some(on);
        Ok(known)
    }
}

impl SqliteStore {
    async fn fetch(&self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<SqliteRow>, Trouble> {
        let mut lease = self.connections.reader().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        Ok(rows)
    }
}
