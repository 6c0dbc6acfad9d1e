//! A process that does chores until it is killed: `chores URL PREFIX LOG`.
//!
//! It says `ready` when it works, and ends when its input ends, so that it does not outlive the test that started it.

use std::io::Read as _;
use std::sync::Arc;

use resilient::{Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteOptions};
use resilient_tests::chores::{Log, builder};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, prefix, log] = arguments.try_into().expect("three arguments: the URL, the prefix and the log");
    let store = open(&url, &prefix).await.expect("the store can be opened");
    let runtime = builder(store, Log::new(log)).start().await.expect("the runtime starts");
    println!("ready");
    let ended = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::task::spawn_blocking(move || ended.join())
        .await
        .expect("nobody panics")
        .expect("nobody panics")
        .expect("input");
    runtime.shutdown().await.expect("the store works");
}

async fn open(url: &str, prefix: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url.split(':').next() {
        Some("sqlite") => Arc::new(SqliteOptions::new(url).table_prefix(prefix).open().await?),
        Some("postgres") => Arc::new(PostgresOptions::new(url).table_prefix(prefix).connect().await?),
        _ => Arc::new(MySqlOptions::new(url).table_prefix(prefix).connect().await?),
    })
}
