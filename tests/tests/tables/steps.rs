//! What the steps of the schema do to what is stored.

use std::time::Duration;

use resilient::store::{Cancel, Create, Expiry, Start, Write, Written};
use resilient::{Due, Epoch, FunctionId, Payload, ReplicaId, Status, StoredFunction, Timestamp};

use crate::append;
use crate::place::Place;

/// Makes the tables as they were after so many steps of the schema.
pub(crate) async fn make_tables(place: &Place, steps: usize) {
    place
        .run("create table #_schema (version bigint not null primary key, applied_at bigint not null)")
        .await;
    for (number, script) in (1..).zip(scripts(place)).take(steps) {
        place.run(&words(script)).await;
        place.run(&format!("insert into #_schema (version, applied_at) values ({number}, 1)")).await;
    }
}

fn scripts(place: &Place) -> [&'static str; 3] {
    match place {
        Place::Sqlite(_) => [
            include_str!("../../../resilient-sqlx/migrations/sqlite/0001_functions.sql"),
            include_str!("../../../resilient-sqlx/migrations/sqlite/0002_messages.sql"),
            include_str!("../../../resilient-sqlx/migrations/sqlite/0003_cancel.sql"),
        ],
        Place::Postgres(..) => [
            include_str!("../../../resilient-sqlx/migrations/postgres/0001_functions.sql"),
            include_str!("../../../resilient-sqlx/migrations/postgres/0002_messages.sql"),
            include_str!("../../../resilient-sqlx/migrations/postgres/0003_cancel.sql"),
        ],
        Place::MySql(..) => [
            include_str!("../../../resilient-sqlx/migrations/mysql/0001_functions.sql"),
            include_str!("../../../resilient-sqlx/migrations/mysql/0002_messages.sql"),
            include_str!("../../../resilient-sqlx/migrations/mysql/0003_cancel.sql"),
        ],
    }
}

fn words(script: &str) -> String {
    script
        .replace("{now}", "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))")
        .replace("{epoch}", "timestamp '1970-01-01 00:00:00.000000'")
        .replace("{functions}", "#_functions")
        .replace("{messages}", "#_messages")
        .replace("{replicas}", "#_replicas")
        .replace("{replica_types}", "#_replica_types")
        .replace("{overview}", "#_overview")
        .replace("{prefix}", "#")
}

/// An instance as version 1 of the schema stored it.
fn stored_by_the_first_step(instance: &str, status: Status, owner: Option<ReplicaId>) -> StoredFunction {
    let has_succeeded = status == Status::Succeeded;
    StoredFunction {
        id: FunctionId::new("Order", instance),
        parent: None,
        status,
        epoch: Epoch::new(5),
        owner,
        attempts: 3,
        cancel_requested: false,
        crashes: 1,
        due_at: (status == Status::Postponed).then_some(Timestamp::from_micros(9)),
        version: 1,
        param: Payload::new(3, "1"),
        scrapbook: Some(Payload::new(2, "2")),
        result: has_succeeded.then(|| Payload::new(1, "3")),
        failure: None,
        journal: None,
        reason: None,
        saves: 0,
        message_count: 0,
        created_at: Timestamp::from_micros(6),
        updated_at: Timestamp::from_micros(7),
        completed_at: has_succeeded.then_some(Timestamp::from_micros(8)),
    }
}

#[tokio::test]
async fn the_second_step_of_the_schema_keeps_what_the_first_one_stored() {
    for place in Place::all() {
        let owner = ReplicaId::random();
        make_tables(&place, 1).await;
        let insert = "insert into #_functions (type_id, instance_id, status, epoch, owner, attempts, crashes, due_at, \
             version, param, param_version, scrapbook, scrapbook_version, result, result_version, message_count, \
             created_at, updated_at, completed_at) values \
             ('Order', '1', 0, 5, '?', 3, 1, null, 1, '1', 3, '2', 2, null, null, 0, 6, 7, null), \
             ('Order', '2', 1, 5, null, 3, 1, 9, 1, '1', 3, '2', 2, null, null, 0, 6, 7, null), \
             ('Order', '3', 3, 5, null, 3, 1, null, 1, '1', 3, '2', 2, '3', 1, 0, 6, 7, 8)";
        place.run(&insert.replace('?', &owner.to_string())).await;

        let store = place.initialized().await;

        let ids = ["1", "2", "3"].map(|instance| FunctionId::new("Order", instance));
        let expected = [
            Some(stored_by_the_first_step("1", Status::Executing, Some(owner))),
            Some(stored_by_the_first_step("2", Status::Postponed, None)),
            Some(stored_by_the_first_step("3", Status::Succeeded, None)),
        ];
        assert_eq!(store.get(&ids).await.unwrap(), expected, "{place:?}");
        let answers =
            store.write(&[append("1", &["a"]), append("2", &["a"]), append("3", &["a"])]).await.unwrap();
        assert_eq!(answers, [Written::Done, Written::Done, Written::Completed], "{place:?}");
        let counts = "select concat(instance_id, ' has ', messages) from #_overview order by instance_id";
        assert_eq!(place.ask(counts).await, ["1 has 1", "2 has 1", "3 has 0"], "{place:?}");
    }
}

#[tokio::test]
async fn the_third_step_of_the_schema_keeps_what_the_second_one_stored() {
    for place in Place::all() {
        let owner = ReplicaId::random();
        make_tables(&place, 2).await;
        let insert = "insert into #_functions (type_id, instance_id, status, epoch, owner, attempts, crashes, due_at, \
             version, param, param_version, scrapbook, scrapbook_version, result, result_version, message_count, \
             created_at, updated_at, completed_at, journal, reason, saves) values \
             ('Order', '1', 0, 5, '?', 3, 1, null, 1, '1', 3, '2', 2, null, null, 1, 6, 7, null, '4', null, 8), \
             ('Order', '2', 1, 5, null, 3, 1, 9, 1, '1', 3, '2', 2, null, null, 0, 6, 7, null, null, 'why', 8), \
             ('Order', '3', 3, 5, null, 3, 1, null, 1, '1', 3, '2', 2, '3', 1, 0, 6, 7, 8, '4', null, 8)";
        place.run(&insert.replace('?', &owner.to_string())).await;
        let insert = "insert into #_messages (type_id, instance_id, position, name, payload, payload_version, \
             message_key, sent_at) values ('Order', '1', 1, 'M', '1', 1, 'a', 7)";
        place.run(insert).await;

        let store = place.initialized().await;

        let ids = ["1", "2", "3"].map(|instance| FunctionId::new("Order", instance));
        let journal = || Some("4".to_owned());
        let expected = [
            StoredFunction {
                journal: journal(),
                message_count: 1,
                saves: 8,
                ..stored_by_the_first_step("1", Status::Executing, Some(owner))
            },
            StoredFunction {
                reason: Some("why".to_owned()),
                saves: 8,
                ..stored_by_the_first_step("2", Status::Postponed, None)
            },
            StoredFunction {
                journal: journal(),
                saves: 8,
                ..stored_by_the_first_step("3", Status::Succeeded, None)
            },
        ];
        assert_eq!(store.get(&ids).await.unwrap(), expected.map(Some), "{place:?}");
        assert_eq!(
            place.ask("select concat(count(*), ' left') from #_messages").await,
            ["1 left"],
            "{place:?}"
        );
        let cancels = ids.map(|id| Write::Cancel(Cancel { id, failure: "{}".to_owned() }));
        let answers = store.write(&cancels).await.unwrap();
        assert_eq!(answers, [Written::Done, Written::Done, Written::Completed], "{place:?}");
        let expiry = Expiry { type_id: "Order".into(), after: Duration::ZERO };
        assert_eq!(store.expire(&[expiry], 9).await.unwrap(), 1, "{place:?}");
    }
}

/// A replica of the build before goes on beside the new tables. What it stores has no parent there, and expires as it did.
#[tokio::test]
async fn the_fourth_step_of_the_schema_takes_what_the_build_before_stores() {
    for place in Place::all() {
        make_tables(&place, 3).await;
        let insert = "insert into #_functions (type_id, instance_id, status, epoch, owner, attempts, crashes, due_at, \
             version, param, param_version, scrapbook, scrapbook_version, result, result_version, message_count, \
             created_at, updated_at, completed_at, journal, reason, saves, cancel_requested) values \
             ('Order', '?', 3, 5, null, 3, 1, null, 1, '1', 3, '2', 2, '3', 1, 0, 6, 7, 8, '4', null, 8, 0)";
        place.run(&insert.replace('?', "1")).await;
        let store = place.initialized().await;
        place.run(&insert.replace('?', "2")).await;
        let parent = Some(FunctionId::new("Order", "2"));
        let ids = ["1", "2", "3"].map(|instance| FunctionId::new("Order", instance));
        let new = Create::new(ids[2].clone(), Start::Waiting(Due::Now), 1, Payload::new(1, "1"));
        let new = Write::Create(Create { parent: parent.clone(), ..new });
        assert_eq!(store.write(&[new]).await.unwrap(), [Written::Done], "{place:?}");

        let rows = store.get(&ids).await.unwrap().into_iter().map(|row| row.unwrap().parent);
        assert_eq!(rows.collect::<Vec<_>>(), [None, None, parent], "{place:?}");
        for (column, value) in [("type_id", "Order"), ("instance_id", "2")] {
            let seen = format!("select coalesce(parent_{column}, '-') from #_overview order by instance_id");
            assert_eq!(place.ask(&seen).await, ["-", "-", value], "{place:?}");
        }
        let expiry = Expiry { type_id: "Order".into(), after: Duration::ZERO };
        assert_eq!(store.expire(&[expiry], 9).await.unwrap(), 2, "{place:?}");
    }
}
