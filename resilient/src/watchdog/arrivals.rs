//! Brings messages to the runs that wait for them in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::Watchdog;
use crate::engine::{Engine, Stage};
use crate::store::StoreError;

/// Looks for messages; it does nothing while no run waits for one.
#[derive(Debug)]
pub(crate) struct Arrivals;

#[async_trait]
impl Watchdog for Arrivals {
    const ACTIVITY: &'static str = "read messages";
    const ENDS: Stage = Stage::Stopped;

    async fn rest(&self, engine: &Engine) {
        engine.inboxes.due().await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        let ended = engine.inboxes.pass(engine.store.as_ref(), engine.settings.wait_poll).await?;
        // Whoever waits for one of these children looks at it now.
        for child in &ended {
            engine.waiting.hint(child);
        }
        Ok(())
    }
}
