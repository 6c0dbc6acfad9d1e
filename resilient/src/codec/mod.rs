//! How the user's data becomes text and comes back, and what may be stored in place of that text.
//!
//! The promise: **what is accepted can be read back**. JSON writers accept more than their readers: `NaN` becomes
//! `null`, a value nested 200 levels deep is written and never read again. So every value goes through a check
//! first, which looks at it exactly as the writer does, and names the field that would be lost.
//!
//! # Codecs
//!
//! Data is stored as JSON text, which a person can read and mend with the database's own tools. A [`Codec`] stores it
//! in another form: `MessagePack`, with the feature `messagepack`, or one of your own, that encrypts for example. A
//! runtime is given it with [`Builder::codec`](crate::Builder::codec).
//!
//! It covers parameters, scrapbooks, results, messages, and the journal, which holds results of calls by name and
//! headers. It does not cover what people and the database look for: ids, the names and keys of messages, versions,
//! reasons, and failures with their texts. What must not be read does not belong there. What the runtime itself says of data
//! that cannot be read or stored names the type, the kind of mistake and its place, and quotes no value when the runtime has
//! a codec, be it one that only reads; the errors of your own functions say what you have them say.
//!
//! A value is stored as `resilient:NAME:BASE64`, a third longer than what the codec made, and at most 15 MiB. Control
//! panels show and take JSON as ever.
//!
//! **A wrong codec is an error, never garbage**, and what cannot be decoded stays as it is:
//!
//! | an instance meets | what happens |
//! |---|---|
//! | JSON, stored before there was a codec | it is read; what is written from then on is encoded |
//! | a codec that this replica does not have | it is put off for 10 s with a reason, until a replica takes it that has the codec |
//! | a codec that refuses it: another key, damaged data, a value of another row | it fails as `unreadable parameter`, `unreadable scrapbook` or `unreadable journal`, for a person |
//! | a message that is encoded by a codec it does not have | the message is left alone, and looked at again within 10 s |
//! | a message that its codec refuses | the message is set aside as a dead letter |
//!
//! Whoever asks for such a value gets [`DecodeError::Codec`](crate::DecodeError::Codec), and a raw control panel opens
//! the instance all the same.
//!
//! # Introducing a codec, and another key
//!
//! A codec reaches a deployment in two steps, so that no replica meets what it cannot read:
//!
//! 1. every replica reads it: [`Builder::reads_codec`](crate::Builder::reads_codec);
//! 2. every replica writes it: [`Builder::codec`](crate::Builder::codec).
//!
//! A new key is a codec with a new name, and it is introduced in the same way. The old one stays as a reader for as long
//! as something is stored with it: nothing is encoded anew before it is written anew. To go back to JSON is the second
//! step backwards.

mod armour;
mod check;
mod codecs;
mod coding;
mod discretion;
mod key;
#[cfg(feature = "messagepack")]
mod messagepack;
mod place;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub(crate) use self::armour::codec_of;
pub(crate) use self::codecs::{Codecs, Refused, Unread};
pub use self::coding::{Codec, CodecError};
pub(crate) use self::discretion::{Discretion, reader_says, upgrade_says};
#[cfg(feature = "messagepack")]
pub use self::messagepack::MessagePack;
pub use self::place::{Field, Place};
use crate::payload::Payload;

/// How many levels of lists, maps and structs a stored value may have; readers give up at 128.
pub const MAX_DEPTH: usize = 100;

/// Turns a value into its stored form.
///
/// # Errors
///
/// [`EncodeError`] names the field that could not be read back, or that refused to be written.
///
/// ```
/// let payload = resilient::codec::encode(1, &[1.5, 2.5])?;
/// assert_eq!(payload.body, "[1.5,2.5]");
/// let error = resilient::codec::encode(1, &[1.5, f64::NAN]).unwrap_err();
/// assert_eq!(error.field(), "[1]");
/// # Ok::<_, resilient::EncodeError>(())
/// ```
pub fn encode<T: Serialize + ?Sized>(version: u32, value: &T) -> Result<Payload, EncodeError> {
    let named = |error: EncodeError| {
        let error = if discretion::may_quote() { error } else { error.without_values() };
        EncodeError { type_name: std::any::type_name::<T>(), ..error }
    };
    value.serialize(check::Checker::root()).map_err(named)?;
    match serde_json::to_string(value) {
        Ok(body) => Ok(Payload { version, body }),
        Err(error) => Err(named(EncodeError::new(Problem::Refused(error.to_string())))),
    }
}

/// Reads the stored form of a value; whether its version fits is for the caller to check.
///
/// # Errors
///
/// The text is not JSON, or not of this type.
pub fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, serde_json::Error> {
    serde_json::from_str(&payload.body)
}

/// Why a value cannot be stored: the field, what is wrong with it, and the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    type_name: &'static str,
    /// From the inside out, as the error travels up.
    path: Vec<Segment>,
    problem: Problem,
}

impl EncodeError {
    fn new(problem: Problem) -> Self {
        Self { type_name: "", path: Vec::new(), problem }
    }

    fn within(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    /// Without what it quotes of the value: keys of maps, and the words of a type that refuses.
    fn without_values(mut self) -> Self {
        for segment in &mut self.path {
            if let Segment::Key(key) = segment {
                "…".clone_into(key);
            }
        }
        self.problem = match self.problem {
            Problem::TooLarge { .. } => Problem::TooLarge { value: "an integer".to_owned() },
            Problem::Refused(_) => Problem::Refused("its type refuses".to_owned()),
            other => other,
        };
        self
    }

    /// The way to the field, for example `items[3].price`; empty when it is the value itself.
    pub fn field(&self) -> String {
        let mut text = String::new();
        for segment in self.path.iter().rev() {
            segment.push_to(&mut text);
        }
        text
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of type `{}` cannot be stored: ", self.type_name)?;
        match self.field() {
            field if field.is_empty() => f.write_str("it")?,
            field => write!(f, "`{field}`")?,
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for EncodeError {}

/// Why one field cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not a number, or infinite.
    #[error("is {value}, which JSON cannot hold; store an `Option` or an enum instead")]
    NotFinite {
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// A NUL character, which PostgreSQL cannot store.
    #[error("holds a NUL character at byte {at}; remove it")]
    Nul {
        /// Where it is.
        at: usize,
    },
    /// More levels than [`MAX_DEPTH`].
    #[error("is nested deeper than {MAX_DEPTH} levels; flatten it")]
    TooDeep,
    /// An integer outside of 64 bits, which readers turn into a float.
    #[error("is {value}, which does not fit into 64 bits; store it as text")]
    TooLarge {
        /// The number.
        value: String,
    },
    /// A map key that JSON cannot hold.
    #[error("has {kind} as a map key; use text, integers, `bool` or `char`, or store a list of pairs")]
    Key {
        /// What the key is.
        kind: &'static str,
    },
    /// `Some` of a value that is written as `null`, and would be read back as `None`.
    #[error("is `Some` of a value that is stored as `null`, and would be read back as `None`; use an enum")]
    SomeNull,
    /// The type itself refused.
    #[error("cannot be serialized: {0}")]
    Refused(String),
}

impl serde::ser::Error for EncodeError {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::new(Problem::Refused(message.to_string()))
    }
}

/// One step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Field(&'static str),
    Index(usize),
    /// JSON text of the key.
    Key(String),
}

impl Segment {
    fn push_to(&self, text: &mut String) {
        match self {
            Self::Field(name) if text.is_empty() => text.push_str(name),
            Self::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Self::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            Self::Key(key) => {
                text.push('[');
                text.push_str(key);
                text.push(']');
            }
        }
    }
}

#[cfg(test)]
mod tests;
