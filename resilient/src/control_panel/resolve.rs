//! What a person says of a call whose outcome is unknown. There are three answers, and no fourth.

use std::fmt;

use serde::Serialize;

use crate::guard::AtMostOnce;
use crate::invoke_error::InvokeError;
use crate::journal::{Journal, Json};

/// A field of a scrapbook that guards a call whose outcome is unknown, see
/// [`ControlPanel::resolve`](crate::ControlPanel::resolve).
#[must_use = "say what has happened: `done`, `try_once_more` or `give_up`"]
pub struct UnknownField<'a, T> {
    guard: &'a mut AtMostOnce<T>,
    is_edited: &'a mut bool,
}

impl<T> fmt::Debug for UnknownField<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownField").finish_non_exhaustive()
    }
}

impl<'a, T> UnknownField<'a, T> {
    pub(super) fn new(guard: &'a mut AtMostOnce<T>, is_edited: &'a mut bool) -> Self {
        Self { guard, is_edited }
    }

    /// The call has happened, with this result: every later run gets it, and none makes the call.
    pub fn done(self, value: T) {
        self.becomes(AtMostOnce::Done(value));
    }

    /// The call has not happened: the next run makes it, once.
    pub fn try_once_more(self) {
        self.becomes(AtMostOnce::NotStarted);
    }

    /// Nobody will know, or it does not matter any more: every later run gets
    /// [`GuardError::GivenUp`](crate::GuardError::GivenUp), and none makes the call.
    ///
    /// A body that only says `?` fails with it. The type of that failure is `given up`
    /// ([`GuardError::GIVEN_UP`](crate::GuardError::GIVEN_UP)), and no retry policy tries it again. A body that can go on
    /// without the call matches on it:
    ///
    /// ```
    /// # use std::io;
    /// use resilient::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize, Scrapbook)]
    /// # struct Order { shipping: AtMostOnce<String> }
    /// # async fn ship() -> io::Result<String> { Err(io::Error::other("the line is dead")) }
    ///
    /// #[resilient_fn(type_id = "ShippedOrGivenUp")]
    /// async fn process(_: (), scrapbook: &mut Scrapbook<Order>) -> resilient::Result<Option<String>> {
    ///     match scrapbook.at_most_once(|s| &mut s.shipping, ship).await {
    ///         Ok(parcel) => Ok(Some(parcel)),
    ///         Err(GuardError::GivenUp { .. }) => Ok(None), // a person has decided so
    ///         Err(error) => Err(error)?,
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// # process::invoke(&runtime, "MK-4321", ()).await.unwrap_err();
    /// let mut panel = process::control_panel(&runtime, "MK-4321").await?;
    /// panel.resolve(|s| &mut s.shipping)?.give_up();
    /// assert_eq!(panel.reinvoke().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is no unknown outcome any more, so there is nothing to resolve. An instance that failed with it goes on after
    /// an edit of the field, `panel.scrapbook_mut().shipping = AtMostOnce::NotStarted` for one more call, or is ended
    /// with a result by [`succeed`](crate::ControlPanel::succeed).
    pub fn give_up(self) {
        self.becomes(AtMostOnce::GivenUp);
    }

    fn becomes(self, state: AtMostOnce<T>) {
        *self.guard = state;
        *self.is_edited = true;
    }
}

/// A call by [`Context::once`](crate::Context::once) whose outcome is unknown, see
/// [`ControlPanel::resolve_call`](crate::ControlPanel::resolve_call).
#[derive(Debug)]
#[must_use = "say what has happened: `done`, `try_once_more` or `give_up`"]
pub struct UnknownCall<'a> {
    journal: &'a mut Journal,
    name: String,
    /// The most bytes of a result.
    limit: usize,
}

impl<'a> UnknownCall<'a> {
    pub(super) fn new(journal: &'a mut Journal, name: &str, limit: usize) -> Self {
        Self { journal, name: name.to_owned(), limit }
    }

    /// The call has happened, with this result: every later run gets it, and none makes the call.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Encode`] or [`InvokeError::TooLarge`] when the result cannot be stored; nothing is resolved then.
    pub fn done<T: Serialize + ?Sized>(self, value: &T) -> Result<(), InvokeError> {
        let encoded = Json::of(value);
        let json = encoded.map_err(|source| InvokeError::Encode { field: "result of the call", source })?;
        let (bytes, limit) = (json.text().len(), self.limit);
        if bytes > limit {
            return Err(InvokeError::TooLarge { field: "result of the call", bytes, limit });
        }
        self.journal.once.insert(self.name, AtMostOnce::Done(json));
        Ok(())
    }

    /// The call has not happened: the next run makes it, once.
    pub fn try_once_more(self) {
        self.journal.once.remove(&self.name);
    }

    /// Nobody will know, or it does not matter any more: every later run gets
    /// [`GuardError::GivenUp`](crate::GuardError::GivenUp), and none makes the call.
    ///
    /// What a body does with it is shown at [`UnknownField::give_up`]. To go back, take the name out of the notes, with
    /// `journal.once.remove("ship")` and [`RawControlPanel::set_journal`](crate::RawControlPanel::set_journal), or end
    /// the instance with a result by [`succeed`](crate::ControlPanel::succeed).
    pub fn give_up(self) {
        self.journal.once.insert(self.name, AtMostOnce::GivenUp);
    }
}

/// What is known of a call that was given up, and how to go back.
const GIVEN_UP: &str = "it was given up already; for one more call set it back to `AtMostOnce::NotStarted`, \
                        or end the instance with `succeed`";

/// Why a guard has nothing to be resolved, if that is so.
pub(super) fn settled<T>(guard: Option<&AtMostOnce<T>>) -> Option<&'static str> {
    match guard {
        Some(AtMostOnce::Started) => None,
        Some(AtMostOnce::Done(_)) => Some("its call has happened, and its result is stored"),
        Some(AtMostOnce::GivenUp) => Some(GIVEN_UP),
        Some(AtMostOnce::NotStarted) | None => Some("no call of it was begun"),
    }
}
