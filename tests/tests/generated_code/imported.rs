//! Whatever generated code names is in scope already: no path of it may be called unnecessary.

#[allow(unused_imports, reason = "they only have to be there")]
use resilient::{__private::*, prelude::*, *};

/// A parameter with a history.
#[derive(Debug, serde::Serialize, serde::Deserialize, Versioned)]
#[versioned(version = 2, v1 = u32)]
pub struct Number(u32);

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// A message with a history.
#[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
#[message(version = 2, v1 = u32)]
pub struct Told(u32);

impl From<u32> for Told {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// A choice.
#[derive(Debug, Messages)]
pub enum Choice {
    /// It was told.
    Told(Told),
}

/// The function.
///
/// # Errors
///
/// None.
#[resilient_fn(type_id = "generated.Imported", dropped_scrapbook = 2, retry(first = "1s"))]
pub async fn imported(number: Number, _context: &Context, _text: Dep<str>) -> Result<u32> {
    Ok(number.0)
}
