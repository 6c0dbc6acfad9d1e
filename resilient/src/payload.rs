//! What the user's data is to the store: a version number and text.

use serde::{Deserialize, Serialize};

/// MySQL and MariaDB take packets of 16 MiB by default, and a statement is longer than its payload.
pub(crate) const MAX_BODY: usize = 15 * 1024 * 1024;

/// A stored value of the user's: the version of its type, and its JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload {
    /// The version of the type that wrote it, counted from 1.
    pub version: u32,
    /// JSON text: a person must be able to read and mend it with the database's own tools. With a
    /// [codec](crate::codec) a store is given what that makes of it.
    pub body: String,
}

impl Payload {
    /// Puts both together.
    pub fn new(version: u32, body: impl Into<String>) -> Self {
        Self { version, body: body.into() }
    }
}
