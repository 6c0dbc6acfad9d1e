//! What the heartbeat knows and everybody else needs: who this replica is, if it is anybody at the moment, and for how
//! long.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::id::ReplicaId;
use crate::metrics;
use crate::store::StoreError;

/// The lease of this process on its store.
#[derive(Debug)]
pub(crate) struct Lease {
    me: watch::Sender<Option<ReplicaId>>,
    /// When the last accepted sign of life was sent: from then on, the lease is counted.
    renewed: Mutex<Instant>,
}

impl Lease {
    /// Nobody yet.
    pub(crate) fn none() -> Self {
        Self { me: watch::Sender::new(None), renewed: Mutex::new(Instant::now()) }
    }

    /// The lease is held, under this id, counted from when the sign of life was sent.
    pub(crate) fn hold(&self, me: ReplicaId, sent: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        self.me.send_replace(Some(me));
    }

    /// The lease is lost: nothing starts until there is another one.
    pub(crate) fn lose(&self) {
        if self.me.send_replace(None).is_some() {
            metrics::lease_lost();
        }
    }

    /// Who this replica is, while it holds a lease.
    pub(crate) fn holder(&self) -> Option<ReplicaId> {
        *self.me.borrow()
    }

    /// When the last accepted sign of life was sent.
    pub(crate) fn renewed(&self) -> Instant {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the last accepted sign of life was sent.
    pub(crate) fn silence(&self) -> Duration {
        self.renewed().elapsed()
    }

    /// Whether a run with a lease of this length may begin and go on.
    ///
    /// Stopping at nine tenths leaves time to stop; the store counts from when it got the sign of life, which is later
    /// than when it was sent.
    pub(crate) fn covers(&self, length: Duration) -> bool {
        Self::lasts(self.renewed(), length)
    }

    /// Whether a lease that was last renewed then still covers a run.
    pub(crate) fn lasts(renewed: Instant, length: Duration) -> bool {
        renewed.elapsed() < length / 10 * 9
    }

    /// Waits for a lease that covers a run, for as long as a caller may be kept waiting.
    pub(crate) async fn held(&self, length: Duration, patience: Duration) -> Result<ReplicaId, StoreError> {
        let mut me = self.me.subscribe();
        let held = async {
            let held = me.wait_for(|me| me.is_some() && self.covers(length)).await;
            held.ok().and_then(|me| *me)
        };
        let holder = tokio::time::timeout(patience, held).await.ok().flatten();
        holder.ok_or_else(|| {
            StoreError::transient(
                "this replica has lost its lease and could not get another one; the store is away",
            )
        })
    }
}
