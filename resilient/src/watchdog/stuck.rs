//! Tells when there is work that nobody can run: after a deployment was rolled back, or when one has forgotten a type.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::Watchdog;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::inspect::obstacle;
use crate::record::{LiveReplica, StoredFunction};
use crate::store::{Filter, StoreError};

/// Looks for due work that no live replica can take, and warns once of each kind.
#[derive(Debug, Default)]
pub(crate) struct Stuck {
    looked: AtomicBool,
    /// What the last look found.
    known: Mutex<BTreeSet<Kind>>,
}

/// A function type, and why its work is not taken.
type Kind = (String, String);

/// How often it looks. A look walks over all that is due, so it is rare.
const INTERVAL: Duration = Duration::from_mins(1);

/// The most instances of one look.
const PAGE: u32 = 100;

#[async_trait]
impl Watchdog for Stuck {
    const ACTIVITY: &'static str = "look for stuck work";
    const ENDS: Stage = Stage::Draining;

    /// At first a lease long: what starts together with this replica is not there at once.
    async fn rest(&self, engine: &Engine) {
        let first = !self.looked.swap(true, Ordering::Relaxed);
        tokio::time::sleep(jittered(if first { engine.settings.lease } else { INTERVAL })).await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let stuck = engine.store.list(&Filter { stuck: true, limit: PAGE, ..Filter::default() }).await?;
        let live = if stuck.is_empty() { Vec::new() } else { engine.store.replicas().await? };
        self.tell(&stuck, &live);
        Ok(())
    }
}

impl Stuck {
    fn tell(&self, stuck: &[StoredFunction], live: &[LiveReplica]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = BTreeSet::new();
        for row in stuck {
            // Somebody who can take it has come meanwhile.
            let Some(reason) = obstacle(row, live) else { continue };
            let kind = (row.id.type_id.to_string(), reason);
            if !known.contains(&kind) && !found.contains(&kind) {
                let (type_id, instance_id, reason) = (&row.id.type_id, &row.id.instance_id, &kind.1);
                tracing::warn!(%type_id, %instance_id, reason, "due work, like this instance, waits for other code");
            }
            found.insert(kind);
        }
        *known = found;
    }
}
