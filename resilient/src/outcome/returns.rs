//! The forms a resilient function can return, told apart by type and not by spelling.
//!
//! `type Answer = Result<u32, String>` is a result although the word does not stand in the signature; and it can
//! be written as JSON as a whole, so a macro that goes by the word would store an `Err` as a success.
//!
//! No bound stands on [`Returns`] itself: what a value or an error has to be is asked once, elsewhere, so that a
//! type that is not storable is reported once.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::{IntoFailure, Outcome, Postpone, RawOutcome, Suspend};
use crate::error::Error;

/// A returned value, sorted.
#[doc(hidden)]
#[derive(Debug)]
pub enum Returned<T, U> {
    /// The result.
    Value(T),
    /// Anything else.
    Undone(U),
}

/// The return forms: 0 a plain value, 1 `Result<T, E>`, 2 `Outcome<T>`, 3 `anyhow::Result<T>`.
#[doc(hidden)]
pub trait Returns<const FORM: u8> {
    /// The type of the result.
    type Value;
    /// The type of what is not a result.
    type Undone;

    /// Sorts the value.
    fn sort(self) -> Returned<Self::Value, Self::Undone>;
}

impl<T> Returns<0> for T {
    type Value = T;
    type Undone = Infallible;

    fn sort(self) -> Returned<T, Infallible> {
        Returned::Value(self)
    }
}

impl<T, E> Returns<1> for Result<T, E> {
    type Value = T;
    type Undone = E;

    fn sort(self) -> Returned<T, E> {
        match self {
            Ok(value) => Returned::Value(value),
            Err(error) => Returned::Undone(error),
        }
    }
}

/// The outcomes that are not a success.
#[doc(hidden)]
#[derive(Debug)]
pub enum Undone {
    /// Run again later.
    Postpone(Postpone),
    /// Run again when something arrives.
    Suspend(Suspend),
    /// A person has to look.
    Fail(Error),
}

#[diagnostic::do_not_recommend]
impl IntoFailure for Undone {
    fn into_outcome(self) -> RawOutcome {
        match self {
            Self::Postpone(postpone) => postpone.into(),
            Self::Suspend(_) => RawOutcome::Suspend,
            Self::Fail(error) => error.into_outcome(),
        }
    }
}

impl<T> Returns<2> for Outcome<T> {
    type Value = T;
    type Undone = Undone;

    fn sort(self) -> Returned<T, Undone> {
        match self {
            Self::Success(value) => Returned::Value(value),
            Self::Postpone(postpone) => Returned::Undone(Undone::Postpone(postpone)),
            Self::Suspend(suspend) => Returned::Undone(Undone::Suspend(suspend)),
            Self::Fail(error) => Returned::Undone(Undone::Fail(error)),
        }
    }
}

/// Answers at compile time in which form a type returns: the inherent constant wins over the trait's.
#[doc(hidden)]
#[derive(Debug)]
pub struct ReturnProbe<R: ?Sized>(PhantomData<R>);

impl<T, E> ReturnProbe<Result<T, E>> {
    /// `Result<T, E>`.
    pub const FORM: u8 = 1;
}

impl<T> ReturnProbe<Outcome<T>> {
    /// `Outcome<T>`.
    pub const FORM: u8 = 2;
}

/// The answer of [`ReturnProbe`] for every other type.
#[doc(hidden)]
pub trait ReturnsFallback {
    /// A plain value.
    const FORM: u8 = 0;
}

impl<R: ?Sized> ReturnsFallback for ReturnProbe<R> {}

/// The second question: is the error `anyhow::Error`? Its box hides the outermost error from a search through
/// the sources, so a bare [`Postpone`] inside needs its own way out.
#[doc(hidden)]
#[derive(Debug)]
pub struct ErrorProbe<R: ?Sized>(PhantomData<R>);

/// What [`ErrorProbe`] adds to the form for every other error.
#[doc(hidden)]
pub trait PlainError {
    /// Nothing.
    const EXTRA: u8 = 0;
}

impl<R: ?Sized> PlainError for ErrorProbe<R> {}

#[cfg(feature = "anyhow")]
mod with_anyhow {
    use super::super::failure::meant;
    use super::{ErrorProbe, IntoFailure, RawOutcome, Returned, Returns};

    impl<T> ErrorProbe<anyhow::Result<T>> {
        /// `anyhow::Result<T>` is form 3.
        pub const EXTRA: u8 = 2;
    }

    /// An `anyhow::Error` whose outermost error is looked at, too.
    #[derive(Debug)]
    pub struct Anyhow(anyhow::Error);

    #[diagnostic::do_not_recommend]
    impl IntoFailure for Anyhow {
        fn into_outcome(self) -> RawOutcome {
            match meant(self.0.chain()) {
                Some(outcome) => outcome,
                None => self.0.into_outcome(),
            }
        }
    }

    impl<T> Returns<3> for anyhow::Result<T> {
        type Value = T;
        type Undone = Anyhow;

        fn sort(self) -> Returned<T, Anyhow> {
            match self {
                Ok(value) => Returned::Value(value),
                Err(error) => Returned::Undone(Anyhow(error)),
            }
        }
    }
}
