//! One program in two builds: what each of them registers under the same type ids.
//!
//! Between them a parameter, a scrapbook and a message get a new version, a function gets a scrapbook and another does
//! without its own, and one lives on in two versions side by side.

pub mod new;
pub mod old;

use std::path::PathBuf;
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Builder, Store};

use crate::chores::Log;

/// The lease of each process.
pub const LEASE: Duration = Duration::from_secs(1);

/// Where bodies say that they run, and wait until they may end.
#[derive(Debug, Clone)]
pub struct Stage {
    log: Log,
    build: &'static str,
}

impl Stage {
    /// What one build notes in this log.
    pub fn new(build: &'static str, log: Log) -> Self {
        Self { log, build }
    }

    fn gate(log: &Log) -> PathBuf {
        log.path().with_extension("open")
    }

    /// Lets all bodies end, now and later, in all processes of this log.
    pub fn open(log: &Log) {
        std::fs::write(Self::gate(log), "").expect("the gate can be opened");
    }

    /// Removes what was left by [`open`](Self::open).
    pub fn remove(log: &Log) {
        // It may never have been opened.
        let _ = std::fs::remove_file(Self::gate(log));
    }

    /// Notes that a body of this build runs, and waits until it may end. Instances that are called quick do not wait.
    async fn run(&self, context: &Context) {
        let id = context.id();
        self.log.note(self.build, &format!("{}/{}", id.type_id, id.instance_id));
        let is_quick = id.instance_id.as_str().starts_with("quick");
        let gate = Self::gate(&self.log);
        // Processes share nothing but files.
        while !is_quick && !gate.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn builder(store: impl Store, build: &'static str, log: Log) -> Builder {
    let settings = Settings::default()
        .stay_in_memory(Duration::from_millis(100))
        .heartbeat(Duration::from_millis(200))
        .lease(LEASE)
        .poll(Duration::from_millis(50))
        .sweep(Duration::from_millis(500))
        .app_version(build);
    Runtime::builder(store).dep(Stage::new(build, log)).settings(settings)
}
