//! Real processes: what a program of the tests does when it is one, and how a test drives it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use resilient::{Builder, Store, StoreError};
use resilient_sqlx::{MySqlOptions, PostgresOptions, SqliteOptions};

use crate::TestStore;
use crate::chores::Log;

/// A process that runs functions; it is killed with this.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program that calls [`serve`], and waits until it works.
    pub fn start(program: &str, store: &TestStore, log: &Log) -> Self {
        let mut command = Command::new(program);
        command
            .arg(store.url().expect("processes share a store by its URL"))
            .arg(store.prefix())
            .arg(log.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program was built with this test");
        let output = child.stdout.take().expect("its output is a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it says something");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// Its number, which stands in the log behind all that it did.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended, by itself or by a signal.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it is a child").is_some()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.0.kill().expect("it was there");
        self.0.wait().expect("it ends");
    }

    /// As `kill -STOP` and `kill -CONT`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.id().to_string()).status();
        assert!(status.expect("there is a `kill`").success());
    }

    /// Asks it to end, and waits for that.
    pub fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most are gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the program of a process does: `PROGRAM URL PREFIX LOG`.
///
/// It says `ready` when it works, and ends when its input ends, so that it does not outlive the test that started it.
pub async fn serve(builder: impl FnOnce(Arc<dyn Store>, Log) -> Builder) {
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
