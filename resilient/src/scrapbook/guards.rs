//! Calls that are guarded by a field of the scrapbook.

use std::future::Future;

use thiserror::Error;

use super::{SaveError, Scrapbook};
use crate::codec::EncodeError;
use crate::error::{BoxError, Named};
use crate::guard::{AtLeastOnce, AtMostOnce, GIVEN_UP, Guarded, UnknownOutcome};
use crate::id::IdError;
use crate::version::ScrapbookState;

impl<S: ScrapbookState> Scrapbook<S> {
    /// Makes a call that must not happen twice, and returns its result, in this run and in every later one.
    ///
    /// The field becomes [`Started`](AtMostOnce::Started) and is saved **before** the call, and
    /// [`Done`](AtMostOnce::Done) with the result after it. A run that finds `Started` cannot know whether the call
    /// has happened, and does not make it: it fails with an [`UnknownOutcome`] that names the field, and a person
    /// resolves it through a [`ControlPanel`](crate::ControlPanel::resolve).
    ///
    /// An `Err` of the call leaves the field `Started`, for a call that answers with an error may have happened all the
    /// same: the failure is an unknown outcome, too, with the error as its cause, and is not tried again. Code that knows
    /// that nothing has happened sets the field back itself.
    ///
    /// ```
    /// use resilient::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Serialize, Deserialize, Scrapbook)]
    /// struct Order {
    ///     shipping: AtMostOnce<String>,
    /// }
    ///
    /// /// Answers with the number of the parcel.
    /// async fn ship(order: &str) -> std::io::Result<String> {
    ///     Ok(format!("parcel of {order}"))
    /// }
    ///
    /// #[resilient_fn(type_id = "ShipOnce", register = false)]
    /// async fn process(order: String, scrapbook: &mut Scrapbook<Order>) -> resilient::Result<String> {
    ///     let parcel = scrapbook.at_most_once(|s| &mut s.shipping, || ship(&order)).await?;
    ///     Ok(parcel)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let chair = || "chair".to_owned();
    /// let mut scrapbook = Scrapbook::default();
    /// assert_eq!(process(chair(), &mut scrapbook).await?, "parcel of chair");
    /// assert_eq!(process("another".to_owned(), &mut scrapbook).await?, "parcel of chair");
    ///
    /// // A crash between the marker and the result: nobody can know.
    /// let mut scrapbook = Scrapbook::<Order>::default().failing_at_save(2);
    /// assert!(process(chair(), &mut scrapbook).await.is_err());
    /// let error = process(chair(), &mut scrapbook.after_crash()).await.unwrap_err();
    /// assert!(error.to_string().starts_with("the outcome of `shipping` is unknown"));
    /// # Ok::<(), resilient::Error>(())
    /// # })?;
    /// # Ok::<(), resilient::Error>(())
    /// ```
    ///
    /// The scrapbook is borrowed until the end of the call, so copy what the call needs of it first. And a call that is a
    /// block names the type of its error, which nothing else tells:
    ///
    /// ```
    /// use std::io;
    /// # use resilient::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize, Scrapbook)]
    /// # struct Order { address: String, shipping: AtMostOnce<String> }
    ///
    /// # #[resilient_fn(type_id = "ShipToAddress", register = false)]
    /// # async fn process(_: (), scrapbook: &mut Scrapbook<Order>) -> resilient::Result<String> {
    /// let address = scrapbook.address.clone();
    /// let call = || async move { Ok::<_, io::Error>(format!("parcel to {address}")) };
    /// let parcel = scrapbook.at_most_once(|s| &mut s.shipping, call).await?;
    /// # Ok(parcel)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Leave the function with `?`, or match on [`GuardError::GivenUp`] and go on without the call:
    /// [`UnknownField::give_up`](crate::UnknownField::give_up) shows how.
    /// - [`GuardError::Unknown`], [`GuardError::GivenUp`]: what an earlier run or a person has left in the field.
    /// - [`GuardError::Call`]: the call failed, so that its outcome is unknown from now on.
    /// - [`GuardError::Save`]: the field could not be saved. It then says again what is stored: when it is the marker
    ///   that was not saved, the call was not made.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the field stays as it is: `Started` from the marker on.
    pub async fn at_most_once<T, E, C>(
        &mut self,
        guard: impl Fn(&mut S) -> &mut AtMostOnce<T>,
        call: impl FnOnce() -> C,
    ) -> Result<T, GuardError>
    where
        T: Clone,
        E: Into<BoxError>,
        C: Future<Output = Result<T, E>>,
    {
        let guarded = name_of(&mut self.state, &guard);
        if let Some(value) = known(guard(&mut self.state), &guarded)? {
            return Ok(value.clone());
        }
        self.save_guard(&guard, AtMostOnce::Started).await?;
        let value = call().await.map_err(|error| GuardError::in_doubt(guarded, error))?;
        self.save_guard(&guard, AtMostOnce::Done(value.clone())).await?;
        Ok(value)
    }

    /// Makes a call until a result of it is saved, and returns that result, in this run and in every later one.
    ///
    /// The field becomes [`Done`](AtLeastOnce::Done) with the result, and is saved, after the call. When a run ends
    /// between the two, the next one makes the call again.
    ///
    /// # Errors
    ///
    /// [`GuardError::Call`] when the call failed, [`GuardError::Save`] when its result could not be saved; the next run
    /// makes it again. Leave the function with `?`.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the call may have happened, and is made again.
    pub async fn at_least_once<T, E, C>(
        &mut self,
        guard: impl Fn(&mut S) -> &mut AtLeastOnce<T>,
        call: impl FnOnce() -> C,
    ) -> Result<T, GuardError>
    where
        T: Clone,
        E: Into<BoxError>,
        C: Future<Output = Result<T, E>>,
    {
        if let AtLeastOnce::Done(value) = guard(&mut self.state) {
            return Ok(value.clone());
        }
        let guarded = name_of(&mut self.state, &guard);
        let value = call().await.map_err(|error| GuardError::call(guarded, error))?;
        self.save_guard(&guard, AtLeastOnce::Done(value.clone())).await?;
        Ok(value)
    }

    /// Sets a field and saves it, or leaves it as it was: a field that says more than what is stored would be stored with
    /// the outcome.
    async fn save_guard<G>(&mut self, guard: &impl Fn(&mut S) -> &mut G, value: G) -> Result<(), SaveError> {
        let before = std::mem::replace(guard(&mut self.state), value);
        let saved = self.save().await;
        if saved.is_err() {
            *guard(&mut self.state) = before;
        }
        saved
    }
}

/// The result that is known already; `None` when the call may be begun.
pub(crate) fn known<'a, T>(guard: &'a AtMostOnce<T>, guarded: &Guarded) -> Result<Option<&'a T>, GuardError> {
    match guard {
        AtMostOnce::NotStarted => Ok(None),
        AtMostOnce::Done(value) => Ok(Some(value)),
        AtMostOnce::Started => Err(UnknownOutcome { guarded: guarded.clone() }.into()),
        AtMostOnce::GivenUp => Err(GuardError::GivenUp { guarded: guarded.clone() }),
    }
}

/// The field of the state that holds a guard: the last one that does not begin after it.
pub(crate) fn name_of<S: ScrapbookState, G>(state: &mut S, guard: impl Fn(&mut S) -> &mut G) -> Guarded {
    let begin = std::ptr::from_ref(state).addr();
    let at = std::ptr::from_ref(guard(state)).addr();
    let unknown = Guarded::FieldOf(std::any::type_name::<S>());
    match at.checked_sub(begin) {
        Some(offset) if offset < size_of::<S>() => {
            let before = S::FIELDS.iter().filter(|(_, begin)| *begin <= offset);
            before.max_by_key(|(_, begin)| *begin).map_or(unknown, |(name, _)| Guarded::Field(name))
        }
        _ => unknown,
    }
}

/// Why a guarded call has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// An earlier run has begun the call, and whether it happened is unknown; it was not made.
    #[error(transparent)]
    Unknown(#[from] UnknownOutcome),
    /// A person has given the call up; it was not made.
    #[error("{guarded} was given up by a person; its call is not made")]
    GivenUp {
        /// Which call it is.
        guarded: Guarded,
    },
    /// The call was made and failed.
    #[error("the call of {guarded} failed")]
    Call {
        /// Which call it is.
        guarded: Guarded,
        /// What it failed with.
        source: BoxError,
        /// That whether it happened is unknown, for a call that must not happen twice.
        in_doubt: Option<UnknownOutcome>,
    },
    /// This run has used the name for another call already; none was made.
    #[error("this run has used the name `{name}` for a call already; give each call a name of its own")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The name cannot be stored; no call was made.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The call was made, and its result cannot be stored.
    #[error("the result of {guarded} cannot be stored")]
    Encode {
        /// Which call it is.
        guarded: Guarded,
        /// What is wrong with the result.
        source: EncodeError,
    },
    /// An earlier run has made the call, and this code cannot read its result.
    #[error("the stored result of {guarded} cannot be read as `{type_name}`: {problem}")]
    Decode {
        /// Which call it is.
        guarded: Guarded,
        /// What it was to be read as.
        type_name: &'static str,
        /// What the reader says.
        problem: String,
    },
    /// What is known of the call could not be stored.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl GuardError {
    /// The type of the stored failure of a function that ends with a call that a person has given up. No retry policy
    /// tries it again.
    pub const GIVEN_UP: &'static str = GIVEN_UP;

    /// The call failed.
    pub(crate) fn call(guarded: Guarded, error: impl Into<BoxError>) -> Self {
        // Out of its box, so that its text does not stand twice among the causes.
        let (_, source) = Named::open(error.into());
        Self::Call { guarded, source, in_doubt: None }
    }

    /// The call failed, and must not be made again: a lost answer and a refusal look alike.
    pub(crate) fn in_doubt(guarded: Guarded, error: impl Into<BoxError>) -> Self {
        let (_, source) = Named::open(error.into());
        Self::Call { in_doubt: Some(UnknownOutcome { guarded: guarded.clone() }), guarded, source }
    }

    /// The unknown outcome that it is, if it is one.
    pub fn unknown_outcome(&self) -> Option<&UnknownOutcome> {
        match self {
            Self::Unknown(unknown) => Some(unknown),
            Self::Call { in_doubt, .. } => in_doubt.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::payload::Payload;
    use crate::version::{DecodeError, Versioned, decode_exact};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Order {
        weight: f64,
        shipping: AtMostOnce<u32>,
        label: AtLeastOnce<String>,
        parcels: Vec<AtMostOnce<u32>>,
    }

    impl Versioned for Order {
        const VERSION: u32 = 1;
        const OLDEST: u32 = 1;
        fn decode(payload: &Payload) -> Result<Self, DecodeError> {
            decode_exact(payload)
        }
    }

    impl ScrapbookState for Order {
        const FIELDS: &'static [(&'static str, usize)] = &[
            ("weight", std::mem::offset_of!(Self, weight)),
            ("shipping", std::mem::offset_of!(Self, shipping)),
            ("label", std::mem::offset_of!(Self, label)),
            ("parcels", std::mem::offset_of!(Self, parcels)),
        ];
    }

    fn answer(number: u32) -> Ready<Result<u32, String>> {
        ready(if number == 0 { Err("no answer".to_owned()) } else { Ok(number) })
    }

    #[test]
    fn a_guard_has_the_name_of_its_field() {
        let mut order = Order { parcels: vec![AtMostOnce::Started], ..Order::default() };
        assert_eq!(name_of(&mut order, |s| &mut s.shipping), Guarded::Field("shipping"));
        assert_eq!(name_of(&mut order, |s| &mut s.label), Guarded::Field("label"));
        let listed = name_of(&mut order, |s| s.parcels.last_mut().unwrap());
        assert!(listed.to_string().ends_with("guards::tests::Order`"), "{listed}");
    }

    #[tokio::test]
    async fn a_marker_that_is_not_saved_is_no_marker() {
        let mut order = Scrapbook::from(Order { weight: f64::NAN, ..Order::default() });
        let error = order.at_most_once(|s| &mut s.shipping, || answer(7)).await.unwrap_err();
        assert!(error.to_string().contains("`weight` is NaN"), "{error}");
        assert_eq!(order.shipping, AtMostOnce::NotStarted);
    }

    #[tokio::test]
    async fn an_error_of_the_call_is_the_source_and_leaves_it_begun() {
        let mut order = Scrapbook::<Order>::default();
        let error = order.at_most_once(|s| &mut s.shipping, || answer(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "the call of `shipping` failed");
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("no answer"));
        assert_eq!(order.shipping, AtMostOnce::Started);
        let label = order.at_least_once(|s| &mut s.label, async || Err::<String, _>("busy")).await;
        assert_eq!(label.unwrap_err().to_string(), "the call of `label` failed");
        assert_eq!(order.label, AtLeastOnce::NotDone);
    }

    #[tokio::test]
    async fn what_was_given_up_is_not_called() {
        let mut order = Scrapbook::from(Order { shipping: AtMostOnce::GivenUp, ..Order::default() });
        let error = order.at_most_once(|s| &mut s.shipping, || answer(7)).await.unwrap_err();
        assert_eq!(error.to_string(), "`shipping` was given up by a person; its call is not made");
    }
}
