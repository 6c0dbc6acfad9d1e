//! What running functions costs the database, counted by PostgreSQL itself.

use std::time::Duration;

use resilient::prelude::*;
use resilient_sqlx::PostgresStore;
use resilient_tests::eventually;
use resilient_tests::servers::{self, Database};
use sqlx::{Connection, PgConnection, Row};

#[resilient_fn(type_id = "Statements.Double")]
async fn double(number: u32) -> u32 {
    number * 2
}

#[resilient_fn(type_id = "Statements.Forever")]
async fn forever(_: u32) {
    std::future::pending::<()>().await;
}

/// Nothing happens in the background but heartbeats, and these only when the test wants them.
fn quiet(heartbeat: Duration) -> Settings {
    let never = Duration::from_hours(1);
    Settings::default().heartbeat(heartbeat).lease(heartbeat * 10).poll(never).sweep(never)
}

async fn start(database: &Database, heartbeat: Duration) -> Runtime {
    let store = PostgresStore::connect(database.url()).await.expect("the database is there");
    let builder = Runtime::builder(store).register::<double>().register::<forever>();
    // Looking for due work and for dead replicas is the replica's, not the function's.
    builder.settings(quiet(heartbeat)).take_no_work().start().await.expect("nothing is wrong with it")
}

/// The statistics of one database.
struct Statistics(PgConnection);

impl Statistics {
    async fn of(database: &Database) -> Self {
        let mut connection = PgConnection::connect(database.url()).await.expect("the database is there");
        let install = sqlx::query("create extension pg_stat_statements").execute(&mut connection).await;
        install.expect("the server preloads pg_stat_statements");
        Self(connection)
    }

    async fn reset(&mut self) {
        let reset = "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)";
        sqlx::query(reset).execute(&mut self.0).await.expect("a superuser may reset them");
    }

    /// The statements of everybody else since the reset, with their number.
    async fn since_reset(&mut self) -> Vec<(String, i64)> {
        let read = "select query, calls from pg_stat_statements where dbid = (select oid from pg_database where datname = \
                    current_database()) and query not like '%pg_stat_statements%' order by query";
        let rows = sqlx::query(read).fetch_all(&mut self.0).await.expect("a superuser may read them");
        rows.iter().map(|row| (row.get("query"), row.get("calls"))).collect()
    }

    async fn calls_on(&mut self, table: &str) -> i64 {
        self.since_reset()
            .await
            .iter()
            .filter(|(query, _)| query.contains(table))
            .map(|(_, calls)| calls)
            .sum()
    }
}

#[tokio::test]
async fn an_undisturbed_invoke_costs_exactly_two_statements() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let runtime = start(&database, Duration::from_mins(10)).await;
    double::invoke(&runtime, "the first one opens connections", 1).await.expect("it succeeds");
    let mut statistics = Statistics::of(&database).await;
    statistics.reset().await;

    for number in 0..10 {
        let doubled = double::invoke(&runtime, format!("number {number}"), number).await;
        assert_eq!(doubled.expect("it succeeds"), number * 2);
    }

    let statements = statistics.since_reset().await;
    let calls: Vec<_> = statements.iter().map(|(_, calls)| *calls).collect();
    assert_eq!(
        calls,
        [10, 10],
        "one insert and one update for each, and nothing around them: {statements:#?}"
    );
    runtime.shutdown().await.expect("the store is there");
}

#[tokio::test]
async fn a_running_function_costs_no_heartbeat_of_its_own() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let runtime = start(&database, Duration::from_millis(50)).await;
    for number in 0..200 {
        let runtime = runtime.clone();
        tokio::spawn(async move { forever::invoke(&runtime, format!("number {number}"), number).await });
    }
    eventually(Duration::from_secs(20), async || runtime.running() == 200).await;
    let mut statistics = Statistics::of(&database).await;
    // What was begun a moment ago may still be on its way; a quiet table is where counting begins.
    eventually(Duration::from_secs(20), async || {
        statistics.reset().await;
        tokio::task::yield_now().await;
        statistics.calls_on("_functions").await == 0
    })
    .await;

    eventually(Duration::from_secs(20), async || statistics.calls_on("_replicas").await >= 10).await;

    assert_eq!(statistics.calls_on("_functions").await, 0, "200 functions run, and only their replica beats");
}
