//! How a MySQL or MariaDB server is reached, and what it is asked to promise.

use std::sync::Arc;

use resilient::StoreError;
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{ConnectOptions, Row};

use super::MySqlStore;
use super::statements::Statements;
use crate::backend::{Backend, settle};
use crate::error::Trouble;
use crate::options::server_options;
use crate::pool::Pool;
use crate::schema::Prefix;

server_options! {
    /// How to reach a [`MySqlStore`].
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), resilient::StoreError> {
    /// use resilient_sqlx::MySqlOptions;
    ///
    /// let options = MySqlOptions::new("mysql://user:secret@localhost/shop");
    /// let store = options.table_prefix("orders").max_connections(16).connect().await?;
    /// # drop(store); Ok(()) }
    /// ```
    MySqlOptions
}

impl MySqlOptions {
    /// Opens a connection, and asks the server whether it can keep the promises of a store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the table prefix or the URL cannot be used, when the server cannot be reached, is older than
    /// MariaDB 10.6 or MySQL 8.0, or has no `InnoDB`. The URL is never part of the error, for it may hold a password.
    pub async fn connect(self) -> Result<MySqlStore, StoreError> {
        let prefix = Prefix::new(&self.prefix)?;
        let options = self.url.parse::<MySqlConnectOptions>().map_err(|_| {
            StoreError::permanent(
                "the URL of the database cannot be read; give one like mysql://user:password@host:3306/database",
            )
        })?;
        if options.get_database().is_none() {
            return Err(StoreError::permanent(
                "the URL names no database; give one like mysql://user:password@host:3306/database",
            ));
        }
        let options = options
            .charset("utf8mb4")
            .set_names(true)
            .timezone(Some("+00:00".to_owned()))
            // All statements of a store fit: closing one to make room costs a round trip, and sometimes far more.
            .statement_cache_capacity(200)
            .disable_statement_logging();
        let pool =
            Pool::new(options, self.max_connections).greeting(|connection| Box::pin(set_up(connection)));
        settle::<MySqlStore, _>(MySqlStore::PATIENCE, "the first questions", check_server(&pool)).await?;
        Ok(MySqlStore { pool: Arc::new(pool), statements: Arc::new(Statements::new(&prefix)) })
    }
}

/// What the server's defaults must not decide.
///
/// Guards are read and written in one statement, which is exact under `read committed`; strict modes refuse what would
/// be cut. MariaDB also ends statements that take too long, and transactions of a process that is paused inside one.
/// An idle connection is kept, for the pool keeps it too.
const SETTINGS: &str = "set session transaction isolation level read committed; \
     set session autocommit = 1, sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     innodb_lock_wait_timeout = 5, lock_wait_timeout = 60, wait_timeout = 2147483, sql_safe_updates = 0 \
     /*M! , idle_write_transaction_timeout = 5, max_statement_time = 30 */";

async fn set_up(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(connection).await.map(drop)
}

const SERVER: &str = "select version(), cast(@@innodb_flush_log_at_trx_commit as signed), \
     exists (select 1 from information_schema.engines where engine = 'InnoDB' and support in ('YES', 'DEFAULT'))";

async fn check_server(pool: &Pool<MySqlConnection>) -> Result<(), Trouble> {
    let mut lease = pool.acquire().await?;
    let server = sqlx::query(SERVER).fetch_one(&mut *lease).await?;
    lease.give_back();
    let version: String = server.try_get(0)?;
    if !is_recent(&version) {
        let message = format!("the server is version {version}; MariaDB 10.6, MySQL 8.0 or newer is needed");
        return Err(StoreError::permanent(message).into());
    }
    if server.try_get::<i64, _>(2)? == 0 {
        return Err(StoreError::permanent("the server has no InnoDB; only InnoDB has transactions").into());
    }
    let flushes: i64 = server.try_get(1)?;
    if flushes != 1 {
        tracing::warn!(
            innodb_flush_log_at_trx_commit = flushes,
            "a power failure can undo acknowledged writes; set innodb_flush_log_at_trx_commit to 1"
        );
    }
    Ok(())
}

fn is_recent(version: &str) -> bool {
    let numbers: Vec<u32> = version.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    let oldest: &[u32] = if version.contains("MariaDB") { &[10, 6] } else { &[8, 0] };
    *numbers >= *oldest
}

/// Whether a server's error may pass.
pub(super) fn is_transient(error: &dyn DatabaseError) -> bool {
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    number.is_some_and(|number| TRANSIENT.contains(&number))
}

/// Whether the server undid the whole transaction because of others, so that it can be tried again at once.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    const CHECKREAD: u16 = 1020;
    const DEADLOCK: u16 = 1213;
    matches!(super::rows::number(error), Some(CHECKREAD | DEADLOCK))
}

const TRANSIENT: [u16; 24] = [
    1020, // the row changed since it was read
    1040, // too many connections
    1047, // a node of a cluster that is not ready
    1053, // the server shuts down
    1158, 1159, 1160, 1161, // the network
    1180, // a commit that failed
    1203, 1226, // too many connections of this user
    1205, // waited too long for a lock
    1213, // a deadlock
    1290, 1792, 1836, // a server that has become read only
    1317, 1969, 3024, // interrupted
    1412, // the table was changed meanwhile
    1927, 2006, 2013, 4031, // the connection is gone
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_told_by_their_version() {
        for recent in
            ["10.6.0-MariaDB", "10.11.14-MariaDB-0+deb12u2", "11.4.2-MariaDB", "8.0.36", "8.4.0", "9.1.0"]
        {
            assert!(is_recent(recent), "{recent}");
        }
        for old in ["10.5.29-MariaDB", "5.5.68-MariaDB", "5.7.44-log", "", "?"] {
            assert!(!is_recent(old), "{old}");
        }
    }
}
