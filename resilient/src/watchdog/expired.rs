//! Deletes results whose time is over, so that what has succeeded does not fill the store for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::Watchdog;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::events;
use crate::store::{Expiry, StoreError};

/// Looks for results whose retention is over. All replicas do, and leave to each other what one of them is deleting.
#[derive(Debug)]
pub(crate) struct Expired {
    expiries: Vec<Expiry>,
    looked: AtomicBool,
}

/// How often it looks, and with a shorter retention that often.
const INTERVAL: Duration = Duration::from_mins(10);

/// The most instances in one statement: it locks them, and all that belongs to them, until it is done.
const BATCH: u32 = 500;

/// What others may do between two statements.
const PAUSE: Duration = Duration::from_millis(50);

impl Expired {
    /// Knows how long the results of each function type are kept; `None` when all are kept for ever.
    pub(crate) fn new(engine: &Engine) -> Option<Self> {
        let expiries = engine.expiries();
        (!expiries.is_empty()).then_some(Self { expiries, looked: AtomicBool::new(false) })
    }

    fn interval(&self) -> Duration {
        self.expiries.iter().map(|expiry| expiry.after).fold(INTERVAL, Duration::min)
    }
}

#[async_trait]
impl Watchdog for Expired {
    const ACTIVITY: &'static str = "expire";
    const ENDS: Stage = Stage::Draining;

    /// At first a lease long: a process that lives for less than its intervals deletes, too.
    async fn rest(&self, engine: &Engine) {
        let first = !self.looked.swap(true, Ordering::Relaxed);
        let rest = if first { engine.settings.lease.min(self.interval()) } else { self.interval() };
        sleep(jittered(rest)).await;
    }

    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError> {
        // A shutdown does not wait for a backlog.
        while engine.stage() == Stage::Running {
            let deleted = engine.store.expire(&self.expiries, BATCH).await?;
            if deleted > 0 {
                events::expired(deleted);
            }
            if deleted < u64::from(BATCH) {
                break;
            }
            sleep(jittered(PAUSE)).await;
        }
        Ok(())
    }
}
