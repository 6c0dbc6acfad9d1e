//! A message on its way.

use super::Message;
use crate::codec::{self, EncodeError};
use crate::payload::Payload;
use crate::version::Versioned;

/// A message on its way to an instance; every [`Message`] becomes one by `into()`.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(crate) name: &'static str,
    pub(crate) payload: Result<Payload, EncodeError>,
    pub(crate) key: Option<String>,
}

impl Outgoing {
    /// Gives it an idempotency key: an instance stores each key once, so that sending again is safe.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl<M: Message> From<M> for Outgoing {
    fn from(message: M) -> Self {
        let payload = codec::encode(<M as Versioned>::VERSION, &message);
        Self { name: M::NAME, payload, key: None }
    }
}
