//! The body of the function, as the innermost of all that wraps a run.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Claimed;
use super::saver::RunSaver;
use crate::context::{Context, Notes};
use crate::engine::Engine;
use crate::id::Epoch;
use crate::journal::Journal;
use crate::middleware::Innermost;
use crate::outcome::{Failure, RawOutcome};
use crate::panics::caught;
use crate::payload::Payload;
use crate::registry::arg::Env;
use crate::registry::function::Finished;
use crate::registry::{Dependencies, Registration};

/// The body of one run. Middleware may run it several times: each time from its top, with the latest scrapbook.
pub(super) struct Body {
    registration: Registration,
    param: Payload,
    context: Context,
    notes: Arc<Notes>,
    saver: Arc<RunSaver>,
    dependencies: Arc<Dependencies>,
    /// The scrapbook that the last time has left, to be stored with the outcome.
    left: Mutex<Option<Payload>>,
}

impl Body {
    /// Prepares the body, unless what is stored beside its data cannot be read.
    pub(super) fn new(engine: &Arc<Engine>, claimed: &Claimed) -> Result<Self, Failure> {
        let (id, epoch) = (claimed.ticket.id().clone(), claimed.ticket.epoch());
        let journal = Journal::read(claimed.journal.as_deref());
        let journal = journal.map_err(|error| Failure::of("unreadable journal", &error))?;
        let saver = Arc::new(RunSaver::new(engine, claimed));
        let notes = Arc::new(Notes::new(journal, Some(Arc::clone(&saver) as _)));
        // Epoch 0 is that of a new instance, 1 that of the first claim; a hand-over takes the attempt back, not the epoch.
        let context = Context::new(id, claimed.attempt, engine.shutting_down.subscribe())
            .after_other_runs(epoch > Epoch::ZERO.next())
            .with_notes(Arc::clone(&notes));
        Ok(Self {
            registration: claimed.registration,
            param: claimed.param.clone(),
            context,
            notes,
            saver,
            dependencies: Arc::clone(&engine.dependencies),
            left: Mutex::default(),
        })
    }

    /// The version of the function that runs.
    pub(super) fn version(&self) -> u32 {
        self.registration.version
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    /// The scrapbook to be stored with the outcome.
    pub(super) fn left(&self) -> Option<Payload> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Innermost for Body {
    async fn run(&self) -> RawOutcome {
        self.notes.begin();
        let env = Env {
            param: self.param.clone(),
            scrapbook: self.left().or_else(|| self.saver.latest()),
            saver: Some(Arc::clone(&self.saver) as _),
            context: self.context.clone(),
            dependencies: Arc::clone(&self.dependencies),
        };
        let finished = caught((self.registration.run)(env)).await.unwrap_or_else(|payload| Finished {
            outcome: RawOutcome::Failed(Failure::panic(payload)),
            scrapbook: None,
        });
        // After a panic the last save counts.
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = finished.scrapbook;
        finished.outcome
    }
}
