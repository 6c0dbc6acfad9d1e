//! Names of the prelude and of `std` mean something else here.
#![allow(
    dead_code,
    missing_debug_implementations,
    non_camel_case_types,
    reason = "they only have to be there"
)]

use ::resilient::resilient_fn;

struct Result;
struct Option;
struct Vec;
struct String;
struct Box;
struct Future;
struct Some;
struct Default;
struct Send;
struct Into;
struct Debug;
struct Drop;
struct Message;
struct Messages;
#[allow(non_snake_case, clippy::unnecessary_wraps, reason = "it shadows the prelude")]
fn Ok(_: u8) {}
#[allow(non_snake_case, reason = "it shadows the prelude")]
fn Err(_: u8) {}
#[allow(unused_macros, reason = "it shadows the prelude")]
macro_rules! concat {
    () => {};
}
#[allow(unused_macros, reason = "it shadows the prelude")]
macro_rules! assert {
    () => {};
}
mod std {}
mod core {}
mod resilient {}
mod serde {}

/// The state.
#[derive(Default, ::serde::Serialize, ::serde::Deserialize, ::resilient::Scrapbook, ::core::fmt::Debug)]
pub struct Book {
    /// A number.
    pub number: u32,
}

/// A message.
#[derive(::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize, ::resilient::Message)]
#[message(name = "generated.Note")]
pub struct Note(u32);

/// Messages.
#[derive(::core::fmt::Debug, ::resilient::Messages)]
pub enum Notes {
    /// One of ours.
    Note(Note),
    /// One from elsewhere.
    Reserved(super::strict::Reserved),
}

/// Nothing but numbers.
#[resilient_fn(type_id = "generated.Shadowed", retry(first = "250ms", step = "1s", jitter = 0.5))]
pub async fn shadowed(number: u32, book: &mut ::resilient::Scrapbook<Book>) -> u32 {
    book.number + number
}
