//! Messages of many senders, from several processes and at the same moment.

use std::collections::HashMap;
use std::time::Duration;

use resilient::store::{After, Append, Create, Start, Write, Written};
use resilient::{Due, FunctionId, NewMessage, Payload, Store, StoredMessage};
use resilient_tests::{Kind, TestStore, on_every_store, open};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection};
use tokio::task::JoinSet;

const SENDERS: usize = 12;
const ROUNDS: usize = 25;

fn id(instance: &str) -> FunctionId {
    FunctionId::new("Order", instance)
}

async fn create(store: &TestStore, instance: &str) {
    let create = Create::new(id(instance), Start::Waiting(Due::Now), 1, Payload::new(1, "1"));
    assert_eq!(store.write(&[Write::Create(create)]).await.expect("the store is there"), [Written::Done]);
}

fn append(instance: &str, keys: impl IntoIterator<Item = String>) -> Write {
    let message = |key| NewMessage { name: "Paid".to_owned(), payload: Payload::new(1, "1"), key };
    Write::Append(Append { id: id(instance), messages: keys.into_iter().map(message).collect() })
}

async fn send(store: &TestStore, batch: &[Write]) {
    loop {
        match store.write(batch).await {
            Ok(answers) => return assert_eq!(answers, vec![Written::Done; batch.len()]),
            // As the runtime does: a message that is sent again is stored once.
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

async fn messages(store: &TestStore, instance: &str, position: i64) -> Vec<StoredMessage> {
    let wanted = [After { id: id(instance), position }];
    store.messages(&wanted, 10_000).await.expect("the store is there").remove(0)
}

async fn message_count(store: &TestStore, instance: &str) -> i64 {
    let row = store.get(&[id(instance)]).await.expect("the store is there").remove(0);
    row.expect("it was created").message_count
}

/// No gap and no key twice.
fn assert_sound(stored: &[StoredMessage]) {
    let positions: Vec<_> = stored.iter().map(|message| message.position).collect();
    let expected: Vec<_> = (1..).take(stored.len()).collect();
    assert_eq!(positions, expected);
    let keys: HashMap<_, _> = stored.iter().map(|message| (&message.key, message.position)).collect();
    assert_eq!(keys.len(), stored.len(), "a key is stored once");
}

on_every_store! {
    /// No message is lost, none is doubled, those of one sender keep their order, and a reader never sees a gap.
    async fn many_processes_send_to_one_instance(store: TestStore) {
        create(&store, "1").await;
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let store = store.another().await;
            senders.spawn(async move {
                for round in 0..ROUNDS {
                    let keys = (0..=round % 3).map(|part| format!("{sender}/{round}/{part}"));
                    send(&store, &[append("1", keys)]).await;
                }
            });
        }
        let expected: Vec<Vec<_>> = (0..SENDERS).map(|sender| {
            (0..ROUNDS).flat_map(|round| (0..=round % 3).map(move |part| format!("{sender}/{round}/{part}"))).collect()
        }).collect();
        let total = expected.iter().map(Vec::len).sum();
        let mut seen: Vec<StoredMessage> = Vec::new();
        while seen.len() < total {
            let last = seen.last().map_or(0, |message| message.position);
            seen.extend(messages(&store, "1", last).await);
            assert_sound(&seen);
        }
        while let Some(sender) = senders.join_next().await {
            sender.expect("it does not panic");
        }
        assert_eq!(messages(&store, "1", 0).await, seen);
        assert_eq!(usize::try_from(message_count(&store, "1").await), Ok(total));
        for (sender, expected) in expected.iter().enumerate() {
            let own = format!("{sender}/");
            let keys: Vec<_> = seen.iter().map(|message| &message.key).filter(|key| key.starts_with(&own)).collect();
            assert_eq!(keys, expected.iter().collect::<Vec<_>>());
        }
    }

    /// Each key is stored once, whoever is first; batches name the instances in opposite orders.
    async fn many_processes_send_the_same_keys_to_two_instances(store: TestStore) {
        create(&store, "1").await;
        create(&store, "2").await;
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let store = store.another().await;
            senders.spawn(async move {
                for round in 0..ROUNDS {
                    let key = |part: usize| format!("{}", (round + part + sender % 2) % (ROUNDS + 2));
                    let mut batch = vec![append("1", (0..3).map(key)), append("2", (0..3).rev().map(key))];
                    if sender % 2 == 0 {
                        batch.reverse();
                    }
                    send(&store, &batch).await;
                }
            });
        }
        while let Some(sender) = senders.join_next().await {
            sender.expect("it does not panic");
        }
        for instance in ["1", "2"] {
            let stored = messages(&store, instance, 0).await;
            assert_sound(&stored);
            assert_eq!(stored.len(), ROUNDS + 2);
            assert_eq!(usize::try_from(message_count(&store, instance).await), Ok(stored.len()));
        }
    }
}

/// What another process does inside a transaction: it has stored `key`, and not committed yet.
fn stored_by_another(prefix: &str) -> String {
    format!(
        "update {prefix}_functions set message_count = message_count + 1; \
         insert into {prefix}_messages (type_id, instance_id, position, name, payload, payload_version, message_key, \
         sent_at) values ('Order', '1', 1, 'Paid', '1', 1, 'key', 1)"
    )
}

/// Sends these keys while another process holds the lock, which `commit` ends.
async fn send_meanwhile(store: &TestStore, keys: &'static [&str], commit: impl Future<Output = ()>) {
    let sending = {
        let store = store.clone();
        tokio::spawn(async move { store.write(&[append("1", keys.iter().map(ToString::to_string))]).await })
    };
    // Either order is right, so a wait that is too short hides a fault and never makes one up.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!sending.is_finished(), "the instance is locked");
    commit.await;
    let answers = sending.await.expect("it does not panic").expect("the store is there");
    assert_eq!(answers, [Written::Done]);
    let stored = messages(store, "1", 0).await;
    assert_sound(&stored);
    let found: Vec<_> = stored.iter().map(|message| message.key.as_str()).collect();
    assert_eq!(found, keys);
    assert_eq!(usize::try_from(message_count(store, "1").await), Ok(keys.len()));
}

/// What is sent during the wait: one message, and several.
const KEYS: [&[&str]; 2] = [&["key"], &["key", "other"]];

#[tokio::test]
async fn a_key_that_is_committed_during_the_wait_for_a_lock_is_seen_on_postgres() {
    for keys in KEYS {
        let Some(store) = open(Kind::Postgres).await else { return };
        create(&store, "1").await;
        let mut other =
            PgConnection::connect(store.url().expect("a server has a URL")).await.expect("it is there");
        other.execute("begin").await.expect("it is there");
        let script = stored_by_another(store.prefix());
        other.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.expect("the tables are there");
        send_meanwhile(&store, keys, async {
            other.execute("commit").await.expect("it is there");
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_that_is_committed_during_the_wait_for_a_lock_is_seen_on_mysql() {
    for keys in KEYS {
        let Some(store) = open(Kind::MySql).await else { return };
        create(&store, "1").await;
        let mut other =
            MySqlConnection::connect(store.url().expect("a server has a URL")).await.expect("it is there");
        other.execute("begin").await.expect("it is there");
        let script = stored_by_another(store.prefix());
        other.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.expect("the tables are there");
        send_meanwhile(&store, keys, async {
            other.execute("commit").await.expect("it is there");
        })
        .await;
    }
}
