//! Where saves go.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::SaveError;
use crate::payload::Payload;
use crate::transaction::UserTransaction;

/// Where the saves of a run go.
#[doc(hidden)]
#[async_trait]
pub trait Saver: Send + Sync + fmt::Debug {
    /// Makes this progress durable, or says why not; see [`Scrapbook::save`] for the promise.
    async fn save(&self, progress: Progress) -> Result<(), SaveError>;

    /// Writes this scrapbook into a transaction of the user's; see [`Scrapbook::save_in`](super::Scrapbook::save_in).
    async fn save_in(&self, transaction: UserTransaction<'_>, scrapbook: Payload) -> Result<(), SaveError>;
}

/// For unit tests: stores nothing, and fails from a save on.
#[derive(Debug)]
pub(crate) struct FailingSaver {
    failing_at: u32,
    saves: AtomicU32,
}

impl FailingSaver {
    /// Its `n`-th save and all later ones fail.
    pub(crate) fn at(n: u32) -> Self {
        Self { failing_at: n, saves: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Saver for FailingSaver {
    async fn save(&self, _: Progress) -> Result<(), SaveError> {
        let save = self.saves.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if save >= self.failing_at { Err(SaveError::Injected { save }) } else { Ok(()) }
    }

    async fn save_in(&self, _: UserTransaction<'_>, scrapbook: Payload) -> Result<(), SaveError> {
        self.save(Progress { scrapbook: Some(scrapbook), journal: None }).await
    }
}

/// What a run stores on its way.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The user's progress; `None` leaves what is stored.
    pub scrapbook: Option<Payload>,
    /// What the framework notes; `None` leaves what is stored.
    pub journal: Option<String>,
}
