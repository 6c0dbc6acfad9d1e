//! What the user's data is to the store: a version number and text.

use serde::{Deserialize, Serialize};

/// A stored value of the user's: the version of its type, and its JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload {
    /// The version of the type that wrote it, counted from 1.
    pub version: u32,
    /// JSON text: a person must be able to read and mend it with the database's own tools.
    pub body: String,
}

impl Payload {
    /// Puts both together.
    pub fn new(version: u32, body: impl Into<String>) -> Self {
        Self { version, body: body.into() }
    }
}
