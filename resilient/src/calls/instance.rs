//! An instance that is about to be stored.

use std::collections::HashSet;

use super::send;
use crate::codec::Field;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invoke_error::InvokeError;
use crate::payload::Payload;
use crate::record::NewMessage;
use crate::registry::Registration;
use crate::store::{Create, Start};

/// An instance that is about to be stored.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: FunctionId,
    pub(crate) registration: Registration,
    pub(crate) param: Payload,
    /// What middleware has noted.
    pub(crate) journal: Option<String>,
    /// What it finds in its inbox when it begins.
    pub(crate) messages: Vec<NewMessage>,
}

impl Instance {
    /// Refuses what cannot be stored.
    pub(super) fn check(&self, engine: &Engine) -> Result<(), InvokeError> {
        self.id.check()?;
        engine.check_payload(&self.id, Field::Param, &self.param)?;
        send::check(engine, &self.id, &self.messages)
    }

    /// With what middleware notes at the start. Called in the task of the caller: there, middleware finds out for whom
    /// the instance is started.
    pub(super) fn noted(self, engine: &Engine) -> Result<Self, InvokeError> {
        let journal = engine.noted_at_start(&self.registration, &self.id)?;
        Ok(Self { journal, ..self })
    }

    /// The write that stores it.
    pub(super) fn create(self, start: Start) -> Create {
        let Self { id, registration, param, journal, messages } = self;
        Create { journal, messages, ..Create::new(id, start, registration.version, param) }
    }
}

/// How many messages the instance has once this is stored: of several with one key the first counts.
pub(super) fn message_count(create: &Create) -> i64 {
    let keys: HashSet<_> = create.messages.iter().map(|message| &message.key).collect();
    i64::try_from(keys.len()).unwrap_or(i64::MAX)
}
