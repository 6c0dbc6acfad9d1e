//! The typed control panel.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::messages::PanelMessage;
use super::raw::RawControlPanel;
use super::resolve::{UnknownCall, UnknownField, settled};
use crate::calls;
use crate::codec;
use crate::engine::Engine;
use crate::guard::AtMostOnce;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::message::Outgoing;
use crate::outcome::Failure;
use crate::registry::ResilientFn;
use crate::scrapbook::name_of;
use crate::status::Status;
use crate::version::Versioned;

/// A typed view on one instance, as it was read, for a person or a tool.
///
/// ```
/// # use resilient::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize, Scrapbook)]
/// # struct Progress { shipped: bool }
/// #[resilient_fn(type_id = "Shipping")]
/// async fn ship(order: String, progress: &mut Scrapbook<Progress>) -> resilient::Result<()> {
///     if progress.shipped { Ok(()) } else { Err(resilient::Error::msg("did it leave the house?")) }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
/// ship::invoke(&runtime, "MK-4321", "a chair".to_owned()).await.unwrap_err();
///
/// let mut panel = ship::control_panel(&runtime, "MK-4321").await?;
/// assert_eq!(panel.failure().unwrap().message, "did it leave the house?");
/// panel.scrapbook_mut().shipped = true;
/// panel.reinvoke().await?;
/// # Ok(())
/// # }
/// ```
///
/// Edits stay here until a verb stores them, all together with what the verb does, if nobody has changed the instance since it
/// was read: [`save`](Self::save), [`reinvoke`](Self::reinvoke), [`schedule_reinvoke`](Self::schedule_reinvoke), and those that
/// postpone or end the instance. [`cancel`](Self::cancel) stores none.
///
/// # Cancellation
///
/// A verb whose future is dropped may be stored all the same: all of it, or nothing. Open the instance anew and look.
pub struct ControlPanel<F: ResilientFn> {
    raw: RawControlPanel,
    param: F::Param,
    scrapbook: F::Scrapbook,
    param_edited: bool,
    scrapbook_edited: bool,
}

impl<F: ResilientFn> fmt::Debug for ControlPanel<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<F: ResilientFn> ControlPanel<F> {
    pub(crate) async fn open(engine: &Arc<Engine>, id: &FunctionId) -> Result<Self, InvokeError> {
        let raw = RawControlPanel::open(engine, id).await?;
        let (param, scrapbook) = decode::<F>(&raw)?;
        Ok(Self { raw, param, scrapbook, param_edited: false, scrapbook_edited: false })
    }

    /// The identity of the instance.
    pub fn id(&self) -> &FunctionId {
        self.raw.id()
    }

    /// Where it stood when it was read.
    pub fn status(&self) -> Status {
        self.raw.status()
    }

    /// Its fencing token when it was read.
    pub fn epoch(&self) -> Epoch {
        self.raw.epoch()
    }

    /// How many runs were begun.
    pub fn attempts(&self) -> u32 {
        self.raw.attempts()
    }

    /// The replica that ran it when it was read.
    pub fn owner(&self) -> Option<ReplicaId> {
        self.raw.owner()
    }

    /// Its failure, when it has failed.
    pub fn failure(&self) -> Option<Failure> {
        self.raw.failure()
    }

    /// Its result, when it has succeeded.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Decode`] when the stored result is not what this code expects.
    pub fn result(&self) -> Result<Option<F::Output>, InvokeError> {
        let result = self.raw.result().map(F::decode_output).transpose();
        result.map_err(|source| InvokeError::Decode { field: "result", source })
    }

    /// When it becomes due, when it waits.
    pub fn postponed_until(&self) -> Option<SystemTime> {
        self.raw.postponed_until()
    }

    /// When it was created.
    pub fn created_at(&self) -> SystemTime {
        self.raw.created_at()
    }

    /// Why it stood where it stood when it was read, in words; see [`Runtime::reason`](crate::Runtime::reason).
    ///
    /// # Errors
    ///
    /// [`InvokeError::Store`].
    pub async fn reason(&self) -> Result<String, InvokeError> {
        self.raw.reason().await
    }

    /// Its parameter.
    pub fn param(&self) -> &F::Param {
        &self.param
    }

    /// Its parameter, to be edited; the next verb stores it.
    pub fn param_mut(&mut self) -> &mut F::Param {
        self.param_edited = true;
        &mut self.param
    }

    /// Its scrapbook.
    pub fn scrapbook(&self) -> &F::Scrapbook {
        &self.scrapbook
    }

    /// Its scrapbook, to be edited; the next verb stores it.
    pub fn scrapbook_mut(&mut self) -> &mut F::Scrapbook {
        self.scrapbook_edited = true;
        &mut self.scrapbook
    }

    /// Begins to say what has happened to a call whose field was found [`Started`](AtMostOnce::Started); the next verb
    /// stores it, with all other edits.
    ///
    /// ```
    /// # use resilient::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Default, Serialize, Deserialize, Scrapbook)]
    /// struct Order {
    ///     shipping: AtMostOnce<String>,
    /// }
    ///
    /// async fn ship() -> std::io::Result<String> {
    ///     Err(std::io::Error::other("the line is dead"))
    /// }
    ///
    /// #[resilient_fn(type_id = "Resolved")]
    /// async fn process(_: (), scrapbook: &mut Scrapbook<Order>) -> resilient::Result<String> {
    ///     Ok(scrapbook.at_most_once(|s| &mut s.shipping, ship).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// process::invoke(&runtime, "MK-4321", ()).await.unwrap_err();
    ///
    /// // A person has rung up: the parcel has left the house.
    /// let mut panel = process::control_panel(&runtime, "MK-4321").await?;
    /// panel.resolve(|s| &mut s.shipping)?.done("parcel 7".to_owned());
    /// assert_eq!(panel.reinvoke().await?, "parcel 7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvokeError::NothingToResolve`] when the outcome of the call is not unknown, [`InvokeError::Executing`] while the
    /// instance runs, for the call may still end.
    pub fn resolve<T>(
        &mut self,
        guard: impl Fn(&mut F::Scrapbook) -> &mut AtMostOnce<T>,
    ) -> Result<UnknownField<'_, T>, InvokeError> {
        if self.status() == Status::Executing {
            return Err(self.raw.executing());
        }
        if let Some(found) = settled(Some(guard(&mut self.scrapbook))) {
            let (id, guarded) = (self.id().clone(), name_of(&mut self.scrapbook, guard));
            return Err(InvokeError::NothingToResolve { id, guarded, found });
        }
        Ok(UnknownField::new(guard(&mut self.scrapbook), &mut self.scrapbook_edited))
    }

    /// Begins to say what has happened to a call by [`Context::once`](crate::Context::once) whose outcome is unknown; the
    /// next verb stores it, with all other edits.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Self::resolve), and those of [`journal`](Self::journal).
    pub fn resolve_call(&mut self, name: &str) -> Result<UnknownCall<'_>, InvokeError> {
        self.raw.resolve_call(name)
    }

    /// The calls by [`Context::once`](crate::Context::once) whose outcome is unknown; none while the instance executes,
    /// for they may still end.
    ///
    /// # Errors
    ///
    /// Those of [`journal`](Self::journal).
    pub fn unknown_calls(&self) -> Result<Vec<&str>, InvokeError> {
        self.raw.unknown_calls()
    }

    /// What the framework notes of it, with edits that were made here: headers, timers, named calls.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Decode`] when it is damaged, or newer code wrote it.
    pub fn journal(&self) -> Result<&Journal, InvokeError> {
        self.raw.journal()
    }

    /// Its messages, in their order, with edits that were made here.
    pub fn messages(&self) -> &[PanelMessage] {
        self.raw.messages()
    }

    /// The messages that the last run could not read.
    pub fn dead_letters(&self) -> Vec<&PanelMessage> {
        self.raw.dead_letters()
    }

    /// Adds a message after all others; the next verb stores it, if no other message has come since the instance was read.
    ///
    /// # Errors
    ///
    /// [`InvokeError::KeyTaken`] when another message has its key; [`InvokeError::Id`], [`InvokeError::Encode`] or
    /// [`InvokeError::TooLarge`] when it cannot be stored.
    pub fn add_message(&mut self, message: impl Into<Outgoing>) -> Result<(), InvokeError> {
        let message = calls::message(message.into())?;
        self.raw.add_message(message)
    }

    /// Puts another message in the place of one, under its key unless it has one of its own; the next verb stores it, if
    /// no other message has come since the instance was read.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NoMessage`] when there is none at this position, and those of
    /// [`add_message`](Self::add_message).
    pub fn replace_message(
        &mut self,
        position: i64,
        message: impl Into<Outgoing>,
    ) -> Result<(), InvokeError> {
        let message: Outgoing = message.into();
        let key = self.raw.message_at(position)?.key().to_owned();
        let message = calls::message(Outgoing { key: message.key.or(Some(key)), ..message })?;
        self.raw.replace_message(position, message)
    }

    /// Removes a message; those after it move up by one position. The next verb stores it, if no other message has come
    /// since the instance was read.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NoMessage`] when there is none at this position.
    pub fn remove_message(&mut self, position: i64) -> Result<(), InvokeError> {
        self.raw.remove_message(position)
    }

    /// Reads the instance anew; edits that were not stored are gone.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] when it was deleted, [`InvokeError::OtherVersion`] when another version of the function
    /// has begun it anew, [`InvokeError::Decode`] when this code cannot read it, [`InvokeError::Store`].
    pub async fn reload(&mut self) -> Result<(), InvokeError> {
        self.raw.reload().await?;
        (self.param, self.scrapbook) = decode::<F>(&self.raw)?;
        self.param_edited = false;
        self.scrapbook_edited = false;
        Ok(())
    }

    /// Waits for the result of the instance, wherever it runs; the panel itself stays as it was read.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::completion`](crate::Runtime::completion).
    pub async fn completion(&self) -> Result<F::Output, InvokeError> {
        let (engine, id) = (self.raw.engine(), self.raw.id());
        calls::typed::<F>(engine.codecs.discretion(), id, calls::completion(engine, id.clone()).await?)
    }

    /// Stores the edits. The instance keeps its status, and the panel can be used on.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`] when the instance changed since it was read, [`InvokeError::Executing`] while it runs,
    /// [`InvokeError::Encode`] or [`InvokeError::TooLarge`] for the edited data, [`InvokeError::Store`].
    pub async fn save(&mut self) -> Result<(), InvokeError> {
        self.encode_edits()?;
        self.raw.save().await?;
        self.param_edited = false;
        self.scrapbook_edited = false;
        Ok(())
    }

    /// Stores the edits, runs the instance here, and waits for its result.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save), [`InvokeError::NotRegistered`], and those of an invocation.
    ///
    /// # Cancellation
    ///
    /// The run goes on when this future is dropped.
    pub async fn reinvoke(mut self) -> Result<F::Output, InvokeError> {
        self.encode_edits()?;
        let (engine, row, changes) = self.raw.into_reinvocation()?;
        let (id, registration) = (row.id.clone(), engine.registration(F::TYPE_ID, F::VERSION)?);
        calls::typed::<F>(
            engine.codecs.discretion(),
            &id,
            calls::reinvoke(&engine, registration, row, changes).await?,
        )
    }

    /// Stores the edits and makes the instance due at once; any replica runs it.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub async fn schedule_reinvoke(mut self) -> Result<(), InvokeError> {
        self.encode_edits()?;
        self.raw.schedule_reinvoke().await
    }

    /// Stores the edits and puts the instance off, counted on the store's clock. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save), and [`InvokeError::Time`] for a time that cannot be stored.
    pub async fn postpone_for(mut self, duration: Duration) -> Result<(), InvokeError> {
        self.encode_edits()?;
        self.raw.postpone_for(duration).await
    }

    /// Stores the edits and puts the instance off. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save), and [`InvokeError::Time`] for a time that cannot be stored.
    pub async fn postpone_until(mut self, time: SystemTime) -> Result<(), InvokeError> {
        self.encode_edits()?;
        self.raw.postpone_until(time).await
    }

    /// Stores the edits and fails the instance. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    pub async fn fail(mut self, failure: Failure) -> Result<(), InvokeError> {
        self.encode_edits()?;
        self.raw.fail(failure).await
    }

    /// Stores the edits and gives the instance this result. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save), also for the result.
    pub async fn succeed(mut self, result: F::Output) -> Result<(), InvokeError> {
        self.encode_edits()?;
        let result = F::encode_output(&result);
        let result = result.map_err(|source| InvokeError::Encode { field: "result", source })?;
        self.raw.succeed(result).await
    }

    /// Removes the instance and all that belongs to it; its id can then be used anew. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`], [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn delete(self) -> Result<(), InvokeError> {
        self.raw.delete().await
    }

    /// Asks that the instance ends, whatever has become of it since it was read; see
    /// [`Runtime::cancel`](crate::Runtime::cancel). Edits are not stored.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::cancel`](crate::Runtime::cancel).
    pub async fn cancel(self) -> Result<(), InvokeError> {
        self.raw.cancel().await
    }

    fn encode_edits(&mut self) -> Result<(), InvokeError> {
        if self.param_edited {
            let param = F::encode_param(&self.param);
            self.raw
                .set_param(param.map_err(|source| InvokeError::Encode { field: "parameter", source })?)?;
        }
        // Without one there is nothing to store: what earlier code has left stays as it is.
        if self.scrapbook_edited && F::registration().scrapbook.is_some() {
            let scrapbook = codec::encode(<F::Scrapbook as Versioned>::VERSION, &self.scrapbook);
            let scrapbook = scrapbook.map_err(|source| InvokeError::Encode { field: "scrapbook", source })?;
            self.raw.set_scrapbook(scrapbook)?;
        }
        Ok(())
    }
}

fn decode<F: ResilientFn>(raw: &RawControlPanel) -> Result<(F::Param, F::Scrapbook), InvokeError> {
    calls::check_version::<F>(raw.id(), raw.version())?;
    let param = F::decode_param(raw.param());
    let param = param.map_err(|source| InvokeError::Decode { field: "parameter", source })?;
    let scrapbook = raw.scrapbook().map(<F::Scrapbook as Versioned>::decode).transpose();
    let scrapbook = scrapbook.map_err(|source| InvokeError::Decode { field: "scrapbook", source })?;
    calls::check_scrapbook(&F::registration(), raw.scrapbook())?;
    Ok((param, scrapbook.unwrap_or_default()))
}
