//! The messages of an instance as a control panel shows and edits them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::calls;
use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invoke_error::InvokeError;
use crate::journal::{DeadLetter, Journal};
use crate::message::Messages;
use crate::payload::Payload;
use crate::record::{NewMessage, StoredFunction, StoredMessage};
use crate::store::{After, Replace};

/// How many messages are read at once.
const PAGE: u32 = 500;

/// One message of an instance, as a control panel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelMessage {
    position: i64,
    message: NewMessage,
    sent_at: Option<Timestamp>,
    dead_letter: Option<DeadLetter>,
}

impl PanelMessage {
    fn stored(message: StoredMessage, dead_letter: Option<DeadLetter>) -> Self {
        let StoredMessage { position, name, payload, key, sent_at } = message;
        let message = NewMessage { name, payload, key };
        Self { position, message, sent_at: Some(sent_at), dead_letter }
    }

    /// Its place in the order of the instance's messages, counted from 1. Edits that were made here count.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// What it is: the name of the message type.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// What it says.
    pub fn payload(&self) -> &Payload {
        &self.message.payload
    }

    /// Its idempotency key.
    pub fn key(&self) -> &str {
        &self.message.key
    }

    /// When it was stored; `None` for one that was added or replaced here.
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.sent_at.map(SystemTime::from)
    }

    /// Why the last run could not read it, when it could not; edited messages are given another try.
    pub fn dead_letter(&self) -> Option<&str> {
        self.dead_letter.as_ref().map(|dead| dead.reason.as_str())
    }

    /// Reads it, if it is one of these.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Decode`] when it is one of these and cannot be read.
    pub fn read<M: Messages>(&self) -> Result<Option<M>, InvokeError> {
        if !M::NAMES.contains(&self.name()) {
            return Ok(None);
        }
        let read = M::decode(self.name(), self.payload());
        read.map(Some).map_err(|source| InvokeError::Decode { field: "message", source })
    }
}

/// All messages of an instance, with the edits that were made.
#[derive(Debug, Default)]
pub(super) struct MessageList {
    messages: Vec<PanelMessage>,
    is_edited: bool,
}

impl MessageList {
    pub(super) fn new(stored: Vec<StoredMessage>, journal: Option<&Journal>) -> Self {
        let shown = |message: StoredMessage| {
            let dead_letter = journal.and_then(|journal| journal.dead_letters.get(&message.position));
            let dead_letter = dead_letter.cloned();
            PanelMessage::stored(message, dead_letter)
        };
        Self { messages: stored.into_iter().map(shown).collect(), is_edited: false }
    }

    pub(super) fn messages(&self) -> &[PanelMessage] {
        &self.messages
    }

    pub(super) fn is_edited(&self) -> bool {
        self.is_edited
    }

    /// The message at this position.
    pub(super) fn at(&self, id: &FunctionId, position: i64) -> Result<&PanelMessage, InvokeError> {
        let found = self.messages.iter().find(|message| message.position == position);
        found.ok_or_else(|| InvokeError::NoMessage { id: id.clone(), position, count: self.messages.len() })
    }

    pub(super) fn add(&mut self, id: &FunctionId, message: NewMessage) -> Result<(), InvokeError> {
        self.check_key(id, &message.key, None)?;
        self.messages.push(PanelMessage { position: 0, message, sent_at: None, dead_letter: None });
        self.edited();
        Ok(())
    }

    pub(super) fn replace(
        &mut self,
        id: &FunctionId,
        position: i64,
        message: NewMessage,
    ) -> Result<(), InvokeError> {
        self.at(id, position)?;
        self.check_key(id, &message.key, Some(position))?;
        if let Some(shown) = self.messages.iter_mut().find(|shown| shown.position == position) {
            *shown = PanelMessage { position, message, sent_at: None, dead_letter: None };
        }
        self.edited();
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &FunctionId, position: i64) -> Result<(), InvokeError> {
        self.at(id, position)?;
        self.messages.retain(|message| message.position != position);
        self.edited();
        Ok(())
    }

    /// The store leaves a message out whose key it knows; a person is to be told.
    fn check_key(&self, id: &FunctionId, key: &str, besides: Option<i64>) -> Result<(), InvokeError> {
        let mut others = self.messages.iter().filter(|message| Some(message.position) != besides);
        match others.find(|message| message.key() == key) {
            None => Ok(()),
            Some(PanelMessage { position, .. }) => {
                Err(InvokeError::KeyTaken { id: id.clone(), key: key.to_owned(), position: *position })
            }
        }
    }

    /// Gives each message the position that it is going to be stored at.
    fn edited(&mut self) {
        self.is_edited = true;
        for (position, message) in (1..).zip(&mut self.messages) {
            message.position = position;
        }
    }

    /// The edit, if there is any, of an instance with so many stored messages.
    pub(super) fn replacement(&self, message_count: i64) -> Option<Replace> {
        let messages = || self.messages.iter().map(|shown| shown.message.clone()).collect();
        self.is_edited.then(|| Replace { message_count, messages: messages() })
    }

    /// What is noted of messages that could not be read and were left as they are.
    pub(super) fn dead_letters(&self) -> BTreeMap<i64, DeadLetter> {
        let dead = |shown: &PanelMessage| Some((shown.position, shown.dead_letter.clone()?));
        self.messages.iter().filter_map(dead).collect()
    }
}

/// Reads an instance and its messages: those that the instance counts, and none that came after it was read.
pub(super) async fn read(
    engine: &Engine,
    id: &FunctionId,
) -> Result<(StoredFunction, Vec<StoredMessage>), InvokeError> {
    let mut row = calls::read(engine, id).await?;
    loop {
        let messages = messages_of(engine, &row).await?;
        if i64::try_from(messages.len()).is_ok_and(|found| found == row.message_count) {
            return Ok((row, messages));
        }
        // They were replaced after the instance was read. When it has not changed, somebody removed some by hand.
        let again = calls::read(engine, id).await?;
        if (again.epoch, again.message_count) == (row.epoch, row.message_count) {
            return Ok((again, messages));
        }
        row = again;
    }
}

async fn messages_of(engine: &Engine, row: &StoredFunction) -> Result<Vec<StoredMessage>, InvokeError> {
    let mut messages: Vec<StoredMessage> = Vec::new();
    while messages.last().map_or(0, |last| last.position) < row.message_count {
        let position = messages.last().map_or(0, |last| last.position);
        let wanted = After { id: row.id.clone(), position };
        let page = engine.store.messages(&[wanted], PAGE).await?.into_iter().flatten();
        let before = messages.len();
        messages.extend(page.filter(|message| message.position <= row.message_count));
        if messages.len() == before {
            break;
        }
    }
    Ok(messages)
}
