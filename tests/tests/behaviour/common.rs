//! What the tests share: functions that do what they are told, a probe that watches them, and short settings.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Builder, Failure, FunctionId, Payload, Store, StoredFunction};
use resilient_tests::{TestStore, eventually};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Long enough for a busy machine; nothing waits so long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Watches what functions do, and holds them up: a dependency of all the functions here.
///
/// Clones are the same probe, also in the runtimes of different replicas.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    begun: watch::Sender<usize>,
    open: watch::Sender<bool>,
    notes: Mutex<Vec<String>>,
    runtime: Mutex<Option<Runtime>>,
}

impl Probe {
    /// Called by a body when it begins.
    pub(crate) fn begin(&self) {
        self.0.begun.send_modify(|begun| *begun += 1);
    }

    /// How many runs have begun.
    pub(crate) fn runs(&self) -> usize {
        *self.0.begun.borrow()
    }

    /// Waits until so many runs have begun.
    pub(crate) async fn begun(&self, runs: usize) {
        let mut begun = self.0.begun.subscribe();
        let reached = begun.wait_for(|begun| *begun >= runs);
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{} runs have begun, and not the {runs} that were to begin", self.runs());
    }

    /// Lets all bodies pass the gate, now and later.
    pub(crate) fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Called by a body that waits until the test lets it go on.
    pub(crate) async fn gate(&self) {
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open).await.expect("the probe is here");
    }

    /// Called by a body to say what it saw.
    pub(crate) fn note(&self, note: impl Into<String>) {
        self.0.notes.lock().expect("no note panics").push(note.into());
    }

    /// All that was said.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.0.notes.lock().expect("no note panics").clone()
    }

    /// Gives bodies a runtime to invoke others with. `forget_runtime` lets go of it.
    pub(crate) fn lend_runtime(&self, runtime: &Runtime) {
        *self.0.runtime.lock().expect("no lender panics") = Some(runtime.clone());
    }

    pub(crate) fn forget_runtime(&self) {
        *self.0.runtime.lock().expect("no lender panics") = None;
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.0.runtime.lock().expect("no lender panics").clone().expect("a runtime was lent")
    }
}

/// Says twice its parameter.
#[resilient_fn(type_id = "Double", register = false)]
pub(crate) async fn double(number: u64, probe: Dep<Probe>) -> u64 {
    probe.begin();
    number * 2
}

/// Says its parameter when the probe lets it.
#[resilient_fn(type_id = "Gated", register = false)]
pub(crate) async fn gated(number: u64, probe: Dep<Probe>) -> u64 {
    probe.begin();
    probe.gate().await;
    number
}

/// What one run of [`play`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Succeeds with the attempts that it knows of.
    Return,
    /// Fails.
    Fail,
    /// Panics.
    Panic,
    /// Puts itself off for so many milliseconds.
    Postpone(u64),
    /// Saves its scrapbook and never ends.
    SaveAndHang,
    /// Changes its scrapbook without saving it, and never ends.
    Hang,
}

/// What [`play`] knows of its runs.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Played {
    pub(crate) attempts: Vec<u32>,
}

/// Does in its n-th attempt what the n-th act says, and succeeds after the last one.
#[resilient_fn(type_id = "Play", register = false)]
pub(crate) async fn play(
    acts: Vec<Act>,
    played: &mut Scrapbook<Played>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<Vec<u32>> {
    let attempt = context.attempt();
    probe.note(format!("{attempt} {:?} after {:?}", context.mode(), played.attempts));
    probe.begin();
    played.attempts.push(attempt);
    match acts.get(attempt as usize - 1).unwrap_or(&Act::Return) {
        Act::Return => Ok(played.attempts.clone()),
        Act::Fail => Err(resilient::Error::msg("told to fail")),
        Act::Panic => panic!("told to panic"),
        Act::Postpone(milliseconds) => Err(Postpone::for_(ms(*milliseconds)))?,
        Act::SaveAndHang => {
            played.save().await?;
            probe.note("saved");
            std::future::pending().await
        }
        Act::Hang => std::future::pending().await,
    }
}

/// Short enough for tests; the lease is the one of production, because a busy machine must not end it.
pub(crate) fn quick() -> Settings {
    Settings::default().heartbeat(ms(50)).poll(ms(20)).sweep(ms(100)).wait_poll(ms(10))
}

/// A runtime with the functions of this file.
pub(crate) fn builder(store: impl Store, probe: &Probe) -> Builder {
    Runtime::builder(store)
        .dep(probe.clone())
        .settings(quick())
        .register::<double>()
        .register::<gated>()
        .register::<play>()
}

/// One process.
pub(crate) async fn replica(store: impl Store, probe: &Probe) -> Runtime {
    builder(store, probe).start().await.expect("a runtime starts")
}

/// Two processes, each with connections of its own.
pub(crate) async fn two_replicas(store: &TestStore, probe: &Probe) -> (Runtime, Runtime) {
    (replica(store.clone(), probe).await, replica(store.another().await, probe).await)
}

/// A process that looks and stores, and takes no work.
pub(crate) async fn onlooker(store: &TestStore, probe: &Probe) -> Runtime {
    builder(store.another().await, probe).take_no_work().start().await.expect("a runtime starts")
}

/// Ends a process without a word, and its lease with it; only tests of the lease itself wait for its end.
pub(crate) async fn crash(runtime: Runtime, store: &TestStore) {
    let replica = runtime.replica_id().expect("a runtime that works holds a lease");
    drop(runtime);
    let mut lifeline = store.lifeline().await.expect("the store is there");
    lifeline.leave(replica).await.expect("the store is there");
}

/// What is stored of an instance.
pub(crate) async fn stored(store: &impl Store, type_id: &str, instance_id: &str) -> StoredFunction {
    let row = store.get(&[FunctionId::new(type_id, instance_id)]).await.expect("the store is there");
    row.into_iter().next().flatten().expect("the instance is stored")
}

/// The stored form of a first version.
pub(crate) fn json(body: impl Into<String>) -> Payload {
    Payload::new(1, body)
}

/// The failure that an invocation answered.
#[track_caller]
pub(crate) fn failure<T: Debug>(answer: Result<T, InvokeError>) -> Failure {
    match answer {
        Err(InvokeError::Failed(failure)) => failure,
        other => panic!("a failure was expected, and this came: {other:?}"),
    }
}

/// A failure with its causes.
pub(crate) fn failed(type_name: &str, message: &str, sources: &[&str]) -> Failure {
    let mut failure = Failure::new(type_name, message);
    failure.sources = sources.iter().map(|&source| source.to_owned()).collect();
    failure
}

/// What [`play`] fails with.
pub(crate) fn told_to_fail() -> Failure {
    Failure::new("message", "told to fail")
}

/// What a person says of an instance that is given up.
pub(crate) fn by_a_person() -> Failure {
    Failure::new("person", "not worth it")
}

/// Leaves an instance of [`play`] that has failed.
pub(crate) async fn fail_as_told(runtime: &Runtime, id: &str) {
    assert_eq!(failure(play::invoke(runtime, id, vec![Act::Fail]).await), told_to_fail());
}

/// Why a call was refused, in words.
#[track_caller]
pub(crate) fn refusal<T: Debug>(answer: Result<T, InvokeError>) -> String {
    answer.expect_err("the call was to be refused").to_string()
}

/// Whether an answer says that the function has put itself off.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "it is given what a call answers")]
pub(crate) fn assert_postponed<T: Debug>(answer: Result<T, InvokeError>) {
    assert!(matches!(answer, Err(InvokeError::Postponed { .. })), "postponed was expected: {answer:?}");
}

/// Waits until a text was told.
pub(crate) async fn eventually_told(lines: &Mutex<Vec<String>>, text: &str) {
    eventually(PATIENCE, async || {
        let lines = lines.lock().expect("no listener panics");
        lines.iter().any(|line| line.contains(text))
    })
    .await;
}
