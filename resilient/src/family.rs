//! How a parent is told that a child of its has ended: by a message in its own log, stored together with the end.
//!
//! So the parent is woken as by any message: a suspension of it that does not know of the end comes to nothing. What the
//! child has come to is read from the child itself.

use crate::chance;
use crate::id::FunctionId;
use crate::payload::Payload;
use crate::record::{NewMessage, StoredMessage};
use crate::store::Append;

/// The name of the message.
const ENDED: &str = "resilient.child";

/// What tells a parent of the end of a child.
///
/// Its key is its own: an end that came to nothing, because somebody else was faster, must not stand in the way of the
/// message about the next one.
pub(crate) fn ended(parent: FunctionId, child: &FunctionId) -> Option<Append> {
    // Nobody waits for itself; only a journal that was edited can say so.
    if parent == *child {
        return None;
    }
    let body = serde_json::to_string(child).ok()?;
    let (name, key) = (ENDED.to_owned(), chance::unique().to_string());
    Some(Append { id: parent, messages: vec![NewMessage { name, payload: Payload::new(1, body), key }] })
}

/// Whether the message tells of the end of a child.
pub(crate) fn is_ended(message: &NewMessage) -> bool {
    message.name == ENDED
}

/// The child whose end the message tells, when it is such a message.
pub(crate) fn told(message: &StoredMessage) -> Option<FunctionId> {
    if message.name == ENDED { serde_json::from_str(&message.payload.body).ok() } else { None }
}

/// Whether the message tells of the end of a child that cannot be read here: it lacks a codec, or has another key.
pub(crate) fn is_unread(message: &StoredMessage) -> bool {
    message.name == ENDED && told(message).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_parent_reads_who_has_ended() {
        let (parent, child) = (FunctionId::new("Order", "7"), FunctionId::new("Card", "7/\"card\""));
        let NewMessage { name, payload, key } = ended(parent, &child).unwrap().messages.remove(0);
        let message = StoredMessage { position: 1, name, payload, key, sent_at: Timestamp::UNIX_EPOCH };
        assert_eq!(told(&message), Some(child.clone()));
        assert!(!is_unread(&message));
        let payload = Payload::new(1, "resilient:aes-1:AA==");
        assert!(is_unread(&StoredMessage { payload, ..message.clone() }));
        assert_eq!(told(&StoredMessage { name: "Paid".to_owned(), ..message }), None);
        assert_eq!(ended(child.clone(), &child), None);
    }
}
