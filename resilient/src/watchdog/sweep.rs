//! Reconciles what this replica owns in the store with what it runs.
//!
//! A lease of the whole replica hides the loss of a single run: the replica goes on beating, so nobody else ever takes
//! the instance. It happens when the answer of a claim was lost, or when an outcome could not be stored.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Watchdog;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::status::Status;
use crate::store::{Ending, Filter, Finish, StoreError, Write};

type Suspect = (FunctionId, Epoch);

/// Releases what is owned here and not run here.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// What the pass before found. A row that was claimed a moment ago may not have its run yet, so only what two
    /// passes find at the same epoch is lost.
    suspects: Mutex<HashSet<Suspect>>,
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
        let found = orphans(engine, me).await?;
        let before = std::mem::replace(
            &mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner),
            found.clone(),
        );
        for (id, epoch) in found.intersection(&before) {
            release(engine, me, id, *epoch).await?;
        }
        Ok(())
    }
}

async fn orphans(engine: &Engine, me: ReplicaId) -> Result<HashSet<Suspect>, StoreError> {
    let mut found = HashSet::new();
    let mut filter =
        Filter { owner: Some(me), status: Some(Status::Executing), limit: 1_000, ..Filter::default() };
    loop {
        let page = engine.store.list(&filter).await?;
        filter.after = page.last().map(|row| row.id.clone());
        let full = page.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let lost = page.into_iter().filter(|row| !engine.runs.contains(&row.id, row.epoch));
        found.extend(lost.map(|row| (row.id, row.epoch)));
        if !full {
            return Ok(found);
        }
    }
}

async fn release(engine: &Engine, me: ReplicaId, id: &FunctionId, epoch: Epoch) -> Result<(), StoreError> {
    let finish = Finish { id: id.clone(), owner: me, epoch, scrapbook: None, ending: Ending::Lost };
    engine.writer.write(Write::Finish(finish)).await?;
    let (type_id, instance_id) = (&id.type_id, &id.instance_id);
    tracing::warn!(%type_id, %instance_id, %epoch, "owned here without a run; it is due again");
    engine.wakes.now();
    Ok(())
}
