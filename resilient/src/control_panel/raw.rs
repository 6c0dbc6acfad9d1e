//! The untyped control panel: it opens every instance, also one whose data or type this program does not know.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::answer::{failure_json, failure_of};
use crate::calls::{self, Changes};
use crate::clock::{Due, Timestamp};
use crate::engine::Engine;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::inspect;
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Delete, Edit, Transition, Write};

/// An untyped view on one instance, for tools.
///
/// It opens instances whose data does not decode and whose type is unknown here. See
/// [`ControlPanel`](crate::ControlPanel) for the typed one.
pub struct RawControlPanel {
    engine: Arc<Engine>,
    row: StoredFunction,
    param: Option<Payload>,
    scrapbook: Option<Payload>,
}

impl fmt::Debug for RawControlPanel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawControlPanel")
            .field("id", &self.row.id)
            .field("status", &self.row.status)
            .field("epoch", &self.row.epoch)
            .finish_non_exhaustive()
    }
}

impl RawControlPanel {
    pub(crate) async fn open(engine: &Arc<Engine>, id: &FunctionId) -> Result<Self, InvokeError> {
        let row = calls::read(engine, id).await?;
        Ok(Self { engine: Arc::clone(engine), row, param: None, scrapbook: None })
    }

    /// The identity of the instance.
    pub fn id(&self) -> &FunctionId {
        &self.row.id
    }

    /// Where it stood when it was read.
    pub fn status(&self) -> Status {
        self.row.status
    }

    /// Its fencing token when it was read.
    pub fn epoch(&self) -> Epoch {
        self.row.epoch
    }

    /// How many runs were begun.
    pub fn attempts(&self) -> u32 {
        self.row.attempts
    }

    /// The replica that ran it when it was read.
    pub fn owner(&self) -> Option<ReplicaId> {
        self.row.owner
    }

    /// Its failure, when it has failed.
    pub fn failure(&self) -> Option<Failure> {
        failure_of(&self.row)
    }

    /// Its result, when it has succeeded.
    pub fn result(&self) -> Option<&Payload> {
        self.row.result.as_ref()
    }

    /// When it becomes due, when it waits.
    pub fn postponed_until(&self) -> Option<SystemTime> {
        self.row.due_at.map(SystemTime::from)
    }

    /// When it was created.
    pub fn created_at(&self) -> SystemTime {
        self.row.created_at.into()
    }

    /// The version of the function that it was started with.
    pub fn version(&self) -> u32 {
        self.row.version
    }

    /// Why it stood where it stood when it was read, in words; see [`Runtime::reason`](crate::Runtime::reason).
    ///
    /// # Errors
    ///
    /// [`InvokeError::Store`].
    pub async fn reason(&self) -> Result<String, InvokeError> {
        Ok(inspect::reason(&self.row, &self.engine.store.replicas().await?))
    }

    /// Everything that is stored of it, as it was read.
    pub fn stored(&self) -> &StoredFunction {
        &self.row
    }

    /// Its parameter, with an edit that was made here.
    pub fn param(&self) -> &Payload {
        self.param.as_ref().unwrap_or(&self.row.param)
    }

    /// Its scrapbook, with an edit that was made here.
    pub fn scrapbook(&self) -> Option<&Payload> {
        self.scrapbook.as_ref().or(self.row.scrapbook.as_ref())
    }

    /// Replaces the parameter; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] when the store could not give it back to a function.
    pub fn set_param(&mut self, param: Payload) -> Result<(), InvokeError> {
        self.check("parameter", &param)?;
        self.param = Some(param);
        Ok(())
    }

    /// Replaces the scrapbook; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] when the store could not give it back to a function.
    pub fn set_scrapbook(&mut self, scrapbook: Payload) -> Result<(), InvokeError> {
        self.check("scrapbook", &scrapbook)?;
        self.scrapbook = Some(scrapbook);
        Ok(())
    }

    fn check(&self, field: &'static str, payload: &Payload) -> Result<(), InvokeError> {
        self.engine.check_size(field, payload)?;
        match serde_json::from_str::<serde_json::Value>(&payload.body) {
            Ok(_) => Ok(()),
            Err(error) => Err(InvokeError::NotJson { field, problem: error.to_string() }),
        }
    }

    /// Reads the instance anew; edits that were not stored are gone.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] when it was deleted, [`InvokeError::Store`].
    pub async fn reload(&mut self) -> Result<(), InvokeError> {
        self.row = calls::read(&self.engine, &self.row.id).await?;
        self.param = None;
        self.scrapbook = None;
        Ok(())
    }

    /// Stores the edits. The instance keeps its status.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`] when it changed since it was read, [`InvokeError::Executing`] while it runs,
    /// [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn save(&mut self) -> Result<(), InvokeError> {
        if self.row.status == Status::Executing {
            return Err(InvokeError::Executing { id: self.row.id.clone() });
        }
        self.edit(Transition::Keep).await?;
        self.reload().await
    }

    /// Stores the edits and makes the instance due at once; any replica runs it.
    ///
    /// # Errors
    ///
    /// Those of [`postpone_until`](Self::postpone_until), and [`InvokeError::Executing`] while it runs.
    pub async fn schedule_reinvoke(mut self) -> Result<(), InvokeError> {
        if self.row.status == Status::Executing {
            return Err(InvokeError::Executing { id: self.row.id.clone() });
        }
        self.edit(Transition::Wait(Due::Now)).await?;
        self.engine.wakes.now();
        Ok(())
    }

    /// Stores the edits and puts the instance off, counted on the store's clock. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`postpone_until`](Self::postpone_until).
    pub async fn postpone_for(mut self, duration: Duration) -> Result<(), InvokeError> {
        self.wait(Due::After(duration)).await
    }

    /// Stores the edits and puts the instance off. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Time`] for a time that cannot be stored, [`InvokeError::Changed`] when the instance changed since
    /// it was read, [`InvokeError::Executing`] when data of a running instance was edited, [`InvokeError::NotFound`],
    /// [`InvokeError::Store`].
    pub async fn postpone_until(mut self, time: SystemTime) -> Result<(), InvokeError> {
        self.wait(Due::At(Timestamp::try_from(time)?)).await
    }

    async fn wait(&mut self, due: Due) -> Result<(), InvokeError> {
        due.check()?;
        self.edit(Transition::Wait(due)).await?;
        self.engine.wakes.at(due);
        Ok(())
    }

    /// Stores the edits and fails the instance. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`], [`InvokeError::Executing`] when data of a running instance was edited,
    /// [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn fail(mut self, failure: Failure) -> Result<(), InvokeError> {
        self.edit(Transition::Fail(failure_json(&failure))).await
    }

    /// Stores the edits and gives the instance this result. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`fail`](Self::fail), and [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] for the result.
    pub async fn succeed(mut self, result: Payload) -> Result<(), InvokeError> {
        self.check("result", &result)?;
        self.edit(Transition::Succeed(result)).await
    }

    /// Removes the instance and all that belongs to it. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`], [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn delete(self) -> Result<(), InvokeError> {
        let delete = Delete { id: self.row.id.clone(), epoch: self.row.epoch };
        let written = self.engine.writer.write(Write::Delete(delete)).await?;
        calls::check_edited(&self.row.id, &written)?;
        self.fenced();
        Ok(())
    }

    async fn edit(&mut self, transition: Transition) -> Result<(), InvokeError> {
        let edited = self.param.is_some() || self.scrapbook.is_some();
        // A run saves without moving the epoch: an edit could overwrite progress that was never read.
        if edited && self.row.status == Status::Executing {
            return Err(InvokeError::Executing { id: self.row.id.clone() });
        }
        // The same goes for what the run notes.
        let begins_anew = self.row.status != Status::Executing && transition != Transition::Keep;
        let journal = self.row.journal.as_deref().filter(|_| begins_anew);
        let edit = Edit {
            id: self.row.id.clone(),
            epoch: self.row.epoch,
            param: self.param.take(),
            scrapbook: self.scrapbook.take(),
            journal: Journal::begun_anew(journal),
            messages: None,
            transition,
        };
        let written = self.engine.writer.write(Write::Edit(edit)).await?;
        calls::check_edited(&self.row.id, &written)?;
        tracing::info!(type_id = %self.row.id.type_id, instance_id = %self.row.id.instance_id, epoch = %self.row.epoch, "edited through a control panel");
        self.fenced();
        Ok(())
    }

    /// A run that went on here ends at once; one of another replica at its next write, or when its sweep sees it.
    fn fenced(&self) {
        self.engine.runs.stop_one(&self.row.id, self.row.epoch);
        self.engine.waiting.hint(&self.row.id);
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(super) fn into_reinvocation(self) -> (Arc<Engine>, StoredFunction, Changes) {
        let changes = Changes { param: self.param, scrapbook: self.scrapbook };
        (self.engine, self.row, changes)
    }
}
