//! How a PostgreSQL database is reached, and what every connection is set to.

use std::sync::Arc;

use resilient::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::PostgresStore;
use super::statements::Statements;
use crate::backend::{Backend, settle};
use crate::options::server_options;
use crate::pool::Pool;
use crate::schema::Prefix;

/// What a session is set to when it starts, so that no statement is spent on it later.
const SETTINGS: [(&str, &str); 12] = [
    // A guard that does not hold is an answer; at a higher level it would be an error.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("synchronous_commit", "on"),
    // A table that is there already is no news.
    ("client_min_messages", "warning"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "5s"),
    // Rows are always found by their keys. On a fresh table, without statistics, a batch would be planned as a
    // hash join with a scan of the whole table.
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

server_options! {
    /// How to reach a [`PostgresStore`].
    ///
    /// Every session has settings of its own, which are given when it starts; a pooler between here and the server has to
    /// pass them on, and to keep a session together.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), resilient::StoreError> {
    /// use resilient_sqlx::PostgresOptions;
    ///
    /// let url = "postgres://shop@localhost/orders";
    /// let store = PostgresOptions::new(url).table_prefix("shop").max_connections(16).connect().await?;
    /// # Ok(()) }
    /// ```
    PostgresOptions
}

impl PostgresOptions {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the table prefix cannot be used, when the URL makes no sense or when the database cannot be
    /// reached.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        let prefix = Prefix::new(&self.prefix)?;
        let options = self.url.parse::<PgConnectOptions>().map_err(|error| {
            StoreError::permanent(
                "the URL of PostgreSQL makes no sense; give postgres://user@host:port/database",
            )
            .with_source(error)
        })?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("resilient"),
        };
        let options = options.options(SETTINGS).statement_cache_capacity(200).disable_statement_logging();
        let pool: Pool<PgConnection> = Pool::new(options, self.max_connections);
        let first = async {
            let lease = pool.acquire().await?;
            lease.give_back();
            Ok(())
        };
        settle::<PostgresStore, _>(PostgresStore::PATIENCE, "the first connection", first).await?;
        Ok(PostgresStore { pool: Arc::new(pool), statements: Arc::new(Statements::new(&prefix)) })
    }
}
