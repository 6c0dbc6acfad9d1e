//! The untyped control panel: it opens every instance, also one whose data or type this program does not know.

mod verbs;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::messages::{self, MessageList, PanelMessage};
use super::resolve::{UnknownCall, settled};
use crate::answer::failure_of;
use crate::codec::{Field, reader_says};
use crate::engine::Engine;
use crate::guard::{AtMostOnce, Guarded};
use crate::id::{Epoch, FunctionId, ReplicaId, check_message_name, check_text};
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::record::{NewMessage, StoredFunction};
use crate::status::Status;
use crate::version::{DecodeError, check_decoded};

/// An untyped view on one instance, for tools.
///
/// It opens instances whose data does not decode and whose type is unknown here. See
/// [`ControlPanel`](crate::ControlPanel) for the typed one, and for what edits, verbs and the drop of their futures do.
pub struct RawControlPanel {
    engine: Arc<Engine>,
    row: StoredFunction,
    /// As it is stored.
    journal: Result<Journal, DecodeError>,
    messages: MessageList,
    edits: Edits,
}

/// What was edited beside the messages.
#[derive(Debug, Default)]
struct Edits {
    param: Option<Payload>,
    scrapbook: Option<Payload>,
    journal: Option<Journal>,
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
        let (row, stored) = messages::read(engine, id).await?;
        let journal = journal_of(&row);
        let messages = MessageList::new(stored, journal.as_ref().ok());
        Ok(Self { engine: Arc::clone(engine), row, journal, messages, edits: Edits::default() })
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
        Ok(self.row.explain(&self.engine.store.replicas().await?))
    }

    /// Everything that is stored of it, as it was read.
    pub fn stored(&self) -> &StoredFunction {
        &self.row
    }

    /// Its parameter, with an edit that was made here.
    pub fn param(&self) -> &Payload {
        self.edits.param.as_ref().unwrap_or(&self.row.param)
    }

    /// Its scrapbook, with an edit that was made here.
    pub fn scrapbook(&self) -> Option<&Payload> {
        self.edits.scrapbook.as_ref().or(self.row.scrapbook.as_ref())
    }

    /// What the framework notes of it, with edits that were made here: headers, timers, named calls.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Decode`] when it is damaged, or newer code wrote it.
    pub fn journal(&self) -> Result<&Journal, InvokeError> {
        match (&self.edits.journal, &self.journal) {
            (Some(edited), _) => Ok(edited),
            (None, Ok(stored)) => Ok(stored),
            (None, Err(source)) => Err(InvokeError::Decode { field: "journal", source: source.clone() }),
        }
    }

    /// The calls by [`Context::once`](crate::Context::once) whose outcome is unknown; none while the instance executes,
    /// for they may still end.
    ///
    /// # Errors
    ///
    /// Those of [`journal`](Self::journal).
    pub fn unknown_calls(&self) -> Result<Vec<&str>, InvokeError> {
        let executes = self.row.status == Status::Executing;
        let calls =
            self.journal()?.once.iter().filter(|(_, guard)| !executes && **guard == AtMostOnce::Started);
        Ok(calls.map(|(name, _)| name.as_str()).collect())
    }

    /// Its messages, in their order, with edits that were made here.
    pub fn messages(&self) -> &[PanelMessage] {
        self.messages.messages()
    }

    /// The messages that the last run could not read.
    pub fn dead_letters(&self) -> Vec<&PanelMessage> {
        self.messages().iter().filter(|message| message.dead_letter().is_some()).collect()
    }

    /// Replaces the parameter; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] when the store could not give it back to a function.
    pub fn set_param(&mut self, param: Payload) -> Result<(), InvokeError> {
        self.check(Field::Param, &param)?;
        self.edits.param = Some(param);
        Ok(())
    }

    /// Replaces the scrapbook; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] when the store could not give it back to a function.
    pub fn set_scrapbook(&mut self, scrapbook: Payload) -> Result<(), InvokeError> {
        self.check(Field::Scrapbook, &scrapbook)?;
        self.edits.scrapbook = Some(scrapbook);
        Ok(())
    }

    /// Replaces what the framework notes, also what cannot be read; the next verb stores it.
    pub fn set_journal(&mut self, journal: Journal) {
        self.edits.journal = Some(journal);
    }

    /// Begins to say what has happened to a call by [`Context::once`](crate::Context::once) whose outcome is unknown; the
    /// next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NothingToResolve`] when its outcome is not unknown, [`InvokeError::Executing`] while the instance
    /// runs, and those of [`journal`](Self::journal).
    pub fn resolve_call(&mut self, name: &str) -> Result<UnknownCall<'_>, InvokeError> {
        self.check_not_executing()?;
        let stored = self.journal()?;
        if let Some(found) = settled(stored.once.get(name)) {
            let (id, guarded) = (self.row.id.clone(), Guarded::Call(name.to_owned()));
            return Err(InvokeError::NothingToResolve { id, guarded, found });
        }
        let stored = stored.clone();
        let limit = self.engine.settings.max_payload;
        Ok(UnknownCall::new(self.edits.journal.get_or_insert(stored), name, limit))
    }

    /// Adds a message after all others; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::KeyTaken`] when another message has its key; [`InvokeError::Id`], [`InvokeError::NotJson`] or
    /// [`InvokeError::TooLarge`] when it cannot be stored.
    pub fn add_message(&mut self, message: NewMessage) -> Result<(), InvokeError> {
        self.check_message(&message)?;
        self.messages.add(&self.row.id, message)
    }

    /// Puts another message in the place of one; the next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NoMessage`] when there is none at this position, and those of
    /// [`add_message`](Self::add_message).
    pub fn replace_message(&mut self, position: i64, message: NewMessage) -> Result<(), InvokeError> {
        self.check_message(&message)?;
        self.messages.replace(&self.row.id, position, message)
    }

    /// Removes a message; those after it move up by one position. The next verb stores it.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NoMessage`] when there is none at this position.
    pub fn remove_message(&mut self, position: i64) -> Result<(), InvokeError> {
        self.messages.remove(&self.row.id, position)
    }

    /// The message at this position.
    pub(in crate::control_panel) fn message_at(&self, position: i64) -> Result<&PanelMessage, InvokeError> {
        self.messages.at(&self.row.id, position)
    }

    fn check_message(&self, message: &NewMessage) -> Result<(), InvokeError> {
        check_message_name(&message.name)?;
        check_text("key of the message", &message.key)?;
        let NewMessage { name, key, payload } = message;
        self.check(Field::Message { name, key }, payload)
    }

    fn check(&self, field: Field<'_>, payload: &Payload) -> Result<(), InvokeError> {
        self.engine.check_size(field.name(), payload)?;
        match serde_json::from_str::<serde_json::Value>(&payload.body) {
            Ok(_) => self.engine.check_payload(&self.row.id, field, payload),
            Err(error) => Err(InvokeError::NotJson { field: field.name(), problem: error.to_string() }),
        }
    }

    /// Reads the instance anew; edits that were not stored are gone.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] when it was deleted, [`InvokeError::Store`].
    pub async fn reload(&mut self) -> Result<(), InvokeError> {
        *self = Self::open(&self.engine, &self.row.id).await?;
        Ok(())
    }

    fn check_not_executing(&self) -> Result<(), InvokeError> {
        if self.row.status == Status::Executing { Err(self.executing()) } else { Ok(()) }
    }

    pub(in crate::control_panel) fn executing(&self) -> InvokeError {
        InvokeError::Executing { id: self.row.id.clone() }
    }

    pub(in crate::control_panel) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

fn journal_of(row: &StoredFunction) -> Result<Journal, DecodeError> {
    let (type_name, text) = ("resilient::Journal", row.journal.as_deref());
    check_decoded(type_name, text.unwrap_or_default())?;
    Journal::read(text).map_err(|error| DecodeError::Malformed {
        type_name,
        stored: 1,
        problem: reader_says(&error),
    })
}
