//! Sleeping: timers that are kept with the instance, so that no process has to live as long as they do.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::wait::{TIMER, Wait};
use super::wait_error::WaitError;
use super::waits::Waits;
use super::{Context, told};
use crate::clock::{Due, Timestamp};
use crate::id::check_text;

/// How long what was noted of a timer may be lost in a crash: it is stored when it is waited for longer than this.
const UNSTORED: Duration = Duration::from_secs(1);

/// A timer of this run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// When it ends, on the store's clock.
    pub(super) at: Timestamp,
    /// From when on that is certain; `None` when it is too far away.
    ends: Option<Instant>,
}

impl Deadline {
    pub(super) fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }

    /// How long it still lasts.
    fn rest(&self) -> Duration {
        self.ends.map_or(Duration::MAX, |ends| ends.saturating_duration_since(Instant::now()))
    }

    /// Waits until it is over.
    pub(super) async fn over(&self) {
        until(self.ends).await;
    }
}

/// Waits until then; for ever without a time.
pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Waits {
    /// Takes the name of a timer.
    pub(super) fn take_name(&self, name: String) -> Result<Wait, WaitError> {
        check_text("name of the timer", &name)?;
        if !self.notes.take_name(TIMER, &name) {
            return Err(WaitError::NameTaken { name });
        }
        Ok(Wait { timer: Some(name), ..Wait::default() })
    }

    /// When a timer ends: as an earlier run has noted it, or so long from now.
    pub(super) async fn deadline(&self, name: &str, due: Due) -> Result<Deadline, WaitError> {
        let _preparing = self.prepare().await;
        let time = self.time().await?;
        if let Some(at) = self.notes.read(|journal| journal.timers.get(name).copied()) {
            return Ok(Deadline { at, ends: time.reaches(at) });
        }
        let at = due.from_now(time.at_most());
        self.notes.note(|journal| {
            journal.timers.insert(name.to_owned(), at);
        });
        // In this run the duration itself can be measured, however uncertain the time is.
        let ends = match due {
            Due::After(duration) => Instant::now().checked_add(duration),
            Due::Now | Due::At(_) => time.reaches(at),
        };
        Ok(Deadline { at, ends })
    }

    /// Stores what was noted of timers when it is worth it; it answers only when that fails.
    pub(super) async fn keep(&self) -> WaitError {
        if self.post.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(UNSTORED).await;
        match self.notes.store(|_| {}).await {
            Ok(()) => std::future::pending().await,
            Err(error) => error.into(),
        }
    }

    /// How long a sleep stays in memory: to its end when that is near, and beside a wait for a message as long as that.
    fn patience(&self, deadline: &Deadline) -> Option<Instant> {
        let stay = self.post.as_ref()?.stay_in_memory();
        if deadline.rest() <= stay {
            return None;
        }
        Some(Instant::now() + if self.listens() { stay } else { Duration::ZERO })
    }

    async fn rest(&self, name: String, due: Due, shutdown: &watch::Receiver<bool>) -> Result<(), WaitError> {
        let mut going_on = self.go_on(self.take_name(name.clone())?);
        due.check()?;
        let deadline = self.deadline(&name, due).await?;
        going_on.change(|wait| wait.deadline = Some(deadline.at));
        if !deadline.is_over() {
            // What goes on beside it decides how long it stays.
            self.settle().await;
            let mut kept = pin!(self.keep());
            tokio::select! {
                biased;
                () = deadline.over() => {}
                () = told(shutdown) => return Err(self.suspend().into()),
                () = until(self.patience(&deadline)) => return Err(self.suspend().into()),
                error = &mut kept => return Err(error),
            }
        }
        going_on.end();
        Ok(())
    }
}

impl Context {
    /// Sleeps for this long, counted from when a run of the instance first comes here; later runs sleep for the rest.
    ///
    /// A rest that is no longer than [`stay_in_memory`](crate::Settings::stay_in_memory) is slept in memory. For a
    /// longer one the run ends as suspended, and any replica begins the next one when the time is over, so that
    /// sleeping for days costs nothing. Time is the store's, and a sleep never ends early. When a process crashes
    /// within the first second of a sleep, the next run may begin it anew.
    ///
    /// The name tells the timers of a function apart: no two waits of one run have the same.
    ///
    /// ```
    /// use std::time::Duration;
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Reminder", register = false)]
    /// async fn remind(address: String, context: &Context) -> resilient::Result<String> {
    ///     context.sleep("a week", Duration::from_secs(7 * 24 * 3600)).await?;
    ///     Ok(format!("dear {address}"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// // Without a runtime it sleeps in memory, on the clock of tokio, which a test can move.
    /// assert_eq!(remind("Ann".to_owned(), &Context::test()).await?, "dear Ann");
    /// # Ok::<(), resilient::Error>(())
    /// # })?;
    /// # Ok::<(), resilient::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Leave the function with `?`. [`WaitError::Suspended`] is the end of this run, and [`WaitError::Cancelled`] says that the
    /// instance is to end; the others say which name or which time cannot be used. More than 1,000 years are refused.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the timer goes on: who sleeps under this name again sleeps for the rest. But what
    /// runs beside a sleep is dropped when the sleep ends the run; only other waits and what is safe to run again
    /// belong there.
    pub async fn sleep(&self, name: impl Into<String>, duration: Duration) -> Result<(), WaitError> {
        self.rest(name.into(), Due::After(duration)).await
    }

    /// Sleeps until this time of the store's clock; one in the past is over at once.
    ///
    /// The time that the first run gives counts for all later ones. All else is as for [`sleep`](Self::sleep).
    ///
    /// # Errors
    ///
    /// Those of [`sleep`](Self::sleep). A time after the year 9999 is refused.
    ///
    /// # Cancellation
    ///
    /// As for [`sleep`](Self::sleep).
    pub async fn sleep_until(&self, name: impl Into<String>, time: SystemTime) -> Result<(), WaitError> {
        self.rest(name.into(), Due::At(Timestamp::try_from(time)?)).await
    }

    async fn rest(&self, name: String, due: Due) -> Result<(), WaitError> {
        self.waits.unless_cancelled(self.waits.rest(name, due, &self.shutdown)).await
    }
}
