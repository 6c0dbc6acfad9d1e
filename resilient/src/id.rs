//! The names of things: function types, instances, replicas and epochs.
//!
//! Ids compare by their bytes, on every store: `Order-1`, `order-1` and `Order-1 ` are three instances.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::chance;

/// The most bytes of UTF-8 that a type id or an instance id may have.
pub const MAX_ID_BYTES: usize = 200;

/// The name under which the instances of one resilient function are stored.
///
/// It is given by `#[resilient_fn(type_id = "…")]` and never derived from a Rust name, so that code can move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypeId(Arc<str>);

/// The name of one piece of work of a function type, chosen by the caller: an order number, a customer's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(Arc<str>);

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl From<&String> for $name {
            fn from(text: &String) -> Self {
                Self(text.as_str().into())
            }
        }
        impl From<&Self> for $name {
            fn from(id: &Self) -> Self {
                id.clone()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_id!(TypeId);
text_id!(InstanceId);

/// The identity of a piece of work: a function type and an instance of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionId {
    /// The function type.
    pub type_id: TypeId,
    /// The instance.
    pub instance_id: InstanceId,
}

impl FunctionId {
    /// Puts both names together; they are checked when they are used.
    pub fn new(type_id: impl Into<TypeId>, instance_id: impl Into<InstanceId>) -> Self {
        Self { type_id: type_id.into(), instance_id: instance_id.into() }
    }

    /// Whether every store can keep this id.
    ///
    /// # Errors
    ///
    /// [`IdError`] names the field and the limit when an id is empty, longer than [`MAX_ID_BYTES`] or holds NUL.
    pub fn check(&self) -> Result<(), IdError> {
        check_text("type id", self.type_id.as_str())?;
        check_text("instance id", self.instance_id.as_str())
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.type_id, self.instance_id)
    }
}

/// Whether every store can keep this name.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { field });
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong { field, bytes: text.len() });
    }
    match text.find('\0') {
        Some(at) => Err(IdError::Nul { field, at }),
        None => Ok(()),
    }
}

/// What the names of the framework's own messages begin with.
pub(crate) const RESERVED: &str = "resilient.";

/// Whether a message of a user can have this name.
pub(crate) fn check_message_name(name: &str) -> Result<(), IdError> {
    check_text("name of the message", name)?;
    if name.starts_with(RESERVED) { Err(IdError::Reserved { name: name.to_owned() }) } else { Ok(()) }
}

/// Why an id, or the name or the key of a message, cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// There is nothing in it.
    #[error("the {field} is empty; give at least one byte")]
    Empty {
        /// `type id`, `instance id`, `name` or `key of the message`, or `name of the child`.
        field: &'static str,
    },
    /// It is longer than [`MAX_ID_BYTES`].
    #[error("the {field} has {bytes} bytes; at most {MAX_ID_BYTES} are kept")]
    TooLong {
        /// `type id`, `instance id`, or `name` or `key of the message`.
        field: &'static str,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// It holds a NUL character, which PostgreSQL cannot store.
    #[error("the {field} holds a NUL character at byte {at}; remove it")]
    Nul {
        /// `type id`, `instance id`, or `name` or `key of the message`.
        field: &'static str,
        /// Where it is.
        at: usize,
    },
    /// The name of a message is one of those that the framework keeps for itself.
    #[error(
        "the message `{name}` has a name that begins with `{RESERVED}`; such names are the framework's own"
    )]
    Reserved {
        /// The name.
        name: String,
    },
}

/// One start of a process with a runtime: fresh for every start, never a host or pod name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplicaId(Uuid);

impl ReplicaId {
    /// A new, random id.
    pub fn random() -> Self {
        Self(chance::unique())
    }

    /// Reads the form that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The fencing token of an instance: one higher after every claim, transition and edit.
///
/// Whoever writes names the epoch it knows; a write with an old one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(i64);

impl Epoch {
    /// The epoch of an instance that was just created.
    pub const ZERO: Self = Self(0);

    /// The epoch with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The epoch after this one; the last one stays where it is, and with it the fence stays closed.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_200_bytes_is_kept_and_one_of_201_is_not() {
        assert_eq!(FunctionId::new("T", "x".repeat(200)).check(), Ok(()));
        let error = FunctionId::new("T", "x".repeat(201)).check();
        assert_eq!(error, Err(IdError::TooLong { field: "instance id", bytes: 201 }));
    }

    #[test]
    fn the_limit_counts_bytes_and_not_characters() {
        let error = FunctionId::new("🍣".repeat(51), "x").check();
        assert_eq!(error, Err(IdError::TooLong { field: "type id", bytes: 204 }));
    }

    #[test]
    fn empty_and_nul_are_refused_by_name() {
        assert_eq!(FunctionId::new("", "x").check(), Err(IdError::Empty { field: "type id" }));
        let nul = FunctionId::new("T", "a\0b").check();
        assert_eq!(nul, Err(IdError::Nul { field: "instance id", at: 1 }));
    }

    #[test]
    fn a_replica_id_is_read_back_from_its_text() {
        let id = ReplicaId::random();
        assert_eq!(ReplicaId::parse(&id.to_string()), Some(id));
        assert_eq!(ReplicaId::parse("pod-7"), None);
    }
}
