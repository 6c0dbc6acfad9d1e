//! Async functions that run to their end, whatever crashes, with nothing but your own database.
//!
//! An `async fn` is annotated with [`#[resilient_fn]`](resilient_fn); from then on every invocation of it, named by an
//! *instance id*, completes despite crashes, restarts and deployments, on any number of replicas. There is no server and no
//! broker, no replay and no determinism rules: after a crash the function is called again from its top, with its parameter
//! and its latest *scrapbook*, and nothing else. What has been done is what the scrapbook says has been done. What code
//! cannot decide fails, and a person repairs it through a typed [`ControlPanel`].
//!
//! New here? The [`guide`] has a chapter for each question, and [`guide::getting_started`] is the first one: in a quarter of
//! an hour you have a function of your own that was killed and went on.
//!
//! # A tour
//!
//! ```standalone_crate
//! use std::time::Duration;
//! use resilient::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! /// The progress of one mailing; `save` makes it durable.
//! #[derive(Default, Serialize, Deserialize, Scrapbook)]
//! struct Mailing {
//!     sent: usize,
//! }
//!
//! /// A service, given to the builder, faked in tests.
//! struct Smtp;
//! impl Smtp {
//!     async fn send(&self, _to: &str) -> std::io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! /// First the parameter; then, in any order, what it needs.
//! #[resilient_fn(type_id = "Newsletter")]
//! async fn newsletter(
//!     recipients: Vec<String>,
//!     mailing: &mut Scrapbook<Mailing>,
//!     context: &Context,
//!     smtp: Dep<Smtp>,
//! ) -> resilient::Result<usize> {
//!     while let Some(to) = recipients.get(mailing.sent) {
//!         if smtp.send(to).await.is_err() {
//!             // Put it off: stored, and begun again then by any replica. Nothing waits in memory.
//!             Err(Postpone::for_(Duration::from_secs(60)))?;
//!         }
//!         mailing.sent += 1;
//!         mailing.save().await?;
//!         if context.is_shutting_down() {
//!             Err(Postpone::for_(Duration::ZERO))?;
//!         }
//!     }
//!     Ok(mailing.sent)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One runtime for each process, on the same store.
//! let runtime = Runtime::builder(InMemoryStore::new()).dep(Smtp).discover().start().await?;
//!
//! // Run it and wait; the same id always has the same result, in any process.
//! let to = vec!["ann@example.org".to_owned(), "bob@example.org".to_owned()];
//! assert_eq!(newsletter::invoke(&runtime, "2026-11", to.clone()).await?, 2);
//!
//! // Or store it now, and have it run by any replica; later, wait for its result from anywhere.
//! newsletter::schedule(&runtime, "2026-12", to).await?;
//! assert_eq!(newsletter::completion(&runtime, "2026-12").await?, 2);
//!
//! // The function itself is still there, for a unit test without any of this.
//! let mut crash = Scrapbook::<Mailing>::default().failing_at_save(1);
//! let outcome = newsletter(vec!["cid@example.org".to_owned()], &mut crash, &Context::test(), Dep::new(Smtp)).await;
//! assert!(outcome.is_err());
//!
//! runtime.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - **Progress**: [`Scrapbook`](struct@Scrapbook), with versions: [`Versioned`] and `#[derive(Scrapbook)]`.
//! - **Calls that must not happen twice**: [`AtMostOnce`] and [`AtLeastOnce`] fields with
//!   [`Scrapbook::at_most_once`]; [`Context::once`] without a field.
//! - **Messages**: typed input from any process with [`Runtime::send`], stored once for each key of
//!   [`Outgoing::with_key`]; a function waits for it with [`Context::messages`].
//! - **Your own transactions**: [`Runtime::schedule_in`], [`Runtime::send_in`] and [`Scrapbook::save_in`] store a start, a
//!   message or progress together with rows of your own, or not at all.
//! - **Timers**: [`Context::sleep`], [`Context::sleep_until`] and the deadline of [`Inbox::next_within`] go on across
//!   restarts. What waits for longer than a moment is put away, and any replica begins it again.
//! - **Children**: [`Context::invoke`] runs another resilient function and waits for it, [`Context::invoke_all`] many on all
//!   replicas; `?` ends the run of a parent that waits, and the end of the child begins the next one. From outside,
//!   [`Runtime::schedule_many`] stores thousands in a few statements.
//! - **Recurring**: `every = "1h"` or `cron = "30 2 * * *"` in [`#[resilient_fn]`](macro@resilient_fn#recurring-functions)
//!   has a function run by itself, once at each [`Tick`] over all replicas.
//! - **Outcomes**: a value, an error, [`Postpone`]; `?` carries each of them out. A panic is a [`Failure`].
//! - **Cancelling**: [`Runtime::cancel`] ends what waits, and asks what runs through [`Context::is_cancelled`],
//!   [`Context::cancelled`] and its waits.
//! - **Repair**: [`ControlPanel`] and [`RawControlPanel`]; listing with [`Runtime::list`], and why something waits with
//!   [`Runtime::reason`].
//! - **Services**: [`Dep`], checked at start-up with everything else that can be wrong: [`StartError`].
//! - **Middleware**: [`middleware`] wraps every run: [`Retry`](middleware::Retry), also as the attribute's `retry(…)`,
//!   correlation ids, spans, a hook for failures, and yours.
//! - **Settings**: [`Settings`] and [`FunctionSettings`], each with its default.
//! - **Retention**: results are deleted 30 days after an instance has succeeded, or as [`Retention`] says; failures stay,
//!   and so do the children of a parent that has not succeeded.
//! - **Databases**: the crate `resilient-sqlx`; [`InMemoryStore`] for tests; [`Store`] for a store of your own, and the
//!   feature `conformance` to prove it.
//! - **Other forms than JSON**: [`Builder::codec`] stores data as MessagePack, or as a codec of yours makes it, encrypted
//!   for example; see [`codec`].
//! - **Watching**: `tracing` events for every transition, with ids and never with data; [`metrics`];
//!   [`Builder::on_error`].
//!
//! # What is promised
//!
//! The body runs at least once. When a process dies:
//!
//! | when | what is stored | what happens next |
//! |---|---|---|
//! | before `invoke` has stored the instance | nothing | the caller got no answer; invoking again begins it |
//! | after that, before the body's first save | the parameter | another replica runs the body when the lease has ended |
//! | between two saves | the last saved scrapbook | the body runs from its top with it |
//! | during a save | the old scrapbook or the new one | as above |
//! | after `save_in`, before the transaction is committed | the last saved scrapbook, and none of the transaction's rows | as above |
//! | after that commit | the scrapbook and the rows | as above |
//! | after `schedule_in` or `send_in`, before the commit | nothing | nothing; the caller's rows are gone, too |
//! | after the body, before its outcome is stored | the last saved scrapbook | as above |
//! | after the outcome is stored | result or failure | every later `invoke` returns it, a result as long as its [`Retention`] lasts |
//! | between the marker of a call that must not happen twice and its result | the marker | it fails as `unknown outcome`, for a person |
//! | while it is postponed or sleeps | when it becomes due | any replica runs it then |
//! | between two firings of a recurring function | the next firing | any replica runs it at its time, or late |
//! | while it waits for a message | its deadline, if it has one | the message, or the deadline, has any replica run it |
//! | while a child is begun | the child or nothing | the next run of its parent finds it, or begins it |
//! | while it waits for a child | nothing more | the end of the child, stored together with what wakes its parent, has any replica run that |
//! | while a message is sent | the message or nothing | the sender got no answer; sending again with the same key stores it once |
//! | after its end was asked for | the request | the next run begins with it |
//! | again and again in the same body | the count of lost owners | with the sixth in a row it fails as a `crash loop`, for a person |
//!
//! Every write of a run names its *epoch*, and every takeover, transition and edit moves the epoch: a run that lost its
//! ownership cannot write. Code that is older than the data never claims, decodes or overwrites it.
//!
//! # Deployments
//!
//! Replicas with old and with new code work side by side, and a deployment can be rolled back at any time.
//!
//! | the new code | what becomes of stored instances |
//! |---|---|
//! | gives a parameter, a scrapbook, a message or a result another version ([`Versioned`]) | it reads what old code wrote; old code leaves alone what new code wrote |
//! | takes a scrapbook where there was none | what has none begins with the default; old code leaves alone what was begun with one |
//! | does without its scrapbook, and says so with `dropped_scrapbook = 1` | a stored one is kept as it is and ignored; without that word such instances wait |
//! | has `version = 2` of a function beside version 1, under one type id | each instance runs in the version it was started with; asked for in the other one, it answers with its outcome or with [`InvokeError::OtherVersion`] |
//! | cannot read what is stored | the instance fails and keeps its data; it can be invoked again after the next deployment |
//!
//! What new code has once written, by a save of a newer scrapbook for example, waits for new code, also after a rollback.
//! It does not wait in silence: [`Runtime::reason`] says why an instance is not running, [`Filter::stuck`] lists what is
//! due while no live replica runs or reads it, and every replica that takes work warns of it. A new replica takes such
//! work as soon as it is there; an instance that has met a message of a newer version looks again within ten seconds.
//!
//! # Features
//!
//! - `anyhow`: a [`Postpone`] is recognised in an `anyhow::Error` also when it is its outermost error.
//! - `conformance`: the suite that proves a [`Store`].
//! - `cron`: functions recur at the times of a `cron` expression, in a time zone.
//! - `messagepack`: the codec `MessagePack`, which stores data in that form; see [`codec`].
//! - `metrics`: what the runtime does is counted and measured with the facade crate `metrics`; see [`metrics`].

// Generated code names the crate from outside, also in this crate's own tests.
#[allow(unused_extern_crates, reason = "the macros need it")]
extern crate self as resilient;

mod backoff;
mod clock;
mod error;
mod guard;
mod id;
pub mod metrics;
mod panics;

mod answer;
pub mod codec;
mod context;
mod family;
mod invoke_error;
mod journal;
mod message;
pub mod middleware;
mod outcome;
mod payload;
mod record;
mod recurring;
mod scrapbook;
mod settings;
mod status;
mod transaction;
mod version;

pub mod store;

#[cfg(feature = "conformance")]
pub mod conformance;

pub mod registry;

mod coded;
mod events;
mod inboxes;
mod lease;
mod limited;
mod runs;
mod waiting;
mod writer;

mod calls;
mod children;
mod engine;
mod firings;
mod invocation;

mod inspect;

mod watchdog;

mod control_panel;

mod runtime;

pub mod guide;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use resilient_macros::{Message, Messages, Scrapbook, Versioned, resilient_fn};

pub use self::clock::{Clock, Due, SystemClock, TimeError, Timestamp, TokioClock};
pub use self::codec::EncodeError;
pub use self::context::{Context, Inbox, Mode, WaitError};
pub use self::control_panel::{ControlPanel, PanelMessage, RawControlPanel, UnknownCall, UnknownField};
pub use self::engine::BackgroundError;
pub use self::error::{BoxError, Error, Result};
pub use self::guard::{AtLeastOnce, AtMostOnce, Guarded, UnknownOutcome};
pub use self::id::{Epoch, FunctionId, IdError, InstanceId, MAX_ID_BYTES, ReplicaId, TypeId};
pub use self::invoke_error::InvokeError;
pub use self::journal::{DeadLetter, Journal, Json};
pub use self::message::{Either, Message, Messages, Outgoing};
pub use self::outcome::{
    Cancelled, Failure, IntoFailure, MAX_FAILURE_TEXT, Outcome, Postpone, RawOutcome, Suspend,
};
pub use self::payload::Payload;
pub use self::record::{LiveReplica, NewMessage, Reads, Replica, ReplicaType, StoredFunction, StoredMessage};
pub use self::recurring::{Tick, TickError};
pub use self::registry::{Dep, Registration, ResilientFn};
pub use self::runtime::{Builder, Runtime, Shutdown, StartError};
pub use self::scrapbook::{GuardError, SaveError, Scrapbook};
pub use self::settings::{FunctionSettings, Retention, Settings};
pub use self::status::Status;
pub use self::store::{Filter, InMemoryStore, Store, StoreError};
pub use self::version::{
    DecodeError, NoScrapbook, Output, Param, ScrapbookState, UpgradeFrom, VersionRange, Versioned,
};

/// What user code imports: what programs name that run functions. [`Result`] and [`Error`] are not
/// among it, for they would hide those of the standard library.
pub mod prelude {
    pub use crate::{
        AtLeastOnce, AtMostOnce, Cancelled, Context, ControlPanel, Dep, Either, FunctionSettings, GuardError,
        InMemoryStore, InvokeError, Message, Messages, Mode, Outcome, Outgoing, Postpone, ResilientFn,
        Runtime, SaveError, Scrapbook, Settings, Status, Suspend, Tick, UnknownOutcome, Versioned, WaitError,
        resilient_fn,
    };
}

/// The examples of the README and of the macros run.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../resilient-macros/src/docs/resilient_fn.md")]
    struct ResilientFn;
    #[doc = include_str!("../../resilient-macros/src/docs/scrapbook.md")]
    struct Scrapbook;
    #[doc = include_str!("../../resilient-macros/src/docs/versioned.md")]
    struct Versioned;
    #[doc = include_str!("../../resilient-macros/src/docs/message.md")]
    struct Message;
    #[doc = include_str!("../../resilient-macros/src/docs/messages.md")]
    struct Messages;
}
