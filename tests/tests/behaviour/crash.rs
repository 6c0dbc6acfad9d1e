//! A process dies, and another one goes on from the last saved scrapbook.

use std::sync::{Arc, Mutex, mpsc};

use resilient::prelude::*;
use resilient::{Failure, FunctionSettings};
use resilient_tests::{Kind, TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::common::{
    Act, PATIENCE, Played, Probe, assert_postponed, builder, crash, failure, ms, onlooker, play, quick,
    replica, secs, stored, told_to_fail,
};

/// Starts `play` in a process of its own, which crashes when so many runs have begun and as much was said.
async fn run_and_crash(store: &TestStore, probe: &Probe, acts: Vec<Act>, notes: usize) {
    let runtime = replica(store.another().await, probe).await;
    let caller = tokio::spawn({
        let runtime = runtime.clone();
        async move { play::invoke(&runtime, "1", acts).await }
    });
    eventually(PATIENCE, async || probe.notes().len() >= notes).await;
    caller.abort();
    let _ = caller.await;
    crash(runtime, store).await;
}

/// How far an at-most-once step came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    #[default]
    NotBegun,
    Begun,
    Done,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, Scrapbook)]
struct Shipment {
    shipped: Step,
}

/// The first shipping never answers; whether it was done cannot be known.
#[resilient_fn(type_id = "Ship", register = false)]
async fn ship(
    order: String,
    shipment: &mut Scrapbook<Shipment>,
    probe: Dep<Probe>,
) -> resilient::Result<String> {
    match shipment.shipped {
        Step::Done => return Ok(format!("{order} was shipped")),
        Step::Begun => return Err(resilient::Error::msg("did it leave the house?")),
        Step::NotBegun => {}
    }
    shipment.shipped = Step::Begun;
    shipment.save().await?;
    probe.begin();
    if probe.runs() == 1 {
        std::future::pending::<()>().await;
    }
    shipment.shipped = Step::Done;
    shipment.save().await?;
    Ok(format!("{order} is shipped"))
}

on_every_store! {
    /// What was not saved is not there.
    async fn another_process_goes_on_from_the_last_save(store: TestStore) {
        let probe = Probe::default();
        run_and_crash(&store, &probe, vec![Act::SaveAndHang, Act::Hang], 2).await;
        let second = replica(store.another().await, &probe).await;
        probe.begun(2).await;
        let row = stored(&store, "Play", "1").await;
        assert_eq!((row.owner, row.attempts, row.crashes), (second.replica_id(), 2, 1));
        crash(second, &store).await;
        let third = replica(store.clone(), &probe).await;
        assert_eq!(play::completion(&third, "1").await.expect("it succeeds"), [1, 3]);
        assert_eq!(
            probe.notes(),
            ["1 FirstRun after []", "saved", "2 Retry after [1]", "3 Retry after [1]"],
            "the second attempt changed its scrapbook and did not save it"
        );
        assert_eq!(stored(&store, "Play", "1").await.crashes, 0, "an outcome is progress");
    }

    /// Four processes one after the other: two crash, one is put off and crashes, and the last one completes.
    async fn an_instance_survives_one_owner_after_the_other(store: TestStore) {
        let probe = Probe::default();
        let acts = vec![Act::SaveAndHang, Act::Postpone(3_600_000), Act::SaveAndHang, Act::Return];
        run_and_crash(&store, &probe, acts.clone(), 2).await;
        let second = replica(store.another().await, &probe).await;
        // It is postponed before that, too: when it was taken from the first owner, and is not begun yet.
        eventually(PATIENCE, async || {
            let row = stored(&store, "Play", "1").await;
            (row.status, row.attempts) == (Status::Postponed, 2)
        })
        .await;
        crash(second, &store).await;
        let third = replica(store.another().await, &probe).await;
        let panel = play::control_panel(&third, "1").await.expect("it is there");
        panel.schedule_reinvoke().await.expect("nobody else was there");
        eventually(PATIENCE, async || stored(&store, "Play", "1").await.scrapbook.is_some_and(|book| {
            book.body == r#"{"attempts":[1,2,3]}"#
        })).await;
        crash(third, &store).await;
        let last = replica(store.clone(), &probe).await;
        assert_eq!(play::completion(&last, "1").await.expect("it succeeds"), [1, 2, 3, 4]);
        let panel = play::control_panel(&last, "1").await.expect("it is there");
        assert_eq!((panel.param(), panel.scrapbook()), (&acts, &Played { attempts: vec![1, 2, 3, 4] }));
    }

    /// Who waits elsewhere gets the result of whoever completes it.
    async fn a_caller_in_another_process_does_not_notice(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe).await;
        let tool = onlooker(&store, &probe).await;
        let acts = || vec![Act::Hang];
        let here = tokio::spawn({
            let first = first.clone();
            async move { play::invoke(&first, "1", acts()).await }
        });
        probe.begun(1).await;
        let there = tokio::spawn(async move { play::invoke(&tool, "1", acts()).await });
        here.abort();
        let _ = here.await;
        crash(first, &store).await;
        let second = replica(store.clone(), &probe).await;
        assert_eq!(there.await.expect("no caller panics").expect("it succeeds"), [2]);
        drop(second);
    }

    /// Nobody says that the process is gone: it is noticed when its lease has ended.
    async fn a_crash_is_noticed_when_the_lease_ends(store: TestStore) {
        let probe = Probe::default();
        let settings = || quick().lease(ms(600));
        let lost = builder(store.another().await, &probe).settings(settings()).start().await.expect("it starts");
        let caller = tokio::spawn({
            let lost = lost.clone();
            async move { play::invoke(&lost, "1", vec![Act::SaveAndHang]).await }
        });
        eventually(PATIENCE, async || probe.notes().len() >= 2).await;
        caller.abort();
        let _ = caller.await;
        drop(lost);
        let next = builder(store.clone(), &probe).settings(settings()).start().await.expect("it starts");
        assert_eq!(play::completion(&next, "1").await.expect("it succeeds"), [1, 2]);
    }

    /// A failure is stored, and stays: neither a watchdog nor a crash begins it again.
    async fn what_has_failed_is_left_alone(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe).await;
        assert_eq!(failure(play::invoke(&first, "1", vec![Act::Fail]).await), told_to_fail());
        let row = stored(&store, "Play", "1").await;
        crash(first, &store).await;
        let second = replica(store.clone(), &probe).await;
        // Whatever the watchdogs would do with it, they would do before this.
        play::schedule(&second, "2", vec![Act::Postpone(100)]).await.expect("it is stored");
        assert_eq!(play::completion(&second, "2").await.expect("it succeeds"), [1, 2]);
        assert_eq!(stored(&store, "Play", "1").await, row);
    }

    /// What cannot be known is not done again: it fails, and a person decides.
    async fn an_at_most_once_step_is_repaired_by_a_person(store: TestStore) {
        let probe = Probe::default();
        let first = builder(store.another().await, &probe).register::<ship>().start().await.expect("it starts");
        ship::schedule(&first, "MK-1", "a chair".to_owned()).await.expect("it is stored");
        probe.begun(1).await;
        crash(first, &store).await;
        let second = builder(store.clone(), &probe).register::<ship>().start().await.expect("it starts");
        let doubt = Failure::new("message", "did it leave the house?");
        assert_eq!(failure(ship::completion(&second, "MK-1").await), doubt);
        assert_eq!(probe.runs(), 1, "it was not shipped again");
        let mut panel = ship::control_panel(&second, "MK-1").await.expect("it is there");
        assert_eq!((panel.failure(), panel.scrapbook()), (Some(doubt), &Shipment { shipped: Step::Begun }));
        panel.scrapbook_mut().shipped = Step::NotBegun;
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), "a chair is shipped");
        assert_eq!(probe.runs(), 2);
    }

    /// A body that kills its process does not kill every replica in turn.
    async fn a_crash_loop_ends_with_a_failure(store: TestStore) {
        let probe = Probe::default();
        let settings = || quick().max_crashes(2);
        for owner in 1..=3 {
            let runtime = builder(store.another().await, &probe).settings(settings());
            let runtime = runtime.start().await.expect("it starts");
            play::schedule(&runtime, "1", vec![Act::Hang; 9]).await.expect("it is stored");
            probe.begun(owner).await;
            crash(runtime, &store).await;
        }
        let last = builder(store.clone(), &probe).settings(settings()).start().await.expect("it starts");
        let found = failure(play::completion(&last, "1").await);
        let text = "3 owners were lost one after the other without progress; \
            repair the cause and invoke it again";
        assert_eq!(found, Failure::new("crash loop", text));
        assert_eq!(probe.runs(), 3, "it is not begun a fourth time");
        let mut panel = play::control_panel(&last, "1").await.expect("it is there");
        *panel.param_mut() = Vec::new();
        assert_eq!(panel.reinvoke().await.expect("it was repaired").len(), 1);
    }

    /// Progress is what tells a slow function from one that kills its process.
    async fn a_save_starts_the_count_of_crashes_again(store: TestStore) {
        let probe = Probe::default();
        for owner in 1..=4 {
            let runtime = builder(store.another().await, &probe).settings(quick().max_crashes(1));
            let runtime = runtime.start().await.expect("it starts");
            play::schedule(&runtime, "1", vec![Act::SaveAndHang; 4]).await.expect("it is stored");
            eventually(PATIENCE, async || probe.notes().len() == owner * 2).await;
            crash(runtime, &store).await;
        }
        let last = builder(store.clone(), &probe).settings(quick().max_crashes(1)).start().await.expect("it starts");
        assert_eq!(play::completion(&last, "1").await.expect("it succeeds"), [1, 2, 3, 4, 5]);
    }

    /// A caller of a function that crashed while it was put off learns the new time from the store.
    async fn a_postponement_outlives_its_process(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe).await;
        assert_postponed(play::invoke(&first, "1", vec![Act::Postpone(3_600_000)]).await);
        crash(first, &store).await;
        let second = replica(store.clone(), &probe).await;
        assert_postponed(play::invoke(&second, "1", Vec::new()).await);
        assert_eq!(play::reinvoke(&second, "1").await.expect("it succeeds"), [1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_type_may_have_a_longer_lease_than_the_others() {
    let store = InMemoryStore::new();
    let probe = Probe::default();
    let settings = Settings::default().lease(secs(5));
    let patient = FunctionSettings::default().lease(secs(60));
    let describe = || builder(store.clone(), &probe).settings(settings.clone());
    let lost = describe().function_settings::<play>(patient.clone()).start().await.expect("it starts");
    play::schedule(&lost, "1", vec![Act::Hang]).await.expect("it is stored");
    crate::common::gated::schedule(&lost, "1", 1).await.expect("it is stored");
    probe.begun(2).await;
    let since = tokio::time::Instant::now();
    drop(lost);
    let next = describe().function_settings::<play>(patient).start().await.expect("it starts");
    probe.begun(3).await;
    let gated = since.elapsed();
    assert!(
        gated > secs(4) && gated < secs(7),
        "the others after their lease of 5 s, and not after {gated:?}"
    );
    assert_eq!(stored(&store, "Gated", "1").await.attempts, 2);
    assert_eq!(stored(&store, "Play", "1").await.attempts, 1);
    assert_eq!(play::completion(&next, "1").await.expect("it succeeds"), [2]);
    let play = since.elapsed();
    assert!(play > secs(59) && play < secs(63), "it after its own lease of 60 s, and not after {play:?}");
}

/// Blocks its thread, as code does that was not written for an executor.
#[resilient_fn(type_id = "Blocks", register = false)]
async fn blocks((): (), blocker: Dep<Blocker>) -> u32 {
    blocker.begun.send_replace(true);
    let release = blocker.release.lock().expect("nobody panics");
    release.recv_timeout(PATIENCE).expect("the test lets it go on");
    7
}

struct Blocker {
    begun: watch::Sender<bool>,
    release: Mutex<mpsc::Receiver<()>>,
}

mod blocked {
    use super::*;

    on_every_store! {
        /// Signs of life come from a thread of their own. In memory there is no other process that could wait for them.
        async fn a_blocked_executor_stays_alive(store: TestStore) {
            if store.kind() == Kind::Memory {
                return;
            }
            let (release, receiver) = mpsc::channel();
            let blocker = Blocker { begun: watch::Sender::new(false), release: Mutex::new(receiver) };
            let blocker = Arc::new(blocker);
            let process = std::thread::spawn({
                let (store, blocker) = (store.another().await, Arc::clone(&blocker));
                move || one_thread(store, blocker)
            });
            let mut begun = blocker.begun.subscribe();
            begun.wait_for(|begun| *begun).await.expect("the sender is here");
            let row = stored(&store, "Blocks", "1").await;
            let other = Runtime::builder(store.another().await).settings(short()).dep_arc(Arc::clone(&blocker));
            let other = other.register::<blocks>().start().await.expect("it starts");
            let longer_than_a_lease = row.updated_at.saturating_add(ms(1_200));
            eventually(PATIENCE, async || {
                let replicas = other.replicas().await.expect("the store is there");
                let owner = replicas.into_iter().find(|live| Some(live.replica.id) == row.owner);
                owner.expect("it is alive all the time").heartbeat_at > longer_than_a_lease
            })
            .await;
            assert_eq!(stored(&store, "Blocks", "1").await, row, "nobody has taken it over");
            release.send(()).expect("the body waits");
            assert_eq!(process.join().expect("the process does not panic"), 7);
            assert_eq!(stored(&store, "Blocks", "1").await.attempts, 1);
        }
    }

    fn short() -> Settings {
        quick().lease(ms(800))
    }

    /// A process with one thread for everything.
    fn one_thread(store: TestStore, blocker: Arc<Blocker>) -> u32 {
        let executor =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it is built");
        executor.block_on(async move {
            let runtime = Runtime::builder(store.another().await).settings(short()).dep_arc(blocker);
            let runtime = runtime.register::<blocks>().start().await.expect("it starts");
            blocks::invoke(&runtime, "1", ()).await.expect("it succeeds")
        })
    }
}
