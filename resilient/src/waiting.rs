//! Callers that wait for instances which run elsewhere: one query for all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::id::FunctionId;
use crate::settings::SLOWEST_WAIT;
use crate::store::{Store, StoreError};

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The end of the run that goes on: also a postponement is an answer.
    Paused,
    /// The end of the instance: a result or a failure.
    Completed,
}

impl Until {
    fn satisfied_by(self, answer: &Answer) -> bool {
        self == Self::Paused || answer.is_final()
    }
}

/// What a waiter gets: an instance that it waits for, and `None` when that is gone.
pub(crate) type Found = (FunctionId, Option<Answer>);
/// Where it gets it.
pub(crate) type Finds = mpsc::UnboundedSender<Found>;

/// When an instance is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    first: Duration,
    interval: Duration,
}

impl Pace {
    /// At once, and then about so often.
    pub(crate) fn every(interval: Duration) -> Self {
        Self { first: Duration::ZERO, interval }
    }

    /// Rarely: whoever waits was just told how it stands, and a hint comes when it changes.
    pub(crate) fn rarely(interval: Duration) -> Self {
        let interval = interval.saturating_mul(SLOWEST_WAIT);
        Self { first: interval, interval }
    }
}

/// The most ids in one query.
pub(crate) const PAGE: usize = 500;

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    waiters: Mutex<BTreeMap<FunctionId, Group>>,
    changed: Notify,
}

#[derive(Debug)]
struct Group {
    look_at: Instant,
    interval: Duration,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    until: Until,
    found: Finds,
    /// Whether it was there when the instance was last asked for. The answer may be older than one that was not: it tells
    /// nothing to a caller who has stored something since.
    is_asked: bool,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<FunctionId, Group>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a waiter for an instance.
    pub(crate) fn add(&self, id: FunctionId, until: Until, pace: Pace, found: Finds) {
        let (look_at, interval) = (Instant::now() + pace.first, pace.interval);
        let mut waiters = self.lock();
        let group = waiters.entry(id).or_insert_with(|| Group { look_at, interval, waiters: Vec::new() });
        group.look_at = group.look_at.min(look_at);
        group.interval = group.interval.min(interval);
        group.waiters.push(Waiter { until, found, is_asked: false });
        drop(waiters);
        self.changed.notify_one();
    }

    /// A run of this instance ended here: whoever waits for it looks at once.
    pub(crate) fn hint(&self, id: &FunctionId) {
        if let Some(group) = self.lock().get_mut(id) {
            group.look_at = Instant::now();
            self.changed.notify_one();
        }
    }

    /// Waits until an instance has to be looked at.
    pub(crate) async fn due(&self) {
        loop {
            let next = self.lock().values().map(|group| group.look_at).min();
            let look = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = look => return,
                () = self.changed.notified() => {}
            }
        }
    }

    /// Looks at all instances whose time has come, with one query for many.
    pub(crate) async fn pass(&self, store: &dyn Store, interval: Duration) -> Result<(), StoreError> {
        for page in self.take_due(interval).chunks(PAGE) {
            let rows = store.get(page).await?;
            for (id, row) in page.iter().zip(rows) {
                match row.map(|row| Answer::of(&row)) {
                    None => self.gone(id),
                    Some(None) => {}
                    Some(Some(answer)) => self.answer(id, &answer),
                }
            }
        }
        Ok(())
    }

    fn take_due(&self, interval: Duration) -> Vec<FunctionId> {
        let now = Instant::now();
        let mut waiters = self.lock();
        waiters.retain(|_, group| {
            group.waiters.retain(|waiter| !waiter.found.is_closed());
            !group.waiters.is_empty()
        });
        let due = waiters.iter_mut().filter(|(_, group)| group.look_at <= now);
        due.map(|(id, group)| {
            group.look_at = now + group.interval;
            group.waiters.iter_mut().for_each(|waiter| waiter.is_asked = true);
            group.interval = (group.interval * 5 / 4).min(interval * SLOWEST_WAIT);
            id.clone()
        })
        .collect()
    }

    fn gone(&self, id: &FunctionId) {
        for waiter in self.take(id, |_| true) {
            let _ = waiter.found.send((id.clone(), None));
        }
    }

    fn answer(&self, id: &FunctionId, answer: &Answer) {
        for waiter in self.take(id, |until| until.satisfied_by(answer)) {
            let _ = waiter.found.send((id.clone(), Some(answer.clone())));
        }
    }

    /// The waiters that were asked for, and that this is an answer to.
    fn take(&self, id: &FunctionId, is_for: impl Fn(Until) -> bool) -> Vec<Waiter> {
        let mut waiters = self.lock();
        let Some(group) = waiters.get_mut(id) else { return Vec::new() };
        let all = std::mem::take(&mut group.waiters);
        let (found, rest) = all.into_iter().partition(|waiter| waiter.is_asked && is_for(waiter.until));
        group.waiters = rest;
        if group.waiters.is_empty() {
            waiters.remove(id);
        }
        found
    }
}
