//! Versions of stored data, and how old data becomes new.
//!
//! The version of a value is a number beside its text, so that a replica can tell without reading the text
//! whether the value was written by newer code. Newer data is never decoded: the instance is left to a replica
//! that knows it. Older data is decoded as the type it was written by, and then upgraded step by step.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{self, EncodeError};
use crate::payload::Payload;

/// The versions of a type that this replica can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionRange {
    /// The first version that can still be upgraded.
    pub oldest: u32,
    /// The version that is written.
    pub newest: u32,
}

impl VersionRange {
    /// The range of a type that never had another version.
    pub const FIRST: Self = Self { oldest: 1, newest: 1 };

    /// Whether a stored version can be read.
    pub const fn contains(self, version: u32) -> bool {
        self.oldest <= version && version <= self.newest
    }
}

/// Stored data with a version number and the types of its earlier versions.
///
/// Implemented by `#[derive(Scrapbook)]` for scrapbooks and by `#[derive(Versioned)]` for parameters and results.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no version",
    label = "not `Versioned`",
    note = "add `#[derive(Versioned)]` to a parameter or a result, `#[derive(Scrapbook)]` to a scrapbook"
)]
pub trait Versioned: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The version that is written.
    const VERSION: u32;
    /// The first version that can still be read.
    const OLDEST: u32;

    /// Reads any version from [`OLDEST`](Self::OLDEST) to [`VERSION`](Self::VERSION).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says whether the value is too new, too old, unreadable, or refused by an upgrade.
    fn decode(payload: &Payload) -> Result<Self, DecodeError>;
}

/// The state inside a [`Scrapbook`](struct@crate::Scrapbook); implemented by `#[derive(Scrapbook)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scrapbook state",
    label = "needs `#[derive(Scrapbook)]`",
    note = "declare it with `#[derive(Default, Serialize, Deserialize, Scrapbook)]` and `#[scrapbook(version = 1)]`"
)]
pub trait ScrapbookState: Versioned + Default {
    /// For the derive: its fields, each with its offset in bytes, so that a guard can be called by its name.
    #[doc(hidden)]
    const FIELDS: &'static [(&'static str, usize)] = &[];
}

/// The state of a function that takes no scrapbook; it is never stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoScrapbook {}

impl Versioned for NoScrapbook {
    const VERSION: u32 = 0;
    const OLDEST: u32 = 0;

    /// Whatever an earlier form of the function has left is not looked at.
    fn decode(_: &Payload) -> Result<Self, DecodeError> {
        Ok(Self {})
    }
}

impl ScrapbookState for NoScrapbook {}

/// Why stored data cannot be read by this code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It was written by newer code.
    #[error(
        "`{type_name}` is stored in version {stored}; this code knows {newest} and earlier, deploy newer code"
    )]
    Newer {
        /// The type it was to be read as.
        type_name: &'static str,
        /// The stored version.
        stored: u32,
        /// The newest version this code knows.
        newest: u32,
    },
    /// It was written by code so old that its type is not carried any more.
    #[error(
        "`{type_name}` is stored in version {stored}; this code knows {oldest} and later, give it `v{stored}`"
    )]
    TooOld {
        /// The type it was to be read as.
        type_name: &'static str,
        /// The stored version.
        stored: u32,
        /// The oldest version this code knows.
        oldest: u32,
    },
    /// Its text is not what the type of its version expects.
    #[error("version {stored} of `{type_name}` cannot be read: {problem}")]
    Malformed {
        /// The type it was to be read as.
        type_name: &'static str,
        /// The stored version.
        stored: u32,
        /// What the reader says, with the place in the text.
        problem: String,
    },
    /// It is encoded, and this replica could not decode it; it is stored as it was.
    #[error(
        "`{type_name}` is stored with codec `{codec}`, which this replica does not have or which refuses it; give the \
         builder the codec and the key that wrote it"
    )]
    Codec {
        /// The type it was to be read as.
        type_name: &'static str,
        /// The name of the codec.
        codec: String,
    },
    /// It is a scrapbook, and the function takes none.
    #[error(
        "a scrapbook is stored in version {stored} and the function takes none; deploy the code that takes it, or say \
         `dropped_scrapbook = {stored}` when nothing needs it any more"
    )]
    NoScrapbook {
        /// The stored version.
        stored: u32,
    },
    /// An upgrade refused it.
    #[error("version {stored} of `{type_name}` cannot be upgraded, the step to `{step}` failed: {problem}")]
    Upgrade {
        /// The type it was to become.
        type_name: &'static str,
        /// The stored version.
        stored: u32,
        /// The type whose `TryFrom` refused.
        step: &'static str,
        /// What it said.
        problem: String,
    },
}

/// One step of an upgrade; every `From` and `TryFrom` is one.
#[diagnostic::on_unimplemented(
    message = "no upgrade from `{Previous}` to `{Self}`",
    label = "the upgrade chain is broken here",
    note = "write `impl From<{Previous}> for {Self}`, or `TryFrom` with an error that implements `Display`"
)]
pub trait UpgradeFrom<Previous>: Sized {
    /// Makes the next version.
    ///
    /// # Errors
    ///
    /// The text of the error of a `TryFrom`.
    fn upgrade_from(previous: Previous) -> Result<Self, String>;
}

#[diagnostic::do_not_recommend]
impl<P, T> UpgradeFrom<P> for T
where
    T: TryFrom<P>,
    T::Error: fmt::Display,
{
    fn upgrade_from(previous: P) -> Result<Self, String> {
        Self::try_from(previous).map_err(|error| error.to_string())
    }
}

/// For generated code: one step of the chain that ends in `Newest`.
///
/// # Errors
///
/// [`DecodeError::Upgrade`] with the version that is stored, not the one the step began at.
#[doc(hidden)]
pub fn upgrade_step<Newest, Previous, Next>(stored: u32, previous: Previous) -> Result<Next, DecodeError>
where
    Next: UpgradeFrom<Previous>,
{
    let names = |problem| DecodeError::Upgrade {
        type_name: type_name::<Newest>(),
        stored,
        step: type_name::<Next>(),
        problem,
    };
    Next::upgrade_from(previous).map_err(names)
}

/// For generated code: reads the text as the type of exactly the stored version.
///
/// # Errors
///
/// [`DecodeError::Malformed`], [`DecodeError::Codec`].
#[doc(hidden)]
pub fn decode_exact<T: DeserializeOwned>(payload: &Payload) -> Result<T, DecodeError> {
    check_decoded(type_name::<T>(), &payload.body)?;
    codec::decode(payload).map_err(|error| DecodeError::Malformed {
        type_name: type_name::<T>(),
        stored: payload.version,
        problem: error.to_string(),
    })
}

/// The text is JSON as far as codecs are concerned, or the error that names the one that made it.
pub(crate) fn check_decoded(type_name: &'static str, text: &str) -> Result<(), DecodeError> {
    match codec::codec_of(text) {
        None => Ok(()),
        Some(codec) => Err(DecodeError::Codec { type_name, codec: codec.to_owned() }),
    }
}

/// For generated code: the error for a version outside of the range.
#[doc(hidden)]
pub fn out_of_range<T: Versioned>(stored: u32) -> DecodeError {
    let type_name = type_name::<T>();
    if stored > T::VERSION {
        DecodeError::Newer { type_name, stored, newest: T::VERSION }
    } else {
        DecodeError::TooOld { type_name, stored, oldest: T::OLDEST }
    }
}

/// For generated code: what can be stored. It is asked for in one place, so that a forgotten derive is one error.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    label = "not storable",
    note = "stored data implements `Serialize`, `DeserializeOwned`, `Send`, `Sync` and owns its data",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
)]
pub trait Stored: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Stored for T {}

/// For generated code: the place.
#[doc(hidden)]
pub const fn assert_stored<T: Stored>() {}

/// For generated code: `T`, under a name with a lifetime. What is asked of it in a condition is answered where the condition
/// is used, and not once more where it stands.
#[doc(hidden)]
pub trait Same<'a, T> {
    /// `T`.
    type Same;
}

impl<T> Same<'_, T> for () {
    type Same = T;
}

/// Answers at compile time whether a type is [`Versioned`]: the inherent constant wins over the trait's.
#[doc(hidden)]
#[derive(Debug)]
pub struct VersionProbe<T: ?Sized>(PhantomData<T>);

impl<T: Versioned> VersionProbe<T> {
    /// `T` is versioned.
    pub const VERSIONED: bool = true;
}

/// The answer of [`VersionProbe`] for every other type.
#[doc(hidden)]
pub trait UnversionedFallback {
    /// `T` is not versioned.
    const VERSIONED: bool = false;
}

impl<T: ?Sized> UnversionedFallback for VersionProbe<T> {}

/// What can be the parameter of a resilient function: any serde type, as version 1, or a [`Versioned`] one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameter of a resilient function",
    label = "not storable",
    note = "a parameter is stored as JSON: it implements `Serialize`, `DeserializeOwned`, `Send`, `Sync` and owns its data",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
)]
pub trait Param<const VERSIONED: bool>: Send + Sync + Sized + 'static {
    /// What can be read.
    const VERSIONS: VersionRange;

    /// Writes the stored form.
    ///
    /// # Errors
    ///
    /// See [`codec::encode`].
    fn encode(&self) -> Result<Payload, EncodeError>;

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    fn decode(payload: &Payload) -> Result<Self, DecodeError>;
}

/// What can be the result of a resilient function: any serde type, as version 1, or a [`Versioned`] one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a resilient function",
    label = "not storable",
    note = "a result is stored as JSON: it implements `Serialize`, `DeserializeOwned`, `Send`, `Sync` and owns its data",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`, or return `()`"
)]
pub trait Output<const VERSIONED: bool>: Send + Sync + Sized + 'static {
    /// Writes the stored form.
    ///
    /// # Errors
    ///
    /// See [`codec::encode`].
    fn encode(&self) -> Result<Payload, EncodeError>;

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    fn decode(payload: &Payload) -> Result<Self, DecodeError>;
}

#[diagnostic::do_not_recommend]
impl<T: Versioned> Param<true> for T {
    const VERSIONS: VersionRange = VersionRange { oldest: T::OLDEST, newest: T::VERSION };

    fn encode(&self) -> Result<Payload, EncodeError> {
        codec::encode(T::VERSION, self)
    }

    fn decode(payload: &Payload) -> Result<Self, DecodeError> {
        <T as Versioned>::decode(payload)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Param<false> for T {
    const VERSIONS: VersionRange = VersionRange::FIRST;

    fn encode(&self) -> Result<Payload, EncodeError> {
        codec::encode(1, self)
    }

    fn decode(payload: &Payload) -> Result<Self, DecodeError> {
        decode_first(payload)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Versioned> Output<true> for T {
    fn encode(&self) -> Result<Payload, EncodeError> {
        codec::encode(T::VERSION, self)
    }

    fn decode(payload: &Payload) -> Result<Self, DecodeError> {
        <T as Versioned>::decode(payload)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Output<false> for T {
    fn encode(&self) -> Result<Payload, EncodeError> {
        codec::encode(1, self)
    }

    fn decode(payload: &Payload) -> Result<Self, DecodeError> {
        decode_first(payload)
    }
}

/// A type without `Versioned` is version 1. One that has lost its derive shows here as `Newer`: refusing is the
/// safe direction.
fn decode_first<T: DeserializeOwned>(payload: &Payload) -> Result<T, DecodeError> {
    if payload.version > 1 {
        return Err(DecodeError::Newer { type_name: type_name::<T>(), stored: payload.version, newest: 1 });
    }
    decode_exact(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_without_a_version_reads_version_1_only() {
        assert_eq!(<u32 as Param<false>>::decode(&Payload::new(1, "7")), Ok(7));
        let newer = <u32 as Param<false>>::decode(&Payload::new(2, "7"));
        assert_eq!(newer, Err(DecodeError::Newer { type_name: "u32", stored: 2, newest: 1 }));
    }

    #[test]
    fn text_that_does_not_fit_says_where() {
        let error = decode_exact::<u32>(&Payload::new(1, "\"seven\"")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("version 1 of `u32` cannot be read: invalid type: string"), "{text}");
    }

    #[test]
    fn a_range_holds_both_of_its_ends() {
        let range = VersionRange { oldest: 2, newest: 3 };
        assert_eq!([1, 2, 3, 4].map(|version| range.contains(version)), [false, true, true, false]);
    }
}
