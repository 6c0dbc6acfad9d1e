//! Types behind other names: everything is told apart by type.

use resilient::prelude::*;

use super::strict::Progress;

/// A scrapbook.
pub type Book<'a> = &'a mut Scrapbook<Progress>;
/// A context.
pub type Ctx<'a> = &'a Context;
/// A result whose error can be stored as JSON, too.
pub type Answer = Result<u32, String>;
/// An outcome.
pub type End = Outcome<()>;

/// In another order.
///
/// # Errors
///
/// For 0.
#[resilient_fn(type_id = "generated.Aliased")]
pub async fn aliased(number: u32, context: Ctx<'_>, book: Book<'_>) -> Answer {
    book.steps += context.attempt();
    if number == 0 { Err("zero".to_owned()) } else { Ok(number) }
}

/// An explicit lifetime is no generic parameter.
#[resilient_fn(type_id = "generated.Lifetimes")]
#[allow(clippy::needless_lifetimes, single_use_lifetimes, reason = "it is written out on purpose")]
pub async fn lifetimes<'a>(text: std::borrow::Cow<'_, str>, context: &'a Context) -> End {
    drop((text, context));
    Outcome::Success(())
}
