//! Reconciles what this replica owns in the store with what it runs.
//!
//! A lease of the whole replica hides the loss of a single run: the replica goes on beating, so nobody else ever takes
//! the instance. It happens when the answer of a claim was lost, or when an outcome could not be stored.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Watchdog;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::status::Status;
use crate::store::{Ending, Filter, Finish, StoreError, Write};

type Suspect = (FunctionId, Epoch);

/// Releases what is owned here and not run here, stops what is run here and not owned here, and tells runs that their end
/// was asked for.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// What the pass before found. A row that was claimed a moment ago may not have its run yet, and one that was
    /// finished a moment ago may still have it, so only what two passes find at the same epoch is lost.
    suspects: Mutex<Suspects>,
}

#[derive(Debug, Clone, Default)]
struct Suspects {
    /// Owned here without a run.
    orphans: BTreeSet<Suspect>,
    /// Run here without being owned: somebody edited or deleted it.
    fenced: BTreeSet<Suspect>,
}

#[async_trait]
impl Watchdog for Sweep {
    const ACTIVITY: &'static str = "sweep";
    const ENDS: Stage = Stage::Draining;

    async fn rest(&self, engine: &Engine) {
        tokio::time::sleep(jittered(engine.settings.sweep)).await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let Some(me) = engine.lease.holder() else { return Ok(()) };
        let found = suspects(engine, me).await?;
        let before = std::mem::replace(
            &mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner),
            found.clone(),
        );
        for (id, epoch) in found.fenced.intersection(&before.fenced) {
            engine.runs.stop_one(id, *epoch);
        }
        for (id, epoch) in found.orphans.intersection(&before.orphans) {
            release(engine, me, id, *epoch).await?;
        }
        Ok(())
    }
}

async fn suspects(engine: &Engine, me: ReplicaId) -> Result<Suspects, StoreError> {
    // The answer of a claim that is on its way may bring runs for what looks like an orphan.
    let _no_claim = engine.claiming.lock().await;
    let mut found = Suspects { orphans: BTreeSet::new(), fenced: engine.runs.owned() };
    let mut filter =
        Filter { owner: Some(me), status: Some(Status::Executing), limit: 1_000, ..Filter::default() };
    loop {
        let page = engine.store.list(&filter).await?;
        filter.after = page.last().map(|row| row.id.clone());
        let full = page.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
        for row in page {
            if row.cancel_requested {
                // Asked for by another process, or this one asked while the claim was on its way.
                engine.runs.cancel_one(&row.id, row.epoch);
            }
            let run = (row.id, row.epoch);
            if !found.fenced.remove(&run) && !engine.runs.contains(&run.0, run.1) {
                found.orphans.insert(run);
            }
        }
        if !full {
            return Ok(found);
        }
    }
}

async fn release(engine: &Engine, me: ReplicaId, id: &FunctionId, epoch: Epoch) -> Result<(), StoreError> {
    let finish = Finish::without_progress(id.clone(), me, epoch, Ending::Lost);
    engine.writer.write(Write::Finish(finish)).await?;
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, %epoch, "owned here without a run; it is due again");
    engine.wakes.now();
    Ok(())
}
