//! All waits of one run: what they have seen of the log, until when they wait, and what the run ends with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use super::log::{Log, Look};
use super::notes::Notes;
use super::post::{Post, StoreTime};
use super::told;
use super::wait::{NewerCode, TIMER, Wait};
use super::wait_error::WaitError;
use crate::clock::{Clock, Due, SystemClock, Timestamp};
use crate::journal::{DeadLetter, Journal};
use crate::message::Messages;
use crate::outcome::{Cancelled, Suspend, storable};
use crate::record::StoredMessage;
use crate::version::DecodeError;

/// All waits of one run.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(super) notes: Arc<Notes>,
    pub(super) log: Arc<Log>,
    /// What has arrived since the run was begun: it tells which children have ended.
    pub(super) told: Arc<Log>,
    /// Where messages come from; `None` in a unit test, where none arrives.
    pub(super) post: Option<Arc<dyn Post>>,
    time: OnceCell<StoreTime>,
    /// Held while a wait is prepared: no wait suspends the run before those beside it are known.
    preparing: tokio::sync::RwLock<()>,
    state: Mutex<State>,
    /// Told when a wait changes or ends.
    changed: watch::Sender<()>,
    /// Set when the instance is to be cancelled.
    cancel: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    /// The waits that go on.
    going_on: BTreeMap<u64, Wait>,
    /// What the waits say that went on when one of them suspended the run.
    suspended: BTreeMap<u64, String>,
    /// The earliest of their deadlines.
    due: Option<Timestamp>,
    /// After how long one of them has to look again although nothing arrives.
    looks_again: Option<Duration>,
    /// The least that one of them has seen of the log.
    seen: Option<i64>,
    /// The least that a wait has seen that was given up.
    given_up: Option<i64>,
    /// The last position that was handed out.
    handed_out: i64,
}

/// What a run ends with that waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Suspension {
    /// How many messages it knew of.
    pub(crate) message_count: i64,
    /// When it becomes due without another one.
    pub(crate) due: Option<Due>,
    /// How long that is from now on.
    pub(crate) rest: Option<Duration>,
    /// Why it waits, for people.
    pub(crate) reason: String,
}

/// A reason may quote the message as a whole.
const MOST_OF_A_REASON: usize = 1024;
/// The journal stays small enough to be stored; the messages themselves are all kept.
const MOST_DEAD_LETTERS: usize = 100;

impl Waits {
    pub(super) fn new(
        notes: Arc<Notes>,
        (log, message_count): (Log, i64),
        post: Option<Arc<dyn Post>>,
        cancel: watch::Receiver<bool>,
    ) -> Self {
        Self {
            notes,
            log: Arc::new(log),
            told: Arc::new(Log::after(message_count)),
            post,
            time: OnceCell::new(),
            preparing: tokio::sync::RwLock::default(),
            state: Mutex::default(),
            changed: watch::Sender::default(),
            cancel,
        }
    }

    /// Whether the instance is to be cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Waits until the instance is to be cancelled.
    pub(super) async fn cancelled(&self) {
        told(&self.cancel).await;
    }

    /// Has a wait end when the instance is to be cancelled, and not begin after that: whatever a context waits for goes
    /// through here, so that a body which only waits ends without a word of its own.
    pub(super) async fn unless_cancelled<T, E: From<Cancelled>>(
        &self,
        wait: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(Cancelled.into()),
            ended = wait => ended,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body begins from its top.
    pub(super) fn begin(&self) {
        self.log.begin();
        let mut state = self.lock();
        // A task that an earlier try has left behind may still hold a wait.
        *state = State { next_id: state.next_id, ..State::default() };
    }

    /// What the store's clock shows.
    pub(super) async fn time(&self) -> Result<StoreTime, WaitError> {
        let ask = async || {
            if let Some(post) = &self.post {
                return post.time().await;
            }
            let now = Instant::now();
            Ok(StoreTime::new(SystemClock.now(), now, now))
        };
        Ok(*self.time.get_or_try_init(ask).await?)
    }

    /// Makes a wait known, from now until the answer is dropped.
    pub(super) fn go_on(&self, wait: Wait) -> GoingOn<'_> {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.going_on.insert(id, wait);
        GoingOn { waits: self, id, is_over: false, watch: None }
    }

    /// Whether a wait goes on that a message or a child would end.
    pub(super) fn listens(&self) -> bool {
        self.lock().going_on.values().any(Wait::listens)
    }

    /// Waits until no wait goes on that ends by itself.
    pub(super) async fn no_timer(&self) {
        let is_timed = || self.lock().going_on.values().any(|wait| wait.deadline.is_some());
        loop {
            // The sender is here, so this cannot fail.
            let _ = self.changed.subscribe().wait_for(|()| !is_timed()).await;
            // Who was woken by the end of a timer may begin another one.
            self.settle().await;
            if !is_timed() {
                return;
            }
        }
    }

    /// Held while a wait is prepared, alone.
    pub(super) async fn prepare(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.preparing.write().await
    }

    /// Held while a wait is prepared that others can be prepared beside.
    pub(super) async fn prepare_beside(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.preparing.read().await
    }

    /// Waits until all waits are known that begin together with this one, as in `try_join!` and `select!`.
    pub(super) async fn settle(&self) {
        tokio::task::yield_now().await;
        drop(self.prepare().await);
    }

    /// Ends the run: what goes on at this moment is what the instance waits for from now on.
    pub(super) fn suspend(&self) -> Suspend {
        let state = &mut *self.lock();
        // In this order: what is told later than this makes the suspension come to nothing.
        let told = self.told.position();
        for (id, wait) in &mut state.going_on {
            if !wait.children.is_empty() && !wait.children.keys().any(|child| self.told.tells_of(child)) {
                wait.seen = Some(told);
            }
            state.suspended.insert(*id, wait.to_string());
            state.due = earliest(state.due, wait.deadline);
            state.seen = earliest(state.seen, wait.seen);
            state.looks_again = earliest(state.looks_again, wait.looks_again());
        }
        Suspend
    }

    /// The message at this position cannot be read by any version of this code.
    fn is_dead(&self, message: StoredMessage, reason: String) {
        let StoredMessage { position, name, .. } = message;
        let letter = DeadLetter { name, reason: storable(reason, MOST_OF_A_REASON) };
        let is_known = |journal: &Journal| {
            journal.dead_letters.get(&position) == Some(&letter)
                || journal.dead_letters.len() >= MOST_DEAD_LETTERS
        };
        if self.notes.read(is_known) {
            return;
        }
        if let Some(post) = &self.post {
            post.set_aside(position, &letter.name);
        }
        self.notes.note(|journal| drop(journal.dead_letters.insert(position, letter.clone())));
    }

    /// The message at this position was read, by whatever earlier code could not.
    fn is_readable(&self, position: i64) {
        if self.notes.read(|journal| journal.dead_letters.contains_key(&position)) {
            self.notes.note(|journal| drop(journal.dead_letters.remove(&position)));
        }
    }

    /// Forgets dead letters that are not in the log any more: a person has replaced the messages.
    pub(super) fn forget_dead(&self) {
        self.notes.note(|journal| {
            journal.dead_letters.retain(|position, letter| self.log.has(*position, &letter.name));
        });
    }

    /// Has what arrives added to a log, unless waits do not stay in memory anyway.
    fn watched<'a>(&'a self, log: &'a Arc<Log>, at_once: bool) -> Option<Watch<'a>> {
        let post = self.post.as_deref().filter(|post| !post.stay_in_memory().is_zero())?;
        post.watch(log, at_once);
        Some(Watch { post, log })
    }

    /// The same messages and timers for another context, in a unit test.
    pub(super) fn anew(&self, notes: Arc<Notes>) -> Self {
        Self { time: self.time.clone(), ..Self::new(notes, (self.log.anew(), 0), None, self.cancel.clone()) }
    }

    /// For a unit test: from now on the instance is to be cancelled.
    pub(super) fn with_cancel(self) -> Self {
        Self { cancel: watch::channel(true).1, ..self }
    }

    /// What the run ends with that began with so many messages.
    pub(crate) fn suspension(&self, message_count: i64) -> Suspension {
        let state = self.lock();
        let now = self.time.get().map(StoreTime::at_least);
        let look_again = now.zip(state.looks_again).map(|(now, rest)| now.saturating_add(rest));
        let due = earliest(state.due, look_again);
        let rest = due.zip(now).map(|(due, now)| due.saturating_since(now));
        let message_count = match state.seen.or(state.given_up) {
            Some(seen) if seen < self.log.position() => seen,
            // The log was read after the count: what is not in it was removed by hand, and would be waited for for ever.
            Some(seen) => seen.max(message_count),
            None => state.handed_out.max(message_count),
        };
        Suspension {
            message_count,
            due: due.map(Due::At).or(state.looks_again.map(Due::After)),
            rest: rest.or(state.looks_again),
            reason: reason(&state.suspended),
        }
    }
}

fn earliest<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// The first few, because a run may wait for hundreds of messages.
fn reason(suspended: &BTreeMap<u64, String>) -> String {
    const MOST: usize = 3;
    if suspended.is_empty() {
        return "waits for a message".to_owned();
    }
    let text = suspended.values().take(MOST).cloned().collect::<Vec<_>>().join("; ");
    match suspended.len().saturating_sub(MOST) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// One wait, while it goes on. Dropped before it is over, it leaves what it has seen, and its name can be used again.
#[derive(Debug)]
pub(super) struct GoingOn<'a> {
    waits: &'a Waits,
    id: u64,
    is_over: bool,
    watch: Option<Watch<'a>>,
}

/// Has what arrives added to the log.
#[derive(Debug)]
struct Watch<'a> {
    post: &'a dyn Post,
    log: &'a Arc<Log>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.post.unwatch(self.log);
    }
}

impl GoingOn<'_> {
    /// Adds what has become known of it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Wait)) {
        if let Some(wait) = self.waits.lock().going_on.get_mut(&self.id) {
            change(wait);
        }
        self.waits.changed.send_replace(());
    }

    /// It has got what it waits for, or its time is over.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether a message of this kind is there that only newer code reads.
    pub(super) fn waits_for_newer_code(&self) -> bool {
        self.waits.lock().going_on.get(&self.id).is_some_and(|wait| wait.newer.is_some())
    }

    /// From now on, what arrives is added to the log. One that was read before is looked at at once.
    pub(super) fn watch(&mut self) {
        let waits = self.waits;
        self.watch = waits.watched(&waits.log, waits.log.is_read());
    }

    /// From now on, the ends of children are told.
    pub(super) fn watch_children(&mut self) {
        self.watch = self.waits.watched(&self.waits.told, false);
    }

    /// Hands out what it waits for, when it is among what it has not looked at yet.
    pub(super) fn look<T: Messages>(&mut self) -> Option<T> {
        let is_read = self.waits.log.is_read();
        let Look { found, unread, position } =
            self.waits.notes.discretion().within(|| self.waits.log.take::<T>(self.position()));
        self.change(|wait| wait.seen = is_read.then_some(position));
        for (message, error) in unread {
            self.set_aside(message, &error);
        }
        if found.is_some() {
            self.is_over = true;
            let mut state = self.waits.lock();
            state.handed_out = state.handed_out.max(position);
            drop(state);
            self.waits.is_readable(position);
        }
        found
    }

    fn set_aside(&self, message: StoredMessage, error: &DecodeError) {
        let lacks = |codec: &String| self.waits.post.as_ref().is_some_and(|post| post.lacks_codec(codec));
        let newer = match error {
            DecodeError::Newer { stored, .. } => NewerCode::Version(*stored),
            DecodeError::Codec { codec, .. } if lacks(codec) => NewerCode::Codec(codec.clone()),
            _ => return self.waits.is_dead(message, error.to_string()),
        };
        self.change(|wait| wait.newer = Some((message.name, newer)));
    }

    /// Waits until there is something to look at.
    pub(super) async fn arrival(&self) {
        self.waits.log.beyond(self.position()).await;
    }

    /// The last position that it has looked at.
    fn position(&self) -> i64 {
        self.waits.lock().going_on.get(&self.id).and_then(|wait| wait.seen).unwrap_or(0)
    }
}

impl Drop for GoingOn<'_> {
    fn drop(&mut self) {
        let mut state = self.waits.lock();
        let wait = state.going_on.remove(&self.id).unwrap_or_default();
        if !self.is_over {
            state.given_up = earliest(state.given_up, wait.seen);
        }
        drop(state);
        if let Some(timer) = wait.timer.filter(|_| !self.is_over) {
            self.waits.notes.free_name(TIMER, &timer);
        }
        self.waits.changed.send_replace(());
    }
}
