//! Schedules of events in which a fence could be open for a moment, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Failure, FunctionId, FunctionSettings, Store, StoredFunction};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::orders::{Charge, Job, Ledger, order};
use resilient_tests::{FaultyStore, eventually};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

const LEASE: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(3);
/// Whatever is waited for comes well before, unless it never does.
const SOON: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    Settings::default().heartbeat(Duration::from_millis(100)).lease(LEASE).sweep(SWEEP)
}

async fn start(store: impl Store, ledger: &Ledger) -> Runtime {
    let builder = Runtime::builder(store).register::<order>().dep(ledger.clone());
    builder.settings(settings()).start().await.expect("a runtime starts")
}

async fn row(store: &dyn Store, type_id: &str, id: &str) -> StoredFunction {
    let rows = store.get(&[FunctionId::new(type_id, id)]).await.expect("the store works");
    rows.into_iter().flatten().next().expect("the instance is there")
}

async fn row_of(store: &dyn Store, id: &str) -> StoredFunction {
    row(store, "chaos.Order", id).await
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Count {
    done: u32,
}

/// Gives a save up half-way, and saves again.
#[resilient_fn(type_id = "fences.Impatient", register = false)]
async fn impatient((): (), until: Dep<Notify>, scrapbook: &mut Scrapbook<Count>) -> resilient::Result<()> {
    scrapbook.done = 1;
    let given_up = timeout(Duration::from_millis(1), scrapbook.save()).await;
    assert!(given_up.is_err(), "the first save meets the fault");
    scrapbook.done = 2;
    scrapbook.save().await?;
    until.notify_one();
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_save_that_is_tried_again_does_not_overtake_a_newer_one() {
    for fault in Fault::ERRORS {
        let memory = InMemoryStore::new();
        // The first write is the create, the second one the save that is given up.
        let store = FaultyStore::failing(memory.clone(), 2, fault).counting_only(&[Call::Write]);
        let saved = Arc::new(Notify::new());
        let builder = Runtime::builder(store).register::<impatient>().dep_arc(Arc::clone(&saved));
        let runtime = builder.start().await.expect("a runtime starts");
        let run = tokio::spawn({
            let runtime = runtime.clone();
            async move { impatient::invoke(&runtime, "1", ()).await }
        });
        saved.notified().await;
        sleep(Duration::from_secs(2)).await;
        let stored = row(&memory, "fences.Impatient", "1").await.scrapbook.expect("it was saved");
        assert_eq!(stored.body, r#"{"done":2}"#, "{fault:?}");
        run.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_declared_dead_stops_its_runs() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let runtime = start(memory.clone(), &ledger).await;
    order::schedule(&runtime, "1", Job::of(Duration::from_hours(1))).await.expect("it is stored");
    eventually(SOON, async || ledger.running() == 1).await;
    let old = runtime.replica_id();
    memory.lifeline().await.expect("memory").leave(old.expect("an id")).await.expect("memory");
    eventually(SOON, async || ledger.page("1").begun == 2).await;
    assert_ne!(runtime.replica_id(), old);
    assert_eq!(ledger.running(), 1, "the first body is gone");
}

#[tokio::test(start_paused = true)]
async fn an_edit_whose_answer_is_lost_is_not_taken_for_that_of_somebody_else() {
    for fault in Fault::ERRORS {
        let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
        // Create, save, failure; then the edit that runs it again.
        let store = FaultyStore::failing(memory.clone(), 4, fault).counting_only(&[Call::Write]);
        let runtime = start(store.clone(), &ledger).await;
        let failed = order::invoke(&runtime, "1", Job::default().broken()).await;
        assert!(matches!(failed, Err(InvokeError::Failed(_))), "{failed:?}");
        let mut panel = order::control_panel(&runtime, "1").await.expect("it opens");
        panel.scrapbook_mut().repaired = true;
        assert_eq!(store.count(), 3, "the next write is the edit");
        let receipt = panel.reinvoke().await.expect("nobody else was there");
        assert_eq!(receipt.charge, Charge::Done);
        assert_eq!((row_of(&memory, "1").await.attempts, ledger.page("1").begun), (2, 2), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_whose_answer_is_lost_has_happened() {
    for fault in Fault::ERRORS {
        let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
        // Create, two saves, result; then the removal.
        let store = FaultyStore::failing(memory.clone(), 5, fault).counting_only(&[Call::Write]);
        let runtime = start(store.clone(), &ledger).await;
        order::invoke(&runtime, "1", Job::default()).await.expect("it is done");
        let writes = store.count();
        let panel = order::control_panel(&runtime, "1").await.expect("it opens");
        panel.delete().await.expect("it was there");
        assert!(store.fired(), "the removal is write {}", writes + 1);
        let rows = memory.get(&[FunctionId::new("chaos.Order", "1")]).await.expect("memory");
        assert_eq!(rows, [None], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_under_an_id_that_died_is_not_begun() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = HeldStore::new(memory.clone());
    let runtime = start(store.clone(), &ledger).await;
    let old = runtime.replica_id();
    store.hold([Point::After(Call::Claim)]);
    order::schedule(&runtime, "1", Job::of(LEASE * 4)).await.expect("it is stored");
    eventually(SOON, async || row_of(&memory, "1").await.owner == old).await;
    // The heartbeat goes on, and finds that somebody declared this replica dead.
    store.hold([Point::Before(Call::ReleaseDead)]);
    memory.lifeline().await.expect("memory").leave(old.expect("an id")).await.expect("memory");
    eventually(SOON, async || runtime.replica_id().is_some_and(|new| Some(new) != old)).await;
    store.release();
    eventually(SOON, async || ledger.page("1").begun > 0).await;
    let row = row_of(&memory, "1").await;
    assert_eq!(row.owner, runtime.replica_id(), "it runs under the new id: {row:?}");
    assert_eq!(ledger.page("1").begun, 1, "it was begun under the dead id");
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_under_a_lease_that_ended_and_came_back_is_not_begun() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = HeldStore::new(memory.clone());
    let short = FunctionSettings::default().lease(Duration::from_secs(1));
    let builder = Runtime::builder(store.clone()).register::<order>().dep(ledger.clone());
    let runtime = builder.settings(settings()).function_settings::<order>(short).start().await;
    let runtime = runtime.expect("a runtime starts");
    let id = runtime.replica_id();
    let claim = Point::After(Call::Claim);
    store.hold([claim, Point::Before(Call::ReleaseDead)]);
    order::schedule(&runtime, "1", Job::of(Duration::from_hours(1))).await.expect("it is stored");
    eventually(SOON, async || row_of(&memory, "1").await.owner == id).await;
    // The lease of this type ends, that of the replica does not.
    store.hold(Point::LIFE);
    eventually(SOON, async || memory.release_dead().await.expect("memory") == 1).await;
    store.release_at(Point::LIFE);
    eventually(SOON, async || memory.release_dead().await.expect("memory") == 0).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(runtime.replica_id(), id);
    store.release_at([claim]);
    eventually(SOON, async || ledger.page("1").begun > 0).await;
    assert_eq!(row_of(&memory, "1").await.owner, id, "what runs is what is stored");
    assert_eq!(ledger.page("1").begun, 1, "the first claim began nothing");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_a_shutdown_overtakes_is_given_back() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = HeldStore::new(memory.clone());
    let runtime = start(store.clone(), &ledger).await;
    store.hold([Point::After(Call::Claim)]);
    order::schedule(&runtime, "1", Job::default()).await.expect("it is stored");
    eventually(SOON, async || row_of(&memory, "1").await.owner.is_some()).await;
    let shutdown = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.shutdown().await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!shutdown.is_finished(), "a shutdown waits for a claim that is on its way");
    store.release();
    shutdown.await.expect("no panic").expect("the store works");
    let row = row_of(&memory, "1").await;
    assert_eq!((row.status, row.attempts, row.crashes), (Status::Postponed, 0, 0), "{row:?}");
    sleep(LEASE).await;
    assert_eq!(ledger.begun(), 0, "nothing begins after a shutdown");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_stopped_goes_on_from_its_scrapbook_and_not_from_its_create() {
    for fault in Fault::ERRORS {
        let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
        // Create, two saves; the fourth write is the create of the second call.
        let faulty = FaultyStore::failing(memory.clone(), 4, fault).counting_only(&[Call::Write]);
        let store = HeldStore::new(faulty.clone());
        let runtime = start(store.clone(), &ledger).await;
        let id = runtime.replica_id();
        let job = Job::of(LEASE * 2);
        let first = tokio::spawn({
            let runtime = runtime.clone();
            async move { order::invoke(&runtime, "1", job).await }
        });
        eventually(SOON, async || ledger.page("1").charges == 1).await;
        // Signs of life stop until the replica has fenced itself, and come back before its lease has ended.
        eventually(SOON, async || faulty.count() == 3).await;
        store.hold(Point::LIFE);
        eventually(SOON, async || runtime.replica_id().is_none() || ledger.running() == 0).await;
        store.release();
        eventually(SOON, async || runtime.replica_id().is_some()).await;
        assert_eq!(runtime.replica_id(), id, "the lease was renewed in time");
        assert_eq!(faulty.count(), 3, "the next write is the create");
        let receipt = order::invoke(&runtime, "1", job).await.expect("it is done");
        assert!(faulty.fired());
        assert_eq!((ledger.page("1").charges, ledger.page("1").most_at_once), (1, 1), "{fault:?}");
        assert_eq!(receipt.charge, Charge::Done);
        assert_eq!(first.await.expect("no panic").expect("it is done"), receipt);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_invoked_without_a_lease_runs_as_soon_as_there_is_one() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = HeldStore::new(memory.clone());
    let runtime = start(store.clone(), &ledger).await;
    store.hold(Point::LIFE);
    eventually(SOON, async || runtime.replica_id().is_none()).await;
    let invoked = tokio::spawn({
        let runtime = runtime.clone();
        async move { order::invoke(&runtime, "1", Job::default()).await }
    });
    // The guard goes on stopping whatever has no lease.
    sleep(Duration::from_secs(2)).await;
    store.release();
    let released = Instant::now();
    invoked.await.expect("no panic").expect("it is done");
    assert!(released.elapsed() < SWEEP, "it waited {:?}", released.elapsed());
    let row = row_of(&memory, "1").await;
    assert_eq!((row.attempts, ledger.page("1").begun), (1, 1), "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn a_type_with_a_short_lease_rests_while_signs_of_life_fail() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = HeldStore::new(memory.clone());
    let short = FunctionSettings::default().lease(Duration::from_millis(500));
    let builder = Runtime::builder(store.clone()).register::<order>().dep(ledger.clone());
    let settings = settings().lease(Duration::from_mins(1));
    let builder = builder.settings(settings).function_settings::<order>(short);
    let runtime = builder.start().await.expect("a runtime starts");
    store.hold(Point::LIFE);
    sleep(Duration::from_secs(1)).await;
    order::schedule(&runtime, "1", Job::of(Duration::from_millis(200))).await.expect("it is stored");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(row_of(&memory, "1").await.crashes, 0, "nobody crashed");
    store.release();
    let receipt = order::completion(&runtime, "1").await.expect("it is done");
    assert_eq!(receipt.charge, Charge::Done);
    assert_eq!((row_of(&memory, "1").await.attempts, ledger.page("1").begun), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_id_whose_run_was_deleted_can_be_used_anew_at_once() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let runtime = start(memory.clone(), &ledger).await;
    for scheduled in [true, false] {
        let slow = Job::of(Duration::from_hours(1));
        order::schedule(&runtime, "1", slow).await.expect("it is stored");
        eventually(SOON, async || ledger.running() == 1).await;
        order::control_panel(&runtime, "1").await.expect("it opens").delete().await.expect("it is gone");
        if scheduled {
            order::schedule(&runtime, "1", Job::default()).await.expect("it is stored");
        }
        let quick = order::invoke(&runtime, "1", Job::default());
        timeout(SOON, quick).await.expect("it does not wait for the old run").expect("it is done");
        assert_eq!(
            row_of(&memory, "1").await.param.body,
            r#"{"step":{"secs":0,"nanos":0},"postponed":null,"broken":false,"panics":false}"#
        );
        order::control_panel(&runtime, "1").await.expect("it opens").delete().await.expect("it is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_failed_elsewhere_stops_although_it_writes_nothing() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let (here, there) = (start(memory.clone(), &ledger).await, start(memory.clone(), &ledger).await);
    let run = tokio::spawn({
        let here = here.clone();
        async move { order::invoke(&here, "1", Job::of(Duration::from_hours(1))).await }
    });
    eventually(SOON, async || ledger.running() == 1).await;
    let panel = order::control_panel(&there, "1").await.expect("it opens");
    panel.fail(Failure::new("Cancelled", "by a person")).await.expect("it is failed");
    let failed = Instant::now();
    eventually(SOON, async || ledger.running() == 0).await;
    assert!(failed.elapsed() <= SWEEP * 2, "it went on for {:?}", failed.elapsed());
    match run.await.expect("no panic") {
        Err(InvokeError::Failed(failure)) => assert_eq!(failure.type_name, "Cancelled"),
        other => panic!("expected the failure, got {other:?}"),
    }
}

/// Answers which mode it ran in, once it may.
#[resilient_fn(type_id = "fences.Mode", register = false)]
async fn mode((): (), context: &Context, go: Dep<Notify>) -> bool {
    go.notified().await;
    context.mode() == Mode::FirstRun
}

#[tokio::test(start_paused = true)]
async fn a_run_after_a_hand_over_is_no_first_run() {
    let memory = InMemoryStore::new();
    let start = async |go: &Arc<Notify>| {
        let settings = settings().shutdown_grace(Duration::from_millis(10));
        let builder = Runtime::builder(memory.clone()).register::<mode>().dep_arc(Arc::clone(go));
        builder.settings(settings).start().await.expect("a runtime starts")
    };
    let (never, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = start(&never).await;
    let invoked = tokio::spawn({
        let first = first.clone();
        async move { mode::invoke(&first, "invoked", ()).await }
    });
    mode::schedule(&first, "scheduled", ()).await.expect("it is stored");
    eventually(SOON, async || first.running() == 2).await;
    let handed_over = first.shutdown().await.expect("the store works").handed_over;
    assert_eq!(handed_over, 2);
    invoked.abort();
    let second = start(&go).await;
    eventually(SOON, async || second.running() == 2).await;
    sleep(Duration::from_millis(1)).await;
    go.notify_waiters();
    for id in ["invoked", "scheduled"] {
        let first_run = mode::completion(&second, id).await.expect("it is done");
        assert!(!first_run, "`{id}` had been begun before");
        assert_eq!(row(&memory, "fences.Mode", id).await.attempts, 1, "a hand-over is no attempt");
    }
    go.notify_one();
    assert!(mode::invoke(&second, "new", ()).await.expect("it is done"), "nothing had been begun");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_survives_a_handler_that_panics() {
    let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
    let store = FaultyStore::failing(memory.clone(), 3, Fault::Before).counting_only(&[Call::Beat]);
    let builder = Runtime::builder(store).register::<order>().dep(ledger.clone()).settings(settings());
    let runtime = builder.on_error(|error| panic!("{error}")).start().await.expect("a runtime starts");
    let id = runtime.replica_id();
    sleep(LEASE * 3).await;
    assert_eq!(runtime.replica_id(), id, "it goes on beating");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_stops_nothing_for_ever() {
    for call in [Call::Write, Call::Get, Call::List, Call::Claim, Call::ReleaseDead] {
        let (memory, ledger) = (InMemoryStore::new(), Ledger::default());
        let store = HeldStore::new(memory.clone());
        let (here, there) = (start(store.clone(), &ledger).await, start(memory.clone(), &ledger).await);
        let elsewhere = tokio::spawn(async move { order::invoke(&there, "there", Job::of(SOON * 2)).await });
        eventually(SOON, async || ledger.running() == 1).await;
        let waiting = tokio::spawn({
            let here = here.clone();
            async move { order::completion(&here, "there").await }
        });
        let asking = tokio::spawn(ask_for_ever(here.clone()));
        for _ in 0..2 {
            store.hold([Point::Before(call)]);
            let reached = timeout(SOON * 4, store.reached(Point::Before(call))).await;
            assert!(reached.is_ok(), "{call:?} is not called any more");
            store.lose();
        }
        asking.abort();
        let receipt = waiting.await.expect("no panic").expect("it is done");
        assert_eq!(elsewhere.await.expect("no panic").expect("it is done"), receipt);
    }
}

async fn ask_for_ever(runtime: Runtime) {
    for number in 0_u32.. {
        let runtime = runtime.clone();
        tokio::spawn(async move { order::schedule(&runtime, number.to_string(), Job::default()).await });
        sleep(Duration::from_secs(3)).await;
    }
}
