//! The messages of an instance, as far as this run has read them.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::family;
use crate::id::FunctionId;
use crate::message::{Messages, Outgoing};
use crate::payload::Payload;
use crate::record::StoredMessage;
use crate::version::DecodeError;

/// The messages of an instance in their order, each of them handed out once.
#[derive(Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    /// The position of the last message that was read; `None` before the first reading.
    read: watch::Sender<Option<i64>>,
}

/// Without the messages, which are nobody's business.
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("read", &*self.read.borrow()).finish_non_exhaustive()
    }
}

#[derive(Default, Clone)]
struct State {
    entries: Vec<Entry>,
    /// How many entries at the beginning are all handed out.
    done: usize,
    /// Where a log begins that does without what was there before.
    start: i64,
    /// The children whose end was told.
    ended: HashSet<FunctionId>,
    /// Whether an end was told that cannot be read here: it may be that of any child.
    unread_end: bool,
}

#[derive(Clone)]
struct Entry {
    message: StoredMessage,
    is_taken: bool,
}

impl State {
    fn last_position(&self) -> i64 {
        self.entries.last().map_or(self.start, |entry| entry.message.position)
    }
}

/// What a look at the log has come to.
#[derive(Debug)]
pub(super) struct Look<T> {
    /// The message, when there was one.
    pub(super) found: Option<T>,
    /// The messages that could not be read, and why.
    pub(super) unread: Vec<(StoredMessage, DecodeError)>,
    /// The last position that was looked at.
    pub(super) position: i64,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body begins from its top: everything is there again.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        state.done = 0;
        for entry in &mut state.entries {
            entry.is_taken = false;
        }
    }

    /// The position of the last message that was read.
    pub(crate) fn position(&self) -> i64 {
        self.read.borrow().unwrap_or(0)
    }

    /// Whether it was read at all.
    pub(crate) fn is_read(&self) -> bool {
        self.read.borrow().is_some()
    }

    /// Waits until there are messages after this position.
    pub(super) async fn beyond(&self, position: i64) {
        let mut read = self.read.subscribe();
        // The sender is here, so this cannot fail.
        let _ = read.wait_for(|read| read.is_some_and(|last| last > position)).await;
    }

    /// Adds what was read; what is known already is left out.
    pub(crate) fn add(&self, messages: Vec<StoredMessage>) {
        let mut state = self.lock();
        for message in messages {
            if message.position > state.last_position() {
                let ended = family::told(&message);
                state.ended.extend(ended);
                state.unread_end |= family::is_unread(&message);
                state.entries.push(Entry { message, is_taken: false });
            }
        }
        // Under the lock, so that of two readings the later one is told last.
        self.read.send_replace(Some(state.last_position()));
    }

    /// Hands out the first message of these kinds after a position.
    pub(super) fn take<T: Messages>(&self, after: i64) -> Look<T> {
        let state = &mut *self.lock();
        let mut look = Look { found: None, unread: Vec::new(), position: after.max(state.last_position()) };
        for Entry { message, is_taken } in state.entries.iter_mut().skip(state.done) {
            let name = message.name.as_str();
            if message.position <= after || *is_taken || !T::NAMES.contains(&name) {
                continue;
            }
            match T::decode(name, &message.payload) {
                Ok(value) => {
                    *is_taken = true;
                    look.position = message.position;
                    look.found = Some(value);
                    break;
                }
                Err(error) => look.unread.push((message.clone(), error)),
            }
        }
        state.done += state.entries.iter().skip(state.done).take_while(|entry| entry.is_taken).count();
        look
    }

    /// A log of what comes after a position; what was there before is not read.
    pub(crate) fn after(position: i64) -> Self {
        let state = State { start: position, ..State::default() };
        Self { state: Mutex::new(state), read: watch::Sender::new(Some(position)) }
    }

    /// Whether the end of this child was told, or may have been.
    pub(super) fn tells_of(&self, child: &FunctionId) -> bool {
        let state = self.lock();
        state.unread_end || state.ended.contains(child)
    }

    /// Whether there is a message of this name at this position.
    pub(super) fn has(&self, position: i64, name: &str) -> bool {
        let is_it = |Entry { message, .. }: &Entry| message.position == position && message.name == name;
        self.lock().entries.iter().any(is_it)
    }

    /// A log for a unit test: no store has more.
    pub(super) fn read_through() -> Self {
        Self { state: Mutex::default(), read: watch::Sender::new(Some(0)) }
    }

    /// Adds a message in a unit test.
    pub(super) fn send(&self, Outgoing { name, payload, key }: Outgoing) {
        let position = self.position() + 1;
        let name = name.to_owned();
        let payload = payload.unwrap_or_else(|_| Payload::new(1, ""));
        let key = key.unwrap_or_else(|| position.to_string());
        let is_known = self.lock().entries.iter().any(|entry| entry.message.key == key);
        if !is_known {
            self.add(vec![StoredMessage { position, name, payload, key, sent_at: SystemClock.now() }]);
        }
    }

    /// A log of its own with the same messages, none of them handed out.
    pub(super) fn anew(&self) -> Self {
        let entries = self.lock().entries.clone();
        let log = Self {
            state: Mutex::new(State { entries, ..State::default() }),
            read: watch::Sender::new(*self.read.borrow()),
        };
        log.begin();
        log
    }
}
