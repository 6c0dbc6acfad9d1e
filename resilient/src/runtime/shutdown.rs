//! The graceful end: drain, hand over, leave. The heartbeat is the last thing to stop.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId};
use crate::invocation;
use crate::store::StoreError;
use crate::watchdog::Heart;

/// How a shutdown went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How many functions were still running after the grace period and were handed over to other replicas.
    pub handed_over: usize,
}

pub(super) async fn shutdown(
    engine: &Arc<Engine>,
    heart: &Mutex<Option<Heart>>,
) -> Result<Shutdown, StoreError> {
    // A second caller waits here for the first, and then finds nothing to do.
    let mut heart = heart.lock().await;
    engine.stage.send_if_modified(|stage| {
        let drains = *stage < Stage::Draining;
        *stage = (*stage).max(Stage::Draining);
        drains
    });
    engine.shutting_down.send_replace(true);
    let drained = async {
        // A claim that is on its way still begins runs, or gives back what it got.
        drop(engine.claiming.lock().await);
        engine.runs.drained().await;
    };
    let _ = timeout(engine.settings.shutdown_grace, drained).await;
    let handed_over = hand_over(engine, engine.runs.close()).await;
    engine.stage.send_if_modified(|stage| {
        let stops = *stage < Stage::Stopped;
        *stage = (*stage).max(Stage::Stopped);
        stops
    });
    if let Some(heart) = heart.take() {
        heart.ended().await;
    }
    handed_over.map(|handed_over| Shutdown { handed_over })
}

/// Makes what is left due at once, so that nobody has to wait for the end of this replica's lease.
async fn hand_over(engine: &Arc<Engine>, left: Vec<(FunctionId, Epoch)>) -> Result<usize, StoreError> {
    match engine.lease.holder() {
        Some(me) if !left.is_empty() => invocation::hand_over(engine, me, left).await,
        _ => Ok(0),
    }
}
