//! The codecs of one runtime.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::{Codec, CodecError, Discretion, Place, armour};
use crate::payload::MAX_BODY;

/// The codecs of one runtime: one that writes, and those that only read.
#[derive(Clone, Default)]
pub(crate) struct Codecs {
    writer: Option<Named>,
    readers: Vec<Named>,
}

/// A codec with its name, which is asked for once: what is stored must not change with it.
#[derive(Clone)]
struct Named {
    name: String,
    codec: Arc<dyn Codec>,
}

/// A value that its codec does not encode, or decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) codec: String,
    pub(crate) problem: String,
}

/// Why an encoded value stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// This runtime does not have the codec; another one may.
    Unknown {
        /// The name of the codec.
        codec: String,
    },
    /// The value was damaged, or moved here, or the key is another one.
    Refused(Refused),
}

/// The names and nothing else, for a codec may hold a key.
impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|named| &named.name)).finish()
    }
}

impl Named {
    fn new(codec: impl Codec) -> Self {
        Self { name: codec.name().to_owned(), codec: Arc::new(codec) }
    }

    fn refuses(&self, problem: impl Into<String>) -> Refused {
        Refused { codec: self.name.clone(), problem: problem.into() }
    }

    fn encode(&self, place: &Place<'_>, json: &str) -> Result<String, Refused> {
        let bytes = caught(|| self.codec.encode(json, place)).map_err(|problem| self.refuses(problem))?;
        if bytes.is_empty() {
            return Err(self.refuses("encoded it is empty"));
        }
        let stored = armour::put_on(&self.name, &bytes);
        if stored.len() > MAX_BODY {
            let bytes = stored.len();
            return Err(self.refuses(format!("encoded it has {bytes} bytes; at most {MAX_BODY} are stored")));
        }
        Ok(stored)
    }

    fn decode(&self, place: &Place<'_>, data: &str) -> Result<String, Refused> {
        let bytes = armour::take_off(data).ok_or_else(|| self.refuses("it was damaged or cut off"))?;
        let json = caught(|| self.codec.decode(&bytes, place)).map_err(|problem| self.refuses(problem))?;
        // A codec that cannot tell a wrong key makes something of it, and that would be garbage.
        match serde_json::from_str::<IgnoredAny>(&json) {
            Ok(_) => Ok(json),
            Err(_) => Err(self.refuses("what it decodes is not JSON")),
        }
    }
}

/// A codec is the user's: its panic must take no batch and no loop with it.
fn caught<T>(call: impl FnOnce() -> Result<T, CodecError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the codec panicked".to_owned()),
    }
}

impl Codecs {
    /// From now on, this one writes.
    pub(crate) fn write_with(&mut self, codec: impl Codec) {
        self.writer = Some(Named::new(codec));
    }

    /// This one reads as well.
    pub(crate) fn read_with(&mut self, codec: impl Codec) {
        self.readers.push(Named::new(codec));
    }

    fn all(&self) -> impl Iterator<Item = &Named> {
        self.writer.iter().chain(&self.readers)
    }

    fn get(&self, name: &str) -> Option<&Named> {
        self.all().find(|named| named.name == name)
    }

    /// Whether everything is stored as JSON text, and read as such.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether errors may quote what is stored.
    pub(crate) fn discretion(&self) -> Discretion {
        if self.is_empty() { Discretion::MayQuote } else { Discretion::QuotesNothing }
    }

    /// Whether this runtime does not have a codec of this name.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.get(name).is_none()
    }

    /// What is wrong with them, in words.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.all().filter_map(|named| armour::name_problem(&named.name)).collect();
        for (at, Named { name, .. }) in self.all().enumerate() {
            if self.all().take(at).any(|other| other.name == *name) {
                problems.push(format!("there are two codecs `{name}`; another form or key is another name"));
            }
        }
        problems
    }

    /// The stored form of JSON text.
    ///
    /// What is encoded already stays as it is: it was read, and could not be decoded here.
    pub(crate) fn encode<'a>(&self, place: &Place<'_>, body: &'a str) -> Result<Cow<'a, str>, Refused> {
        match &self.writer {
            Some(writer) if armour::codec_of(body).is_none() => writer.encode(place, body).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(body)),
        }
    }

    /// The JSON text of what is stored; `None` when it is JSON already.
    pub(crate) fn decode(&self, place: &Place<'_>, stored: &str) -> Result<Option<String>, Unread> {
        let Some((name, data)) = armour::parts(stored) else { return Ok(None) };
        let codec = self.get(name).ok_or_else(|| Unread::Unknown { codec: name.to_owned() })?;
        codec.decode(place, data).map(Some).map_err(Unread::Refused)
    }
}
