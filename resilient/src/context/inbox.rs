//! Waiting for messages.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::timers::{Deadline, until};
use super::told;
use super::wait::Wait;
use super::wait_error::WaitError;
use super::waits::{GoingOn, Waits};
use crate::clock::Due;
use crate::journal::Journal;
use crate::message::Messages;

/// The messages of an instance.
///
/// They are a log that is never emptied: **every run reads it from its start**, and within one run each message is handed
/// out once, to the first wait for its kind. A message of another kind is left for a later wait, so the order of arrival
/// does not matter. What the run does between two messages is done again by the next run, as everything is: it is safe
/// to do twice, or the scrapbook says that it is done.
///
/// A wait stays in memory for [`stay_in_memory`](crate::Settings::stay_in_memory). Then the run ends as suspended, with
/// [`WaitError::Suspended`], and the next message begins another one on any replica.
///
/// Waits can go on side by side, in `tokio::try_join!` and `tokio::select!`: dropping one loses no message. But what is not
/// a wait is dropped with the run when a wait beside it suspends it; only what is safe to run again belongs there.
///
/// A message that cannot be read is set aside, with the reason, where a person sees it
/// ([`Journal::dead_letters`](crate::Journal::dead_letters)), and later runs try it again. One that newer code has sent
/// is left alone until newer code runs.
///
/// ```
/// use std::time::Duration;
/// use resilient::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Message)]
/// struct Reserved {
///     transaction: String,
/// }
///
/// #[derive(Serialize, Deserialize, Message)]
/// struct Declined;
///
/// #[derive(Messages)]
/// enum Reply {
///     Reserved(Reserved),
///     Declined(Declined),
/// }
///
/// #[resilient_fn(type_id = "Reserve")]
/// async fn reserve(_amount: u32, context: &Context) -> resilient::Result<Option<String>> {
///     let reply = context.messages().next_within("bank", Duration::from_secs(3600)).await?;
///     Ok(match reply {
///         Some(Reply::Reserved(reserved)) => Some(reserved.transaction),
///         Some(Reply::Declined(_)) | None => None,
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
/// reserve::schedule(&runtime, "MK-4321", 100).await?;
/// // The bank's answer, in any process that knows the id.
/// runtime.send::<reserve>("MK-4321", Reserved { transaction: "t-7".to_owned() }).await?;
/// assert_eq!(reserve::completion(&runtime, "MK-4321").await?.as_deref(), Some("t-7"));
/// runtime.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Inbox {
    waits: Arc<Waits>,
    shutdown: watch::Receiver<bool>,
}

/// A wait. It has one type whatever it waits for: of an `async fn` the compiler would say three times what is no message.
type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, WaitError>> + Send + 'a>>;

impl Inbox {
    pub(super) fn new(waits: Arc<Waits>, shutdown: watch::Receiver<bool>) -> Self {
        Self { waits, shutdown }
    }

    /// The next message of this kind: of a [`Message`](crate::Message), of one of several with an enum that is
    /// [`Messages`], or of [`Either`](crate::Either).
    ///
    /// # Errors
    ///
    /// [`WaitError`]; leave the function with `?`.
    ///
    /// # Cancellation
    ///
    /// No message is lost when the future is dropped.
    pub fn next<T: Messages>(&self) -> Waiting<'_, T> {
        Box::pin(self.waits.unless_cancelled(self.wait()))
    }

    async fn wait<T: Messages>(&self) -> Result<T, WaitError> {
        let mut going_on = self.waits.go_on(Wait { names: T::NAMES, ..Wait::default() });
        if let Some(message) = self.first_look(&mut going_on).await? {
            return Ok(message);
        }
        match self.listen(&mut going_on, None).await? {
            Some(message) => Ok(message),
            // Without a deadline a wait ends with a message or with the run.
            None => Err(self.waits.suspend().into()),
        }
    }

    /// The next message of this kind, if it has been stored by now; also while the instance is to be cancelled, for this
    /// waits for nothing.
    ///
    /// # Errors
    ///
    /// [`WaitError::Store`] when the log cannot be read.
    ///
    /// # Cancellation
    ///
    /// No message is lost when the future is dropped.
    pub fn try_next<T: Messages>(&self) -> Waiting<'_, Option<T>> {
        Box::pin(self.look())
    }

    async fn look<T: Messages>(&self) -> Result<Option<T>, WaitError> {
        let mut going_on = self.waits.go_on(Wait { names: T::NAMES, ..Wait::default() });
        match going_on.look() {
            None => {
                self.waits.read_on().await?;
                Ok(going_on.look())
            }
            found => Ok(found),
        }
    }

    /// The next message of this kind, or `None` when none has come within this time, counted from when a run of the
    /// instance first comes here.
    ///
    /// The deadline is kept with the instance, under its name, and goes on between runs and across restarts. Which of
    /// both came first is the same for all later runs. The name tells the timers of a function apart, those of
    /// [`Context::sleep`](crate::Context::sleep) as well: no two waits of one run have the same.
    ///
    /// # Errors
    ///
    /// [`WaitError`]; leave the function with `?`.
    ///
    /// # Cancellation
    ///
    /// No message is lost when the future is dropped, and the deadline goes on: who waits under this name again waits
    /// for the rest.
    pub fn next_within<T: Messages>(
        &self,
        name: impl Into<String>,
        duration: Duration,
    ) -> Waiting<'_, Option<T>> {
        Box::pin(self.waits.unless_cancelled(self.wait_until(name.into(), Due::After(duration))))
    }

    async fn wait_until<T: Messages>(&self, name: String, due: Due) -> Result<Option<T>, WaitError> {
        let mut going_on = self.waits.go_on(Wait { names: T::NAMES, ..self.waits.take_name(name.clone())? });
        due.check()?;
        if self.waits.has_expired(&name) {
            going_on.end();
            return Ok(None);
        }
        if let Some(message) = self.first_look(&mut going_on).await? {
            return Ok(Some(message));
        }
        let deadline = self.waits.deadline(&name, due).await?;
        going_on.change(|wait| wait.deadline = Some(deadline.at));
        if let Some(message) = self.listen(&mut going_on, Some(deadline)).await? {
            return Ok(Some(message));
        }
        // It may have been stored in time, and not been read yet.
        self.waits.read_on().await?;
        if let Some(message) = going_on.look() {
            return Ok(Some(message));
        }
        if going_on.waits_for_newer_code() {
            // What has come in time only newer code reads: it decides, and until then nothing is due.
            going_on.change(|wait| wait.deadline = None);
            return Err(self.waits.suspend().into());
        }
        self.waits.expire(name).await?;
        going_on.end();
        Ok(None)
    }

    /// Looks at the log as far as it is read. From then on what arrives is added to it, and it is read when no wait of
    /// this run has done so: in this order, or a message could slip in between and be found at the next poll only.
    async fn first_look<'a, T: Messages>(
        &'a self,
        going_on: &mut GoingOn<'a>,
    ) -> Result<Option<T>, WaitError> {
        let found = going_on.look();
        if found.is_some() {
            return Ok(found);
        }
        going_on.watch();
        self.waits.read_first().await?;
        Ok(going_on.look())
    }

    /// Waits in memory for a message; `None` when the deadline is over.
    async fn listen<T: Messages>(
        &self,
        going_on: &mut GoingOn<'_>,
        deadline: Option<Deadline>,
    ) -> Result<Option<T>, WaitError> {
        let patience = self.waits.post.as_ref().map(|post| Instant::now() + post.stay_in_memory());
        let mut kept = pin!(self.waits.keep());
        let mut over = pin!(async {
            match deadline {
                Some(deadline) => deadline.over().await,
                None => std::future::pending().await,
            }
        });
        let mut impatient = pin!(self.waits.impatient(deadline.is_some(), patience, &self.shutdown));
        loop {
            tokio::select! {
                biased;
                () = going_on.arrival() => {
                    if let Some(message) = going_on.look() {
                        return Ok(Some(message));
                    }
                }
                () = &mut over => return Ok(None),
                () = &mut impatient => {
                    let last = going_on.look();
                    return if last.is_some() { Ok(last) } else { Err(self.waits.suspend().into()) };
                }
                error = &mut kept => return Err(error),
            }
        }
    }
}

impl Waits {
    /// Waits until it makes no sense to stay in memory any longer, and all waits beside this one are known.
    pub(super) async fn impatient(
        &self,
        is_timed: bool,
        patience: Option<Instant>,
        shutdown: &watch::Receiver<bool>,
    ) {
        tokio::select! {
            biased;
            () = told(shutdown) => {}
            () = until(patience), if patience.is_some() => {}
            // In a unit test no message arrives any more, but a timer can end.
            () = self.no_timer(), if patience.is_none() && !is_timed => {}
        }
        self.settle().await;
    }

    /// Reads the log, unless that was done already.
    async fn read_first(&self) -> Result<(), WaitError> {
        if self.log.is_read() {
            return Ok(());
        }
        let _preparing = self.prepare().await;
        if self.log.is_read() { Ok(()) } else { self.read_on().await }
    }

    /// Reads what has been added to the log.
    async fn read_on(&self) -> Result<(), WaitError> {
        if let Some(post) = &self.post {
            self.log.add(post.read(self.log.position()).await?);
            self.forget_dead();
        }
        Ok(())
    }

    fn has_expired(&self, name: &str) -> bool {
        self.notes.read(|journal| journal.expired.contains(name))
    }

    /// Notes that no message came in time, before the body knows it: another one that comes later must not change that.
    async fn expire(&self, name: String) -> Result<(), WaitError> {
        let note = |journal: &mut Journal| {
            journal.expired.insert(name);
        };
        Ok(self.notes.store(note).await?)
    }
}
