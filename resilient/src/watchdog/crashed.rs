//! Takeover: makes the instances of dead replicas due, whoever they were.

use std::sync::Arc;

use async_trait::async_trait;

use super::Watchdog;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::metrics;
use crate::store::StoreError;

/// Looks for instances without a live owner, about as often as replicas give signs of life.
#[derive(Debug)]
pub(crate) struct Crashed;

#[async_trait]
impl Watchdog for Crashed {
    const ACTIVITY: &'static str = "take over";
    const ENDS: Stage = Stage::Draining;

    async fn rest(&self, engine: &Engine) {
        tokio::time::sleep(jittered(engine.settings.heartbeat)).await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let released = engine.store.release_dead().await?;
        if released > 0 {
            metrics::taken_over(released);
            tracing::info!(instances = released, "the instances of dead replicas are due again");
            engine.wakes.now();
        }
        Ok(())
    }
}
