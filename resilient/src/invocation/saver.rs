//! Stores the progress of one run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::Claimed;
use crate::backoff::Backoff;
use crate::engine::Engine;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::scrapbook::{Progress, SaveError, Saver};
use crate::store::{Save, StoreError, Write, Written};
use crate::transaction::UserTransaction;

/// How often a save waits for a transaction of the user's before it says that it is open; a store waits some seconds
/// each time. A single time may have been a connection that broke.
const MOST_WAITS: usize = 2;

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
    /// What was written into a transaction of the user's: only the store knows whether that was committed.
    in_doubt: Mutex<Option<Payload>>,
    /// Whether such a transaction may still be open, and hold the instance.
    may_be_open: AtomicBool,
}

/// What became of what was written into a transaction of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is stored, or there was nothing.
    Stored,
    /// It is not stored, or the instance is lost.
    Undone,
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
            in_doubt: Mutex::default(),
            may_be_open: AtomicBool::new(false),
        }
    }

    /// The scrapbook that the body begins with.
    pub(super) fn latest(&self) -> Option<Payload> {
        lock(&self.latest).clone()
    }

    /// Takes the scrapbook of a body that is begun again in this run: it counts as the latest until the next save.
    pub(super) fn keep(&self, scrapbook: Payload) {
        *lock(&self.latest) = Some(scrapbook);
    }

    /// Whether a transaction of the user's may still hold the instance.
    pub(super) fn may_be_open(&self) -> bool {
        self.may_be_open.load(Ordering::Relaxed)
    }

    /// Finds out what became of what was written into a transaction of the user's; the latest scrapbook is the stored one
    /// from then on.
    ///
    /// The stored scrapbook tells, and not the number of its save: notes of the run are stored under higher ones. Before
    /// the body begins `again` it has to be certain, for a commit whose answer was lost may still be on its way: then what
    /// looks undone is looked at once more when the instance was had. An outcome has to have the instance, too, and leaves
    /// the scrapbook as it is by then.
    pub(super) async fn settle(&self, again: bool) -> Settled {
        let Some(written) = lock(&self.in_doubt).clone() else { return Settled::Stored };
        let is_stored = |row: &StoredFunction| row.scrapbook.as_ref() == Some(&written);
        let mut row = self.read().await;
        if again && !row.as_ref().is_some_and(is_stored) && self.touch().await {
            row = self.read().await;
        }
        *lock(&self.in_doubt) = None;
        let Some(row) = row else { return Settled::Undone };
        let settled = if is_stored(&row) { Settled::Stored } else { Settled::Undone };
        if settled == Settled::Stored {
            self.may_be_open.store(false, Ordering::Relaxed);
        }
        *lock(&self.latest) = row.scrapbook;
        settled
    }

    /// The instance, while it belongs to this run; it asks until the store answers.
    async fn read(&self) -> Option<StoredFunction> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let engine = self.engine.upgrade()?;
            match engine.store.get(std::slice::from_ref(&self.id)).await {
                Ok(mut rows) => {
                    let is_ours =
                        |row: &StoredFunction| row.owner == Some(self.owner) && row.epoch == self.epoch;
                    let ours = rows.pop().flatten().filter(is_ours);
                    if ours.is_none() {
                        self.lose(&engine);
                    }
                    return ours;
                }
                Err(error) => engine.reporter.report("save", error),
            }
            drop(engine);
            backoff.wait().await;
        }
    }

    /// Saves nothing, which waits until no transaction holds the instance; `false` when it is lost.
    async fn touch(&self) -> bool {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut number = self.number.lock().await;
        while let Some(engine) = self.engine.upgrade() {
            match self.write(&engine, &mut number, &Progress { scrapbook: None, journal: None }).await {
                Ok(()) => return true,
                Err(SaveError::LostOwnership { .. }) => return false,
                Err(_) => {}
            }
            drop(engine);
            backoff.wait().await;
        }
        false
    }

    fn tell(&self) {
        let (type_id, instance_id, epoch) = (&self.id.type_id, &self.id.instance_id, self.epoch);
        tracing::trace!(%type_id, %instance_id, %epoch, "scrapbook saved");
    }

    fn lost(&self) -> SaveError {
        SaveError::LostOwnership { id: self.id.clone() }
    }

    /// Stops the run. The body may ignore the error; what it does from here on is dropped with it.
    fn lose(&self, engine: &Engine) -> SaveError {
        engine.runs.stop_one(&self.id, self.epoch);
        self.lost()
    }

    /// The next save. One that was given up may be stored: under its number the next one would look like an old one. And a
    /// save whose caller goes away is carried out all the same, so a number is used up at once.
    fn next(&self, number: &mut i64, progress: &Progress) -> Write {
        *number = number.saturating_add(1);
        Write::Save(Save {
            id: self.id.clone(),
            owner: self.owner,
            epoch: self.epoch,
            number: *number,
            scrapbook: progress.scrapbook.clone(),
            journal: progress.journal.clone(),
        })
    }

    async fn write(&self, engine: &Engine, number: &mut i64, progress: &Progress) -> Result<(), SaveError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut waits = 0;
        loop {
            let save = self.next(number, progress);
            let apart = self.may_be_open();
            let written = match apart {
                true => engine.writer.write_apart(save, Duration::ZERO).await,
                false => engine.writer.write(save).await,
            };
            match written {
                Ok(Written::Done) => {
                    self.may_be_open.store(false, Ordering::Relaxed);
                    self.tell();
                    return Ok(());
                }
                Ok(_) => return Err(self.lose(engine)),
                Err(error) if error.is_transient() => engine.reporter.report("save", error),
                Err(error) => return Err(refused(&error)),
            }
            // A store that answers is there, so it was the instance that could not be had.
            waits += usize::from(apart && engine.store.get(std::slice::from_ref(&self.id)).await.is_ok());
            if waits >= MOST_WAITS {
                return Err(SaveError::TransactionOpen { id: self.id.clone() });
            }
            backoff.wait().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(error: &StoreError) -> SaveError {
    SaveError::Store { problem: error.to_string() }
}

fn check_size(engine: &Engine, field: &'static str, bytes: usize) -> Result<(), SaveError> {
    let limit = engine.settings.max_payload;
    if bytes > limit { Err(SaveError::TooLarge { field, bytes, limit }) } else { Ok(()) }
}

#[async_trait]
impl Saver for RunSaver {
    async fn save(&self, progress: Progress) -> Result<(), SaveError> {
        let Some(engine) = self.engine.upgrade() else { return Err(self.lost()) };
        let Progress { scrapbook, journal } = &progress;
        check_size(&engine, "scrapbook", scrapbook.as_ref().map_or(0, |payload| payload.body.len()))?;
        check_size(&engine, "journal", journal.as_ref().map_or(0, String::len))?;
        let mut number = self.number.lock().await;
        // From here on it counts, even if the body is dropped before the answer: what begins next must not fall behind
        // what may be stored. So whether an earlier one was committed does not matter any more.
        let before = scrapbook.clone().map(|scrapbook| {
            (std::mem::replace(&mut *lock(&self.latest), Some(scrapbook)), lock(&self.in_doubt).take())
        });
        let written = self.write(&engine, &mut number, &progress).await;
        if let (Err(_), Some((latest, in_doubt))) = (&written, before) {
            *lock(&self.latest) = latest;
            *lock(&self.in_doubt) = in_doubt;
        }
        written
    }

    async fn save_in(&self, transaction: UserTransaction<'_>, scrapbook: Payload) -> Result<(), SaveError> {
        let Some(engine) = self.engine.upgrade() else { return Err(self.lost()) };
        check_size(&engine, "scrapbook", scrapbook.body.len())?;
        let mut number = self.number.lock().await;
        let save = self.next(&mut number, &Progress { scrapbook: Some(scrapbook.clone()), journal: None });
        // Also when it fails, for the transaction is rolled back then.
        *lock(&self.in_doubt) = Some(scrapbook);
        let was_open = self.may_be_open.swap(true, Ordering::Relaxed);
        let given = transaction.type_name;
        match engine.write_in(transaction, save).await {
            Ok(Written::Done) => Ok(()),
            Ok(_) => Err(self.lose(&engine)),
            Err(error) if error.is_unfit_transaction() => {
                self.may_be_open.store(was_open, Ordering::Relaxed);
                Err(SaveError::UnfitTransaction { given, problem: error.to_string() })
            }
            Err(error) => Err(refused(&error)),
        }
    }
}
