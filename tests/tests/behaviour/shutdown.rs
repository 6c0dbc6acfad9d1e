//! A graceful end: what runs is waited for, what is left is handed over at once, and nothing new begins.

use resilient::prelude::*;
use resilient::{InMemoryStore, Shutdown};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually, on_every_store};
use tokio::time::Instant;

use crate::common::{
    Act, PATIENCE, Probe, assert_postponed, builder, double, gated, ms, onlooker, play, quick, refusal,
    replica, secs, stored, told_to_fail, two_replicas,
};

const STOPPED: &str = "the runtime is shutting down";

/// Waits until its process is about to end, and then invokes another function.
#[resilient_fn(type_id = "LastWords", register = false)]
async fn last_words(number: u64, context: &Context, probe: Dep<Probe>) -> Result<u64, InvokeError> {
    probe.note(format!("shutting down: {}", context.is_shutting_down()));
    probe.begin();
    context.shutting_down().await;
    probe.note(format!("shutting down: {}", context.is_shutting_down()));
    let runtime = probe.runtime();
    double::invoke(&runtime, "last", number).await
}

fn ending(runtime: &Runtime) -> tokio::task::JoinHandle<Shutdown> {
    let runtime = runtime.clone();
    tokio::spawn(async move { runtime.shutdown().await.expect("the store is there") })
}

/// Waits until the runtime takes nothing new.
async fn draining(runtime: &Runtime) {
    eventually(PATIENCE, async || {
        matches!(double::invoke(runtime, "is it?", 1).await, Err(InvokeError::ShuttingDown))
    })
    .await;
}

on_every_store! {
    /// The ones that callers began and the ones that were claimed.
    async fn a_shutdown_waits_for_what_runs(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        double::invoke(&runtime, "before", 1).await.expect("it succeeds");
        gated::schedule(&runtime, "claimed", 1).await.expect("it is stored");
        let caller = tokio::spawn({
            let runtime = runtime.clone();
            async move { gated::invoke(&runtime, "direct", 2).await }
        });
        probe.begun(3).await;
        let shutdown = ending(&runtime);
        draining(&runtime).await;
        assert!(!shutdown.is_finished(), "two functions run");
        assert_eq!(refusal(double::reinvoke(&runtime, "before").await), STOPPED);
        probe.open();
        assert_eq!(shutdown.await.expect("it ends"), Shutdown { handed_over: 0 });
        assert_eq!(caller.await.expect("no caller panics").expect("it succeeds"), 2);
        for (id, result) in [("claimed", "1"), ("direct", "2")] {
            assert_eq!(stored(&store, "Gated", id).await.result, Some(crate::common::json(result)));
        }
        assert_eq!(store.replicas().await.expect("the store is there"), [], "it has left the store");
    }

    /// No successor waits for the end of a lease, and nothing is held against the instance.
    async fn what_is_left_is_handed_over_at_once(store: TestStore) {
        let probe = Probe::default();
        let first = builder(store.another().await, &probe).settings(quick().shutdown_grace(ms(50)));
        let first = first.start().await.expect("it starts");
        let caller = tokio::spawn({
            let first = first.clone();
            async move { play::invoke(&first, "1", vec![Act::SaveAndHang]).await }
        });
        eventually(PATIENCE, async || probe.notes().len() == 2).await;
        assert_eq!(first.shutdown().await.expect("the store is there"), Shutdown { handed_over: 1 });
        let row = stored(&store, "Play", "1").await;
        assert_eq!((row.status, row.attempts, row.crashes), (Status::Postponed, 0, 0), "an end is no crash");
        assert_eq!(row.due_at, Some(row.updated_at), "due at once");
        assert_eq!(refusal(caller.await.expect("no caller panics")), STOPPED);
        let second = replica(store.clone(), &probe).await;
        eventually(PATIENCE, async || probe.notes().len() >= 4).await;
        assert_eq!(
            probe.notes(),
            ["1 FirstRun after []", "saved", "1 Retry after [1]", "saved"],
            "the attempt is not counted, and still something ran before"
        );
        drop(second);
    }

    /// A body that is told to end may need others to do so.
    async fn what_runs_may_invoke_others_while_it_drains(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).register::<last_words>().start().await.expect("it starts");
        probe.lend_runtime(&runtime);
        let caller = tokio::spawn({
            let runtime = runtime.clone();
            async move { last_words::invoke(&runtime, "1", 4).await }
        });
        probe.begun(1).await;
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 0 });
        assert_eq!(caller.await.expect("no caller panics").expect("it succeeds"), 8);
        assert_eq!(probe.notes(), ["shutting down: false", "shutting down: true"]);
        probe.forget_runtime();
    }

    /// One does it, all wait for it.
    async fn a_second_shutdown_finds_nothing_to_do(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).settings(quick().shutdown_grace(ms(50)));
        let runtime = runtime.start().await.expect("it starts");
        play::schedule(&runtime, "1", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(1).await;
        let (one, other) = (ending(&runtime), ending(&runtime));
        let handed_over = one.await.expect("it ends").handed_over + other.await.expect("it ends").handed_over;
        assert_eq!(handed_over, 1, "it was handed over once");
        assert_eq!(runtime.shutdown().await.expect("it has ended"), Shutdown { handed_over: 0 });
    }

    /// A function that has put itself off is not running, and is not begun again by a process that ends.
    async fn what_is_put_off_does_not_hold_it_up(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        assert_postponed(play::invoke(&runtime, "1", vec![Act::Postpone(100)]).await);
        let since = Instant::now();
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 0 });
        assert!(since.elapsed() < secs(15), "it waited for nothing, and took {:?}", since.elapsed());
        let row = stored(&store, "Play", "1").await;
        let other = onlooker(&store, &probe).await;
        let due = row.due_at.expect("it waits").saturating_add(ms(100));
        eventually(PATIENCE, async || {
            let replicas = other.replicas().await.expect("the store is there");
            replicas.iter().any(|live| live.heartbeat_at > due)
        })
        .await;
        assert_eq!(stored(&store, "Play", "1").await, row, "its time has come, and nobody is there");
        let next = replica(store.clone(), &probe).await;
        assert_eq!(play::completion(&next, "1").await.expect("it succeeds"), [1, 2]);
    }

    /// A runtime that has ended says so, and looking at the store still works.
    async fn after_a_shutdown_nothing_begins(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        double::invoke(&runtime, "1", 1).await.expect("it succeeds");
        runtime.shutdown().await.expect("the store is there");
        assert_eq!(refusal(double::invoke(&runtime, "1", 1).await), STOPPED);
        assert_eq!(refusal(double::invoke(&runtime, "2", 1).await), STOPPED);
        assert_eq!(refusal(double::schedule(&runtime, "2", 1).await), STOPPED);
        assert_eq!(refusal(double::reinvoke(&runtime, "1").await), STOPPED);
        assert_eq!(refusal(double::completion(&runtime, "1").await), STOPPED);
        let panel = double::control_panel(&runtime, "1").await.expect("it can be looked at");
        assert_eq!(panel.result().expect("it can be read"), Some(2));
        assert_eq!(refusal(panel.reinvoke().await), STOPPED);
        assert_eq!(probe.runs(), 1);
        assert_eq!((runtime.running(), runtime.registered().len()), (0, 3));
    }

    /// Whoever waits for work of another process is told that this one ends.
    async fn callers_that_wait_are_told(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        play::schedule_after(&here, "1", Vec::new(), secs(3600)).await.expect("it is stored");
        let waits = tokio::spawn({
            let there = there.clone();
            async move { play::completion(&there, "1").await }
        });
        there.shutdown().await.expect("the store is there");
        assert_eq!(refusal(waits.await.expect("no caller panics")), STOPPED);
    }

    /// Not what a person has taken away from its run meanwhile.
    async fn only_what_is_handed_over_is_counted(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).settings(quick().shutdown_grace(ms(10)));
        let runtime = runtime.start().await.expect("it starts");
        for id in ["1", "2"] {
            play::schedule(&runtime, id, vec![Act::Hang]).await.expect("it is stored");
        }
        probe.begun(2).await;
        let panel = play::control_panel(&runtime, "1").await.expect("it is there");
        panel.fail(told_to_fail()).await.expect("a person decides");
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 1 });
        assert_eq!(stored(&store, "Play", "1").await.status, Status::Failed, "the verdict stays");
    }

    /// A shutdown that nobody waits for any more is gone through with by the next one.
    async fn a_dropped_shutdown_can_be_repeated(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        gated::schedule(&runtime, "1", 1).await.expect("it is stored");
        probe.begun(1).await;
        let shutdown = ending(&runtime);
        draining(&runtime).await;
        shutdown.abort();
        assert!(shutdown.await.expect_err("it was aborted").is_cancelled());
        probe.open();
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 0 });
        assert_eq!(store.replicas().await.expect("the store is there"), [], "it has left the store");
    }
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_as_long_as_it_was_set() {
    for grace in [secs(3), secs(300)] {
        let probe = Probe::default();
        let runtime =
            builder(InMemoryStore::new(), &probe).settings(Settings::default().shutdown_grace(grace));
        let runtime = runtime.start().await.expect("it starts");
        play::schedule(&runtime, "1", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(1).await;
        let since = Instant::now();
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 1 });
        let took = since.elapsed();
        assert!(took >= grace && took < grace + ms(100), "{took:?} and not {grace:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handed_over_is_an_error_and_is_taken_over_later() {
    let (inner, probe) = (InMemoryStore::new(), Probe::default());
    // The first write schedules, the second hands over.
    let store = FaultyStore::failing(inner.clone(), 2, Fault::Down).counting_only(&[Call::Write]);
    let runtime = builder(store, &probe).settings(Settings::default().shutdown_grace(ms(10)));
    let runtime = runtime.start().await.expect("it starts");
    play::schedule(&runtime, "1", vec![Act::Hang]).await.expect("it is stored");
    probe.begun(1).await;
    let error = runtime.shutdown().await.expect_err("the store is down");
    assert_eq!((error.is_transient(), error.to_string().as_str()), (true, "fault: Write was not applied"));
    let other = builder(inner, &probe).settings(Settings::default()).start().await.expect("it starts");
    assert_eq!(play::completion(&other, "1").await.expect("it succeeds"), [2]);
}
