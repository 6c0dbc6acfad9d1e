//! What everything that runs functions shares.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clock::Due;
use crate::codec::{Codecs, Field, Place, Refused};
use crate::id::{FunctionId, TypeId};
use crate::inboxes::Inboxes;
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::metrics;
use crate::middleware::{Middlewares, Stack};
use crate::payload::Payload;
use crate::registry::{Dependencies, Registration, Registry};
use crate::runs::{Kind, Runs};
use crate::settings::{FunctionSettings, Retention, Settings};
use crate::store::{Expiry, Store, StoreError, Write, Written};
use crate::transaction::UserTransaction;
use crate::waiting::Waiting;
use crate::writer::Writer;

/// How far the runtime is on its way from start to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Takes work.
    Running,
    /// Takes no more work, and finishes what it has.
    Draining,
    /// Does nothing more, and has left its store.
    Stopped,
    /// Dropped without a shutdown: does nothing more, like a process that crashed.
    Killed,
}

/// What everything that runs functions shares.
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writer: Writer,
    pub(crate) registry: Registry,
    pub(crate) dependencies: Arc<Dependencies>,
    /// What data is encoded with on its way to the store, and decoded with on its way back.
    pub(crate) codecs: Arc<Codecs>,
    pub(crate) settings: Settings,
    /// What wraps the runs of each function.
    pub(crate) middleware: Middlewares,
    pub(crate) functions: Vec<(String, FunctionSettings)>,
    /// Whether it takes work that is due; a tool does not.
    pub(crate) takes_work: bool,
    pub(crate) runs: Arc<Runs>,
    pub(crate) lease: Lease,
    /// Held while work is claimed.
    pub(crate) claiming: tokio::sync::Mutex<()>,
    pub(crate) wakes: Wakes,
    /// Told when a firing of a recurring function could not be stored.
    pub(crate) recurs: Notify,
    pub(crate) waiting: Waiting,
    pub(crate) inboxes: Inboxes,
    pub(crate) stage: watch::Sender<Stage>,
    pub(crate) shutting_down: watch::Sender<bool>,
    pub(crate) reporter: Reporter,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Waits until the runtime is at least at this stage.
    pub(crate) async fn reached(&self, stage: Stage) {
        let mut stages = self.stage.subscribe();
        let _ = stages.wait_for(|now| *now >= stage).await;
    }

    pub(crate) fn registration(&self, type_id: &str, version: u32) -> Result<Registration, InvokeError> {
        let registration = self.registry.get(type_id, version).copied();
        registration.ok_or_else(|| InvokeError::NotRegistered { type_id: type_id.to_owned(), version })
    }

    /// A function that somebody is to run. A process that takes no work need not know what it only starts; one that takes
    /// some has most likely forgotten to register it, and then its instances would wait for nobody.
    pub(crate) fn startable(&self, function: Registration) -> Result<Registration, InvokeError> {
        if self.takes_work { self.registration(function.type_id, function.version) } else { Ok(function) }
    }

    /// What wraps the runs of this function.
    pub(crate) fn middleware_of(&self, registration: &Registration) -> Stack {
        self.middleware.of((registration.type_id, registration.version))
    }

    /// What is noted where this instance is started, by middleware in the task of the caller, and which parent is told
    /// of its end.
    pub(crate) fn noted_at_start(
        &self,
        registration: &Registration,
        id: &FunctionId,
        parent: Option<&FunctionId>,
    ) -> Result<Option<String>, InvokeError> {
        let headers = self.middleware_of(registration).headers(id);
        let headers = headers.map_err(|failure| InvokeError::NotStarted { failure })?;
        let journal = Journal { headers, parent: parent.cloned(), ..Journal::default() }.text();
        if let Some(text) = &journal {
            self.check_journal(id, text)?;
        }
        Ok(journal)
    }

    /// Writes in a transaction of the user's, past the writer: it ends when the user says so.
    pub(crate) async fn write_in(
        &self,
        transaction: UserTransaction<'_>,
        write: Write,
    ) -> Result<Written, StoreError> {
        let written = self.store.write_in(transaction.inner, &[write]).await?.pop();
        written.ok_or_else(|| StoreError::permanent("the store did not answer a write in a transaction"))
    }

    /// How long after a heartbeat an instance of this kind counts as running.
    pub(crate) fn lease_of(&self, kind: Kind) -> Duration {
        self.function_settings(kind).and_then(|function| function.lease).unwrap_or(self.settings.lease)
    }

    /// How many instances of this kind may run here.
    pub(crate) fn max_running_of(&self, kind: Kind) -> usize {
        let own = self.function_settings(kind).and_then(|function| function.max_running);
        own.unwrap_or(usize::MAX)
    }

    /// How long results of each function type are kept, those that are kept for ever left out.
    pub(crate) fn expiries(&self) -> Vec<Expiry> {
        let mut types: Vec<_> =
            self.registry.iter().map(|function| (function.type_id, function.version)).collect();
        types.dedup_by_key(|(type_id, _)| *type_id);
        let expiries = types.into_iter().map(|kind| (TypeId::from(kind.0), self.retention_of(kind)));
        let ends = expiries.filter_map(|(type_id, retention)| match retention {
            Retention::For(after) => Some(Expiry { type_id, after }),
            Retention::Forever => None,
        });
        ends.collect()
    }

    /// How long results of this kind are kept.
    pub(crate) fn retention_of(&self, kind: Kind) -> Retention {
        let own = self.function_settings(kind).and_then(|function| function.retention);
        own.unwrap_or(self.settings.retention)
    }

    fn function_settings(&self, kind: Kind) -> Option<&FunctionSettings> {
        self.functions.iter().find(|(type_id, _)| type_id == kind.0).map(|(_, settings)| settings)
    }

    /// The parent of a child that has ended here is due, or waits here for it to be told.
    pub(crate) fn wake_parent(&self, parent: &FunctionId) {
        if !self.inboxes.hint(parent) {
            self.wakes.now();
        }
    }

    pub(crate) fn check_size(&self, field: &'static str, payload: &Payload) -> Result<(), InvokeError> {
        let (bytes, limit) = (payload.body.len(), self.settings.max_payload);
        if bytes > limit { Err(InvokeError::TooLarge { field, bytes, limit }) } else { Ok(()) }
    }

    /// Whether the value can be stored.
    pub(crate) fn check_payload(
        &self,
        id: &FunctionId,
        field: Field<'_>,
        payload: &Payload,
    ) -> Result<(), InvokeError> {
        self.check_size(field.name(), payload)?;
        self.check_codec(&Place::new(id, field, payload.version), &payload.body)
    }

    /// Whether the journal can be stored.
    pub(crate) fn check_journal(&self, id: &FunctionId, text: &str) -> Result<(), InvokeError> {
        let (field, bytes, limit) = (Field::Journal, text.len(), self.settings.max_payload);
        if bytes > limit {
            return Err(InvokeError::TooLarge { field: field.name(), bytes, limit });
        }
        self.check_codec(&Place::new(id, field, 0), text)
    }

    /// Whether the codec takes it: asked for each value before it is written, so that whoever gives it is told. What a
    /// codec refuses no sooner than in a write would be written again and again, in vain.
    pub(crate) fn check_codec(&self, place: &Place<'_>, json: &str) -> Result<(), InvokeError> {
        let field = place.field.name();
        let encoded = self.codecs.encode(place, json);
        encoded.map(drop).map_err(|Refused { codec, problem }| InvokeError::Codec { field, codec, problem })
    }
}

/// When due work is looked for earlier than the next poll. Only hints: polling is what finds everything.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    now: Notify,
    later: Mutex<BTreeSet<Instant>>,
    crowded: AtomicBool,
}

impl Wakes {
    /// More hints than this are not kept; the poll finds what they stood for.
    const MOST: usize = 10_000;

    /// Something is due now.
    pub(crate) fn now(&self) {
        self.now.notify_one();
    }

    /// Whether the last look left work behind because there was no place for it.
    pub(crate) fn set_crowded(&self, crowded: bool) {
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    /// A run has ended: what was left behind may have a place now.
    pub(crate) fn place_free(&self) {
        if self.crowded.load(Ordering::Relaxed) {
            self.now();
        }
    }

    /// Something becomes due then.
    pub(crate) fn at(&self, due: Due) {
        match due {
            Due::Now => self.now(),
            Due::After(duration) => self.after(duration),
            Due::At(time) => {
                self.after(SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default());
            }
        }
    }

    /// Something becomes due after this long.
    fn after(&self, duration: Duration) {
        let Some(at) = Instant::now().checked_add(duration) else { return };
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        if later.len() < Self::MOST && later.insert(at) && later.first() == Some(&at) {
            self.now.notify_one();
        }
    }

    /// Waits until a poll makes sense: when the interval is over, or at a hint.
    pub(crate) async fn wait(&self, interval: Duration) {
        let poll = Instant::now() + interval;
        let at = self.next_hint().map_or(poll, |hint| hint.min(poll));
        tokio::select! {
            biased;
            () = self.now.notified() => {}
            () = tokio::time::sleep_until(at) => {}
        }
        self.forget_due();
    }

    fn next_hint(&self) -> Option<Instant> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    /// Forgets what the look that follows finds. A hint of this very instant is one of them: virtual time stands still
    /// while somebody looks, so a hint that stayed would be looked at for ever.
    fn forget_due(&self) {
        let now = Instant::now();
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        while later.first().is_some_and(|first| *first <= now) {
            later.pop_first();
        }
    }
}

/// An error of a background activity, which no caller is there to get.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackgroundError {
    /// What was being done: `heartbeat`, `claim`, `sweep`, `take over`, `expire`, `wait`, `read messages`, `recur`,
    /// `begin children`, `finish`, `save`, `shutdown`.
    pub activity: &'static str,
    /// What went wrong.
    pub error: StoreError,
}

impl fmt::Display for BackgroundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.activity, self.error)
    }
}

impl std::error::Error for BackgroundError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

type Handler = Box<dyn Fn(&BackgroundError) + Send + Sync>;

/// Where background errors go: always to tracing, and to the user's handler when there is one.
#[derive(Default)]
pub(crate) struct Reporter(pub(crate) Option<Handler>);

impl Reporter {
    pub(crate) fn report(&self, activity: &'static str, error: StoreError) {
        metrics::store_error(activity);
        tracing::warn!(
            activity,
            %error,
            "a background activity failed; it is tried again"
        );
        if let Some(handler) = &self.0 {
            handle(handler, &BackgroundError { activity, error });
        }
    }
}

/// A handler that panics must not end the activity that called it.
fn handle(handler: &Handler, error: &BackgroundError) {
    if std::panic::catch_unwind(AssertUnwindSafe(|| handler(error))).is_err() {
        tracing::error!(activity = error.activity, "the handler of background errors panicked");
    }
}
