//! The user's progress record.
//!
//! A scrapbook is either attached to a run, then a save goes to the store, or detached, then it is a plain value
//! for unit tests. Both check in the same way whether the state can be read back.

mod guards;
mod saver;

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use thiserror::Error;

pub use self::guards::GuardError;
pub(crate) use self::guards::{known, name_of};
pub(crate) use self::saver::{FailingSaver, Progress, Saver};
use crate::codec::{self, EncodeError};
use crate::id::FunctionId;
use crate::payload::Payload;
use crate::transaction::UserTransaction;
use crate::version::ScrapbookState;

/// Progress that survives a crash: what has been done is what the scrapbook says has been done.
///
/// After a crash the function is called again from its top, with the state as the last [`save`](Self::save) left
/// it. The state is stored with every outcome, too, so a function that only needs it for its next run never has
/// to save. Fields are read and written directly: the scrapbook dereferences to its state.
///
/// ```
/// use resilient::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize, Scrapbook)]
/// #[scrapbook(version = 1)]
/// struct Mailing {
///     sent: usize,
/// }
///
/// #[resilient_fn(type_id = "Mailing", register = false)]
/// async fn mail(addresses: Vec<String>, scrapbook: &mut Scrapbook<Mailing>) -> resilient::Result<()> {
///     for address in addresses.iter().skip(scrapbook.sent) {
///         println!("to {address}");
///         scrapbook.sent += 1;
///         scrapbook.save().await?;
///     }
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// // A crash at any point is a unit test: the second save fails, and the next attempt goes on from the first.
/// let addresses = vec!["a@example.org".to_owned(), "b@example.org".to_owned()];
/// let mut scrapbook = Scrapbook::<Mailing>::default().failing_at_save(2);
/// assert!(mail(addresses.clone(), &mut scrapbook).await.is_err());
///
/// let mut scrapbook = scrapbook.after_crash();
/// assert_eq!(scrapbook.sent, 1);
/// mail(addresses, &mut scrapbook).await?;
/// assert_eq!(scrapbook.sent, 2);
/// # Ok::<(), resilient::Error>(())
/// # })?;
/// # Ok::<(), resilient::Error>(())
/// ```
pub struct Scrapbook<S> {
    state: S,
    /// What a crash now would leave, in a detached scrapbook.
    kept: Option<Payload>,
    saver: Option<Arc<dyn Saver>>,
    saves: u32,
    failing_at: Option<u32>,
}

impl<S: ScrapbookState> Scrapbook<S> {
    /// A detached scrapbook with this state, for unit tests.
    pub fn new(state: S) -> Self {
        let kept = codec::encode(S::VERSION, &state).ok();
        Self { state, kept, saver: None, saves: 0, failing_at: None }
    }

    /// For the runtime: a scrapbook whose saves go to `saver`, or stay detached without one.
    #[doc(hidden)]
    pub fn attached(state: S, saver: Option<Arc<dyn Saver>>) -> Self {
        Self { state, kept: None, saver, saves: 0, failing_at: None }
    }

    /// Stores the state as it is now.
    ///
    /// When it returns `Ok`, the state survives a crash of this process and of the database. Run it **before** a
    /// step that must not happen twice and after one that has happened.
    ///
    /// # Errors
    ///
    /// Leave the function with `?`.
    /// - [`SaveError::LostOwnership`]: another replica has the instance now, or a person has edited it. Nothing this
    ///   run does is stored any more; who has it goes on.
    /// - [`SaveError::Encode`], [`SaveError::TooLarge`], [`SaveError::Store`]: the state cannot be stored as it is; the
    ///   error names the field, or the limit. The instance fails, for a person.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the state may or may not have been stored, but never half of it; the next save
    /// or the outcome stores the state of then.
    pub async fn save(&mut self) -> Result<(), SaveError> {
        let (save, payload) = self.next_save()?;
        match &self.saver {
            Some(saver) => saver.save(Progress { scrapbook: Some(payload), journal: None }).await?,
            None => self.kept = Some(payload),
        }
        self.saves = save;
        Ok(())
    }

    /// Writes the state as it is now into a transaction of the user's own: it is stored exactly when that transaction is
    /// committed, together with the user's own rows.
    ///
    /// So a step on the same database happens exactly once: its rows and the progress that says so become durable
    /// together, or not at all, and a run that has lost its instance can commit neither. `transaction` is what the store
    /// takes, for those of `resilient-sqlx` a `sqlx::Transaction<'static, _>` or, as `&mut *transaction`, the connection
    /// under it, of a pool of the user's on the same database.
    ///
    /// ```no_run
    /// # use std::io;
    /// # use resilient::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # struct Transaction;
    /// # impl Transaction { async fn commit(self) -> io::Result<()> { Ok(()) } }
    /// # struct Pool;
    /// # impl Pool { async fn begin(&self) -> io::Result<Transaction> { Ok(Transaction) } }
    /// # async fn book(_: &mut Transaction, _: u64) -> io::Result<()> { Ok(()) }
    /// # #[derive(Default, Serialize, Deserialize, Scrapbook)]
    /// # struct Booking { booked: bool }
    /// #[resilient_fn(type_id = "Booking", register = false)]
    /// async fn process(amount: u64, booking: &mut Scrapbook<Booking>, pool: Dep<Pool>) -> resilient::Result<()> {
    ///     if !booking.booked {
    ///         let mut transaction = pool.begin().await?;
    ///         book(&mut transaction, amount).await?;
    ///         // What is in the scrapbook when a run ends is stored with its outcome, so it changes only now.
    ///         booking.booked = true;
    ///         booking.save_in(&mut transaction).await?;
    ///         transaction.commit().await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// - The state in memory stays as it is, whatever becomes of the transaction. But when that was rolled back, or its
    ///   commit was lost, the outcome of the run does not store the scrapbook, and a body that middleware repeats begins
    ///   with what is stored: the run looks into the store before it does either. A later [`save`](Self::save) stores
    ///   the state as it is then.
    /// - Commit soon. Until then whatever else is written to this instance waits, and what is written together with it: a
    ///   message from any process, an edit. And nothing else of this run can be stored: `save`, `context.once` or a sleep
    ///   would wait for the transaction, and fails after some seconds as [`SaveError::TransactionOpen`]. A run that ends
    ///   while a transaction that it has left behind is open waits for its end before its outcome is stored.
    /// - In a unit test, without a runtime, it is a [`save`](Self::save), and the transaction may be anything: `&mut ()`.
    ///
    /// # Errors
    ///
    /// Leave the function with `?`: the transaction is dropped, and so rolled back.
    /// - [`SaveError::UnfitTransaction`]: the store does not take this type, the transaction was not begun, or the database has
    ///   ended it.
    /// - [`SaveError::LostOwnership`]: as for `save`.
    /// - [`SaveError::Store`]: the transaction cannot go on, for example after a deadlock, or as a serialization failure.
    ///   As for such an error of the user's own statements, another run may fare better: `retry(…)`.
    /// - [`SaveError::Encode`], [`SaveError::TooLarge`], [`SaveError::Codec`]: as for `save`.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the transaction is to be rolled back.
    pub async fn save_in(&mut self, transaction: &mut (impl Any + Send)) -> Result<(), SaveError> {
        let (save, payload) = self.next_save()?;
        match &self.saver {
            Some(saver) => saver.save_in(UserTransaction::new(transaction), payload).await?,
            None => self.kept = Some(payload),
        }
        self.saves = save;
        Ok(())
    }

    /// The number of the next save, and what it stores.
    fn next_save(&self) -> Result<(u32, Payload), SaveError> {
        let save = self.saves.saturating_add(1);
        if self.failing_at.is_some_and(|failing_at| save >= failing_at) {
            return Err(SaveError::Injected { save });
        }
        Ok((save, self.encode()?))
    }

    /// For unit tests: the `n`-th save and all later ones fail, as after a crash at that point.
    #[must_use]
    pub fn failing_at_save(self, n: u32) -> Self {
        Self { failing_at: Some(n), ..self }
    }

    /// For unit tests: what the next attempt would find, which is the state of the last save that succeeded.
    #[must_use]
    pub fn after_crash(self) -> Self {
        let state = self.kept.and_then(|kept| S::decode(&kept).ok()).unwrap_or_default();
        Self::new(state)
    }

    /// The stored form of the state as it is now.
    pub(crate) fn encode(&self) -> Result<Payload, EncodeError> {
        codec::encode(S::VERSION, &self.state)
    }
}

impl<S> Scrapbook<S> {
    /// How many saves have succeeded.
    pub fn saves(&self) -> u32 {
        self.saves
    }

    /// The state.
    pub fn into_inner(self) -> S {
        self.state
    }
}

impl<S: ScrapbookState> Default for Scrapbook<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

impl<S: ScrapbookState> From<S> for Scrapbook<S> {
    fn from(state: S) -> Self {
        Self::new(state)
    }
}

impl<S> Deref for Scrapbook<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S> DerefMut for Scrapbook<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<S: fmt::Debug> fmt::Debug for Scrapbook<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// Why a save did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SaveError {
    /// Another replica has taken the instance over, or a person has edited it.
    #[error("function `{id}` does not belong to this run any more; nothing it does is stored")]
    LostOwnership {
        /// The instance.
        id: FunctionId,
    },
    /// The state cannot be stored as it is.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The stored form is longer than the store accepts.
    #[error(
        "the {field} has {bytes} bytes; at most {limit} are stored, keep large data elsewhere and store its key"
    )]
    TooLarge {
        /// What is too large.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The codec does not take it.
    #[error("the {field} cannot be stored, for codec `{codec}` refuses it: {problem}")]
    Codec {
        /// `scrapbook` or `journal`.
        field: &'static str,
        /// The name of the codec.
        codec: String,
        /// What it says.
        problem: String,
    },
    /// The store cannot take it, now or later.
    #[error("the store refused the scrapbook: {problem}")]
    Store {
        /// What the store said.
        problem: String,
    },
    /// What [`Scrapbook::save_in`] was given is no transaction in which the store can write; nothing was written.
    #[error("the store cannot write in a `{given}`: {problem}")]
    UnfitTransaction {
        /// The type that was given.
        given: &'static str,
        /// What the store takes.
        problem: String,
    },
    /// The transaction of an earlier [`Scrapbook::save_in`] holds the instance, so that nothing else can be stored.
    #[error(
        "the transaction that `{id}` has saved in is still open; commit it or roll it back before anything else is stored"
    )]
    TransactionOpen {
        /// The instance.
        id: FunctionId,
    },
    /// A unit test asked for it, see [`Scrapbook::failing_at_save`].
    #[error("save {save} fails because the test asked for it")]
    Injected {
        /// Which save it was, counted from 1.
        save: u32,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::version::{DecodeError, Versioned, decode_exact};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Steps {
        done: u32,
        ratio: f64,
    }

    impl Versioned for Steps {
        const VERSION: u32 = 2;
        const OLDEST: u32 = 2;
        fn decode(payload: &Payload) -> Result<Self, DecodeError> {
            decode_exact(payload)
        }
    }

    impl ScrapbookState for Steps {}

    #[derive(Debug, Default)]
    struct Log(Mutex<Vec<Progress>>);

    #[async_trait]
    impl Saver for Log {
        async fn save(&self, progress: Progress) -> Result<(), SaveError> {
            self.0.lock().unwrap().push(progress);
            Ok(())
        }

        async fn save_in(&self, _: UserTransaction<'_>, scrapbook: Payload) -> Result<(), SaveError> {
            self.save(Progress { scrapbook: Some(scrapbook), journal: None }).await
        }
    }

    #[tokio::test]
    async fn an_attached_scrapbook_saves_its_state_with_its_version() {
        let log = Arc::new(Log::default());
        let mut scrapbook = Scrapbook::attached(Steps::default(), Some(Arc::clone(&log) as _));
        scrapbook.done = 3;
        scrapbook.save().await.unwrap();
        let scrapbook = Some(Payload::new(2, r#"{"done":3,"ratio":0.0}"#));
        assert_eq!(*log.0.lock().unwrap(), [Progress { scrapbook, journal: None }]);
    }

    #[tokio::test]
    async fn every_save_from_the_asked_one_on_fails() {
        let mut scrapbook = Scrapbook::<Steps>::default().failing_at_save(2);
        assert_eq!(scrapbook.save().await, Ok(()));
        assert_eq!(scrapbook.save().await, Err(SaveError::Injected { save: 2 }));
        assert_eq!(scrapbook.save().await, Err(SaveError::Injected { save: 2 }));
        assert_eq!(scrapbook.saves(), 1);
    }

    #[tokio::test]
    async fn without_a_runtime_a_save_in_a_transaction_is_a_save() {
        let mut scrapbook = Scrapbook::<Steps>::default().failing_at_save(2);
        scrapbook.done = 1;
        assert_eq!(scrapbook.save_in(&mut ()).await, Ok(()));
        scrapbook.done = 2;
        assert_eq!(scrapbook.save_in(&mut "anything").await, Err(SaveError::Injected { save: 2 }));
        assert_eq!(scrapbook.saves(), 1);
        assert_eq!(scrapbook.after_crash().done, 1);
    }

    #[tokio::test]
    async fn a_crash_leaves_the_state_of_the_last_save() {
        let mut scrapbook = Scrapbook::from(Steps { done: 1, ratio: 0.5 });
        scrapbook.done = 2;
        assert_eq!(scrapbook.after_crash().done, 1);
        let mut scrapbook = Scrapbook::from(Steps { done: 1, ratio: 0.5 });
        scrapbook.done = 2;
        scrapbook.save().await.unwrap();
        scrapbook.done = 3;
        assert_eq!(scrapbook.after_crash().into_inner(), Steps { done: 2, ratio: 0.5 });
    }

    #[tokio::test]
    async fn a_state_that_could_not_be_read_back_is_refused_by_its_field() {
        let mut scrapbook = Scrapbook::from(Steps { done: 1, ratio: f64::NAN });
        match scrapbook.save().await {
            Err(SaveError::Encode(error)) => assert_eq!(error.field(), "ratio"),
            other => panic!("expected an encode error, got {other:?}"),
        }
    }
}
