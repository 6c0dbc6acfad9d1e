//! What is promised of the tables, on every database that is there.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use resilient::store::{Create, Ending, Finish, Start, Write, Written};
use resilient::{Due, Epoch, FunctionId, Payload, Replica, ReplicaId, ReplicaType, Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteOptions, SqliteStore, connect};
use resilient_tests::servers;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row, SqliteConnection};

/// A database, and tables of its own in it.
#[derive(Debug, Clone)]
enum Place {
    Sqlite(String),
    Postgres(String, String),
    MySql(String, String),
}

impl Place {
    /// One in each database that is there.
    fn all() -> Vec<Self> {
        let fresh = || format!("t{}", &ReplicaId::random().to_string().replace('-', "")[..12]);
        let file = std::env::temp_dir().join(format!("resilient-{}.db", ReplicaId::random()));
        let mut places = vec![Self::Sqlite(file.display().to_string())];
        places.extend(servers::postgres().map(|server| Self::Postgres(server.url().to_owned(), fresh())));
        places.extend(servers::mysql().map(|server| Self::MySql(server.url().to_owned(), fresh())));
        places
    }

    fn prefix(&self) -> &str {
        match self {
            Self::Sqlite(_) => "resilient",
            Self::Postgres(_, prefix) | Self::MySql(_, prefix) => prefix,
        }
    }

    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
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

    async fn initialized(&self) -> Arc<dyn Store> {
        let store = self.open().await.unwrap();
        store.initialize().await.unwrap();
        store
    }

    /// The answer's first column, of a statement in which `#` stands for the prefix.
    async fn ask(&self, sql: &str) -> Vec<String> {
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
        assert_eq!(steps, ["version 1", "version 2"], "{place:?}");
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
        assert!(message.contains("have schema version 99, and this program knows 2 at most"), "{message}");
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

#[tokio::test]
async fn the_overview_says_why_an_instance_is_not_running() {
    for place in Place::all() {
        let store = place.initialized().await;
        let (me, nobody) = (ReplicaId::random(), ReplicaId::random());
        let lease = Duration::from_mins(10);
        let types = vec![ReplicaType { type_id: "Order".into(), version: 1, lease, reads: None }];
        let (host, app_version) = ("shop-1".to_owned(), "1".to_owned());
        let mut lifeline = store.lifeline().await.unwrap();
        lifeline.join(&Replica { id: me, lease, host, pid: 7, app_version, types }).await.unwrap();
        let running = [("1", me), ("2", nobody), ("3", me), ("4", me), ("5", me)];
        let mut batch = running.map(|(id, owner)| create(id, 1, Start::Running(owner))).to_vec();
        batch.push(create("6", 1, Start::Waiting(Due::After(Duration::from_hours(1)))));
        batch.push(create("7", 2, Start::Waiting(Due::Now)));
        batch.push(create("8", 1, Start::Waiting(Due::Now)));
        assert_eq!(store.write(&batch).await.unwrap(), vec![Written::Done; 8]);
        let failure = r#"{"type":"Refused","message":"the card was \"refused\"","sources":[]}"#;
        let ends = [
            finish("3", me, Ending::Succeeded(Payload::new(1, "1"))),
            finish("4", me, Ending::Failed(failure.to_owned())),
            finish("5", me, Ending::Suspended { message_count: 0, due: None }),
        ];
        assert_eq!(store.write(&ends).await.unwrap(), vec![Written::Done; 3]);
        let reasons = place.ask("select reason from #_overview order by instance_id").await;
        let expected = [
            format!("runs on replica {me} (7@shop-1)"),
            format!("its owner {nobody} is not known any more; it is taken over"),
            "succeeded".to_owned(),
            "failed: the card was ".to_owned(),
            "waits for a message".to_owned(),
            "waits until 2".to_owned(),
            "no live replica runs version 2 of this type".to_owned(),
            "is due, and waits for a replica with a free slot that reads parameter version 3".to_owned(),
        ];
        assert_eq!(reasons.len(), expected.len(), "{place:?}");
        for (reason, expected) in reasons.iter().zip(expected) {
            assert!(reason.starts_with(&expected), "{reason:?} should be {expected:?} on {place:?}");
        }
        let repair = "repair it through the control panel";
        assert!(reasons[3].ends_with(repair), "{} on {place:?}", reasons[3]);
    }
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
