//! What the heartbeat knows and everybody else needs: who this replica is, if it is anybody at the moment.

use std::time::Duration;

use tokio::sync::watch;

use crate::id::ReplicaId;
use crate::store::StoreError;

/// The lease of this process on its store.
#[derive(Debug)]
pub(crate) struct Lease {
    me: watch::Sender<Option<ReplicaId>>,
}

impl Lease {
    /// Nobody yet.
    pub(crate) fn none() -> Self {
        Self { me: watch::Sender::new(None) }
    }

    /// The lease is held, under this id.
    pub(crate) fn hold(&self, me: ReplicaId) {
        self.me.send_replace(Some(me));
    }

    /// The lease is lost: nothing starts until there is another one.
    pub(crate) fn lose(&self) {
        self.me.send_replace(None);
    }

    /// Who this replica is, while it holds a lease.
    pub(crate) fn holder(&self) -> Option<ReplicaId> {
        *self.me.borrow()
    }

    /// Waits for a lease, for as long as a caller may be kept waiting.
    pub(crate) async fn held(&self, patience: Duration) -> Result<ReplicaId, StoreError> {
        let mut me = self.me.subscribe();
        let held = async { me.wait_for(Option::is_some).await.ok().and_then(|me| *me) };
        let holder = tokio::time::timeout(patience, held).await.ok().flatten();
        holder.ok_or_else(|| {
            StoreError::transient(
                "this replica has lost its lease and could not get another one; the store is away",
            )
        })
    }
}
