//! An instance that is about to be stored.

use std::collections::HashSet;

use crate::codec::Field;
use crate::engine::Engine;
use crate::id::{FunctionId, check_message_name, check_text};
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
    /// Whose child it is.
    pub(crate) parent: Option<FunctionId>,
    /// Whether that is told of its end.
    pub(crate) tells_parent: bool,
    /// What middleware has noted, and the parent that is told.
    pub(crate) journal: Option<String>,
    /// What it finds in its inbox when it begins.
    pub(crate) messages: Vec<NewMessage>,
}

impl Instance {
    /// Refuses what cannot be stored.
    pub(crate) fn check(&self, engine: &Engine) -> Result<(), InvokeError> {
        self.id.check()?;
        engine.check_payload(&self.id, Field::Param, &self.param)?;
        check_messages(engine, &self.id, &self.messages)
    }

    /// With what middleware notes at the start. Called in the task of the caller: there, middleware finds out for whom
    /// the instance is started.
    pub(crate) fn noted(self, engine: &Engine) -> Result<Self, InvokeError> {
        let told = self.parent.as_ref().filter(|_| self.tells_parent);
        let journal = engine.noted_at_start(&self.registration, &self.id, told)?;
        Ok(Self { journal, ..self })
    }

    /// The write that stores it.
    pub(crate) fn create(self, start: Start) -> Create {
        let Self { id, registration, param, parent, tells_parent: _, journal, messages } = self;
        Create { journal, parent, messages, ..Create::new(id, start, registration.version, param) }
    }
}

/// How many messages the instance has once this is stored: of several with one key the first counts.
pub(super) fn message_count(create: &Create) -> i64 {
    let keys: HashSet<_> = create.messages.iter().map(|message| &message.key).collect();
    i64::try_from(keys.len()).unwrap_or(i64::MAX)
}

/// Refuses messages that cannot be stored.
pub(crate) fn check_messages(
    engine: &Engine,
    id: &FunctionId,
    messages: &[NewMessage],
) -> Result<(), InvokeError> {
    for NewMessage { name, payload, key } in messages {
        check_message_name(name)?;
        check_text("key of the message", key)?;
        engine.check_payload(id, Field::Message { name, key }, payload)?;
    }
    Ok(())
}
