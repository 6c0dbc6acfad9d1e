//! What running functions costs the database, counted by PostgreSQL itself.

use std::time::Duration;

use resilient::prelude::*;
use resilient::store::{After, Append, Create, Start, Write, Written};
use resilient::{Due, FunctionId, NewMessage, Payload, Store, WaitError};
use resilient_sqlx::PostgresStore;
use resilient_tests::eventually;
use resilient_tests::servers::{self, Database};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection, Row};

#[resilient_fn(type_id = "Statements.Double")]
async fn double(number: u32) -> u32 {
    number * 2
}

#[resilient_fn(type_id = "Statements.Forever")]
async fn forever(_: u32) {
    std::future::pending::<()>().await;
}

#[derive(Debug, Serialize, Deserialize, Message)]
struct Approved;

#[resilient_fn(type_id = "Statements.Patient")]
async fn patient(_: u32, ctx: &Context) -> Result<(), WaitError> {
    ctx.messages().next::<Approved>().await.map(drop)
}

/// Nothing happens in the background but heartbeats, and these only when the test wants them.
fn quiet(heartbeat: Duration) -> Settings {
    let never = Duration::from_hours(1);
    // A busy server must not end the lease.
    let lease = (heartbeat * 10).max(Duration::from_secs(30));
    Settings::default().heartbeat(heartbeat).lease(lease).poll(never).sweep(never)
}

async fn start(database: &Database, heartbeat: Duration) -> Runtime {
    let store = PostgresStore::connect(database.url()).await.expect("the database is there");
    let builder = Runtime::builder(store).register::<double>().register::<forever>().register::<patient>();
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

    /// How many instances there are.
    async fn stored(&mut self) -> i64 {
        let count = sqlx::query_scalar("select count(*) from resilient_functions").fetch_one(&mut self.0);
        count.await.expect("the table is there")
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
    // What is counted as running may still be on its way to the store.
    eventually(Duration::from_secs(20), async || statistics.stored().await == 200).await;
    statistics.reset().await;

    eventually(Duration::from_secs(20), async || statistics.calls_on("_replicas").await >= 10).await;

    assert_eq!(statistics.calls_on("_functions").await, 0, "200 functions run, and only their replica beats");
}

#[tokio::test]
async fn a_wait_for_messages_by_a_hundred_instances_is_one_query_for_each_poll() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let store = PostgresStore::connect(database.url()).await.expect("the database is there");
    let poll = Duration::from_millis(50);
    let settings = quiet(Duration::from_mins(10)).wait_poll(poll).stay_in_memory(Duration::from_hours(1));
    let builder = Runtime::builder(store).register::<patient>().settings(settings);
    let runtime = builder.take_no_work().start().await.expect("nothing is wrong with it");
    let mut waits = Vec::new();
    for number in 0..100 {
        let runtime = runtime.clone();
        waits.push(tokio::spawn(async move { patient::invoke(&runtime, number.to_string(), number).await }));
    }
    let mut statistics = Statistics::of(&database).await;
    eventually(Duration::from_secs(20), async || statistics.stored().await == 100).await;
    // Each of them looks once for itself when it begins to wait, which some do late. So there are more queries than polls
    // in the beginning, and no longer.
    eventually(Duration::from_secs(20), async || {
        statistics.reset().await;
        let began = tokio::time::Instant::now();
        eventually(Duration::from_secs(20), async || statistics.calls_on("_messages").await >= 10).await;
        let queries = statistics.calls_on("_messages").await;
        let polls = began.elapsed().as_millis() / poll.as_millis() + 2;
        println!("{queries} queries in {polls} polls");
        u128::try_from(queries).is_ok_and(|queries| queries <= polls)
    })
    .await;
    assert_eq!(statistics.calls_on("_functions").await, 0);
    for number in 0..100 {
        runtime.send::<patient>(number.to_string(), Approved).await.expect("it waits");
    }
    for wait in waits {
        wait.await.expect("it does not panic").expect("it succeeds");
    }
    runtime.shutdown().await.expect("the store is there");
}

fn waiting(instance: &str) -> Write {
    let id = FunctionId::new("Order", instance);
    Write::Create(Create::new(id, Start::Waiting(Due::Now), 1, Payload::new(1, "1")))
}

/// Three messages, of which the instance has none.
fn append(instance: &str, round: &str) -> Write {
    let message = |number| NewMessage {
        name: "Approved".into(),
        payload: Payload::new(1, "1"),
        key: format!("{round} {number}"),
    };
    Write::Append(Append { id: FunctionId::new("Order", instance), messages: (1..=3).map(message).collect() })
}

#[tokio::test]
async fn messages_cost_one_statement_however_many_they_are() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let store = PostgresStore::connect(database.url()).await.expect("the database is there");
    store.initialize().await.expect("the database is empty");
    let instances: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let creates: Vec<_> = instances.iter().map(|instance| waiting(instance)).collect();
    store.write(&creates).await.expect("the store is there");
    let mut statistics = Statistics::of(&database).await;
    statistics.reset().await;

    for instance in &instances {
        let answers = store.write(&[append(instance, "alone")]).await.expect("the store is there");
        assert_eq!(answers, [Written::Done]);
    }
    let calls: Vec<_> = statistics.since_reset().await.into_iter().map(|(_, calls)| calls).collect();
    assert_eq!(calls, [100], "one statement for each, and nothing around it");

    statistics.reset().await;
    let appends: Vec<_> = instances.iter().map(|instance| append(instance, "together")).collect();
    assert_eq!(store.write(&appends).await.expect("the store is there"), vec![Written::Done; 100]);
    let wanted: Vec<_> = instances
        .iter()
        .map(|instance| After { id: FunctionId::new("Order", instance), position: 0 })
        .collect();
    let stored = store.messages(&wanted, 1000).await.expect("the store is there");
    assert!(stored.iter().all(|messages| messages.len() == 6));
    let calls: Vec<_> = statistics.since_reset().await.into_iter().map(|(_, calls)| calls).collect();
    assert_eq!(calls, [1, 1], "one statement that appends, and one that reads");
}

#[tokio::test]
async fn a_mixed_batch_costs_as_many_statements_for_many_as_for_two() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let store = PostgresStore::connect(database.url()).await.expect("the database is there");
    store.initialize().await.expect("the database is empty");
    let creates: Vec<_> = (0..60).map(|number| waiting(&format!("old {number}"))).collect();
    store.write(&creates).await.expect("the store is there");
    let mut statistics = Statistics::of(&database).await;

    let mut costs = Vec::new();
    for size in [2, 60] {
        let appends = (0..size).map(|number| append(&format!("old {number}"), &size.to_string()));
        let creates = (0..size).map(|number| waiting(&format!("new {number} of {size}")));
        let batch: Vec<_> = appends.chain(creates).collect();
        statistics.reset().await;
        assert_eq!(store.write(&batch).await.expect("the store is there"), vec![Written::Done; batch.len()]);
        costs.push(statistics.since_reset().await.iter().map(|(_, calls)| calls).sum::<i64>());
    }

    assert_eq!(costs, [5, 5], "begin, the creates, the locks, the messages, commit");
}

#[tokio::test]
async fn ten_thousand_instances_are_stored_in_a_few_statements() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let runtime = start(&database, Duration::from_mins(10)).await;
    double::schedule(&runtime, "the first one opens connections", 1).await.expect("it is stored");
    let mut statistics = Statistics::of(&database).await;
    statistics.reset().await;

    let items = (0..10_000).map(|number| (number.to_string(), number));
    assert_eq!(double::schedule_many(&runtime, items).await.expect("the store is there"), 10_000);

    let statements = statistics.since_reset().await;
    let calls: Vec<_> = statements.iter().map(|(_, calls)| *calls).collect();
    assert_eq!(calls, [2], "two statements that commit by themselves: {statements:#?}");
    runtime.shutdown().await.expect("the store is there");
}
