//! The runs of this process: what the sweep compares with the store, what a fence stops, what a shutdown waits for.
//!
//! A run is known by its instance *and its epoch*: after a fence, a new run of the same instance may begin here while
//! the old one has not stopped yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Set when nothing may begin here any more.
    closed: AtomicBool,
    running: watch::Sender<usize>,
}

#[derive(Debug)]
struct Run {
    kind: Kind,
    lease: Duration,
    /// Whether the store has it as owned by this replica; before, it is only on its way.
    owned: bool,
    stop: watch::Sender<bool>,
    /// Tells the body that its end was asked for.
    cancel: watch::Sender<bool>,
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
        let (stop, stopped) = watch::channel(self.closed.load(Ordering::Relaxed));
        let (cancel, cancelled) = watch::channel(false);
        let (end, ended) = watch::channel(None);
        table.insert((id.clone(), epoch), Run { kind, lease, owned: false, stop, cancel, ended });
        self.running.send_replace(table.len());
        drop(table);
        Ok(Ticket { runs: Arc::clone(self), id: id.clone(), epoch, stopped, cancelled, end })
    }

    /// Whether this run is going on here.
    pub(crate) fn contains(&self, id: &FunctionId, epoch: Epoch) -> bool {
        self.table().contains_key(&(id.clone(), epoch))
    }

    pub(crate) fn count(&self) -> usize {
        self.table().len()
    }

    /// How many runs there are of each function type, in all its versions.
    pub(crate) fn counts(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for run in self.table().values() {
            *counts.entry(run.kind.0).or_default() += 1;
        }
        counts
    }

    /// What the store has as owned by this replica and running.
    pub(crate) fn owned(&self) -> BTreeSet<(FunctionId, Epoch)> {
        self.table().iter().filter(|(_, run)| run.owned).map(|(key, _)| key.clone()).collect()
    }

    /// Stops the runs with such a lease; they write nothing more.
    pub(crate) fn stop(&self, whose: impl Fn(Duration) -> bool) {
        for run in self.table().values().filter(|run| whose(run.lease)) {
            run.stop.send_replace(true);
        }
    }

    /// Stops all runs and lets none begin from now on; answers those that were not stopped before.
    pub(crate) fn close(&self) -> Vec<(FunctionId, Epoch)> {
        let table = self.table();
        self.closed.store(true, Ordering::Relaxed);
        let mut left = Vec::new();
        for (key, run) in table.iter() {
            if !run.stop.send_replace(true) {
                left.push(key.clone());
            }
        }
        left
    }

    /// Stops one run; it writes nothing more.
    pub(crate) fn stop_one(&self, id: &FunctionId, epoch: Epoch) {
        if let Some(run) = self.table().get(&(id.clone(), epoch)) {
            run.stop.send_replace(true);
        }
    }

    /// Tells the latest run of an instance that its end was asked for, if one goes on here.
    pub(crate) fn cancel(&self, id: &FunctionId) {
        if let Some((_, run)) = latest(&self.table(), id) {
            run.cancel.send_replace(true);
        }
    }

    /// Tells one run that its end was asked for.
    pub(crate) fn cancel_one(&self, id: &FunctionId, epoch: Epoch) {
        if let Some(run) = self.table().get(&(id.clone(), epoch)) {
            run.cancel.send_replace(true);
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
    cancelled: watch::Receiver<bool>,
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

    /// Forgets that it was stopped: it owned nothing yet. `false` when nothing may begin here any more.
    pub(crate) fn restart(&self) -> bool {
        let table = self.runs.table();
        let open = !self.runs.closed.load(Ordering::Relaxed);
        if let Some(run) = table.get(&self.key()).filter(|_| open) {
            run.stop.send_replace(false);
        }
        open
    }

    /// The store has it as owned by this replica.
    pub(crate) fn own(&self) {
        if let Some(run) = self.runs.table().get_mut(&self.key()) {
            run.owned = true;
        }
    }

    fn key(&self) -> (FunctionId, Epoch) {
        (self.id.clone(), self.epoch)
    }

    /// Waits until this run has to stop.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the entry is gone, and the run has to stop as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Set when its end was asked for.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.clone()
    }

    /// Its end was asked for before it began.
    pub(crate) fn cancel(&self) {
        self.runs.cancel_one(&self.id, self.epoch);
    }

    /// Tells all who wait how the run ended.
    pub(crate) fn end(self, answer: Answer) {
        let end = self.end.clone();
        // First it is forgotten: who has got the answer may delete the instance and begin another one under its id, which
        // must not meet the run of this one.
        drop(self);
        end.send_replace(Some(answer));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.runs.table();
        table.remove(&self.key());
        self.runs.running.send_replace(table.len());
    }
}
