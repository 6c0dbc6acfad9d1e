//! What is promised of SQLite alone, and the promises of the store seam on a database in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use resilient::store::{Claimable, Create, Ending, Expiry, Finish, Start, Write, Written};
use resilient::{
    Due, Epoch, FunctionId, Payload, Replica, ReplicaId, ReplicaType, Store, StoreError, TokioClock,
};
use resilient_sqlx::{SqliteOptions, SqliteStore};
use sqlx::{Connection, Executor, SqliteConnection};

mod memory {
    use super::*;

    async fn open() -> SqliteStore {
        let store = SqliteOptions::in_memory().table_prefix("shop").open().await.unwrap();
        store.initialize().await.unwrap();
        store
    }
    resilient::store_conformance!(open());
}

/// A directory that is removed with its files.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("resilient-{}", ReplicaId::random()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> String {
        self.0.join("orders #1.db").display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn waiting(instance: &str, due: Due) -> Write {
    let (id, param) = (FunctionId::new("Order", instance), Payload::new(1, "1"));
    Write::Create(Create::new(id, Start::Waiting(due), 1, param))
}

fn assert_is_named(error: &StoreError, file: &Path) {
    assert!(!error.is_transient(), "nothing but a person can mend it");
    let expected = format!("SQLite cannot open `{}`; its folder has to exist", file.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_at_once() {
    let directory = Directory::new();
    let file = directory.0.join("no folder/orders.db");
    for place in [file.display().to_string(), format!("sqlite://{}", file.display())] {
        assert_is_named(&SqliteStore::open(&place).await.unwrap_err(), &file);
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_created_unless_the_url_forbids_it() {
    let directory = Directory::new();
    let plain = directory.0.join("plain.db");
    SqliteStore::open(&format!("sqlite://{}", plain.display())).await.unwrap().initialize().await.unwrap();
    assert!(plain.exists());
    let missing = directory.0.join("missing.db");
    let error = SqliteStore::open(&format!("sqlite://{}?mode=rw", missing.display())).await.unwrap_err();
    assert_is_named(&error, &missing);
    SqliteStore::open(&directory.file()).await.unwrap().initialize().await.unwrap();
    assert!(PathBuf::from(directory.file()).exists());
}

#[tokio::test]
async fn what_was_written_is_there_after_the_store_was_opened_again() {
    let directory = Directory::new();
    let store = SqliteStore::open(&directory.file()).await.unwrap();
    store.initialize().await.unwrap();
    assert_eq!(store.write(&[waiting("1", Due::Now)]).await.unwrap(), [Written::Done]);
    let stored = store.get(&[FunctionId::new("Order", "1")]).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&directory.file()).await.unwrap();
    store.initialize().await.unwrap();
    assert_eq!(store.get(&[FunctionId::new("Order", "1")]).await.unwrap(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_another_process_is_waited_for() {
    let directory = Directory::new();
    let store = SqliteStore::open(&directory.file()).await.unwrap();
    store.initialize().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.file());
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    other.execute("begin immediate").await.unwrap();
    let batch: Vec<_> = (0..70).map(|number| waiting(&number.to_string(), Due::Now)).collect();
    let write = tokio::spawn(async move { store.write(&batch).await });
    tokio::task::yield_now().await;
    assert!(!write.is_finished(), "the file is locked");
    other.execute("commit").await.unwrap();
    assert_eq!(write.await.unwrap().unwrap(), vec![Written::Done; 70]);
}

#[tokio::test]
async fn a_dropped_operation_leaves_no_transaction_open() {
    let store = SqliteStore::in_memory().await.unwrap();
    store.initialize().await.unwrap();
    for round in 0..50 {
        let batch: Vec<_> = (0..80).map(|number| waiting(&format!("{round}-{number}"), Due::Now)).collect();
        tokio::select! {
            biased;
            _ = store.write(&batch) => {}
            () = yield_times(round) => {}
        }
        let id = format!("after {round}");
        // The connection that was dropped may hold its lock for a moment.
        while store.write(&[waiting(&id, Due::Now)]).await.is_err_and(|error| error.is_transient()) {}
        let found = store.get(&[FunctionId::new("Order", id)]).await.unwrap();
        assert!(found[0].is_some(), "an acknowledged write is there");
    }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn virtual_time_moves_only_when_it_is_told_to() {
    let clock = TokioClock::default();
    let store = SqliteOptions::in_memory().virtual_time(clock).open().await.unwrap();
    assert!(store.virtual_time());
    let started = tokio::time::Instant::now();
    let alarm = tokio::spawn(tokio::time::sleep(Duration::from_hours(71)));
    store.initialize().await.unwrap();
    let me = ReplicaId::random();
    let lease = Duration::from_hours(1000);
    let types = vec![ReplicaType { type_id: "Order".into(), version: 1, lease, reads: None }];
    let (host, app_version) = ("host".to_owned(), "1".to_owned());
    let mut lifeline = store.lifeline().await.unwrap();
    lifeline.join(&Replica { id: me, lease, host, pid: 1, app_version, types }).await.unwrap();
    let kinds =
        [Claimable { type_id: "Order".into(), version: 1, param_version: 1, scrapbook_version: 0, limit: 9 }];
    store.write(&[waiting("1", Due::After(Duration::from_hours(72)))]).await.unwrap();
    assert_eq!(store.claim(me, &kinds, 9).await.unwrap(), []);
    assert_eq!(started.elapsed(), Duration::ZERO, "no timer went off while the database worked");
    assert!(!alarm.is_finished());
    tokio::time::advance(Duration::from_hours(72)).await;
    assert_eq!(store.claim(me, &kinds, 9).await.unwrap().len(), 1);
    assert!(lifeline.beat(me).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_result_is_kept_to_the_microsecond() {
    let store = SqliteOptions::in_memory().virtual_time(TokioClock::default()).open().await.unwrap();
    store.initialize().await.unwrap();
    let (id, owner) = (FunctionId::new("Order", "1"), ReplicaId::random());
    let create = Create::new(id.clone(), Start::Running(owner), 1, Payload::new(1, "1"));
    let ending = Ending::Succeeded(Payload::new(1, "2"));
    let end = Finish::without_progress(id, owner, Epoch::ZERO, ending);
    for write in [Write::Create(create), Write::Finish(end)] {
        assert_eq!(store.write(&[write]).await.unwrap(), [Written::Done]);
    }
    let kept = [Expiry { type_id: "Order".into(), after: Duration::from_hours(1) }];
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(store.expire(&kept, 9).await.unwrap(), 0);
    tokio::time::advance(Duration::from_micros(1)).await;
    assert_eq!(store.expire(&kept, 9).await.unwrap(), 1);
}
