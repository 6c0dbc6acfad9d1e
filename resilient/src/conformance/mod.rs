//! The suite that proves a [`Store`](crate::Store), as one named test per promise.
//!
//! Whoever writes a store gives [`store_conformance!`](crate::store_conformance) an expression that opens a fresh,
//! empty, initialized one, and gets a test for each case of this module. Every case names the sentence of the seam's
//! documentation that it proves. Every case writes: never point it at data that somebody needs.
//!
//! ```
//! mod memory {
//!     async fn open() -> resilient::InMemoryStore {
//!         resilient::InMemoryStore::new()
//!     }
//!     resilient::store_conformance!(open());
//! }
//! ```
//!
//! The expression is evaluated once for each case, and awaited. It gives an [`Opened`]: the store, or `(store, guard)`
//! where the guard has to live as long as the case, or `None` where there is no server, and then says so itself.
//!
//! Times are real, also for stores with virtual time; leases that a case waits for are a quarter of a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a broken promise fails the calling test"
)]

mod cases;
mod given;
mod subject;
mod wait;

pub mod append;
pub mod batch;
pub mod cancel;
pub mod claim;
pub mod create;
pub mod data;
pub mod delete;
pub mod edit;
pub mod expire;
pub mod finish;
pub mod initial;
pub mod list;
pub mod liveness;
pub mod log;
pub mod meeting;
pub mod note;
pub mod parting;
pub mod race;
pub mod release;
pub mod replace;
pub mod save;
pub mod sequence;
pub mod setup;
pub mod suspend;
pub mod takeover;
pub mod time;
pub mod version;

pub use self::subject::{Opened, Subject};
pub use self::wait::in_time;
