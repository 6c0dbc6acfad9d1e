//! Runs that wait for messages in memory: one query for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::context::Log;
use crate::family;
use crate::id::FunctionId;
use crate::record::StoredMessage;
use crate::store::{After, Store, StoreError};

/// The logs to which what arrives is added, because a run waits for it.
#[derive(Debug, Default)]
pub(crate) struct Inboxes {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A log stands here as often as it is watched.
    watched: BTreeMap<FunctionId, Vec<Arc<Log>>>,
    /// The instances that are looked at without waiting for the next poll.
    hinted: BTreeSet<FunctionId>,
    /// When all are looked at.
    poll_at: Option<Instant>,
}

/// The most instances in one query.
const PAGE: usize = 500;
/// The most messages in one answer; each may be as long as a payload can be.
const MOST: u32 = 200;

impl Inboxes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, what arrives for this instance is added to the log, which is looked at at once if it is asked for.
    pub(crate) fn watch(&self, id: &FunctionId, log: &Arc<Log>, interval: Duration, at_once: bool) {
        let mut state = self.lock();
        if state.watched.is_empty() {
            state.poll_at = Some(Instant::now() + interval);
        }
        if at_once {
            state.hinted.insert(id.clone());
        }
        state.watched.entry(id.clone()).or_default().push(Arc::clone(log));
        drop(state);
        self.changed.notify_one();
    }

    /// The end of one [`watch`](Self::watch).
    pub(crate) fn unwatch(&self, id: &FunctionId, log: &Arc<Log>) {
        let state = &mut *self.lock();
        let Some(logs) = state.watched.get_mut(id) else { return };
        if let Some(at) = logs.iter().position(|known| Arc::ptr_eq(known, log)) {
            logs.swap_remove(at);
        }
        if logs.is_empty() {
            state.watched.remove(id);
            state.hinted.remove(id);
        }
    }

    /// A message was stored for this instance; answers whether a run here waits for one.
    pub(crate) fn hint(&self, id: &FunctionId) -> bool {
        let mut state = self.lock();
        if !state.watched.contains_key(id) {
            return false;
        }
        state.hinted.insert(id.clone());
        drop(state);
        self.changed.notify_one();
        true
    }

    /// Waits until a log has to be looked at; for ever while nobody waits.
    pub(crate) async fn due(&self) {
        loop {
            let (is_hinted, poll_at) = {
                let state = self.lock();
                (!state.hinted.is_empty(), state.poll_at.filter(|_| !state.watched.is_empty()))
            };
            if is_hinted {
                return;
            }
            let poll = async {
                match poll_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = poll => return,
                () = self.changed.notified() => {}
            }
        }
    }

    /// Looks at what is hinted at, and at all when it is time, with one query for many; answers the children whose end
    /// was told.
    pub(crate) async fn pass(
        &self,
        store: &dyn Store,
        interval: Duration,
    ) -> Result<Vec<FunctionId>, StoreError> {
        let mut ended = Vec::new();
        for page in self.take_due(interval).chunks(PAGE) {
            // Two runs of an instance may know different parts of its log; what one of them knows it leaves out.
            let known = |logs: &[Arc<Log>]| logs.iter().map(|log| log.position()).min().unwrap_or(0);
            let wanted = page.iter().map(|(id, logs)| After { id: id.clone(), position: known(logs) });
            let add = |at: usize, messages: Vec<StoredMessage>| {
                ended.extend(messages.iter().filter_map(family::told));
                let logs = page.get(at).map(|(_, logs)| logs.as_slice()).unwrap_or_default();
                for log in logs {
                    log.add(messages.clone());
                }
            };
            read(store, wanted.collect(), add).await?;
        }
        Ok(ended)
    }

    fn take_due(&self, interval: Duration) -> Vec<(FunctionId, Vec<Arc<Log>>)> {
        let now = Instant::now();
        let state = &mut *self.lock();
        let hinted = std::mem::take(&mut state.hinted);
        if state.poll_at.is_some_and(|at| at <= now) {
            state.poll_at = Some(now + interval);
            return state.watched.iter().map(|(id, logs)| (id.clone(), logs.clone())).collect();
        }
        let logs = |id: FunctionId| state.watched.get(&id).cloned().map(|logs| (id, logs));
        hinted.into_iter().filter_map(logs).collect()
    }
}

/// Reads all that is wanted, in as many pages as it takes, and hands over what each query brings.
pub(crate) async fn read(
    store: &dyn Store,
    mut wanted: Vec<After>,
    mut add: impl FnMut(usize, Vec<StoredMessage>),
) -> Result<(), StoreError> {
    loop {
        let found = store.messages(&wanted, MOST).await?;
        let count: usize = found.iter().map(Vec::len).sum();
        for (at, (after, messages)) in wanted.iter_mut().zip(found).enumerate() {
            if let Some(last) = messages.last() {
                after.position = last.position;
            }
            add(at, messages);
        }
        if count < usize::try_from(MOST).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}
