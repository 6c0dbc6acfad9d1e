//! What is promised of the tables, on every database that is there.

mod overview;
mod patience;
mod place;
mod steps;

use std::error::Error;
use std::sync::Arc;

use resilient::store::{After, Append, Create, Delete, Ending, Finish, Start, Write, Written};
use resilient::{Due, Epoch, FunctionId, NewMessage, Payload, ReplicaId, Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteOptions, connect};

use crate::place::Place;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_replicas_may_initialize_at_once() {
    for place in Place::all() {
        let place = Arc::new(place);
        let start = || {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.open().await?.initialize().await })
        };
        let starts: Vec<_> = (0..20).map(|_| start()).collect();
        for start in starts {
            start.await.unwrap().unwrap();
        }
        let steps = place.ask("select concat('version ', version) from #_schema order by version").await;
        assert_eq!(steps, ["version 1", "version 2", "version 3", "version 4"], "{place:?}");
    }
}

#[tokio::test]
async fn a_removed_instance_leaves_no_message() {
    for place in Place::all() {
        let store = place.initialized().await;
        let batch = [create("1", 1, Start::Waiting(Due::Now)), create("2", 1, Start::Waiting(Due::Now))];
        store.write(&batch).await.unwrap();
        store.write(&[append("1", &["a", "b"]), append("2", &["a"])]).await.unwrap();
        let row = store.get(&[FunctionId::new("Order", "1")]).await.unwrap().remove(0).unwrap();
        assert_eq!(store.write(&[Write::Delete(Delete::of(&row))]).await.unwrap(), [Written::Done]);
        let left = "select concat(count(*), ' left') from #_messages";
        assert_eq!(place.ask(left).await, ["1 left"], "{place:?}");
        // By hand, too.
        place.run("delete from #_functions").await;
        assert_eq!(place.ask(left).await, ["0 left"], "{place:?}");
    }
}

/// MariaDB cuts texts to the rest of their length by 65536 where it can.
#[tokio::test]
async fn long_texts_of_one_batch_come_back_whole() {
    for place in Place::all() {
        let store = place.initialized().await;
        let owner = ReplicaId::random();
        let text = |number: usize| format!("\"{}\"", "ä🍣x".repeat(9_000 * number + number));
        let payload = |number| Payload::new(1, text(number));
        let numbers = [1, 2, 3];
        let id = |number: usize| FunctionId::new("Order", number.to_string());
        let creates = numbers.map(|number| {
            let (start, journal) = (Start::Running(owner), Some(text(number + 1)));
            let scrapbook = Some(payload(number + 2));
            Write::Create(Create { scrapbook, journal, ..Create::new(id(number), start, 1, payload(number)) })
        });
        assert_eq!(store.write(&creates).await.unwrap(), vec![Written::Done; 3]);
        let message = |key| NewMessage { name: "M".into(), payload: payload(5), key };
        let appends = numbers.map(|number| {
            let messages = ["a", "b"].map(|key| message(key.to_owned())).to_vec();
            Write::Append(Append { id: id(number), messages })
        });
        assert_eq!(store.write(&appends).await.unwrap(), vec![Written::Done; 3]);
        let finishes =
            numbers.map(|number| finish(&number.to_string(), owner, Ending::Succeeded(payload(number + 3))));
        assert_eq!(store.write(&finishes).await.unwrap(), vec![Written::Done; 3]);
        for (number, row) in numbers.into_iter().zip(store.get(&numbers.map(id)).await.unwrap()) {
            let row = row.unwrap();
            assert!(
                row.param == payload(number) && row.journal == Some(text(number + 1)),
                "{number} on {place:?}"
            );
            assert!(row.scrapbook == Some(payload(number + 2)), "{number} on {place:?}");
            assert!(row.result == Some(payload(number + 3)), "{number} on {place:?}");
        }
        for messages in
            store.messages(&numbers.map(|number| After { id: id(number), position: 0 }), 9).await.unwrap()
        {
            assert!(
                messages.len() == 2 && messages.iter().all(|message| message.payload == payload(5)),
                "{place:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    for place in Place::all() {
        place.initialized().await;
        place.ask("insert into #_schema (version, applied_at) values (99, 0)").await;
        let error = place.open().await.unwrap().initialize().await.unwrap_err();
        assert!(!error.is_transient());
        let message = error.to_string();
        assert!(message.contains("have schema version 99, and this program knows 4 at most"), "{message}");
        assert!(message.contains(&format!("`{}`", place.prefix())), "{message}");
    }
}

fn create(instance: &str, version: u32, start: Start) -> Write {
    let (id, param) = (FunctionId::new("Order", instance), Payload::new(3, "1"));
    Write::Create(Create::new(id, start, version, param))
}

fn finish(instance: &str, owner: ReplicaId, ending: Ending) -> Write {
    let id = FunctionId::new("Order", instance);
    Write::Finish(Finish::without_progress(id, owner, Epoch::ZERO, ending))
}

fn append(instance: &str, keys: &[&str]) -> Write {
    let message =
        |key: &&str| NewMessage { name: "M".into(), payload: Payload::new(1, "1"), key: (*key).into() };
    let messages = keys.iter().map(message).collect();
    Write::Append(Append { id: FunctionId::new("Order", instance), messages })
}

/// All that an error says, and all its sources say.
fn all_words(error: &StoreError) -> String {
    let sources = std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (**error).source());
    let words = sources.map(|error| format!("{error} {error:?}"));
    [format!("{error} {error:?}")].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_error_names_the_way_out_and_never_the_password() {
    for (url, way_out) in [
        ("postgres://me:s3cret@127.0.0.1:1/shop", "may work later"),
        ("mysql://me:s3cret@127.0.0.1:1/shop", "may work later"),
        ("postgres://me:s3cret@127.0.0.1:port/shop", "give postgres://"),
        ("mysql://me:s3cret@127.0.0.1:port/shop", "give one like mysql://"),
        ("oracle://me:s3cret@127.0.0.1/shop", "give one that begins with sqlite:, postgres: or mysql:"),
        ("me:s3cret@127.0.0.1", "give one that begins with sqlite:, postgres: or mysql:"),
    ] {
        let error = connect(url).await.unwrap_err();
        assert!(error.to_string().contains(way_out), "{error}");
        assert!(!all_words(&error).contains("s3cret"), "{}", all_words(&error));
    }
    let url = "postgres://me:s3cret@127.0.0.1/shop";
    let options = [format!("{:?}", PostgresOptions::new(url)), format!("{:?}", MySqlOptions::new(url))];
    assert!(options.iter().all(|options| !options.contains("s3cret")), "{options:?}");
}

#[tokio::test]
async fn a_store_does_not_see_the_tables_of_another_prefix() {
    let prefix = SqliteOptions::in_memory().table_prefix("Shop\"; drop table x; --");
    let error = prefix.open().await.unwrap_err().to_string();
    assert!(error.starts_with("the table prefix"), "{error}");
    for place in Place::all() {
        let store = place.initialized().await;
        let other: Arc<dyn Store> = match &place {
            Place::Sqlite(file) => Arc::new(SqliteOptions::new(file).table_prefix("b").open().await.unwrap()),
            Place::Postgres(url, prefix) => {
                let prefix = format!("{prefix}b");
                Arc::new(PostgresOptions::new(url).table_prefix(prefix).connect().await.unwrap())
            }
            Place::MySql(url, prefix) => {
                let prefix = format!("{prefix}b");
                Arc::new(MySqlOptions::new(url).table_prefix(prefix).connect().await.unwrap())
            }
        };
        other.initialize().await.unwrap();
        store.write(&[create("1", 1, Start::Waiting(Due::Now))]).await.unwrap();
        assert_eq!(other.get(&[FunctionId::new("Order", "1")]).await.unwrap(), [None]);
    }
}
