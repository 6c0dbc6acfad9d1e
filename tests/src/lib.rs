//! What the behaviour tests are made of: databases, stores, faults and patience.
//!
//! A test that is true of every store is written once, in [`on_every_store!`]. The databases come from the environment
//! (see [`servers`]), which `./tests/run` prepares.

pub mod between;
pub mod chores;
pub mod deployments;
mod eventually;
mod every_store;
pub mod faults;
pub mod held;
pub mod orders;
pub mod process;
mod report;
pub mod rows;
pub mod servers;
mod stores;

pub use self::eventually::{Answer, eventually};
#[doc(hidden)]
pub use self::every_store::in_time;
pub use self::faults::FaultyStore;
pub use self::stores::{Kind, TestStore, open};
