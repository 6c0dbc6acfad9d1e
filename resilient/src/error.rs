//! The error that carries any other, for functions that end with `?`.
//!
//! It relies on nothing but `std`. It must never lose the name of the error it was made from: a stored failure
//! names its type, for the person who has to repair the instance.

use std::error::Error as StdError;
use std::fmt;

/// Any error, as a function of the standard library takes it.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// The result of a resilient function that fails with any error.
///
/// ```
/// async fn parse(text: String) -> resilient::Result<u32> {
///     Ok(text.parse()?)
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The type of an error that is a text and nothing else.
pub(crate) const MESSAGE: &str = "message";

/// Holds any error and remembers the name of its type.
///
/// Every `std::error::Error` becomes one by `?`. It is not a `std::error::Error` itself, which is what makes that
/// conversion possible.
pub struct Error {
    type_name: &'static str,
    inner: BoxError,
}

impl Error {
    /// An error that is a text and nothing else.
    ///
    /// ```
    /// let error = resilient::Error::msg("the customer is unknown");
    /// assert_eq!(error.to_string(), "the customer is unknown");
    /// ```
    pub fn msg(message: impl fmt::Display) -> Self {
        Self { type_name: MESSAGE, inner: message.to_string().into() }
    }

    /// Holds an error that is in a box already; the name of its type is not known any more.
    pub fn from_boxed(error: BoxError) -> Self {
        Self { type_name: "dyn Error", inner: error }
    }

    /// The name of the error's type, for people: another compiler may write it in another way.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The error inside when it is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.inner.downcast_ref()
    }

    /// The error inside.
    pub fn as_std(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.inner
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for Error {
    /// The text and its causes, which is what `main` prints when it returns an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.type_name, self.inner)?;
        let mut cause = self.inner.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self { type_name: std::any::type_name::<E>(), inner: Box::new(error) }
    }
}

impl From<Error> for BoxError {
    fn from(error: Error) -> Self {
        Box::new(Named(error))
    }
}

/// Keeps the type's name while an [`Error`] travels as a [`BoxError`].
pub(crate) struct Named(Error);

impl Named {
    /// Takes an error out of its box: the name of its type when the box knows it, and the error.
    pub(crate) fn open(error: BoxError) -> (Option<&'static str>, BoxError) {
        match error.downcast::<Self>() {
            Ok(named) => (Some(named.0.type_name), named.0.inner),
            Err(other) => (None, other),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Named {
    /// The error itself, so that a search through the sources finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_type_survives_the_box() {
        let error: BoxError = Error::from("x".parse::<u32>().unwrap_err()).into();
        let (name, inner) = Named::open(error);
        assert_eq!(name, Some("core::num::error::ParseIntError"));
        assert!(inner.is::<std::num::ParseIntError>());
    }

    #[test]
    fn debug_shows_every_cause() {
        let inner = std::io::Error::other("disk");
        let error = Error::from(std::io::Error::other(inner));
        assert!(format!("{error:?}").starts_with("std::io::error::Error: disk"), "{error:?}");
    }
}
