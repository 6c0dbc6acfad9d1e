//! What one wait of a run waits for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::FunctionId;

/// How long a wait rests that has to look again: newer code reads what this code does not and has to get a chance to, and
/// nobody tells of the end of somebody else's child.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A net under the ends of children, which are told.
const LOOK_AFTER_CHILDREN: Duration = Duration::from_hours(1);

/// What names of timers are taken as.
pub(super) const TIMER: &str = "timer";

/// One wait that goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct Wait {
    /// The messages it waits for.
    pub(super) names: &'static [&'static str],
    /// When it ends without one.
    pub(super) deadline: Option<Timestamp>,
    /// The name of that timer.
    pub(super) timer: Option<String>,
    /// The children whose end it waits for, and whether that will be told.
    pub(super) children: BTreeMap<FunctionId, bool>,
    /// The last position of the log that it has looked at.
    pub(super) seen: Option<i64>,
    /// The message that only newer code reads.
    pub(super) newer: Option<(String, NewerCode)>,
}

/// Why a message is left to newer code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NewerCode {
    /// It is stored in this version.
    Version(u32),
    /// It is stored with this codec.
    Codec(String),
}

impl fmt::Display for NewerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "in version {version}, which this replica does not read")
            }
            Self::Codec(codec) => write!(f, "with codec `{codec}`, which this replica does not have"),
        }
    }
}

impl Wait {
    /// After how long it has to look again although nothing is told.
    ///
    /// Soon when newer code or another parent decides. The end of a child of its own is told; but somebody may end it by
    /// hand in the database, or with a codec that cannot read whose child it is, and nothing waits for ever.
    pub(super) fn looks_again(&self) -> Option<Duration> {
        if self.newer.is_some() || self.children.values().any(|is_told| !is_told) {
            return Some(LOOK_AGAIN);
        }
        (!self.children.is_empty()).then_some(LOOK_AFTER_CHILDREN)
    }

    /// Whether something would end it that comes from outside.
    pub(super) fn listens(&self) -> bool {
        !self.names.is_empty() || !self.children.is_empty()
    }
}

/// The first few, because a run may wait for thousands.
fn fmt_children(children: &BTreeMap<FunctionId, bool>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const MOST: usize = 3;
    f.write_str("waits for ")?;
    for (place, id) in children.keys().take(MOST).enumerate() {
        write!(f, "{}`{id}`", if place > 0 { ", " } else { "" })?;
    }
    match children.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, newer)) = &self.newer {
            return write!(f, "message `{name}` is stored {newer}");
        }
        match self.names.split_first() {
            None if !self.children.is_empty() => fmt_children(&self.children, f)?,
            None => f.write_str("sleeps")?,
            Some((first, rest)) => {
                write!(f, "waits for message `{first}`")?;
                rest.iter().try_for_each(|name| write!(f, " or `{name}`"))?;
            }
        }
        match (&self.deadline, &self.timer) {
            (Some(deadline), Some(timer)) => write!(f, " until {deadline} (timer `{timer}`)"),
            _ => Ok(()),
        }
    }
}
