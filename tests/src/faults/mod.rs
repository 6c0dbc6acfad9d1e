//! A store that fails when it is told to, for tests of a crash at every call.

mod plan;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::{Store, StoreError};

pub use self::plan::{Call, Fault};
use self::plan::{Plan, Verdict};
use crate::between::{Between, Passage};

/// More calls than any scenario makes: a scenario that loops for ever ends with a message.
const MOST_CALLS: u64 = 10_000;

/// A store that passes calls on, counts them, and lets one fault happen at the n-th.
///
/// Clones share count and fault. Calls of its lifelines count too; see [`FaultyStore::counting_only`].
pub type FaultyStore = Between<Arc<Plan>>;

impl FaultyStore {
    /// Counts calls and never fails.
    pub fn counting(inner: impl Store) -> Self {
        Self::put(Arc::new(Plan::harmless()), inner)
    }

    /// Lets this happen at the `nth` call, counted from 1.
    pub fn failing(inner: impl Store, nth: u64, fault: Fault) -> Self {
        Self::put(Arc::new(Plan::new(nth, fault)), inner)
    }

    /// Counts only calls of these kinds, so that the fault happens at one of them.
    ///
    /// Heartbeats and polls come when they like; without them the count of a scenario is the same each time.
    ///
    /// # Panics
    ///
    /// When calls were made already.
    #[must_use]
    pub fn counting_only(self, calls: &[Call]) -> Self {
        self.passage.count_only(calls);
        self
    }

    /// How many calls were counted.
    pub fn count(&self) -> u64 {
        self.passage.count()
    }

    /// The calls that were made, in their order, counted or not, refused or not.
    pub fn calls(&self) -> Vec<Call> {
        self.passage.calls()
    }

    /// Whether the fault has happened.
    pub fn fired(&self) -> bool {
        self.passage.fired()
    }

    /// From now on no call fails. A call that is frozen stays so: it belongs to a process that is no more.
    pub fn heal(&self) {
        self.passage.heal();
    }

    /// The store behind this one, as another replica or a person would see it.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }
}

/// Runs a scenario again and again, each time on a fresh store with one of the faults one call later, until the
/// scenario ends before the fault happens. Answers how often that was.
///
/// A scenario does its work, expects what must be true with this fault, and recovers with [`FaultyStore::inner`] or
/// after [`FaultyStore::heal`]. The output of a test that fails ends with the fault and the call.
///
/// # Panics
///
/// When a scenario makes calls without end.
pub async fn at_every_call<S: Store>(
    faults: &[Fault],
    fresh: impl AsyncFn() -> S,
    scenario: impl AsyncFn(FaultyStore),
) -> u64 {
    let mut runs = 0;
    for &fault in faults {
        for nth in 1.. {
            assert!(
                nth <= MOST_CALLS,
                "{fault:?} still happens at call {nth}: the scenario makes calls without end"
            );
            eprintln!("{fault:?} at call {nth}");
            let store = FaultyStore::failing(fresh().await, nth, fault);
            scenario(store.clone()).await;
            runs += 1;
            if !store.fired() {
                break;
            }
        }
    }
    runs
}

#[async_trait]
impl Passage for Arc<Plan> {
    async fn call<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.admit(call) {
            Verdict::Pass => operation.await,
            Verdict::Refuse => Err(StoreError::transient(format!("fault: {call:?} was not applied"))),
            Verdict::Lose => {
                operation.await?;
                Err(StoreError::transient(format!("fault: the answer to {call:?} was lost")))
            }
            Verdict::Freeze => pending().await,
            Verdict::ApplyAndFreeze => {
                operation.await?;
                pending().await
            }
        }
    }
}
