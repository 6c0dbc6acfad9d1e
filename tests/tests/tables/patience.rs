//! How long a replica waits while the tables are migrated, by it or by another one.

use std::time::Duration;

use resilient::Due;
use resilient::store::{Start, Written};
use resilient_tests::{eventually, servers};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

use crate::create;
use crate::place::Place;
use crate::steps::make_tables;

/// Notes the limits of the session that does a step of the schema, and of the one that stores an instance.
async fn note_limits(place: &Place) {
    place.run("create table #_seen (note varchar(99))").await;
    for (table, doing, usual) in [("#_schema", "a step", "0"), ("#_functions", "work", "30")] {
        let script = match place {
            Place::Sqlite(_) => {
                "create trigger {table}_seen after insert on {table} begin insert into #_seen \
                 select '{doing}: busy ' || timeout from pragma_busy_timeout; end"
            }
            Place::Postgres(..) => {
                "create function {table}_see() returns trigger language plpgsql as $$ begin insert into #_seen \
                 values (concat('{doing}: statement ', current_setting('statement_timeout'), ', lock ', \
                 current_setting('lock_timeout'))); return new; end $$; \
                 create trigger {table}_seen after insert on {table} for each row execute function {table}_see()"
            }
            // MySQL knows no such limit.
            Place::MySql(..) => {
                "create trigger {table}_seen after insert on {table} for each row insert into #_seen \
                 values (concat('{doing}: statement ', cast({usual} /*M! * 0 + @@max_statement_time */ as signed), ', lock ', \
                 @@lock_wait_timeout, ', idle ', @@wait_timeout))"
            }
        };
        place
            .run(&script.replace("{table}", table).replace("{doing}", doing).replace("{usual}", usual))
            .await;
    }
}

#[tokio::test]
async fn a_step_of_the_schema_takes_as_long_as_it_takes() {
    for place in Place::all() {
        make_tables(&place, 2).await;
        note_limits(&place).await;

        let store = place.initialized().await;
        let answers = store.write(&[create("1", 1, Start::Waiting(Due::Now))]).await.unwrap();

        assert_eq!(answers, [Written::Done], "{place:?}");
        let seen = place.ask("select distinct note from #_seen order by note").await;
        let expected: [&str; 2] = match place {
            Place::Sqlite(_) => ["a step: busy 3600000", "work: busy 5000"],
            // A lock on a table is not waited for without end: everybody else would wait behind.
            Place::Postgres(..) => ["a step: statement 0, lock 30s", "work: statement 30s, lock 5s"],
            Place::MySql(..) => {
                ["a step: statement 0, lock 60, idle 60", "work: statement 30, lock 60, idle 2147483"]
            }
        };
        assert_eq!(seen, expected, "{place:?}");
    }
}

/// The lock of the schema is asked for by a function of the test's, which notes the limits.
#[tokio::test]
async fn whoever_waits_for_a_migration_on_postgres_waits_as_long() {
    let Some(server) = servers::postgres() else { return };
    let database = server.fresh_database().await;
    let place = Place::Postgres(database.url().to_owned(), "shop".to_owned());
    place
        .run(
            "create table seen (note text); \
             create function public.pg_advisory_xact_lock(bigint) returns void language plpgsql as $$ begin \
             insert into seen values (concat('statement ', current_setting('statement_timeout'), ', lock ', \
             current_setting('lock_timeout'))); perform pg_catalog.pg_advisory_xact_lock($1); end $$; \
             do $$ begin execute format('alter database %I set search_path = public, pg_catalog', \
             current_database()); end $$",
        )
        .await;

    place.initialized().await;

    assert_eq!(place.ask("select note from seen").await, ["statement 0, lock 0"]);
}

#[tokio::test]
async fn whoever_waits_for_a_migration_on_mariadb_waits_as_long() {
    let Some(server) = servers::mysql() else { return };
    let place = Place::fresh_mysql(&server);
    let mut holder = MySqlConnection::connect(server.url()).await.unwrap();
    let lock =
        format!("do get_lock(concat('resilient ', md5(concat(database(), '/{}'))), 5)", place.prefix());
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut holder).await.unwrap();
    let waiting = {
        let place = place.clone();
        tokio::spawn(async move { place.open().await?.initialize().await })
    };

    let asked = "select info from information_schema.processlist where info like '%get_lock%/#%' \
                 and id <> connection_id()";
    let asked = eventually(Duration::from_secs(20), async || place.ask(asked).await.pop()).await;

    assert!(asked.ends_with(", 86400)"), "{asked}");
    holder.close().await.unwrap();
    waiting.await.unwrap().unwrap();
}
