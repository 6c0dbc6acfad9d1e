//! Work for tests that kill real processes, and the log that survives them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Builder, Store};
use serde::{Deserialize, Serialize};

use crate::orders::Charge;

/// What a chore does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// How long each of its two steps takes.
    pub step: Duration,
    /// How long it blocks its thread.
    pub block: Duration,
    /// Whether it kills its process.
    pub abort: bool,
}

/// The progress of a chore.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub struct Progress {
    charge: Charge,
}

/// Charges somebody at most once.
///
/// # Errors
///
/// When it does not belong to this process any more.
#[resilient_fn(type_id = "processes.Chore", register = false)]
pub async fn chore(
    task: Task,
    progress: &mut Scrapbook<Progress>,
    context: &Context,
    log: Dep<Log>,
) -> resilient::Result<Charge> {
    let id = context.instance_id().as_str();
    log.note("begin", id);
    if task.abort {
        std::process::abort();
    }
    block(task.block);
    tokio::time::sleep(task.step).await;
    match progress.charge {
        Charge::Open => {
            progress.charge = Charge::Begun;
            progress.save().await?;
            log.note("charge", id);
            progress.charge = Charge::Done;
        }
        Charge::Begun => progress.charge = Charge::Unknown,
        Charge::Done | Charge::Unknown => {}
    }
    tokio::time::sleep(task.step).await;
    progress.save().await?;
    log.note("end", id);
    Ok(progress.charge)
}

#[expect(clippy::disallowed_methods, reason = "that it blocks the executor is what a test is about")]
fn block(time: Duration) {
    std::thread::sleep(time);
}

/// The lease of each process.
pub const LEASE: Duration = Duration::from_secs(1);

/// A runtime that does chores, with a short lease.
pub fn builder(store: impl Store, log: Log) -> Builder {
    let settings = Settings::default()
        .heartbeat(Duration::from_millis(200))
        .lease(LEASE)
        .poll(Duration::from_millis(50))
        .sweep(Duration::from_millis(500))
        .max_crashes(1);
    Runtime::builder(store).register::<chore>().dep(log).settings(settings)
}

/// What processes did, in a file that several of them append to.
#[derive(Debug, Clone)]
pub struct Log(PathBuf);

/// How often something happened to each instance: by what happened, and the process that did it.
pub type Counts = BTreeMap<String, u32>;

impl Log {
    /// The log in this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &PathBuf {
        &self.0
    }

    /// Appends a line with one write, so that neither another process nor a crash can tear it.
    pub fn note(&self, what: &str, id: &str) {
        let line = format!("{what} {id} {}\n", std::process::id());
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the log can be written");
    }

    /// How often this happened to each instance, in one process or in all.
    pub fn counts(&self, what: &str, process: Option<u32>) -> Counts {
        let mut counts = Counts::new();
        for line in fs::read_to_string(&self.0).unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let (happened, id, by) = (words.next(), words.next(), words.next());
            let is_by = process.is_none_or(|process| by == Some(process.to_string().as_str()));
            if happened == Some(what) && is_by {
                *counts.entry(id.unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        counts
    }
}
