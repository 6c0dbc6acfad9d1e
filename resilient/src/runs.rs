//! The runs of this process: what the sweep compares with the store, what a fence stops, what a shutdown waits for.
//!
//! A run is known by its instance *and its epoch*: after a fence, a new run of the same instance may begin here while
//! the old one has not stopped yet.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::answer::Answer;
use crate::id::{Epoch, FunctionId};

/// A function type and its version, as the registry knows them.
pub(crate) type Kind = (&'static str, u32);

/// How a run ended, for those who wait for it in this process.
pub(crate) type Ended = watch::Receiver<Option<Answer>>;

#[derive(Debug, Default)]
pub(crate) struct Runs {
    table: Mutex<BTreeMap<(FunctionId, Epoch), Run>>,
    running: watch::Sender<usize>,
}

#[derive(Debug)]
struct Run {
    kind: Kind,
    lease: Duration,
    stop: watch::Sender<bool>,
    ended: Ended,
}

impl Runs {
    fn table(&self) -> MutexGuard<'_, BTreeMap<(FunctionId, Epoch), Run>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a run known, or answers how to wait for the one that is there.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: &FunctionId,
        epoch: Epoch,
        kind: Kind,
        lease: Duration,
    ) -> Result<Ticket, Ended> {
        let mut table = self.table();
        if let Some(run) = latest(&table, id).filter(|(known, _)| *known >= epoch) {
            return Err(run.1.ended.clone());
        }
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(None);
        table.insert((id.clone(), epoch), Run { kind, lease, stop, ended });
        self.running.send_replace(table.len());
        drop(table);
        Ok(Ticket { runs: Arc::clone(self), id: id.clone(), epoch, stopped, end })
    }

    /// Whether this run is going on here.
    pub(crate) fn contains(&self, id: &FunctionId, epoch: Epoch) -> bool {
        self.table().contains_key(&(id.clone(), epoch))
    }

    pub(crate) fn count(&self) -> usize {
        self.table().len()
    }

    /// How many runs there are of each kind.
    pub(crate) fn counts(&self) -> HashMap<Kind, usize> {
        let mut counts = HashMap::new();
        for run in self.table().values() {
            *counts.entry(run.kind).or_default() += 1;
        }
        counts
    }

    /// Stops the runs whose lease is at most this long; they write nothing more.
    pub(crate) fn stop(&self, longest_lease: Duration) -> Vec<(FunctionId, Epoch)> {
        let mut stopped = Vec::new();
        for (key, run) in self.table().iter().filter(|(_, run)| run.lease <= longest_lease) {
            if !run.stop.send_replace(true) {
                stopped.push(key.clone());
            }
        }
        stopped
    }

    /// Stops one run; it writes nothing more.
    pub(crate) fn stop_one(&self, id: &FunctionId, epoch: Epoch) {
        if let Some(run) = self.table().get(&(id.clone(), epoch)) {
            run.stop.send_replace(true);
        }
    }

    /// Waits until nothing runs here.
    pub(crate) async fn drained(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as `self`, so this cannot fail before it holds.
        let _ = running.wait_for(|running| *running == 0).await;
    }
}

fn latest<'a>(table: &'a BTreeMap<(FunctionId, Epoch), Run>, id: &FunctionId) -> Option<(Epoch, &'a Run)> {
    let first = Bound::Included((id.clone(), Epoch::ZERO));
    let last = Bound::Included((id.clone(), Epoch::new(i64::MAX)));
    table.range((first, last)).next_back().map(|((_, epoch), run)| (*epoch, run))
}

/// The right to run an instance at an epoch; when it is gone, so is the run.
#[derive(Debug)]
pub(crate) struct Ticket {
    runs: Arc<Runs>,
    id: FunctionId,
    epoch: Epoch,
    stopped: watch::Receiver<bool>,
    end: watch::Sender<Option<Answer>>,
}

impl Ticket {
    pub(crate) fn id(&self) -> &FunctionId {
        &self.id
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How to wait for its end.
    pub(crate) fn ended(&self) -> Ended {
        self.end.subscribe()
    }

    /// Waits until this run has to stop.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the entry is gone, and the run has to stop as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Tells all who wait how the run ended.
    pub(crate) fn end(self, answer: Answer) {
        self.end.send_replace(Some(answer));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.runs.table();
        table.remove(&(self.id.clone(), self.epoch));
        self.runs.running.send_replace(table.len());
    }
}
