//! Replicas that crash, freeze, come and go, on every store in real time.

use std::collections::BTreeMap;
use std::time::Duration;

use resilient::prelude::*;
use resilient::store::{Ending, Finish, Save, Write, Written};
use resilient::{
    Builder, Failure, Filter, FunctionId, FunctionSettings, Payload, ReplicaId, Store, StoredFunction,
};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::orders::Ledger;
use resilient_tests::{FaultyStore, eventually, on_every_store};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const LEASE: Duration = Duration::from_secs(1);
/// How late a takeover may be on a machine that does other things, too.
const SLACK: Duration = Duration::from_secs(4);
/// Whatever is waited for comes well before, unless it never does.
const SOON: Duration = Duration::from_secs(30);

/// What bodies wait at; clones share it.
#[derive(Debug, Clone)]
struct Gate(watch::Sender<bool>);

impl Gate {
    fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    fn open() -> Self {
        Self(watch::Sender::new(true))
    }

    async fn pass(&self) {
        let mut open = self.0.subscribe();
        open.wait_for(|open| *open).await.expect("the sender lives");
    }
}

/// Waits until it is let through.
#[resilient_fn(type_id = "takeover.Work", register = false)]
async fn work((): (), context: &Context, gate: Dep<Gate>, ledger: Dep<Ledger>) -> u32 {
    let _running = ledger.begin(context.instance_id().as_str());
    gate.pass().await;
    context.attempt()
}

/// The same, with a short lease.
#[resilient_fn(type_id = "takeover.Quick", register = false)]
async fn quick((): (), gate: Dep<Gate>) {
    gate.pass().await;
}

/// The same, with a long lease.
#[resilient_fn(type_id = "takeover.Slow", register = false)]
async fn slow((): (), gate: Dep<Gate>) {
    gate.pass().await;
}

/// Runs for this long.
#[resilient_fn(type_id = "takeover.Long", register = false)]
async fn long(time: Duration, context: &Context, ledger: Dep<Ledger>) -> u32 {
    let _running = ledger.begin(context.instance_id().as_str());
    sleep(time).await;
    context.attempt()
}

fn settings() -> Settings {
    Settings::default()
        .heartbeat(Duration::from_millis(100))
        .lease(LEASE)
        .poll(Duration::from_millis(50))
        .sweep(Duration::from_millis(300))
        .wait_poll(Duration::from_millis(20))
        .shutdown_grace(Duration::from_millis(50))
        .max_crashes(2)
}

fn builder(store: impl Store, gate: &Gate, ledger: &Ledger) -> Builder {
    let builder = Runtime::builder(store).register::<work>().register::<long>();
    builder.dep(gate.clone()).dep(ledger.clone()).settings(settings())
}

async fn start(store: impl Store, gate: &Gate, ledger: &Ledger) -> Runtime {
    builder(store, gate, ledger).start().await.expect("a runtime starts")
}

async fn schedule(runtime: &Runtime, count: usize) {
    let all = (0..count).map(|number| {
        let runtime = runtime.clone();
        tokio::spawn(async move { work::schedule(&runtime, number.to_string(), ()).await })
    });
    for scheduled in all.collect::<Vec<_>>() {
        scheduled.await.expect("no panic").expect("it is stored");
    }
}

async fn all(store: &dyn Store) -> Vec<StoredFunction> {
    let filter = Filter { limit: 10_000, ..Filter::default() };
    store.list(&filter).await.expect("the store works")
}

async fn row(store: &dyn Store, type_id: &str, id: &str) -> StoredFunction {
    let rows = store.get(&[FunctionId::new(type_id, id)]).await.expect("the store works");
    rows.into_iter().flatten().next().expect("the instance is there")
}

async fn are_done(store: &dyn Store) -> bool {
    all(store).await.iter().all(|row| row.status == Status::Succeeded)
}

/// The process ends without a word.
fn crash(runtime: Runtime) {
    assert!(runtime.replica_id().is_some(), "it was alive");
    drop(runtime);
}

/// The store learns of a crash at once.
async fn forget(store: &dyn Store, replica: Option<ReplicaId>) {
    let mut lifeline = store.lifeline().await.expect("the store works");
    lifeline.leave(replica.expect("it was alive")).await.expect("the store works");
}

on_every_store! {
    /// A run that takes five leases goes on beside it, and nobody takes it over.
    async fn what_a_crashed_replica_ran_goes_on_elsewhere(store: TestStore) {
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let first = start(store.clone(), &closed, &ledger).await;
        schedule(&first, 20).await;
        eventually(SOON, async || ledger.running() == 20).await;
        let second = start(store.another().await, &open, &ledger).await;
        let alive = tokio::spawn({
            let second = second.clone();
            async move { long::invoke(&second, "long", LEASE * 5).await }
        });
        let owner = second.replica_id();
        let crashed = Instant::now();
        crash(first);
        let others = async || all(&**store).await.into_iter().filter(|row| row.id.type_id.as_str() != "takeover.Long");
        eventually(LEASE + SLACK, async || others().await.all(|row| row.status == Status::Succeeded)).await;
        println!("{:?}: 20 instances were taken over within {:?}", store.kind(), crashed.elapsed());
        for row in others().await {
            assert_eq!((row.attempts, row.crashes), (2, 0), "{row:?}");
            let page = ledger.page(row.id.instance_id.as_str());
            assert_eq!((page.begun, page.most_at_once), (2, 1), "{row:?}");
        }
        assert_eq!(row(&**store, "takeover.Long", "long").await.owner, owner, "it was not taken over");
        assert_eq!(alive.await.expect("no panic").expect("it is done"), 1, "its first attempt");
        assert_eq!(ledger.page("long").begun, 1);
    }

    async fn a_replica_whose_heartbeat_is_stuck_stops_before_its_lease_ends(store: TestStore) {
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let held = HeldStore::new(store.another().await);
        let first = start(held.clone(), &closed, &ledger).await;
        let caller = tokio::spawn({
            let first = first.clone();
            async move { work::invoke(&first, "1", ()).await }
        });
        eventually(SOON, async || ledger.running() == 1).await;
        let second = start(store.clone(), &open, &ledger).await;
        let zombie = row(&**store, "takeover.Work", "1").await;
        let id = first.replica_id();
        held.hold(Point::LIFE);
        assert_eq!(work::completion(&second, "1").await.expect("it is done"), 2, "its second attempt");
        assert_eq!(ledger.page("1").most_at_once, 1, "the first body was dropped before the second began");
        // What the first replica sent before it froze arrives now.
        let (id_of, owner, epoch) = (zombie.id, zombie.owner.expect("an owner"), zombie.epoch);
        let scrapbook = Payload { version: 1, body: "{}".to_owned() };
        let ending = Ending::Succeeded(Payload { version: 1, body: "7".to_owned() });
        let late = [
            Write::Save(Save { id: id_of.clone(), owner, epoch, number: 1_000, scrapbook: Some(scrapbook), journal: None }),
            Write::Finish(Finish::without_progress(id_of, owner, epoch, ending)),
        ];
        for write in late {
            assert_eq!(store.write(&[write]).await.expect("the store works"), [Written::LostOwnership]);
        }
        held.release();
        eventually(SOON, async || first.replica_id().is_some_and(|new| Some(new) != id)).await;
        assert_eq!(caller.await.expect("no panic").expect("the caller gets the result"), 2);
        closed.0.send_replace(true);
        assert_eq!(work::invoke(&first, "2", ()).await.expect("it works again"), 1);
    }

    async fn an_owner_whose_row_is_deleted_strands_nothing(store: TestStore) {
        let (gate, ledger) = (Gate::closed(), Ledger::default());
        let first = start(store.clone(), &gate, &ledger).await;
        schedule(&first, 5).await;
        eventually(SOON, async || ledger.running() == 5).await;
        let id = first.replica_id();
        forget(&**store, id).await;
        eventually(SOON, async || first.replica_id().is_some_and(|new| Some(new) != id)).await;
        gate.0.send_replace(true);
        eventually(LEASE + SLACK, async || are_done(&**store).await).await;
    }

    async fn what_kills_its_process_again_and_again_fails(store: TestStore) {
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let healthy = store.another().await;
        for crashes in 1..=3 {
            let replica = start(store.clone(), &closed, &ledger).await;
            work::schedule(&replica, "poison", ()).await.expect("it is stored");
            eventually(SOON, async || ledger.running() == 1).await;
            let id = replica.replica_id();
            crash(replica);
            eventually(SOON, async || ledger.running() == 0).await;
            forget(&**store, id).await;
            healthy.release_dead().await.expect("the store works");
            assert_eq!(row(&**store, "takeover.Work", "poison").await.crashes, crashes);
        }
        let last = start(store.clone(), &open, &ledger).await;
        match work::completion(&last, "poison").await {
            Err(InvokeError::Failed(Failure { type_name, .. })) => assert_eq!(type_name, "crash loop"),
            other => panic!("expected a crash loop, got {other:?}"),
        }
        assert_eq!(ledger.page("poison").begun, 3, "it did not run a fourth time");
        assert_eq!(work::invoke(&last, "other", ()).await.expect("it is done"), 1, "others are not affected");
        let panel = work::control_panel(&last, "poison").await.expect("it opens");
        panel.reinvoke().await.expect("whoever repaired it runs it again");
    }

    async fn a_graceful_hand_over_is_neither_an_attempt_nor_a_crash(store: TestStore) {
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let second = start(store.another().await, &open, &ledger).await;
        let lease = settings().lease(SOON);
        let first = builder(store.clone(), &closed, &ledger).settings(lease).start().await.expect("it starts");
        let callers: Vec<_> = (0..10)
            .map(|number| {
                let first = first.clone();
                tokio::spawn(async move { work::invoke(&first, number.to_string(), ()).await })
            })
            .collect();
        eventually(SOON, async || ledger.running() == 10).await;
        let begun = Instant::now();
        assert_eq!(first.shutdown().await.expect("the store works").handed_over, 10);
        eventually(SLACK, async || are_done(&**store).await).await;
        println!("{:?}: 10 instances were handed over within {:?}", store.kind(), begun.elapsed());
        for row in all(&**store).await {
            assert_eq!((row.attempts, row.crashes), (1, 0), "{row:?}");
        }
        assert_eq!(second.replicas().await.expect("the store works").len(), 1);
        for caller in callers {
            let answer = caller.await.expect("no panic");
            assert!(matches!(answer, Ok(1) | Err(InvokeError::ShuttingDown)), "{answer:?}");
        }
    }

    async fn what_a_dropped_tokio_runtime_ran_goes_on_elsewhere(store: TestStore) {
        if store.virtual_time() {
            // Then the heartbeat is a task that goes with the others.
            return;
        }
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let own = ledger.clone();
        let elsewhere = store.clone();
        let first = tokio::task::spawn_blocking(move || {
            let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let tokio = tokio.expect("a runtime can be built");
            let first = tokio.block_on(async {
                let lease = settings().lease(SOON * 2);
                let builder = builder(elsewhere.another().await, &closed, &own).settings(lease);
                let first = builder.start().await.expect("it starts");
                schedule(&first, 5).await;
                eventually(SOON, async || own.running() == 5).await;
                first
            });
            tokio.shutdown_background();
            first
        });
        let first = first.await.expect("no panic");
        let second = start(store.another().await, &open, &ledger).await;
        // Its lease is much longer; and the program still holds on to the first.
        eventually(LEASE + SLACK, async || are_done(&**store).await).await;
        drop((first, second));
    }

    async fn each_type_is_taken_over_after_its_own_lease(store: TestStore) {
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let with_leases = |store, gate: &Gate| {
            let builder = builder(store, gate, &ledger).register::<quick>().register::<slow>();
            let lease = |lease| FunctionSettings::default().lease(lease);
            builder
                .function_settings::<quick>(lease(LEASE / 2))
                .function_settings::<slow>(lease(LEASE * 2))
        };
        let first = with_leases(store.clone(), &closed).start().await.expect("it starts");
        quick::schedule(&first, "1", ()).await.expect("it is stored");
        work::schedule(&first, "1", ()).await.expect("it is stored");
        slow::schedule(&first, "1", ()).await.expect("it is stored");
        eventually(SOON, async || first.running() == 3).await;
        let second = with_leases(store.another().await, &open).start().await.expect("it starts");
        let crashed = Instant::now();
        crash(first);
        let mut after = BTreeMap::new();
        quick::completion(&second, "1").await.expect("it is done");
        after.insert("quick", crashed.elapsed());
        work::completion(&second, "1").await.expect("it is done");
        after.insert("work", crashed.elapsed());
        slow::completion(&second, "1").await.expect("it is done");
        after.insert("slow", crashed.elapsed());
        println!("{:?}: taken over after {after:?}", store.kind());
        // The last sign of life was given at most one heartbeat before the crash, if the machine had time for it.
        let earliest = |lease: Duration| lease.saturating_sub(Duration::from_millis(300));
        assert!(after["work"] >= earliest(LEASE), "{after:?}");
        assert!(after["slow"] >= earliest(LEASE * 2), "{after:?}");
        assert!(after["quick"] < LEASE / 2 + SLACK, "{after:?}");
        assert!(after["slow"] < LEASE * 2 + SLACK, "{after:?}");
    }

    async fn a_claim_whose_answer_was_lost_is_put_right(store: TestStore) {
        let (open, ledger) = (Gate::open(), Ledger::default());
        let idle = builder(store.another().await, &open, &ledger).take_no_work().start().await.expect("it starts");
        schedule(&idle, 3).await;
        let faulty = FaultyStore::failing(store.another().await, 1, Fault::After).counting_only(&[Call::Claim]);
        let runtime = start(faulty.clone(), &open, &ledger).await;
        for number in 0..3 {
            assert_eq!(work::completion(&runtime, number.to_string()).await.expect("it is done"), 2);
            assert_eq!(ledger.page(&number.to_string()).begun, 1, "the first claim began nothing");
        }
        assert!(faulty.fired());
    }

    async fn replicas_take_no_more_than_they_have_places_for(store: TestStore) {
        let (gate, ledger) = (Gate::closed(), Ledger::default());
        let mut replicas = Vec::new();
        for _ in 0..3 {
            let few = settings().max_running(10);
            let builder = builder(store.another().await, &gate, &ledger).settings(few);
            replicas.push(builder.start().await.expect("it starts"));
        }
        schedule(&replicas[0], 36).await;
        eventually(SOON, async || ledger.running() == 30).await;
        // The rest waits, through some polls, for places.
        sleep(Duration::from_millis(200)).await;
        let running: Vec<_> = replicas.iter().map(Runtime::running).collect();
        assert_eq!(running, [10, 10, 10]);
        gate.0.send_replace(true);
        eventually(SOON, async || are_done(&**store).await).await;
        for row in all(&**store).await {
            assert_eq!(row.attempts, 1, "{row:?}");
        }
    }

    async fn a_thousand_instances_of_a_crashed_replica_are_done_soon(store: TestStore) {
        const MANY: usize = 1_000;
        let (closed, open, ledger) = (Gate::closed(), Gate::open(), Ledger::default());
        let first = start(store.clone(), &closed, &ledger).await;
        schedule(&first, MANY).await;
        eventually(SOON, async || first.running() == MANY).await;
        let second = start(store.another().await, &open, &ledger).await;
        let crashed = Instant::now();
        crash(first);
        let done = async || {
            let filter = Filter { status: Some(Status::Succeeded), limit: 2_000, ..Filter::default() };
            store.list(&filter).await.expect("the store works").len() == MANY
        };
        eventually(SOON, async || {
            sleep(Duration::from_millis(50)).await;
            done().await
        })
        .await;
        println!("{:?}: {MANY} instances were done {:?} after the crash", store.kind(), crashed.elapsed());
        assert!(crashed.elapsed() < LEASE + SLACK * 3, "it took {:?}", crashed.elapsed());
        drop(second);
    }
}
