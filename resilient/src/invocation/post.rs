//! Where the messages of one run come from, and the time.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Claimed;
use crate::backoff::Backoff;
use crate::clock::Timestamp;
use crate::codec::Codecs;
use crate::context::{Log, Post, StoreTime};
use crate::engine::Engine;
use crate::events;
use crate::id::{Epoch, FunctionId};
use crate::inboxes;
use crate::record::StoredMessage;
use crate::store::{After, StoreError};

/// When a run was begun: between the question to the store and its answer, which may have shown the store's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    pub(crate) shown: Option<Timestamp>,
}

impl Begun {
    /// What the store's clock shows, if its answer has told.
    pub(super) fn time(self) -> Option<StoreTime> {
        self.shown.map(|shown| StoreTime::new(shown, self.asked, self.answered))
    }
}

/// What one run asks its store while it waits.
///
/// It knows the engine weakly: a context that user code keeps longer than its run must not keep the runtime alive.
#[derive(Debug)]
pub(super) struct RunPost {
    pub(super) engine: Weak<Engine>,
    pub(super) id: FunctionId,
    epoch: Epoch,
    begun: Begun,
    stay_in_memory: Duration,
    codecs: Arc<Codecs>,
}

impl RunPost {
    pub(super) fn new(engine: &Arc<Engine>, claimed: &Claimed) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            id: claimed.ticket.id().clone(),
            epoch: claimed.ticket.epoch(),
            begun: claimed.begun,
            stay_in_memory: engine.settings.stay_in_memory,
            codecs: Arc::clone(&engine.codecs),
        }
    }

    /// Asks the store until it is there; a run that has lost its instance meanwhile is stopped.
    async fn ask<T, F>(&self, question: impl Fn(Arc<Engine>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let Some(engine) = self.engine.upgrade() else {
                return Err(StoreError::permanent("the runtime of this run is gone"));
            };
            match question(Arc::clone(&engine)).await {
                Err(error) if error.is_transient() => engine.reporter.report("read messages", error),
                answer => return answer,
            }
            drop(engine);
            backoff.wait().await;
        }
    }
}

#[async_trait]
impl Post for RunPost {
    async fn read(&self, after: i64) -> Result<Vec<StoredMessage>, StoreError> {
        let read = async |engine: Arc<Engine>| {
            let mut log = Vec::new();
            let wanted = vec![After { id: self.id.clone(), position: after }];
            inboxes::read(engine.store.as_ref(), wanted, |_, messages| log.extend(messages)).await?;
            Ok(log)
        };
        self.ask(read).await
    }

    async fn time(&self) -> Result<StoreTime, StoreError> {
        if let Some(time) = self.begun.time() {
            return Ok(time);
        }
        let Begun { asked, answered, .. } = self.begun;
        let read = async |engine: Arc<Engine>| engine.store.get(std::slice::from_ref(&self.id)).await;
        let row = self.ask(read).await?.pop().flatten();
        let row = row.ok_or_else(|| StoreError::permanent(format!("there is no instance `{}`", self.id)))?;
        if self.epoch == Epoch::ZERO {
            return Ok(StoreTime::new(row.created_at, asked, answered));
        }
        // It may have been written since the run was begun, so the clock may have shown this until just now.
        Ok(StoreTime::new(row.updated_at, asked, Instant::now()))
    }

    fn watch(&self, log: &Arc<Log>, at_once: bool) {
        if let Some(engine) = self.engine.upgrade() {
            engine.inboxes.watch(&self.id, log, engine.settings.wait_poll, at_once);
        }
    }

    fn unwatch(&self, log: &Arc<Log>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.inboxes.unwatch(&self.id, log);
        }
    }

    fn set_aside(&self, position: i64, name: &str) {
        events::set_aside(&self.id, position, name);
    }

    fn lacks_codec(&self, name: &str) -> bool {
        self.codecs.lacks(name)
    }

    fn stay_in_memory(&self) -> Duration {
        self.stay_in_memory
    }
}
