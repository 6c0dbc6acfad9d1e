//! The one wake-up path: whatever is due, for whatever reason, is claimed by the same statement and run.

use std::sync::Arc;

use async_trait::async_trait;

use super::Watchdog;
use crate::answer::failure_json;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{ReplicaId, TypeId};
use crate::invocation::{self, Claimed};
use crate::outcome::Failure;
use crate::record::StoredFunction;
use crate::store::{Claimable, Ending, Finish, StoreError, Write};

/// Claims due work up to the free places, and runs it.
#[derive(Debug)]
pub(crate) struct DueWork;

/// The most instances in one claim, so that several replicas share a backlog.
const PAGE: usize = 200;

#[async_trait]
impl Watchdog for DueWork {
    const ACTIVITY: &'static str = "claim";
    const ENDS: Stage = Stage::Draining;

    async fn rest(&self, engine: &Engine) {
        engine.wakes.wait(jittered(engine.settings.poll)).await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let Some(me) = engine.lease.holder() else { return Ok(()) };
        let free = engine.settings.max_running.saturating_sub(engine.runs.count()).min(PAGE);
        let kinds = claimable(engine);
        let full = free == 0 || kinds.len() < engine.registry.iter().count();
        engine.wakes.set_crowded(full);
        if free == 0 || kinds.is_empty() {
            return Ok(());
        }
        let claimed = engine.store.claim(me, &kinds, clamped(free)).await?;
        if claimed.len() >= free {
            // There may be more than one claim takes.
            engine.wakes.now();
        }
        engine.wakes.set_crowded(full || takes_all(&kinds, &claimed));
        for row in claimed {
            begin(engine, me, row);
        }
        Ok(())
    }
}

/// What this replica can run, with the places that are free for each.
fn claimable(engine: &Engine) -> Vec<Claimable> {
    let running = engine.runs.counts();
    let kinds = engine.registry.iter().map(|registration| {
        let kind = (registration.type_id, registration.version);
        let taken = running.get(&kind).copied().unwrap_or(0);
        Claimable {
            type_id: TypeId::from(registration.type_id),
            version: registration.version,
            param_version: registration.param.newest,
            scrapbook_version: registration.scrapbook.map_or(0, |range| range.newest),
            limit: clamped(engine.max_running_of(kind).saturating_sub(taken)),
        }
    });
    kinds.filter(|kind| kind.limit > 0).collect()
}

/// Whether a kind has no place left after this claim.
fn takes_all(kinds: &[Claimable], claimed: &[StoredFunction]) -> bool {
    kinds.iter().any(|kind| {
        let of_kind = |row: &&StoredFunction| row.id.type_id == kind.type_id && row.version == kind.version;
        clamped(claimed.iter().filter(of_kind).count()) >= kind.limit
    })
}

fn clamped(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn begin(engine: &Arc<Engine>, me: ReplicaId, row: StoredFunction) {
    let Some(registration) = engine.registry.get(row.id.type_id.as_str(), row.version).copied() else {
        return;
    };
    if row.crashes > engine.settings.max_crashes {
        tokio::spawn(quarantine(Arc::clone(engine), me, row));
        return;
    }
    let kind = (registration.type_id, registration.version);
    // A place that is taken at this very epoch cannot be: each epoch is claimed once.
    if let Ok(ticket) = engine.runs.enter(&row.id, row.epoch, kind, engine.lease_of(kind)) {
        let claimed = Claimed::new(ticket, me, registration, row);
        let engine = Arc::clone(engine);
        tokio::spawn(async move { invocation::run(&engine, claimed).await });
    }
}

/// A body that kills its process must not kill every replica in turn: a person looks at it first.
async fn quarantine(engine: Arc<Engine>, owner: ReplicaId, row: StoredFunction) {
    let message = format!(
        "{} owners were lost one after the other without progress; repair the cause and invoke it again",
        row.crashes
    );
    let (type_id, instance_id, epoch) = (&row.id.type_id, &row.id.instance_id, row.epoch);
    tracing::error!(%type_id, %instance_id, %epoch, crashes = row.crashes, "crash loop: failed without another run");
    let finish = Finish {
        id: row.id.clone(),
        owner,
        epoch,
        scrapbook: None,
        ending: Ending::Failed(failure_json(&Failure::new("crash loop", message))),
    };
    match engine.writer.write(Write::Finish(finish)).await {
        Ok(_) => engine.waiting.hint(&row.id),
        Err(error) => engine.reporter.report("finish", error),
    }
}
