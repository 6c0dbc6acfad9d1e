//! Each setting has its effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use resilient::FunctionSettings;
use resilient::prelude::*;
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually, on_every_store};
use tokio::time::{Instant, sleep};

use crate::common::{
    Act, PATIENCE, Probe, builder, crash, double, gated, ms, onlooker, play, quick, replica, secs, stored,
};

/// Counts how many of it are there at once.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    async fn visit(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        sleep(ms(2)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[resilient_fn(type_id = "Visit", register = false)]
async fn visit((): (), crowd: Dep<Crowd>) {
    crowd.visit().await;
}

mod next {
    use super::*;

    #[resilient_fn(type_id = "Visit", version = 2, register = false)]
    pub(super) async fn visit((): (), crowd: Dep<Crowd>) {
        crowd.visit().await;
    }
}

/// How many calls of a kind a runtime makes in a minute in which nothing happens.
async fn calls_in_a_minute(call: Call, settings: Settings) -> usize {
    let store = FaultyStore::counting(InMemoryStore::new());
    let runtime =
        builder(store.clone(), &Probe::default()).settings(settings).start().await.expect("it starts");
    play::schedule_after(&runtime, "1", Vec::new(), secs(3600)).await.expect("it is stored");
    let waits = tokio::spawn({
        let runtime = runtime.clone();
        async move { play::completion(&runtime, "1").await }
    });
    sleep(secs(60)).await;
    waits.abort();
    store.calls().iter().filter(|made| **made == call).count()
}

/// A jittered interval is between half of it and all of it.
fn assert_about_every(interval: Duration, calls: usize) {
    let least = usize::try_from(secs(60).as_millis() / interval.as_millis()).expect("it fits");
    assert!((least..=least * 2 + 1).contains(&calls), "{calls} calls in a minute, not one in {interval:?}");
}

#[tokio::test(start_paused = true)]
async fn the_intervals_are_as_long_as_they_were_set() {
    let slow = || Settings::default().heartbeat(secs(20)).lease(secs(60)).poll(secs(20)).sweep(secs(20));
    for interval in [ms(500), secs(4)] {
        assert_about_every(interval, calls_in_a_minute(Call::Beat, slow().heartbeat(interval)).await);
        assert_about_every(interval, calls_in_a_minute(Call::Claim, slow().poll(interval)).await);
        assert_about_every(interval, calls_in_a_minute(Call::List, slow().sweep(interval)).await);
        // The first look is at once, and each of the next ones a quarter later than the one before.
        let looks = calls_in_a_minute(Call::Get, slow().wait_poll(interval)).await;
        let expected = if interval == ms(500) { 15..=17 } else { 7..=9 };
        assert!(expected.contains(&looks), "{looks} looks in a minute with {interval:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_share_one_query() {
    let store = FaultyStore::counting(InMemoryStore::new());
    let runtime = builder(store.clone(), &Probe::default()).settings(Settings::default().wait_poll(secs(1)));
    let runtime = runtime.take_no_work().start().await.expect("it starts");
    let mut waiting = Vec::new();
    for number in 0..100 {
        let id = format!("n{number}");
        play::schedule_after(&runtime, id.as_str(), Vec::new(), secs(3600)).await.expect("it is stored");
        for _ in 0..10 {
            let (runtime, id) = (runtime.clone(), id.clone());
            waiting.push(tokio::spawn(async move { play::completion(&runtime, id).await }));
        }
    }
    sleep(secs(60)).await;
    let looks = store.calls().iter().filter(|made| **made == Call::Get).count();
    assert!(
        looks <= 100 + 15,
        "{looks} looks: the first at each of the 100, and then at all of them together"
    );
    for caller in waiting {
        caller.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_as_long_as_it_was_set() {
    for lease in [secs(5), secs(90)] {
        let (store, probe) = (InMemoryStore::new(), Probe::default());
        let start = async || {
            let runtime = builder(store.clone(), &probe).settings(Settings::default().lease(lease));
            runtime.start().await.expect("it starts")
        };
        let lost = start().await;
        let found = lost.replicas().await.expect("the store is there");
        assert_eq!(found.iter().map(|live| live.replica.lease).collect::<Vec<_>>(), [lease]);
        play::schedule(&lost, "1", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(1).await;
        let since = Instant::now();
        drop(lost);
        let next = start().await;
        assert_eq!(play::completion(&next, "1").await.expect("it succeeds"), [2]);
        let took = since.elapsed();
        assert!(
            took + secs(1) >= lease && took <= lease + secs(3),
            "taken over after {took:?}, not {lease:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_its_lease_ends_and_comes_back_as_somebody_else() {
    let (inner, probe) = (InMemoryStore::new(), Probe::default());
    let store = FaultyStore::failing(inner.clone(), 3, Fault::Down).counting_only(&[Call::Beat]);
    let runtime =
        builder(store.clone(), &probe).settings(Settings::default()).start().await.expect("it starts");
    let before = runtime.replica_id().expect("it holds a lease");
    play::schedule(&runtime, "1", vec![Act::Hang]).await.expect("it is stored");
    probe.begun(1).await;
    eventually(secs(60), async || store.fired()).await;
    let since = Instant::now();
    eventually(secs(60), async || runtime.running() == 0).await;
    assert!(since.elapsed() < secs(5), "stopped {:?} after the first beat that failed", since.elapsed());
    eventually(secs(60), async || runtime.replica_id().is_none()).await;
    assert_eq!(stored(&inner, "Play", "1").await.owner, Some(before), "it has written nothing more");
    sleep(secs(2)).await;
    store.heal();
    assert_eq!(play::completion(&runtime, "1").await.expect("it succeeds"), [2]);
    let after = runtime.replica_id().expect("it has come back");
    assert_ne!(after, before);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_as_long_as_was_set() {
    for patience in [secs(2), secs(20)] {
        let probe = Probe::default();
        let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Down).counting_only(&[Call::Write]);
        let runtime = builder(store, &probe).settings(Settings::default().store_patience(patience));
        let runtime = runtime.start().await.expect("it starts");
        let since = Instant::now();
        let answer = double::invoke(&runtime, "1", 1).await;
        let Err(InvokeError::Store(error)) = answer else { panic!("the store is away: {answer:?}") };
        assert_eq!(
            (error.to_string().as_str(), error.is_transient()),
            ("fault: Write was not applied", true)
        );
        let took = since.elapsed();
        assert!(took >= patience && took <= patience + secs(1), "{took:?} and not {patience:?}");
        assert_eq!(probe.runs(), 0, "what may not be stored is not run");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_in_time_is_not_noticed() {
    for fault in Fault::ERRORS {
        let probe = Probe::default();
        let store = FaultyStore::failing(InMemoryStore::new(), 1, fault).counting_only(&[Call::Write]);
        let runtime =
            builder(store.clone(), &probe).settings(Settings::default()).start().await.expect("it starts");
        assert_eq!(double::invoke(&runtime, "1", 4).await.expect("it succeeds"), 8, "{fault:?}");
        assert_eq!((store.fired(), probe.runs()), (true, 1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_claim_has_taken_is_found_by_the_sweep() {
    for sweep in [secs(3), secs(30)] {
        let (inner, probe) = (InMemoryStore::new(), Probe::default());
        let tool = builder(inner.clone(), &probe).take_no_work().start().await.expect("it starts");
        play::schedule(&tool, "1", Vec::new()).await.expect("it is stored");
        let store = FaultyStore::failing(inner.clone(), 1, Fault::After).counting_only(&[Call::Claim]);
        let since = Instant::now();
        let runtime = builder(store, &probe).settings(Settings::default().sweep(sweep));
        let runtime = runtime.start().await.expect("it starts");
        assert_eq!(play::completion(&runtime, "1").await.expect("it succeeds"), [2]);
        let found_after = since.elapsed();
        assert!(
            found_after >= sweep && found_after <= sweep * 2 + secs(3),
            "found after {found_after:?} with a sweep of {sweep:?}"
        );
    }
}

on_every_store! {
    /// The others wait in the store, where another replica may take them.
    async fn no_more_run_here_than_may(store: TestStore) {
        let (probe, crowd) = (Probe::default(), Arc::new(Crowd::default()));
        let runtime = builder(store, &probe).dep_arc(Arc::clone(&crowd)).register::<visit>();
        let runtime = runtime.settings(quick().max_running(3)).start().await.expect("it starts");
        for number in 0..5 {
            gated::schedule(&runtime, format!("n{number}"), number).await.expect("it is stored");
        }
        probe.begun(3).await;
        for number in 0..30 {
            visit::schedule(&runtime, format!("n{number}"), ()).await.expect("it is stored");
        }
        assert_eq!((runtime.running(), probe.runs()), (3, 3), "all places are taken");
        probe.open();
        for number in 0..30 {
            visit::completion(&runtime, format!("n{number}")).await.expect("it succeeds");
        }
        assert!(crowd.most() <= 3, "{} run at once", crowd.most());
    }

    /// A caller who waits is not kept waiting for those whom nobody waits for.
    async fn a_direct_call_starts_although_all_places_are_taken(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store, &probe).settings(quick().max_running(2));
        let runtime = runtime.start().await.expect("it starts");
        for id in ["1", "2"] {
            gated::schedule(&runtime, id, 1).await.expect("it is stored");
        }
        probe.begun(2).await;
        assert_eq!(double::invoke(&runtime, "1", 4).await.expect("it does not wait"), 8);
        double::schedule(&runtime, "2", 4).await.expect("it is stored");
        let panel = double::control_panel(&runtime, "2").await.expect("it is there");
        assert_eq!((panel.status(), runtime.running()), (Status::Postponed, 2));
        probe.open();
        assert_eq!(double::completion(&runtime, "2").await.expect("a place gets free"), 8);
    }

    /// Also when it is there in two versions: they share the places of their type.
    async fn no_more_of_a_type_run_here_than_may(store: TestStore) {
        let crowd = Arc::new(Crowd::default());
        let runtime = Runtime::builder(store).dep_arc(Arc::clone(&crowd)).settings(quick());
        let runtime = runtime.register::<visit>().register::<next::visit>();
        let runtime = runtime.function_settings::<visit>(FunctionSettings::default().max_running(2));
        let runtime = runtime.start().await.expect("it starts");
        for number in 0..12 {
            visit::schedule(&runtime, format!("old {number}"), ()).await.expect("it is stored");
            next::visit::schedule(&runtime, format!("new {number}"), ()).await.expect("it is stored");
        }
        for number in 0..12 {
            visit::completion(&runtime, format!("old {number}")).await.expect("it succeeds");
            next::visit::completion(&runtime, format!("new {number}")).await.expect("it succeeds");
        }
        assert!(crowd.most() <= 2, "{} of the type run at once, in two versions", crowd.most());
    }

    /// One type that has no place left does not hold up the others.
    async fn a_full_type_leaves_places_to_others(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for number in 0..5 {
            gated::schedule(&tool, format!("n{number}"), number).await.expect("it is stored");
        }
        let runtime = builder(store.clone(), &probe);
        let runtime = runtime.function_settings::<gated>(FunctionSettings::default().max_running(1));
        let runtime = runtime.start().await.expect("it starts");
        probe.begun(1).await;
        double::schedule(&tool, "1", 4).await.expect("it is stored");
        assert_eq!(double::completion(&tool, "1").await.expect("it succeeds"), 8);
        eventually(PATIENCE, async || runtime.running() == 1).await;
        assert_eq!(probe.runs(), 2, "one of the five runs");
        probe.open();
        for number in 0..5 {
            assert_eq!(gated::completion(&tool, format!("n{number}")).await.expect("it succeeds"), number);
        }
    }

    /// The answer of a claim was lost: what it took is found again.
    async fn a_lost_claim_loses_nothing(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        play::schedule(&tool, "1", Vec::new()).await.expect("it is stored");
        let faulty = FaultyStore::failing(store.another().await, 1, Fault::After).counting_only(&[Call::Claim]);
        let runtime = replica(faulty.clone(), &probe).await;
        assert_eq!(play::completion(&tool, "1").await.expect("it succeeds"), [2]);
        assert!(faulty.fired());
        assert_eq!(stored(&store, "Play", "1").await.crashes, 0, "an outcome is progress");
        crash(runtime, &store).await;
    }
}
