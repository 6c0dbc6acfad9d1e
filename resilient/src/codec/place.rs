//! Which value of which instance a codec is given.

use crate::id::FunctionId;

/// Which value of which instance a codec is given, the same when it is stored and when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The instance.
    pub id: &'a FunctionId,
    /// Which of its values.
    pub field: Field<'a>,
    /// The version of the value's type; 0 for the journal, which has none.
    pub version: u32,
}

/// Which value of an instance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field<'a> {
    /// Its input.
    Param,
    /// Its progress.
    Scrapbook,
    /// Its result.
    Result,
    /// What the framework notes of it, with results of calls by name.
    Journal,
    /// One of its messages.
    Message {
        /// The name of the message type.
        name: &'a str,
        /// Its idempotency key, which no other message of the instance has.
        key: &'a str,
    },
}

impl<'a> Place<'a> {
    /// For tests of a codec; a runtime makes its own.
    pub fn new(id: &'a FunctionId, field: Field<'a>, version: u32) -> Self {
        Self { id, field, version }
    }

    /// Bytes that no other place has, the same on every replica and in every release: the associated data of an
    /// encryption, so that a value that was moved to another place is refused there.
    pub fn associated_data(&self) -> Vec<u8> {
        let version = self.version.to_string();
        let (name, key) = match self.field {
            Field::Message { name, key } => (name, key),
            Field::Param | Field::Scrapbook | Field::Result | Field::Journal => ("", ""),
        };
        let FunctionId { type_id, instance_id } = self.id;
        let parts = [type_id.as_str(), instance_id.as_str(), self.field.name(), &version, name, key];
        let mut bytes = Vec::new();
        for part in parts {
            // Without the lengths, `a` and `bc` would look like `ab` and `c`.
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

impl Field<'_> {
    /// What errors call it: `parameter`, `scrapbook`, `result`, `journal` or `message`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Param => "parameter",
            Self::Scrapbook => "scrapbook",
            Self::Result => "result",
            Self::Journal => "journal",
            Self::Message { .. } => "message",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_have_the_same_associated_data() {
        let ids = [("a", "bc"), ("ab", "c"), ("a", "b"), ("", "abc")];
        let ids = ids.map(|(type_id, instance_id)| FunctionId::new(type_id, instance_id));
        let messages = [("m", "12"), ("m1", "2")].map(|(name, key)| Field::Message { name, key });
        let fields = [Field::Param, Field::Scrapbook, Field::Result, Field::Journal];
        let fields = || fields.into_iter().chain(messages);
        let places = ids.iter().flat_map(|id| fields().map(move |field| (id, field)));
        let places = places.flat_map(|(id, field)| [1, 2].map(|version| Place::new(id, field, version)));
        let all: Vec<_> = places.map(|place| place.associated_data()).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (48, 48));
    }
}
