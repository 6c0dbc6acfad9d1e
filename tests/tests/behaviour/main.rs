//! How runtimes behave, through the public API, on every store.
//!
//! Two runtimes on two handles of a store stand for two processes; one that is dropped stands for one that crashed.
//!
//! - `invoke`: the result cache, callers in many processes, answers as typed errors, waiting through postponements.

mod bad_input;
mod cancel;
mod common;
mod control_panel;
mod crash;
mod events;
mod invoke;
mod outcomes;
mod schedule;
mod settings;
mod shutdown;
mod startup;
mod versions;
