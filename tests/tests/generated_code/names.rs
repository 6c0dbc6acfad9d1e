//! Names that need `r#`, a module of the same name, and re-exports.

use resilient::{Message, Messages, Scrapbook, resilient_fn};

/// A keyword as a name.
#[resilient_fn(type_id = "generated.Raw")]
pub async fn r#match(r#type: u32) -> u32 {
    r#type
}

/// A keyword as the name of a field and of a message.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
pub struct Fields {
    /// What stands before it.
    pub before: u8,
    /// A keyword.
    pub r#type: u64,
}

/// Nothing in it.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
pub struct Empty;

/// A keyword as a name.
#[allow(non_camel_case_types, reason = "keywords are small")]
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, Message)]
pub struct r#async;

/// Keywords as names of variants.
#[allow(non_camel_case_types, reason = "keywords are small")]
#[derive(Debug, PartialEq, Eq, Messages)]
pub enum r#enum {
    /// The one.
    r#async(r#async),
}

/// One file per function.
pub mod nightly {
    use resilient::prelude::*;

    /// The type's name is moved out of the module's way.
    #[resilient_fn(type_id = "generated.Nightly", handle = Nightly)]
    pub async fn nightly((): (), _context: &Context) {}
}
pub use nightly::{Nightly, nightly};

/// Both names travel together.
pub mod api {
    pub use super::super::strict::strict as renamed;
}
