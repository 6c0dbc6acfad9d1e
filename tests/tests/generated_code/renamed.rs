//! The dependency under another name.

/// A vendored copy.
pub mod vendored {
    pub use resilient as durable;
}
use vendored::durable;

/// The state.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, durable::Scrapbook)]
#[scrapbook(version = 1, crate = vendored::durable)]
pub struct State {
    /// A number.
    pub number: u32,
}

/// A parameter.
#[derive(Debug, serde::Serialize, serde::Deserialize, durable::Versioned)]
#[versioned(version = 2, oldest = 2, crate = vendored::durable)]
pub struct Input {
    /// A number.
    pub number: u32,
}

/// A message.
#[derive(Debug, serde::Serialize, serde::Deserialize, durable::Message)]
#[message(crate = vendored::durable)]
pub struct Answer {
    /// A number.
    pub number: u32,
}

/// What can be waited for.
#[derive(Debug, durable::Messages)]
#[messages(crate = vendored::durable)]
pub enum Waiting {
    /// The answer.
    Answer(Answer),
}

/// The function.
///
/// # Errors
///
/// None.
#[durable::resilient_fn(type_id = "generated.Renamed", retry(first = "1s"), crate = vendored::durable)]
pub async fn renamed(input: Input, state: &mut durable::Scrapbook<State>) -> durable::Result<u32> {
    state.number = input.number;
    state.save().await?;
    Ok(state.number)
}
