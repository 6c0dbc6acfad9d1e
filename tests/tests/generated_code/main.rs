//! Generated code in places where it could go wrong: strict lints, shadowed names, odd positions.
//!
//! Most of it is compiled and not run: that it compiles is the test.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    single_use_lifetimes,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::missing_docs_in_private_items,
    clippy::panic,
    clippy::unwrap_used
)]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

pub mod aliases;
pub mod attributes;
pub mod errors;
pub mod imported;
pub mod made;
pub mod names;
pub mod renamed;
pub mod shadowed;
pub mod strict;
#[cfg(test)]
mod tests;
