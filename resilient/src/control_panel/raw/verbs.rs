//! What a person can do with an instance: each verb is one compare-and-set, together with all edits.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Edits, RawControlPanel};
use crate::answer::failure_json;
use crate::calls::{self, Changes};
use crate::clock::{Due, Timestamp};
use crate::codec::Field;
use crate::engine::Engine;
use crate::invocation;
use crate::invoke_error::InvokeError;
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Delete, Transition, Write};

impl RawControlPanel {
    /// Stores the edits. The instance keeps its status.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`] when it changed since it was read, [`InvokeError::Executing`] while it runs,
    /// [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn save(&mut self) -> Result<(), InvokeError> {
        self.check_not_executing()?;
        self.edit(Transition::Keep).await?;
        self.reload().await
    }

    /// Stores the edits and makes the instance due at once; any replica runs it.
    ///
    /// # Errors
    ///
    /// Those of [`postpone_until`](Self::postpone_until), and [`InvokeError::Executing`] while it runs.
    pub async fn schedule_reinvoke(self) -> Result<(), InvokeError> {
        self.check_not_executing()?;
        self.edit(Transition::Wait(Due::Now)).await?;
        self.engine.wakes.now();
        Ok(())
    }

    /// Stores the edits and puts the instance off, counted on the store's clock. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`postpone_until`](Self::postpone_until).
    pub async fn postpone_for(self, duration: Duration) -> Result<(), InvokeError> {
        self.wait(Due::After(duration)).await
    }

    /// Stores the edits and puts the instance off. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Time`] for a time that cannot be stored, [`InvokeError::Changed`] when the instance changed since
    /// it was read, [`InvokeError::Executing`] when data of a running instance was edited, [`InvokeError::NotFound`],
    /// [`InvokeError::Store`].
    pub async fn postpone_until(self, time: SystemTime) -> Result<(), InvokeError> {
        self.wait(Due::At(Timestamp::try_from(time)?)).await
    }

    async fn wait(&self, due: Due) -> Result<(), InvokeError> {
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
    pub async fn fail(self, failure: Failure) -> Result<(), InvokeError> {
        self.edit(Transition::Fail(failure_json(&failure))).await
    }

    /// Stores the edits and gives the instance this result. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// Those of [`fail`](Self::fail), and [`InvokeError::NotJson`] or [`InvokeError::TooLarge`] for the result.
    pub async fn succeed(self, result: Payload) -> Result<(), InvokeError> {
        self.check(Field::Result, &result)?;
        self.edit(Transition::Succeed(result)).await
    }

    /// Removes the instance and all that belongs to it. A run that goes on loses ownership.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Changed`], [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn delete(self) -> Result<(), InvokeError> {
        let delete = Write::Delete(Delete::of(&self.row));
        let written = invocation::tell_parent(&self.engine, self.row.journal.as_deref(), delete).await?;
        calls::check_edited(&self.row.id, &written)?;
        self.fenced();
        Ok(())
    }

    /// Asks that the instance ends, whatever has become of it since it was read; see
    /// [`Runtime::cancel`](crate::Runtime::cancel). Edits are not stored.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::cancel`](crate::Runtime::cancel).
    pub async fn cancel(self) -> Result<(), InvokeError> {
        calls::cancel(&self.engine, self.row.id).await
    }

    async fn edit(&self, transition: Transition) -> Result<(), InvokeError> {
        let changes = self.changes(transition != Transition::Keep)?;
        let wakes = changes.messages.is_some();
        let ends = matches!(transition, Transition::Succeed(_) | Transition::Fail(_));
        let journal = self.row.journal.as_deref().filter(|_| ends);
        let edit = Write::Edit(changes.edit(&self.row, transition));
        let written = invocation::tell_parent(&self.engine, journal, edit).await?;
        calls::check_edited(&self.row.id, &written)?;
        tracing::info!(type_id = %self.row.id.type_id, instance_id = %self.row.id.instance_id, epoch = %self.row.epoch, "edited through a control panel");
        self.fenced();
        if wakes {
            self.engine.wakes.now();
        }
        Ok(())
    }

    /// All edits, as one change.
    fn changes(&self, begins_anew: bool) -> Result<Changes, InvokeError> {
        let Edits { param, scrapbook, journal } = &self.edits;
        let edited = param.is_some() || scrapbook.is_some() || journal.is_some() || self.messages.is_edited();
        if self.row.status == Status::Executing {
            // A run saves without moving the epoch: an edit could overwrite progress that was never read.
            return if edited { Err(self.executing()) } else { Ok(Changes::default()) };
        }
        Ok(Changes {
            param: param.clone(),
            scrapbook: scrapbook.clone(),
            journal: self.edited_journal(begins_anew)?,
            messages: self.messages.replacement(self.row.message_count),
        })
    }

    /// The journal to be stored, unless it stays as it is; what this code cannot read stays, too.
    fn edited_journal(&self, begins_anew: bool) -> Result<Option<String>, InvokeError> {
        let Ok(before) = self.journal() else { return Ok(None) };
        let mut journal = before.clone();
        if begins_anew {
            journal.failed_tries = 0;
        }
        if self.messages.is_edited() {
            journal.dead_letters = self.messages.dead_letters();
        }
        if self.journal.as_ref() == Ok(&journal) {
            return Ok(None);
        }
        // An emptied journal is stored as one, for `None` would leave the old one.
        let text = journal.text().unwrap_or_else(|| "{}".to_owned());
        self.engine.check_journal(&self.row.id, &text)?;
        Ok(Some(text))
    }

    /// A run that went on here ends at once; one of another replica at its next write, or when its sweep sees it.
    fn fenced(&self) {
        self.engine.runs.stop_one(&self.row.id, self.row.epoch);
        self.engine.waiting.hint(&self.row.id);
    }

    /// The instance as it was read, and all edits.
    pub(in crate::control_panel) fn into_reinvocation(
        self,
    ) -> Result<(Arc<Engine>, StoredFunction, Changes), InvokeError> {
        let changes = self.changes(true)?;
        Ok((self.engine, self.row, changes))
    }
}
