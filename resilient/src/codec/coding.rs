//! What a codec is.

use std::fmt;

use super::Place;

/// Another form than JSON text in which data is stored: smaller, or unreadable to whoever reads the database.
///
/// It is given to a runtime with [`Builder::codec`](crate::Builder::codec); the [module](super) says what it covers.
///
/// ```
/// use resilient::codec::{Codec, CodecError, Place};
///
/// /// Keeps curious eyes off, and nobody else.
/// struct Rot13;
///
/// fn turned(text: &str) -> String {
///     let turn = |letter: char, first: u8| char::from((letter as u8 - first + 13) % 26 + first);
///     let turned = text.chars().map(|letter| match letter {
///         'a'..='z' => turn(letter, b'a'),
///         'A'..='Z' => turn(letter, b'A'),
///         other => other,
///     });
///     turned.collect()
/// }
///
/// impl Codec for Rot13 {
///     fn name(&self) -> &str {
///         "rot13"
///     }
///
///     fn encode(&self, json: &str, _: &Place<'_>) -> Result<Vec<u8>, CodecError> {
///         Ok(turned(json).into_bytes())
///     }
///
///     fn decode(&self, stored: &[u8], _: &Place<'_>) -> Result<String, CodecError> {
///         let text = std::str::from_utf8(stored).map_err(|_| CodecError::new("it is not text"))?;
///         Ok(turned(text))
///     }
/// }
///
/// # use resilient::prelude::*;
/// #[resilient_fn(type_id = "Turned greeting")]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = InMemoryStore::new();
/// let runtime = Runtime::builder(store.clone()).codec(Rot13).discover().start().await?;
/// assert_eq!(greet::invoke(&runtime, "first", "ann".to_owned()).await?, "hello ann");
///
/// // What is stored is the name of the codec, and what it made of the text.
/// let plain = Runtime::builder(store).take_no_work().start().await?;
/// let stored = plain.raw_control_panel("Turned greeting", "first").await?;
/// assert_eq!(stored.param().body, "resilient:rot13:Im5hYSI=");
/// # Ok(())
/// # }
/// ```
pub trait Codec: Send + Sync + 'static {
    /// The name that is stored beside everything it encodes: 1 to 40 letters, digits, `-`, `_` and `.`.
    ///
    /// It stands for the form of the bytes *and* for the key: another key is another name. It is asked for once.
    fn name(&self) -> &str;

    /// Makes bytes of JSON text. The same text may become other bytes each time.
    ///
    /// It is asked in tasks of the runtime and must not block; and it is asked once more before a value is written, so
    /// that whoever gives a value that cannot be encoded is told.
    ///
    /// # Errors
    ///
    /// [`CodecError`]; the value is refused, and nothing is stored.
    fn encode(&self, json: &str, place: &Place<'_>) -> Result<Vec<u8>, CodecError>;

    /// Makes JSON text of the same meaning of the bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when the bytes are not what [`encode`](Self::encode) made for this place, as far as it can tell.
    /// What is not JSON then is refused as well.
    fn decode(&self, stored: &[u8], place: &Place<'_>) -> Result<String, CodecError>;
}

/// Why a codec refuses a value.
///
/// Its text is stored with an instance that fails for it, and is shown to people: it must not quote the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError(String);

impl CodecError {
    /// With what is wrong, in words that begin with a lower-case letter and end without a period.
    pub fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}
