//! The one wake-up path: whatever is due, for whatever reason, is claimed by the same statement and run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::time::Instant;

use super::Watchdog;
use crate::answer::failure_json;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId, ReplicaId, TypeId};
use crate::invocation::{self, Begun, Claimed, Unrun};
use crate::lease::Lease;
use crate::metrics;
use crate::outcome::Failure;
use crate::record::StoredFunction;
use crate::registry::Registration;
use crate::store::{Claimable, Ending, Finish, StoreError, Write};

/// Claims due work up to the free places, and runs it.
#[derive(Debug, Default)]
pub(crate) struct DueWork {
    /// Which version of a limited function type is looked for in this pass.
    turn: AtomicUsize,
}

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
        let _claiming = engine.claiming.lock().await;
        let Some(me) = engine.lease.holder().filter(|_| engine.stage() == Stage::Running) else {
            return Ok(());
        };
        let free = engine.settings.max_running.saturating_sub(engine.runs.count()).min(PAGE);
        let kinds = claimable(engine, self.turn.fetch_add(1, Ordering::Relaxed));
        let full = free == 0 || kinds.len() < engine.registry.iter().count();
        engine.wakes.set_crowded(full);
        if free == 0 || kinds.is_empty() {
            return Ok(());
        }
        let (renewed, asked) = (engine.lease.renewed(), Instant::now());
        let claimed = engine.store.claim(me, &kinds, clamped(free)).await?;
        for row in &claimed {
            metrics::claimed(&row.id.type_id, row.crashes);
        }
        let begun = Begun { asked, answered: Instant::now(), shown: None };
        if claimed.len() >= free {
            // There may be more than one claim takes.
            engine.wakes.now();
        }
        engine.wakes.set_crowded(full || takes_all(&kinds, &claimed));
        let late: Vec<_> =
            claimed.into_iter().filter_map(|row| begin(engine, (me, renewed), begun, row)).collect();
        invocation::hand_over(engine, me, late).await.map(drop)
    }
}

/// What this replica can run, with the places that are free for each.
fn claimable(engine: &Engine, turn: usize) -> Vec<Claimable> {
    let running = engine.runs.counts();
    // A type with a short lease rests earlier than the others when signs of life fail.
    let covered = engine.registry.iter().filter(|registration| {
        engine.lease.covers(engine.lease_of((registration.type_id, registration.version)))
    });
    let kinds = covered.filter(|registration| has_its_turn(engine, registration, turn));
    let kinds = kinds.map(|registration| {
        let kind = (registration.type_id, registration.version);
        let taken = running.get(registration.type_id).copied().unwrap_or(0);
        Claimable {
            type_id: TypeId::from(registration.type_id),
            version: registration.version,
            param_version: registration.reads().param,
            scrapbook_version: registration.reads().scrapbook,
            limit: clamped(engine.max_running_of(kind).saturating_sub(taken)),
        }
    });
    kinds.filter(|kind| kind.limit > 0).collect()
}

/// Versions of a function type share its places, and a store limits each version on its own: they take turns.
fn has_its_turn(engine: &Engine, registration: &Registration, turn: usize) -> bool {
    if engine.max_running_of((registration.type_id, registration.version)) == usize::MAX {
        return true;
    }
    let versions = || engine.registry.iter().filter(|other| other.type_id == registration.type_id);
    let chosen = turn.checked_rem(versions().count()).and_then(|chosen| versions().nth(chosen));
    chosen.is_some_and(|chosen| chosen.version == registration.version)
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

/// Begins a run that was claimed under a lease renewed then, or answers what cannot begin here any more.
fn begin(
    engine: &Arc<Engine>,
    (me, renewed): (ReplicaId, Instant),
    begun: Begun,
    row: StoredFunction,
) -> Option<(FunctionId, Epoch)> {
    let registration = engine.registry.get(row.id.type_id.as_str(), row.version).copied()?;
    if row.crashes > engine.settings.max_crashes {
        tokio::spawn(quarantine(Arc::clone(engine), me, registration, row));
        return None;
    }
    let kind = (registration.type_id, registration.version);
    let lease = engine.lease_of(kind);
    let Ok(ticket) = engine.runs.enter(&row.id, row.epoch, kind, lease) else {
        // Each epoch is claimed once, so the run that is there is of an instance that was deleted, or not begun yet.
        engine.runs.stop_one(&row.id, row.epoch);
        return Some((row.id, row.epoch));
    };
    // Looked at in this order, because whoever ends a lease does so before all that is entered is stopped. Signs of
    // life since the claim do not count: if the lease had ended before them, others may have the instance by now.
    let is_mine = engine.lease.holder() == Some(me) && Lease::lasts(renewed, lease);
    if !is_mine || engine.stage() != Stage::Running {
        return Some((row.id, row.epoch));
    }
    let claimed = Claimed::new(ticket, me, registration, begun, row);
    let engine = Arc::clone(engine);
    tokio::spawn(async move { invocation::run(&engine, claimed).await });
    None
}

/// A body that kills its process must not kill every replica in turn: a person looks at it first.
async fn quarantine(engine: Arc<Engine>, owner: ReplicaId, registration: Registration, row: StoredFunction) {
    let message = format!(
        "{} owners were lost one after the other without progress; repair the cause and invoke it again",
        row.crashes
    );
    let (type_id, instance_id, epoch) = (&row.id.type_id, &row.id.instance_id, row.epoch);
    tracing::error!(%type_id, %instance_id, %epoch, crashes = row.crashes, "crash loop: failed without another run");
    let failure = Failure::new("crash loop", message);
    let unrun = Unrun { id: &row.id, epoch, attempt: row.attempts, journal: row.journal.as_deref() };
    invocation::fails_unrun(&engine, &registration, unrun, &failure);
    metrics::crash_loop(type_id);
    let ending = Ending::Failed(failure_json(&failure));
    let finish = Finish::without_progress(row.id.clone(), owner, epoch, ending);
    match invocation::tell_parent(&engine, row.journal.as_deref(), Write::Finish(finish)).await {
        Ok(_) => engine.waiting.hint(&row.id),
        Err(error) => engine.reporter.report("finish", error),
    }
}
