//! Keeps recurring functions going: stores the first firing, and the next one when the chain of firings is broken.
//!
//! A chain goes on by itself, as each run stores the firing after it. It has no beginning, and it breaks when somebody
//! deletes or ends the firing that waits, or when nobody can run it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Watchdog;
use crate::backoff::jittered;
use crate::context::StoreTime;
use crate::engine::{Engine, Stage};
use crate::firings;
use crate::recurring::Schedule;
use crate::store::StoreError;

/// Makes sure that the next firing of every recurring function is stored.
#[derive(Debug, Default)]
pub(crate) struct Recurring {
    looked: AtomicBool,
}

/// How often it looks. What it finds broken is rare, but each tick until it looks is left out.
const RARELY: Duration = Duration::from_mins(1);
const OFTEN: Duration = Duration::from_secs(5);

/// About as often as the function with the most ticks.
fn interval(engine: &Engine) -> Duration {
    let intervals = engine.registry.recurring().iter().map(|function| match function.recurring.schedule {
        Schedule::Every(interval) => interval.clamp(OFTEN, RARELY),
        #[cfg(feature = "cron")]
        Schedule::Cron { .. } => RARELY,
    });
    intervals.min().unwrap_or(RARELY)
}

#[async_trait]
impl Watchdog for Recurring {
    const ACTIVITY: &'static str = firings::ACTIVITY;
    const ENDS: Stage = Stage::Draining;

    async fn rest(&self, engine: &Engine) {
        if !self.looked.swap(true, Ordering::Relaxed) {
            return;
        }
        tokio::select! {
            biased;
            () = engine.recurs.notified() => {}
            () = tokio::time::sleep(jittered(interval(engine))) => {}
        }
    }

    /// One function that cannot go on does not hold up the others.
    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let looked = look(engine).await;
        if looked.is_err() {
            engine.recurs.notify_one();
        }
        looked
    }
}

async fn look(engine: &Engine) -> Result<(), StoreError> {
    let asked = Instant::now();
    let live = engine.store.replicas().await?;
    // The last sign of life was now, or a little earlier. Then the next tick may be one that has come since: it is
    // stored already, or nobody was there before.
    let Some(shown) = live.iter().map(|live| live.heartbeat_at).max() else { return Ok(()) };
    let time = StoreTime::new(shown, asked, Instant::now());
    let mut failed = None;
    for function in engine.registry.recurring() {
        failed = firings::ensure(engine, function, time).await.err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}
