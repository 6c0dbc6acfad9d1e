//! The tables, and whether they and the connections are what the statements rely on.

use resilient::StoreError;
use sqlx::mysql::MySqlConnection;
use sqlx::{MySql, Row};

use super::MySqlStore;
use super::statements::{MIGRATION_SETTINGS, MIGRATIONS, Statements};
use crate::error::Trouble;
use crate::pool::Pool;

/// Whether the tables have the newest version and are what the statements rely on.
pub(super) async fn is_prepared(on: &mut MySqlConnection, all: &Statements) -> Result<bool, Trouble> {
    let newest = all.versions.are_newest::<MySqlStore>(on).await?;
    if newest {
        check(on, all).await?;
    }
    Ok(newest)
}

/// Brings the tables to the newest version.
///
/// It has a connection of its own, with which the lock on the schema ends however this ends.
pub(super) async fn migrate(pool: &Pool<MySqlConnection>, all: &Statements) -> Result<(), Trouble> {
    let mut connection = pool.connect().await?;
    sqlx::raw_sql(MIGRATION_SETTINGS).execute(&mut connection).await?;
    let lock = all.lock_schema.query::<MySql>().fetch_one(&mut connection).await?;
    if lock.try_get::<Option<i64>, _>(0)? != Some(1) {
        let message = "another replica has been migrating the tables for a day; it may work later";
        return Err(StoreError::transient(message).into());
    }
    all.schema.script().execute(&mut connection).await?;
    for (version, script) in all.versions.missing::<MySqlStore>(&mut connection).await? {
        all.migration(script).script().execute(&mut connection).await?;
        all.record.query::<MySql>().bind(version).execute(&mut connection).await?;
    }
    check(&mut connection, all).await
}

async fn check(connection: &mut MySqlConnection, all: &Statements) -> Result<(), Trouble> {
    if let Some(row) = all.not_innodb.query::<MySql>().fetch_optional(&mut *connection).await? {
        let table: String = row.try_get(0)?;
        let message = format!("the table `{table}` is not an InnoDB table; convert it with alter table");
        return Err(StoreError::permanent(message).into());
    }
    let newest = MIGRATIONS.last().map_or(0, |(version, _)| *version);
    let counted = all.count_found.query::<MySql>().bind(newest).execute(connection).await?;
    if counted.rows_affected() == 1 {
        return Ok(());
    }
    let message = "the connection counts changed rows and not the rows that were found; \
                   connect to the server itself, without a proxy that drops CLIENT_FOUND_ROWS";
    Err(StoreError::permanent(message).into())
}
