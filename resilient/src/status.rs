//! Where an instance stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A replica runs it, or ran it when it died.
    Executing,
    /// It waits for its due time, then any replica runs it: scheduled, postponed, handed over or crashed.
    Postponed,
    /// It waits for a message.
    Suspended,
    /// It has its result.
    Succeeded,
    /// It ended with a failure; only a person or a tool makes it run again.
    Failed,
}

impl Status {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Executing, Self::Postponed, Self::Suspended, Self::Succeeded, Self::Failed];

    /// The number that stores keep.
    pub const fn code(self) -> i16 {
        match self {
            Self::Executing => 0,
            Self::Postponed => 1,
            Self::Suspended => 2,
            Self::Succeeded => 3,
            Self::Failed => 4,
        }
    }

    /// The status behind a stored number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Whether nothing runs it any more unless somebody asks for it.
    pub const fn is_completed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Executing => "executing",
            Self::Postponed => "postponed",
            Self::Suspended => "suspended",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_again_by_its_code() {
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        assert_eq!(Status::from_code(5), None);
    }
}
