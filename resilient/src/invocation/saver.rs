//! Stores the progress of one run.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::Claimed;
use crate::backoff::Backoff;
use crate::codec::{Field, Place, Refused};
use crate::engine::Engine;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::scrapbook::{Progress, SaveError, Saver};
use crate::store::{Save, Write, Written};

/// Stores the progress of one run.
///
/// It knows the engine weakly: a scrapbook that user code keeps longer than its run must not keep the runtime alive.
#[derive(Debug)]
pub(super) struct RunSaver {
    engine: Weak<Engine>,
    id: FunctionId,
    owner: ReplicaId,
    epoch: Epoch,
    /// The number of the last save. It is held until a save is answered: the store refuses numbers out of order.
    number: tokio::sync::Mutex<i64>,
    /// The scrapbook as it is stored, or as the body left it that is begun again.
    latest: Mutex<Option<Payload>>,
}

impl RunSaver {
    pub(super) fn new(engine: &Arc<Engine>, claimed: &Claimed) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            id: claimed.ticket.id().clone(),
            owner: claimed.owner,
            epoch: claimed.ticket.epoch(),
            number: tokio::sync::Mutex::new(claimed.saves),
            latest: Mutex::new(claimed.scrapbook.clone()),
        }
    }

    /// The scrapbook that the body begins with.
    pub(super) fn latest(&self) -> Option<Payload> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the scrapbook of a body that is begun again in this run: it counts as the latest until the next save.
    pub(super) fn keep(&self, scrapbook: Payload) {
        self.replace(Some(scrapbook));
    }

    fn replace(&self, latest: Option<Payload>) -> Option<Payload> {
        std::mem::replace(&mut *self.latest.lock().unwrap_or_else(PoisonError::into_inner), latest)
    }

    fn lost(&self) -> SaveError {
        SaveError::LostOwnership { id: self.id.clone() }
    }

    async fn write(&self, engine: &Engine, number: &mut i64, progress: &Progress) -> Result<(), SaveError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            // A save that was given up may be stored: under its number the next one would look like an old one. And a
            // save whose caller goes away is carried out all the same, so a number is used up at once.
            *number = number.saturating_add(1);
            let save = Save {
                id: self.id.clone(),
                owner: self.owner,
                epoch: self.epoch,
                number: *number,
                scrapbook: progress.scrapbook.clone(),
                journal: progress.journal.clone(),
            };
            match engine.writer.write(Write::Save(save)).await {
                Ok(Written::Done) => {
                    let (type_id, instance_id, epoch) = (&self.id.type_id, &self.id.instance_id, self.epoch);
                    tracing::trace!(%type_id, %instance_id, %epoch, "scrapbook saved");
                    return Ok(());
                }
                Ok(_) => {
                    // The body may ignore the error; what it does from here on is dropped with it.
                    engine.runs.stop_one(&self.id, self.epoch);
                    return Err(self.lost());
                }
                Err(error) if error.is_transient() => {
                    engine.reporter.report("save", error);
                    backoff.wait().await;
                }
                Err(error) => return Err(SaveError::Store { problem: error.to_string() }),
            }
        }
    }
}

/// Whether the value can be stored.
fn check(engine: &Engine, place: &Place<'_>, json: &str) -> Result<(), SaveError> {
    let (field, bytes, limit) = (place.field.name(), json.len(), engine.settings.max_payload);
    if bytes > limit {
        return Err(SaveError::TooLarge { field, bytes, limit });
    }
    let encoded = engine.codecs.encode(place, json);
    encoded.map(drop).map_err(|Refused { codec, problem }| SaveError::Codec { field, codec, problem })
}

#[async_trait]
impl Saver for RunSaver {
    async fn save(&self, progress: Progress) -> Result<(), SaveError> {
        let Some(engine) = self.engine.upgrade() else { return Err(self.lost()) };
        let Progress { scrapbook, journal } = &progress;
        if let Some(Payload { version, body }) = scrapbook {
            check(&engine, &Place::new(&self.id, Field::Scrapbook, *version), body)?;
        }
        if let Some(journal) = journal {
            check(&engine, &Place::new(&self.id, Field::Journal, 0), journal)?;
        }
        let mut number = self.number.lock().await;
        // From here on it counts, even if the body is dropped before the answer: what begins next must not fall behind
        // what may be stored.
        let before = scrapbook.clone().map(|scrapbook| self.replace(Some(scrapbook)));
        let written = self.write(&engine, &mut number, &progress).await;
        if let (Err(_), Some(before)) = (&written, before) {
            self.replace(before);
        }
        written
    }
}
