//! Work that is stored now and run by whoever is there when it is due.

use std::time::{SystemTime, UNIX_EPOCH};

use resilient::Timestamp;
use resilient::prelude::*;
use resilient_tests::on_every_store;

use crate::common::{
    Act, Probe, assert_postponed, builder, crash, double, gated, json, ms, onlooker, play, quick, replica,
    secs, stored, two_replicas,
};

on_every_store! {
    /// The one who schedules need not be there any more when it runs.
    async fn what_is_scheduled_here_runs_there(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        gated::schedule(&tool, "1", 5).await.expect("it is stored");
        let row = stored(&store, "Gated", "1").await;
        assert_eq!((row.status, row.attempts, row.param), (Status::Postponed, 0, json("5")), "stored, and not begun");
        assert_eq!(row.due_at, Some(row.created_at), "due from the moment it was stored");
        crash(tool, &store).await;
        let worker = replica(store.clone(), &probe).await;
        probe.begun(1).await;
        let row = stored(&store, "Gated", "1").await;
        assert_eq!((row.status, row.attempts, row.owner), (Status::Executing, 1, worker.replica_id()));
        probe.open();
        assert_eq!(gated::completion(&worker, "1").await.expect("it succeeds"), 5);
    }

    /// A caller that is not sure asks again.
    async fn scheduling_twice_is_scheduling_once(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        double::schedule(&here, "1", 2).await.expect("it is stored");
        double::schedule(&there, "1", 3).await.expect("it is there already");
        assert_eq!(double::completion(&there, "1").await.expect("it succeeds"), 4, "the first parameter stays");
        double::schedule(&here, "1", 4).await.expect("it is there already");
        assert_eq!(double::completion(&here, "1").await.expect("it has succeeded"), 4);
        assert_eq!(probe.runs(), 1, "what has succeeded does not run again");
    }

    /// Without a poll in between.
    async fn what_is_scheduled_here_starts_here_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store, &probe).settings(quick().poll(secs(3600)));
        let runtime = runtime.start().await.expect("a runtime starts");
        double::schedule(&runtime, "now", 2).await.expect("it is stored");
        assert_eq!(double::completion(&runtime, "now").await.expect("it succeeds"), 4);
        double::schedule_after(&runtime, "soon", 3, ms(20)).await.expect("it is stored");
        assert_eq!(double::completion(&runtime, "soon").await.expect("it succeeds"), 6);
    }

    /// Counted on the store's clock, to the microsecond.
    async fn a_delay_is_stored_as_it_was_given(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let delay = secs(86_400) + std::time::Duration::from_micros(7);
        double::schedule_after(&here, "1", 1, delay).await.expect("it is stored");
        let row = stored(&store, "Double", "1").await;
        assert_eq!(row.due_at, Some(row.created_at.saturating_add(delay)));
        assert_postponed(double::invoke(&there, "1", 9).await);
        assert_eq!(probe.runs(), 0, "not before its time");
    }

    /// A point in time is stored as it is.
    async fn a_time_is_stored_as_it_was_given(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        let times = [Timestamp::from_micros(4_102_444_800_000_001), Timestamp::MAX];
        for (number, time) in times.into_iter().enumerate() {
            let id = number.to_string();
            double::schedule_at(&runtime, id.as_str(), 1, time.into()).await.expect("it is stored");
            assert_eq!(stored(&store, "Double", &id).await.due_at, Some(time));
            let panel = double::control_panel(&runtime, id.as_str()).await.expect("it is there");
            assert_eq!(panel.postponed_until(), Some(SystemTime::from(time)));
        }
        assert_eq!(probe.runs(), 0, "not before their time");
    }

    /// A time in the past means at once, also one before 1970.
    async fn what_was_due_in_the_past_runs_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store, &probe).await;
        let times = [SystemTime::now() - secs(3600), UNIX_EPOCH, UNIX_EPOCH - secs(3600)];
        for (number, time) in times.into_iter().enumerate() {
            let id = number.to_string();
            double::schedule_at(&runtime, id.as_str(), 2, time).await.expect("it is stored");
            assert_eq!(double::completion(&runtime, id.as_str()).await.expect("it succeeds"), 4);
        }
    }

    /// A person who does not want to wait.
    async fn what_waits_can_be_run_now_and_does_not_run_again_later(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        double::schedule_after(&here, "1", 2, ms(100)).await.expect("it is stored");
        assert_eq!(double::reinvoke(&there, "1").await.expect("it succeeds"), 4);
        let row = stored(&store, "Double", "1").await;
        assert_eq!((row.status, row.due_at), (Status::Succeeded, None));
        double::schedule_after(&here, "2", 2, ms(100)).await.expect("it is stored");
        assert_eq!(double::completion(&there, "2").await.expect("it succeeds"), 4);
        assert_eq!(probe.runs(), 2, "the first is not run again when its time has come");
        assert_eq!(stored(&store, "Double", "1").await, row);
    }

    /// Whoever put it off need not come back.
    async fn what_a_crashed_process_put_off_is_run_by_another(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe).await;
        assert_postponed(play::invoke(&first, "1", vec![Act::Postpone(100)]).await);
        crash(first, &store).await;
        let second = replica(store.clone(), &probe).await;
        assert_eq!(play::completion(&second, "1").await.expect("it succeeds"), [1, 2]);
        assert_eq!(stored(&store, "Play", "1").await.crashes, 0, "nothing was lost");
    }

    /// Each instance is run by one of them.
    async fn replicas_share_what_is_due(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for number in 0..60 {
            double::schedule(&tool, format!("n{number}"), number).await.expect("it is stored");
        }
        let replicas = two_replicas(&store, &probe).await;
        for number in 0..60 {
            let answer = double::completion(&tool, format!("n{number}")).await.expect("it succeeds");
            assert_eq!(answer, number * 2);
        }
        assert_eq!(probe.runs(), 60, "no instance was run by both");
        drop(replicas);
    }
}

/// Background activities so rare that days of virtual time are over soon.
fn sparse() -> Settings {
    let rare = secs(60);
    Settings::default().heartbeat(rare).lease(secs(3600)).poll(rare).sweep(rare).wait_poll(rare)
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_long_delay_is_over_at_once() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let runtime = builder(store.clone(), &probe).settings(sparse()).start().await.expect("it starts");
    double::schedule_after(&runtime, "1", 3, secs(3 * 86_400)).await.expect("it is stored");
    assert_eq!(double::completion(&runtime, "1").await.expect("it succeeds"), 6);
    let row = stored(&store, "Double", "1").await;
    let waited = row.updated_at.saturating_since(row.created_at);
    assert!(
        waited >= secs(3 * 86_400) && waited <= secs(3 * 86_400) + ms(2),
        "its own hint begins it after {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_function_can_put_itself_off_for_a_day() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let runtime = builder(store.clone(), &probe).settings(sparse()).start().await.expect("it starts");
    // Whole milliseconds are where timers of virtual time end: the clock must not stand still at a hint.
    let acts = vec![Act::Postpone(1_000), Act::Postpone(86_400_000), Act::Postpone(0), Act::Postpone(7)];
    assert_postponed(play::invoke(&runtime, "1", acts).await);
    assert_eq!(play::completion(&runtime, "1").await.expect("it succeeds"), [1, 2, 3, 4, 5]);
    let row = stored(&store, "Play", "1").await;
    let waited = row.updated_at.saturating_since(row.created_at);
    assert!(waited >= ms(86_401_007) && waited < ms(86_401_020), "over after {waited:?}");
}
