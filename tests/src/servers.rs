//! The database servers of the environment.
//!
//! `./tests/run` starts throw-away servers and names them in `RESILIENT_TEST_POSTGRES` and `RESILIENT_TEST_MYSQL`. A test
//! whose server is missing says so and passes, unless `CI` is set: then it fails. Tables and databases of tests are
//! left to vanish with the server, so the variables must never name one that holds anything of value.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection};
use uuid::Uuid;

use crate::report::{Use, record};

/// A database server for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    engine: Engine,
    url: String,
}

/// Which dialect a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Postgres,
    MySql,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "RESILIENT_TEST_POSTGRES",
            Self::MySql => "RESILIENT_TEST_MYSQL",
        }
    }
}

/// The PostgreSQL server, if there is one.
///
/// # Panics
///
/// When there is none and `CI` is set.
pub fn postgres() -> Option<Server> {
    server(Engine::Postgres)
}

/// The MySQL or MariaDB server, if there is one.
///
/// # Panics
///
/// When there is none and `CI` is set.
pub fn mysql() -> Option<Server> {
    server(Engine::MySql)
}

fn server(engine: Engine) -> Option<Server> {
    let (name, variable) = (engine.name(), engine.variable());
    if let Some(url) = given(variable) {
        record(name, Use::Run);
        return Some(Server { engine, url });
    }
    let missing =
        format!("{variable} is not set; run ./tests/run, or set it to the URL of a server for tests");
    assert!(given("CI").is_none(), "{name} is missing, which CI forbids: {missing}");
    record(name, Use::Skipped);
    say_once(name, &missing);
    None
}

fn given(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Says that a store is skipped, once per test binary.
///
/// It is written to the stream itself: the test harness would show the output of `eprintln!` for failed tests only.
fn say_once(name: &'static str, missing: &str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(name) {
        let _ = writeln!(io::stderr(), "SKIPPED {name}: {missing}");
    }
}

impl Server {
    /// The URL of a database that all tests share; each has tables of its own in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A database of its own, for a test that looks at more than its own tables; it is dropped with the answer.
    pub async fn fresh_database(&self) -> Database {
        let name = format!("resilient_test_{}", Uuid::new_v4().simple());
        self.execute(format!("create database {name}")).await.expect("the server creates a database");
        Database { server: self.clone(), url: with_database(&self.url, &name), name }
    }

    /// Runs statements, on a connection of their own, in the database that all tests share.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub async fn execute(&self, sql: impl Into<String>) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        match self.engine {
            Engine::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await?;
                connection.execute(sql).await?;
                connection.close().await
            }
            Engine::MySql => {
                let mut connection = MySqlConnection::connect(&self.url).await?;
                connection.execute(sql).await?;
                connection.close().await
            }
        }
    }
}

/// A database of one test, dropped when this is.
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
    url: String,
}

impl Database {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    // On a thread of its own, because a test's runtime cannot wait for a statement here.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let force = if server.engine == Engine::Postgres { " with (force)" } else { "" };
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let dropped = runtime.block_on(server.execute(format!("drop database if exists {name}{force}")));
            dropped.map_err(io::Error::other)
        });
        // A test may have stopped the server; whatever it asserts about that is more telling than this.
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} was left behind", self.name);
        }
    }
}

fn with_database(url: &str, name: &str) -> String {
    let (address, options) =
        url.split_once('?').map_or((url, None), |(address, options)| (address, Some(options)));
    let (host, _database) = address.rsplit_once('/').expect("the URL of a server names a database");
    match options {
        Some(options) => format!("{host}/{name}?{options}"),
        None => format!("{host}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_replaced_before_the_options() {
        assert_eq!(with_database("mysql://a@h:1/old", "new"), "mysql://a@h:1/new");
        assert_eq!(
            with_database("postgres://h:1/old?sslmode=disable", "new"),
            "postgres://h:1/new?sslmode=disable"
        );
    }

    async fn a_fresh_database_is_dropped(server: Server) {
        let database = server.fresh_database().await;
        let inside = Server { engine: server.engine, url: database.url().to_owned() };
        inside.execute("create table t (n int)").await.expect("the database is there");
        drop(database);
        inside.execute("select 1").await.expect_err("the database is gone");
    }

    #[tokio::test]
    async fn a_fresh_database_of_postgres_is_dropped() {
        if let Some(server) = postgres() {
            a_fresh_database_is_dropped(server).await;
        }
    }

    #[tokio::test]
    async fn a_fresh_database_of_mysql_is_dropped() {
        if let Some(server) = mysql() {
            a_fresh_database_is_dropped(server).await;
        }
    }
}
