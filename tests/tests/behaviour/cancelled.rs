//! Instances that somebody asks to end: waiting ones at once, running ones by their context, ended ones not at all.

use resilient::middleware::{Middleware, OnFailure};
use resilient::prelude::*;
use resilient::{Epoch, Failure, IdError, Store, StoredFunction};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually, on_every_store};
use tokio::time::Instant;

use crate::cancelled_runs::{Do, booking, cancelled, desk, start};
use crate::common::{
    Act, PATIENCE, Probe, builder, double, fail_as_told, failed, failure, gated, ms, onlooker, play, quick,
    refusal, replica, secs, stored,
};

/// What becomes of an instance that waits.
fn cancelled_while_it_waited() -> Failure {
    failed("cancelled", "cancelled on request while it waited", &[])
}

/// Waits until an instance has this status.
async fn stands(store: &impl Store, type_id: &str, id: &str, status: Status) -> StoredFunction {
    eventually(PATIENCE, async || {
        let row = stored(store, type_id, id).await;
        (row.status == status).then_some(row)
    })
    .await
}

/// Notes every failure that it is told.
fn hook(told: &Probe) -> impl Middleware {
    let told = told.clone();
    OnFailure::new(move |invocation, failure| {
        let (id, attempt) = (invocation.context().instance_id(), invocation.context().attempt());
        told.note(format!("{id} #{attempt} {failure}"));
    })
}

on_every_store! {
    /// Whatever it waits for, and without another run; whoever waits for it is told.
    async fn what_waits_ends_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick().stay_in_memory(ms(0))).await;
        booking::schedule(&runtime, "suspended", Do::Listen).await.expect("it is stored");
        booking::schedule(&runtime, "asleep", Do::Sleep(3_600_000)).await.expect("it is stored");
        play::schedule(&runtime, "postponed", vec![Act::Postpone(3_600_000)]).await.expect("it is stored");
        double::schedule_after(&runtime, "tomorrow", 4, secs(24 * 3600)).await.expect("it is stored");
        stands(&store, "Booking", "suspended", Status::Suspended).await;
        stands(&store, "Booking", "asleep", Status::Suspended).await;
        eventually(PATIENCE, async || stored(&store, "Play", "postponed").await.reason.is_none()).await;
        stands(&store, "Play", "postponed", Status::Postponed).await;
        let runs = eventually(PATIENCE, async || (probe.runs() == 3).then_some(3)).await;
        let waiter = tokio::spawn({
            let runtime = runtime.clone();
            async move { double::completion(&runtime, "tomorrow").await }
        });
        booking::cancel(&runtime, "suspended").await.expect("it waits");
        booking::cancel(&runtime, "asleep").await.expect("it waits");
        play::cancel(&runtime, "postponed").await.expect("it waits");
        double::cancel(&runtime, "tomorrow").await.expect("it waits");
        assert_eq!(failure(waiter.await.expect("no caller panics")), cancelled_while_it_waited());
        for (type_id, id) in [("Booking", "suspended"), ("Booking", "asleep"), ("Play", "postponed")] {
            let row = stored(&store, type_id, id).await;
            assert_eq!((row.status, row.due_at, row.owner), (Status::Failed, None, None), "{id}");
            assert!(row.completed_at.is_some() && row.reason.is_none(), "{id}");
        }
        let answer = failure(booking::invoke(&runtime, "suspended", Do::Ignore).await);
        assert!(answer.is_cancelled());
        assert_eq!(answer, cancelled_while_it_waited());
        runtime.shutdown().await.expect("it ends");
        assert_eq!(probe.runs(), runs, "none of them was run for it");
    }

    /// The request comes too late, and says how the instance has ended.
    async fn what_has_ended_cannot_be_cancelled(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        double::invoke(&runtime, "1", 4).await.expect("it succeeds");
        fail_as_told(&runtime, "1").await;
        let rows = [stored(&store, "Double", "1").await, stored(&store, "Play", "1").await];
        assert_eq!(
            refusal(double::cancel(&runtime, "1").await),
            "`Double/1` has succeeded already, so there is nothing to cancel"
        );
        let ended = play::cancel(&runtime, "1").await;
        assert!(matches!(ended, Err(InvokeError::Ended { status: Status::Failed, .. })), "{ended:?}");
        assert_eq!(refusal(double::cancel(&runtime, "2").await), "there is no instance `Double/2`");
        let unknown = [stored(&store, "Double", "1").await, stored(&store, "Play", "1").await];
        assert_eq!(unknown, rows, "nothing was stored");
    }

    /// What waits, what runs, and what has ended by it.
    async fn to_cancel_twice_is_to_cancel_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        double::schedule_after(&runtime, "1", 4, secs(3600)).await.expect("it is stored");
        double::cancel(&runtime, "1").await.expect("it waits");
        let row = stored(&store, "Double", "1").await;
        double::cancel(&runtime, "1").await.expect("it is cancelled");
        assert_eq!(stored(&store, "Double", "1").await, row, "the second one changes nothing");
        gated::schedule(&runtime, "1", 4).await.expect("it is stored");
        probe.begun(1).await;
        for _ in 0..2 {
            gated::cancel(&runtime, "1").await.expect("it runs");
        }
        let row = stored(&store, "Gated", "1").await;
        assert_eq!((row.status, row.cancel_requested), (Status::Executing, true));
        assert_eq!(row.epoch, Epoch::ZERO.next(), "its run goes on");
        probe.open();
        assert_eq!(gated::completion(&runtime, "1").await.expect("it does not listen"), 4);
        assert!(matches!(gated::cancel(&runtime, "1").await, Err(InvokeError::Ended { .. })));
    }

    /// It neither takes work nor knows the function.
    async fn a_process_that_only_asks_can_cancel(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick()).await;
        let asking = Runtime::builder(store.another().await).take_no_work().start().await.expect("it starts");
        booking::schedule(&runtime, "1", Do::Undo).await.expect("it is stored");
        probe.begun(1).await;
        booking::cancel(&asking, "1").await.expect("it runs");
        assert_eq!(failure(booking::completion(&asking, "1").await), cancelled(&[]));
        booking::schedule_after(&runtime, "2", Do::Ignore, secs(3600)).await.expect("it is stored");
        booking::cancel(&asking, "2").await.expect("it waits");
        assert_eq!(failure(booking::completion(&runtime, "2").await), cancelled_while_it_waited());
    }

    /// Once, where it was asked for: nothing else will tell that it has failed.
    async fn the_hook_is_called_for_what_is_cancelled_where_it_waits(store: TestStore) {
        let (probe, here, elsewhere) = (Probe::default(), Probe::default(), Probe::default());
        let settings = || quick().stay_in_memory(ms(0));
        let worker = desk(store.another().await, &probe, settings()).middleware(hook(&elsewhere));
        let worker = worker.start().await.expect("it starts");
        booking::schedule(&worker, "suspended", Do::Listen).await.expect("it is stored");
        booking::schedule(&worker, "runs", Do::Undo).await.expect("it is stored");
        stands(&store, "Booking", "suspended", Status::Suspended).await;
        stands(&store, "Booking", "runs", Status::Executing).await;
        booking::schedule_after(&worker, "later", Do::Undo, secs(3600)).await.expect("it is stored");
        booking::schedule_after(&worker, "panel", Do::Undo, secs(3600)).await.expect("it is stored");
        let asking = desk(store.another().await, &probe, settings()).middleware(hook(&here)).take_no_work();
        let asking = asking.start().await.expect("it starts");
        for id in ["suspended", "later", "later"] {
            booking::cancel(&asking, id).await.expect("it waits, or is cancelled");
        }
        let panel = booking::control_panel(&asking, "panel").await.expect("it is there");
        panel.cancel().await.expect("it waits");
        let told = ["suspended #1", "later #0", "panel #0"].map(|what| format!("{what} {}", cancelled_while_it_waited()));
        assert_eq!(here.notes(), told);
        booking::cancel(&asking, "runs").await.expect("it runs");
        booking::completion(&asking, "runs").await.expect_err("it is cancelled");
        assert_eq!((here.notes().len(), elsewhere.notes()), (3, vec![format!("runs #1 {}", cancelled(&[]))]));
    }

    /// Who tells is who has ended it: a run that was just begun, or the request.
    async fn the_hook_is_called_once_by_a_run_or_by_the_request(store: TestStore) {
        let (probe, told) = (Probe::default(), Probe::default());
        let runtime = desk(store.another().await, &probe, quick()).middleware(hook(&told));
        let runtime = runtime.start().await.expect("it starts");
        for round in 0..20 {
            let id = round.to_string();
            booking::schedule(&runtime, id.as_str(), Do::Undo).await.expect("it is stored");
            booking::cancel(&runtime, id.as_str()).await.expect("it waits or runs");
            assert!(failure(booking::completion(&runtime, id.as_str()).await).is_cancelled());
            let all = eventually(PATIENCE, async || {
                let notes = told.notes();
                (notes.len() > round).then_some(notes)
            });
            let all = all.await;
            assert_eq!(all.len(), round + 1, "{all:?}");
            assert!(all[round].starts_with(&format!("{id} #")), "{all:?}");
        }
    }

    /// Edits go their own way.
    async fn a_control_panel_cancels(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        let tool = onlooker(&store, &probe).await;
        for id in ["typed", "raw"] {
            double::schedule_after(&runtime, id, 4, secs(3600)).await.expect("it is stored");
        }
        let mut typed = double::control_panel(&tool, "typed").await.expect("it is there");
        *typed.param_mut() = 5;
        typed.cancel().await.expect("it waits");
        assert_eq!(stored(&store, "Double", "typed").await.param.body, "4");
        let raw = tool.raw_control_panel("Double", "raw").await.expect("it is there");
        double::cancel(&runtime, "raw").await.expect("it waits");
        raw.cancel().await.expect("it is cancelled, whatever was read");
        let panel = tool.raw_control_panel("Double", "raw").await.expect("it is there");
        assert_eq!(panel.failure(), Some(cancelled_while_it_waited()));
        assert_eq!(
            panel.reason().await.expect("the store works"),
            "failed: cancelled on request while it waited; repair it through the control panel"
        );
        panel.schedule_reinvoke().await.expect("nobody else was there");
        assert_eq!(double::completion(&runtime, "raw").await.expect("it succeeds"), 8);
    }

    /// A person decides anew.
    async fn what_is_begun_again_is_not_cancelled_any_more(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick()).await;
        for id in ["1", "2"] {
            booking::schedule(&runtime, id, Do::Ignore).await.expect("it is stored");
            booking::cancel(&runtime, id).await.expect("it waits or runs");
        }
        probe.open();
        for id in ["1", "2"] {
            let row = eventually(PATIENCE, async || {
                let row = stored(&store, "Booking", id).await;
                row.status.is_completed().then_some(row)
            });
            assert!(row.await.cancel_requested);
        }
        let before = probe.runs();
        assert_eq!(booking::reinvoke(&runtime, "1").await.expect("it succeeds"), "done all the same");
        let panel = booking::control_panel(&runtime, "2").await.expect("it is there");
        panel.schedule_reinvoke().await.expect("nobody else was there");
        assert_eq!(booking::completion(&runtime, "2").await.expect("it succeeds"), "done all the same");
        let expected = vec!["begins, cancelled: false"; 2];
        assert_eq!(probe.notes()[before..], expected);
        assert!(!stored(&store, "Booking", "1").await.cancel_requested);
    }

    /// Nothing is stored that the store could not give back, and nothing after the end.
    async fn bad_requests_are_refused(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        let empty = double::cancel(&runtime, "").await;
        assert!(matches!(empty, Err(InvokeError::Id(IdError::Empty { .. }))), "{empty:?}");
        let long = double::cancel(&runtime, "x".repeat(201)).await;
        assert!(matches!(long, Err(InvokeError::Id(IdError::TooLong { .. }))), "{long:?}");
        double::schedule_after(&runtime, "1", 4, secs(3600)).await.expect("it is stored");
        runtime.shutdown().await.expect("it ends");
        assert_eq!(refusal(double::cancel(&runtime, "1").await), "the runtime is shutting down");
        assert_eq!(stored(&store, "Double", "1").await.status, Status::Postponed);
    }

    /// The instance ends by itself, or by the request, and both sides know by which.
    async fn a_cancellation_and_an_end_do_not_miss_each_other(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick().stay_in_memory(ms(0))).await;
        let asking = start(store.another().await, &probe, quick()).await;
        for round in 0..40 {
            let (ends, waits) = (format!("ends {round}"), format!("waits {round}"));
            let begun = double::schedule(&runtime, ends.as_str(), 4).await;
            begun.expect("it is stored");
            booking::schedule(&runtime, waits.as_str(), Do::Listen).await.expect("it is stored");
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            let by = if round % 2 == 0 { &runtime } else { &asking };
            let (asked, ()) = tokio::join!(double::cancel(by, ends.as_str()), async {
                booking::cancel(by, waits.as_str()).await.expect("it never ends by itself");
            });
            let heard = failure(booking::completion(&runtime, waits.as_str()).await);
            assert!(heard.is_cancelled(), "{heard}");
            match (asked, double::completion(&runtime, ends.as_str()).await) {
                (Ok(()), Err(InvokeError::Failed(failure))) => assert!(failure.is_cancelled(), "{failure}"),
                // It ran when it was asked, and did not listen; or it had ended before.
                (Ok(()) | Err(InvokeError::Ended { status: Status::Succeeded, .. }), Ok(8)) => {}
                other => panic!("round {round}: {other:?}"),
            }
        }
    }

    /// It waits for another version of its function.
    async fn what_no_replica_here_can_run_is_cancelled(store: TestStore) {
        #[resilient_fn(type_id = "Double", version = 2, register = false)]
        async fn newer(number: u64) -> u64 {
            number * 4
        }

        let probe = Probe::default();
        let tool = builder(store.another().await, &probe).register::<newer>().take_no_work().start().await;
        let tool = tool.expect("it starts");
        newer::schedule(&tool, "1", 4).await.expect("it is stored");
        let old = replica(store.another().await, &probe).await;
        double::cancel(&old, "1").await.expect("it waits");
        assert_eq!(failure(newer::completion(&tool, "1").await), cancelled_while_it_waited());
    }

    /// Whether the request is stored is known in the end.
    async fn a_request_whose_answer_is_lost_is_stored_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick()).await;
        for (number, fault) in [Fault::Before, Fault::After].into_iter().enumerate() {
            let faulty = FaultyStore::failing(store.another().await, 1, fault).counting_only(&[Call::Write]);
            let asking = Runtime::builder(faulty.clone()).take_no_work().start().await.expect("it starts");
            let (runs, waits) = (format!("runs {number}"), format!("waits {number}"));
            booking::schedule(&runtime, runs.as_str(), Do::Undo).await.expect("it is stored");
            double::schedule_after(&runtime, waits.as_str(), 4, secs(3600)).await.expect("it is stored");
            probe.begun(number + 1).await;
            if number == 0 {
                booking::cancel(&asking, runs.as_str()).await.expect("it runs");
                double::cancel(&asking, waits.as_str()).await.expect("it waits");
            } else {
                double::cancel(&asking, waits.as_str()).await.expect("it waits");
                booking::cancel(&asking, runs.as_str()).await.expect("it runs");
            }
            assert!(faulty.fired());
            assert_eq!(failure(booking::completion(&runtime, runs.as_str()).await), cancelled(&[]));
            assert_eq!(failure(double::completion(&runtime, waits.as_str()).await), cancelled_while_it_waited());
        }
    }
}

/// What is asleep for a year ends now.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_nothing_waits_for_a_cancelled_sleep() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let runtime = start(store.clone(), &probe, Settings::default()).await;
    let begun = Instant::now();
    booking::schedule(&runtime, "1", Do::Sleep(365 * 24 * 3_600_000)).await.expect("it is stored");
    stands(&store, "Booking", "1", Status::Suspended).await;
    booking::cancel(&runtime, "1").await.expect("it waits");
    assert_eq!(failure(booking::completion(&runtime, "1").await), cancelled_while_it_waited());
    assert!(begun.elapsed() < secs(5), "{:?}", begun.elapsed());
    let again = booking::reinvoke(&runtime, "1").await;
    assert!(matches!(again, Err(InvokeError::Suspended { .. })), "it sleeps for the rest: {again:?}");
}
