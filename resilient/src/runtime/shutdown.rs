//! The graceful end: drain, hand over, leave. The heartbeat is the last thing to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::engine::{Engine, Stage};
use crate::id::{Epoch, FunctionId};
use crate::store::{Ending, Finish, StoreError, Write};
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
    let drained = timeout(engine.settings.shutdown_grace, engine.runs.drained()).await.is_ok();
    let left = if drained { Vec::new() } else { engine.runs.stop(Duration::MAX) };
    let handed_over = hand_over(engine, left).await;
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
    let Some(me) = engine.lease.holder() else { return Ok(0) };
    let mut releases = Vec::with_capacity(left.len());
    for (id, epoch) in left {
        let (type_id, instance_id) = (id.type_id.clone(), id.instance_id.clone());
        tracing::info!(%type_id, %instance_id, %epoch, "handed over");
        let finish = Finish { id, owner: me, epoch, scrapbook: None, ending: Ending::Released };
        let writer = engine.writer.clone();
        releases.push(tokio::spawn(async move { writer.write(Write::Finish(finish)).await }));
    }
    let mut handed_over = 0;
    let mut failed = None;
    for release in releases {
        match release.await {
            Ok(Ok(_)) => handed_over += 1,
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(StoreError::permanent("a hand-over was lost")),
        }
    }
    failed.map_or(Ok(handed_over), Err)
}
