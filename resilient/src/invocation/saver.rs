//! Stores the progress of one run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::Claimed;
use crate::backoff::Backoff;
use crate::codec::{Field, Place, Refused};
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
    in_doubt: Mutex<Option<Doubt>>,
    /// Whether such a transaction may still be open, and hold the instance.
    may_be_open: AtomicBool,
}

/// What was written into a transaction of the user's: only the store knows whether that was committed.
///
/// The stored number of the last save tells. Whatever else of this run is stored meanwhile has the number before its own:
/// that is stored if the transaction was not committed, and then nothing of it can be any more; else it is refused.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    number: i64,
    /// Whether it is known that it was not committed.
    is_undone: bool,
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
    /// Before the body begins `again` it has to be certain, for a commit whose answer was lost may still be on its way. An
    /// outcome need not wait for that: it leaves the scrapbook as it is by then.
    pub(super) async fn settle(&self, again: bool) -> Settled {
        if lock(&self.in_doubt).is_none() {
            return Settled::Stored;
        }
        if again && self.doubted().is_some() {
            self.touch().await;
        }
        let row = self.read().await;
        let Some(doubt) = lock(&self.in_doubt).take() else { return Settled::Stored };
        let Some(row) = row else { return Settled::Undone };
        let is_stored = !doubt.is_undone && row.saves >= doubt.number;
        *lock(&self.latest) = row.scrapbook;
        if is_stored {
            self.may_be_open.store(false, Ordering::Relaxed);
        }
        if is_stored { Settled::Stored } else { Settled::Undone }
    }

    /// The number under which something is stored if a transaction was committed of which that is not known.
    fn doubted(&self) -> Option<i64> {
        (*lock(&self.in_doubt)).filter(|doubt| !doubt.is_undone).map(|doubt| doubt.number)
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

    /// Saves nothing, which waits until no transaction holds the instance, and so ends the doubt.
    async fn touch(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut number = self.number.lock().await;
        while let Some(engine) = self.engine.upgrade() {
            match self.write(&engine, &mut number, &Progress { scrapbook: None, journal: None }).await {
                Ok(()) | Err(SaveError::LostOwnership { .. }) => return,
                Err(_) => {}
            }
            drop(engine);
            backoff.wait().await;
        }
    }

    fn lost(&self) -> SaveError {
        SaveError::LostOwnership { id: self.id.clone() }
    }

    /// Stops the run. The body may ignore the error; what it does from here on is dropped with it.
    fn lose(&self, engine: &Engine) -> SaveError {
        engine.runs.stop_one(&self.id, self.epoch);
        self.lost()
    }

    fn save_of(&self, number: i64, progress: &Progress) -> Write {
        Write::Save(Save {
            id: self.id.clone(),
            owner: self.owner,
            epoch: self.epoch,
            number,
            scrapbook: progress.scrapbook.clone(),
            journal: progress.journal.clone(),
        })
    }

    async fn write(&self, engine: &Engine, number: &mut i64, progress: &Progress) -> Result<(), SaveError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut waits = 0;
        loop {
            let doubted = self.doubted();
            // A save that was given up may be stored: under its number the next one would look like an old one. And a
            // save whose caller goes away is carried out all the same, so a number is used up at once.
            *number = number.saturating_add(i64::from(doubted.is_none()));
            let save = self.save_of(doubted.map_or(*number, |doubted| doubted - 1), progress);
            match (self.carry(engine, save).await, doubted) {
                (Ok(Written::Done), _) => {
                    self.had();
                    return Ok(());
                }
                (Ok(_), None) => return Err(self.lose(engine)),
                (Ok(_), Some(doubted)) => self.resolve(engine, doubted).await?,
                (Err(error), _) if error.is_transient() => {
                    engine.reporter.report("save", error);
                    waits += usize::from(self.had_to_wait(engine).await);
                    if waits >= MOST_WAITS {
                        return Err(SaveError::TransactionOpen { id: self.id.clone() });
                    }
                    backoff.wait().await;
                }
                (Err(error), _) => return Err(refused(&error)),
            }
        }
    }

    async fn carry(&self, engine: &Engine, save: Write) -> Result<Written, StoreError> {
        if self.may_be_open() {
            engine.writer.write_apart(save, None, Duration::ZERO).await
        } else {
            engine.writer.write(save).await
        }
    }

    /// Whether a save failed for a transaction of the user's: a store that answers is there, so it was the instance that
    /// could not be had.
    async fn had_to_wait(&self, engine: &Engine) -> bool {
        self.may_be_open() && engine.store.get(std::slice::from_ref(&self.id)).await.is_ok()
    }

    /// Finds out why something was refused that has the number before the one that is doubted.
    async fn resolve(&self, engine: &Engine, doubted: i64) -> Result<(), SaveError> {
        match self.read().await {
            // The transaction was committed, so what is saved comes behind it.
            Some(row) if row.saves >= doubted => self.committed(row),
            // One whose caller has gone away, or whose answer was lost, was stored under this number.
            Some(row) if row.saves == doubted - 1 => self.had(),
            _ => return Err(self.lose(engine)),
        }
        Ok(())
    }

    /// Something was stored past all transactions: none holds the instance, and what was in doubt was not committed.
    fn had(&self) {
        self.may_be_open.store(false, Ordering::Relaxed);
        if let Some(doubt) = lock(&self.in_doubt).as_mut() {
            doubt.is_undone = true;
        }
        let (type_id, instance_id, epoch) = (&self.id.type_id, &self.id.instance_id, self.epoch);
        tracing::trace!(%type_id, %instance_id, %epoch, "scrapbook saved");
    }

    /// What was in doubt is stored.
    fn committed(&self, row: StoredFunction) {
        self.may_be_open.store(false, Ordering::Relaxed);
        *lock(&self.in_doubt) = None;
        *lock(&self.latest) = row.scrapbook;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(error: &StoreError) -> SaveError {
    SaveError::Store { problem: error.to_string() }
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
        // what may be stored. So whether an earlier one was committed does not matter any more.
        let before = scrapbook
            .clone()
            .map(|scrapbook| (lock(&self.latest).replace(scrapbook), lock(&self.in_doubt).take()));
        let written = self.write(&engine, &mut number, &progress).await;
        if let (Err(_), Some((latest, in_doubt))) = (&written, before) {
            *lock(&self.latest) = latest;
            *lock(&self.in_doubt) = in_doubt;
        }
        written
    }

    async fn save_in(&self, transaction: UserTransaction<'_>, scrapbook: Payload) -> Result<(), SaveError> {
        let Some(engine) = self.engine.upgrade() else { return Err(self.lost()) };
        check(&engine, &Place::new(&self.id, Field::Scrapbook, scrapbook.version), &scrapbook.body)?;
        let mut number = self.number.lock().await;
        *number = number.saturating_add(2);
        let save = self.save_of(*number, &Progress { scrapbook: Some(scrapbook), journal: None });
        // Also when it fails, for the transaction is rolled back then.
        *lock(&self.in_doubt) = Some(Doubt { number: *number, is_undone: false });
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
