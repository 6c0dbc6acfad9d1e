//! A database of each kind, with tables of its own in it.

use std::sync::Arc;

use resilient::{ReplicaId, Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteStore};
use resilient_tests::servers::{self, Server};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row, SqliteConnection};

fn fresh_prefix() -> String {
    format!("t{}", &ReplicaId::random().to_string().replace('-', "")[..12])
}

/// A database, and tables of its own in it.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sqlite(String),
    Postgres(String, String),
    MySql(String, String),
}

impl Place {
    /// One in each database that is there.
    pub(crate) fn all() -> Vec<Self> {
        let file = std::env::temp_dir().join(format!("resilient-{}.db", ReplicaId::random()));
        let mut places = vec![Self::Sqlite(file.display().to_string())];
        places.extend(
            servers::postgres().map(|server| Self::Postgres(server.url().to_owned(), fresh_prefix())),
        );
        places.extend(servers::mysql().map(|server| Self::fresh_mysql(&server)));
        places
    }

    /// Tables on this server.
    pub(crate) fn fresh_mysql(server: &Server) -> Self {
        Self::MySql(server.url().to_owned(), fresh_prefix())
    }

    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Sqlite(_) => "resilient",
            Self::Postgres(_, prefix) | Self::MySql(_, prefix) => prefix,
        }
    }

    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => Arc::new(SqliteStore::open(file).await?),
            Self::Postgres(url, prefix) => {
                let options = PostgresOptions::new(url).table_prefix(prefix).max_connections(2);
                Arc::new(options.connect().await?)
            }
            Self::MySql(url, prefix) => {
                Arc::new(MySqlOptions::new(url).table_prefix(prefix).max_connections(2).connect().await?)
            }
        })
    }

    pub(crate) async fn initialized(&self) -> Arc<dyn Store> {
        let store = self.open().await.unwrap();
        store.initialize().await.unwrap();
        store
    }

    /// Runs statements, in which `#` stands for the prefix.
    pub(crate) async fn run(&self, script: &str) {
        let script = sqlx::raw_sql(AssertSqlSafe(script.replace('#', self.prefix())));
        match self {
            Self::Sqlite(file) => {
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
                let mut on = SqliteConnection::connect_with(&options).await.unwrap();
                script.execute(&mut on).await.unwrap();
            }
            Self::Postgres(url, _) => {
                let mut on = PgConnection::connect(url).await.unwrap();
                script.execute(&mut on).await.unwrap();
            }
            Self::MySql(url, _) => {
                let mut on = MySqlConnection::connect(url).await.unwrap();
                script.execute(&mut on).await.unwrap();
            }
        }
    }

    /// The answer's first column, of a statement in which `#` stands for the prefix.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.replace('#', self.prefix()));
        match self {
            Self::Sqlite(file) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                let mut on = SqliteConnection::connect_with(&options).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut on).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            Self::Postgres(url, _) => {
                let mut on = PgConnection::connect(url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut on).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            Self::MySql(url, _) => {
                let mut on = MySqlConnection::connect(url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut on).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Sqlite(file) = self {
            for end in ["", "-wal", "-shm"] {
                drop(std::fs::remove_file(format!("{file}{end}")));
            }
        }
    }
}
