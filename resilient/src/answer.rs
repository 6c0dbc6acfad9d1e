//! What an instance has to say to those who wait for it.

use std::time::SystemTime;

use crate::outcome::Failure;
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::status::Status;

/// What an instance has to say when it neither executes nor is about to.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Succeeded {
        /// The version of the function that made the result.
        version: u32,
        result: Payload,
    },
    Failed(Failure),
    Postponed(SystemTime),
    Suspended,
}

impl Answer {
    /// The answer of a stored instance; `None` while it executes or is about to.
    ///
    /// What is due from the moment it was written has not put itself off: it was scheduled, handed over, or its owner
    /// crashed, and whoever waits for it waits on.
    pub(crate) fn of(row: &StoredFunction) -> Option<Self> {
        match row.status {
            Status::Executing => None,
            Status::Postponed => {
                row.due_at.filter(|due| *due > row.updated_at).map(|due| Self::Postponed(due.into()))
            }
            // What was woken is due from the moment at which its message was written.
            Status::Suspended => row.due_at.is_none_or(|due| due > row.updated_at).then_some(Self::Suspended),
            Status::Succeeded => Some(succeeded(row).unwrap_or_else(|| unreadable(row))),
            Status::Failed => Some(failure_of(row).map_or_else(|| unreadable(row), Self::Failed)),
        }
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether it stays the answer until somebody repairs the instance.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Failed(_))
    }
}

/// The failure of a stored instance, if it has one that can be read.
pub(crate) fn failure_of(row: &StoredFunction) -> Option<Failure> {
    row.failure.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// Whether this is the stored form of a failure on request.
pub(crate) fn is_cancelled(failure: &str) -> bool {
    serde_json::from_str(failure).is_ok_and(|failure: Failure| failure.is_cancelled())
}

fn succeeded(row: &StoredFunction) -> Option<Answer> {
    row.result.clone().map(|result| Answer::Succeeded { version: row.version, result })
}

fn unreadable(row: &StoredFunction) -> Answer {
    Answer::Failed(Failure::new(
        "unreadable",
        format!("the stored outcome of `{}` is missing or damaged", row.id),
    ))
}

/// The form in which a failure is stored.
pub(crate) fn failure_json(failure: &Failure) -> String {
    // Three fields of text always have a JSON form.
    serde_json::to_string(failure).unwrap_or_else(|_| r#"{"type":"unknown","message":""}"#.to_owned())
}
