//! What the framework notes about an instance, beside what its author keeps in the scrapbook.
//!
//! It is stored with the instance, as JSON text, so that every later run knows it, on any replica, and a person can read
//! it. Names in it were chosen by the function's author: the name of a timer, of a call, of a header.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, Value};

use crate::clock::Timestamp;
use crate::codec::{self, EncodeError};
use crate::guard::{AtLeastOnce, AtMostOnce};
use crate::id::FunctionId;

/// What the framework notes about an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Journal {
    /// What middleware noted when the instance was started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The instance that has started this one as its child, and is told of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FunctionId>,
    /// When the timers end that runs have reached.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timers: BTreeMap<String, Timestamp>,
    /// Those of them that ended before the message came that was waited for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub expired: BTreeSet<String>,
    /// The calls of [`Context::once`](crate::Context::once).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub once: BTreeMap<String, AtMostOnce<Json>>,
    /// The calls of [`Context::at_least_once`](crate::Context::at_least_once).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub at_least_once: BTreeMap<String, AtLeastOnce<Json>>,
    /// The messages that runs could not read, by their positions; at most 100 are noted at a time, all are kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead_letters: BTreeMap<i64, DeadLetter>,
    /// How many tries in a row have failed and were followed by another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_tries: u32,
    /// What newer code notes, and this code keeps for it.
    #[serde(flatten)]
    pub(crate) newer: BTreeMap<String, Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A message that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The name of the message.
    pub name: String,
    /// What the reader said.
    pub reason: String,
}

/// A value as JSON text, kept as it was written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The JSON form of a value.
    ///
    /// # Errors
    ///
    /// It could not be read back, see [`codec::encode`].
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        let payload = codec::encode(1, value)?;
        Self::new(payload.body).map_err(serde::ser::Error::custom)
    }

    /// A text that is JSON already, as a person writes it.
    ///
    /// # Errors
    ///
    /// It is not JSON.
    pub fn new(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(Self)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Journal {
    /// Reads the stored text; without one nothing is noted.
    ///
    /// # Errors
    ///
    /// It is not what this code writes: newer code did, or somebody edited it.
    pub fn read(stored: Option<&str>) -> serde_json::Result<Self> {
        stored.map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }

    /// Whose child the instance is, also when this code cannot read the rest.
    pub(crate) fn parent_in(stored: Option<&str>) -> Option<FunctionId> {
        #[derive(Deserialize)]
        struct Parent {
            parent: Option<FunctionId>,
        }
        // Most journals name none, and are not read for it.
        let stored = stored.filter(|text| text.contains("\"parent\""))?;
        serde_json::from_str::<Parent>(stored).ok()?.parent
    }

    /// The text to be stored when a person lets the instance run again, unless it stays: tries count anew.
    ///
    /// What this code cannot read stays as it is.
    pub(crate) fn begun_anew(stored: Option<&str>) -> Option<String> {
        let journal = Self::read(stored).ok().filter(|journal| journal.failed_tries > 0)?;
        // An emptied journal is stored as one, for `None` would leave the old one.
        Some(Self { failed_tries: 0, ..journal }.text().unwrap_or_else(|| "{}".to_owned()))
    }

    /// The text to be stored, unless there is nothing to note.
    pub fn text(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        // Maps of text to text, numbers and JSON always have a JSON form.
        serde_json::to_string(self).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_newer_code_notes_is_kept() {
        let text = r#"{"once":{"weigh":{"done":1.10}},"dead_letters":{"3":{"name":"Paid","reason":"no"}},"later":[1.5]}"#;
        let mut journal = Journal::read(Some(text)).unwrap();
        assert_eq!(journal.text().unwrap(), text);
        journal.once.clear();
        journal.dead_letters.clear();
        assert_eq!(journal.text().unwrap(), r#"{"later":[1.5]}"#);
    }

    #[test]
    fn a_parent_is_found_beside_what_cannot_be_read() {
        let text = r#"{"parent":{"type_id":"Order","instance_id":"7"},"timers":"of another form"}"#;
        assert!(Journal::read(Some(text)).is_err());
        assert_eq!(Journal::parent_in(Some(text)), Some(FunctionId::new("Order", "7")));
        for none in ["", "{}", r#"{"headers":{"parent":"x"}}"#, r#"{"parent":7}"#] {
            assert_eq!(Journal::parent_in(Some(none)), None, "{none}");
        }
    }

    #[test]
    fn what_is_noted_is_read_back() {
        let mut journal = Journal::default();
        assert_eq!(journal.text(), None);
        journal.headers.insert("correlation-id".to_owned(), "c-1".to_owned());
        journal.timers.insert("reminder".to_owned(), Timestamp::from_micros(7));
        let done = AtMostOnce::Done(Json::new("[1.10, 2]".to_owned()).unwrap());
        journal.once.insert("reserve".to_owned(), done);
        journal.once.insert("ship".to_owned(), AtMostOnce::Started);
        journal.dead_letters.insert(3, DeadLetter { name: "Paid".to_owned(), reason: "no".to_owned() });
        let text = journal.text().unwrap();
        assert!(text.contains(r#""once":{"reserve":{"done":[1.10, 2]},"ship":"started"}"#), "{text}");
        assert_eq!(Journal::read(Some(&text)).unwrap(), journal);
        assert_eq!(Journal::read(None).unwrap(), Journal::default());
    }
}
