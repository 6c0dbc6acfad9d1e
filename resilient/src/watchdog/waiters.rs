//! Answers the callers that wait for instances which run elsewhere.

use std::sync::Arc;

use async_trait::async_trait;

use super::Watchdog;
use crate::engine::{Engine, Stage};
use crate::store::StoreError;

/// Looks at what is waited for; it does nothing while nobody waits.
#[derive(Debug)]
pub(crate) struct Waiters;

#[async_trait]
impl Watchdog for Waiters {
    const ACTIVITY: &'static str = "wait";
    const ENDS: Stage = Stage::Stopped;

    async fn rest(&self, engine: &Engine) {
        engine.waiting.due().await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        engine.waiting.pass(engine.store.as_ref(), engine.settings.wait_poll).await
    }
}
