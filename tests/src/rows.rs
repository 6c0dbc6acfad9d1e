//! Rows of a user's own beside the instances of a store, and transactions on them.

use std::sync::{Arc, Mutex};

use resilient::prelude::*;
use resilient::{SaveError, ScrapbookState};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, Row as _, SqlitePool};

use crate::stores::{Kind, TestStore};

/// A table of a user's own, reached through a pool of the user's own, with the settings that a driver gives it.
///
/// Clones are the same table.
#[derive(Debug, Clone)]
pub struct Rows {
    pool: Pool,
    table: Arc<str>,
    left: Arc<Mutex<Vec<Transaction>>>,
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MySql(MySqlPool),
}

/// A transaction of the user's.
#[derive(Debug)]
pub enum Transaction {
    /// On a file.
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    /// On PostgreSQL.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// On MySQL or MariaDB.
    MySql(sqlx::Transaction<'static, sqlx::MySql>),
}

/// The same for whatever database it is.
macro_rules! each {
    ($on:expr, $all:ident, $inner:ident => $do:expr) => {
        match $on {
            $all::Sqlite($inner) => $do,
            $all::Postgres($inner) => $do,
            $all::MySql($inner) => $do,
        }
    };
}

impl Rows {
    /// An empty table on the database of a store.
    ///
    /// # Panics
    ///
    /// In memory, where there is no database.
    pub async fn beside(store: &TestStore) -> Self {
        let url = store.url().expect("a database has a URL");
        let connected = "the database is there";
        let pool = match store.kind() {
            Kind::Memory => panic!("memory has no tables"),
            Kind::Sqlite => Pool::Sqlite(SqlitePool::connect(url).await.expect(connected)),
            Kind::Postgres => Pool::Postgres(PgPool::connect(url).await.expect(connected)),
            Kind::MySql => Pool::MySql(MySqlPool::connect(url).await.expect(connected)),
        };
        let rows = Self { pool, table: format!("{}_rows", store.prefix()).into(), left: Arc::default() };
        rows.execute(format!("create table {} (name varchar(100) not null)", rows.table)).await;
        rows
    }

    async fn execute(&self, sql: String) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        each!(&self.pool, Pool, pool => sql.execute(pool).await.map(drop)).expect("a statement is run");
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Ok(match &self.pool {
            Pool::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
            Pool::MySql(pool) => Transaction::MySql(pool.begin().await?),
        })
    }

    /// Begins one that goes by what it has seen already.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn begin_old(&self) -> Result<Transaction, sqlx::Error> {
        let mut transaction = self.begin().await?;
        if let Transaction::Postgres(inner) = &mut transaction {
            sqlx::raw_sql("set transaction isolation level repeatable read").execute(&mut **inner).await?;
        }
        // That of SQLite and MariaDB does anyway.
        self.names_in(&mut transaction).await;
        Ok(transaction)
    }

    /// Begins one that its database has ended meanwhile, which its driver does not know: by a deadlock on MariaDB, and by a
    /// statement that failed elsewhere.
    ///
    /// # Errors
    ///
    /// What the driver says.
    ///
    /// # Panics
    ///
    /// When the database has not ended it.
    pub async fn begin_ended(&self) -> Result<Transaction, sqlx::Error> {
        let (mut one, mut other) = (self.begin().await?, self.begin().await?);
        if let (Transaction::MySql(one_inner), Transaction::MySql(other_inner)) = (&mut one, &mut other) {
            let sql = |what: &str| sqlx::raw_sql(AssertSqlSafe(what.replace("{}", &self.table)));
            for inner in [&mut *one_inner, &mut *other_inner] {
                sql("insert into {} (name) values ('deadlock')").execute(&mut **inner).await?;
            }
            // Each waits for the row of the other; the server ends one of them.
            let look = "select name from {} for update";
            let (first, second) =
                tokio::join!(sql(look).execute(&mut **one_inner), sql(look).execute(&mut **other_inner));
            assert!(first.is_err() != second.is_err(), "one of two was to be ended: {first:?}, {second:?}");
            return Ok(if first.is_err() { one } else { other });
        }
        drop(other);
        let failing = match &one {
            Transaction::Sqlite(_) => format!("insert or rollback into {} (name) values (null)", self.table),
            _ => "select 1 / 0".to_owned(),
        };
        let failing = sqlx::raw_sql(AssertSqlSafe(failing));
        let failed = each!(&mut one, Transaction, inner => failing.execute(&mut **inner).await.map(drop));
        failed.expect_err("the statement was to fail");
        Ok(one)
    }

    /// Inserts a row in a transaction.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn insert(&self, transaction: &mut Transaction, name: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(format!("insert into {} (name) values ('{name}')", self.table));
        let sql = sqlx::raw_sql(sql);
        each!(transaction, Transaction, inner => sql.execute(&mut **inner).await.map(drop))
    }

    /// The rows that are committed, in their order.
    ///
    /// # Panics
    ///
    /// When they cannot be read.
    pub async fn names(&self) -> Vec<String> {
        self.names_in(&mut self.begin().await.expect("a transaction is begun")).await
    }

    async fn names_in(&self, transaction: &mut Transaction) -> Vec<String> {
        let sql = || sqlx::raw_sql(AssertSqlSafe(format!("select name from {} order by name", self.table)));
        each!(transaction, Transaction, inner => {
            let rows = sql().fetch_all(&mut **inner).await.expect("rows are read");
            rows.iter().map(|row| row.get(0)).collect()
        })
    }

    /// Keeps a transaction open behind the back of its body.
    ///
    /// # Panics
    ///
    /// When another test has panicked meanwhile.
    pub fn leave(&self, transaction: Transaction) {
        self.left.lock().expect("nobody panics here").push(transaction);
    }

    /// Takes such a transaction back.
    ///
    /// # Panics
    ///
    /// When another test has panicked meanwhile.
    pub fn take(&self) -> Option<Transaction> {
        self.left.lock().expect("nobody panics here").pop()
    }

    /// [`Runtime::schedule_in`], given a connection that is in no transaction.
    ///
    /// # Errors
    ///
    /// Those of the runtime.
    ///
    /// # Panics
    ///
    /// When the database is away.
    pub async fn schedule_without<F: ResilientFn>(
        &self,
        runtime: &Runtime,
        id: &str,
        param: F::Param,
    ) -> Result<(), InvokeError> {
        each!(&self.pool, Pool, pool => {
            let mut connection = pool.acquire().await.expect("the database is there");
            runtime.schedule_in::<F>(&mut *connection, id, param).await
        })
    }
}

impl Transaction {
    /// Commits it.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        each!(self, Self, inner => inner.commit().await)
    }

    /// Rolls it back.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        each!(self, Self, inner => inner.rollback().await)
    }

    /// [`Runtime::schedule_in`], given the transaction itself.
    ///
    /// # Errors
    ///
    /// Those of the runtime.
    pub async fn schedule<F: ResilientFn>(
        &mut self,
        runtime: &Runtime,
        id: &str,
        param: F::Param,
    ) -> Result<(), InvokeError> {
        each!(self, Self, inner => runtime.schedule_in::<F>(inner, id, param).await)
    }

    /// [`Runtime::send_in`], given the connection of the transaction.
    ///
    /// # Errors
    ///
    /// Those of the runtime.
    pub async fn send<F: ResilientFn>(
        &mut self,
        runtime: &Runtime,
        id: &str,
        message: impl Into<Outgoing>,
    ) -> Result<(), InvokeError> {
        each!(self, Self, inner => runtime.send_in::<F>(&mut **inner, id, message).await)
    }

    /// [`Scrapbook::save_in`].
    ///
    /// # Errors
    ///
    /// Those of the scrapbook.
    pub async fn save<S: ScrapbookState>(&mut self, scrapbook: &mut Scrapbook<S>) -> Result<(), SaveError> {
        each!(self, Self, inner => scrapbook.save_in(inner).await)
    }
}
