//! What a run does that is asked to end: it is told, its waits end, and it undoes what it has done, or does not listen.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::middleware::{OnFailure, Retry};
use resilient::prelude::*;
use resilient::{Builder, Cancelled, Failure, Store};
use resilient_tests::faults::Call;
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{PATIENCE, Probe, builder, crash, failed, failure, ms, quick, secs, stored};

#[derive(Debug, Serialize, Deserialize, Message)]
pub(crate) struct Said(pub(crate) String);

/// What [`booking`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Do {
    /// Waits for a message.
    Listen,
    /// Sleeps for so many milliseconds.
    Sleep(u64),
    /// Waits for the gate of the probe, and does not listen.
    Ignore,
    /// Waits until it is asked to end, undoes what it has done, and does so.
    Undo,
    /// Waits until it is asked to end, and puts itself off.
    PutOff,
    /// Waits until it is asked to end, and suspends itself.
    Suspend,
    /// Waits until it is asked to end, and fails to undo what it has done.
    Fail,
    /// Waits for the gate of the probe, and puts itself off.
    GateAndPutOff,
    /// Waits for the gate of the probe, and suspends itself.
    GateAndSuspend,
    /// Fails until it is asked to end.
    FailAtFirst,
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Booked {
    undone: bool,
}

/// Books a room, as it were.
#[resilient_fn(type_id = "Booking", register = false)]
pub(crate) async fn booking(
    what: Do,
    booked: &mut Scrapbook<Booked>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<String> {
    probe.note(format!("begins, cancelled: {}", context.is_cancelled()));
    probe.begin();
    match what {
        Do::Listen => drop(context.messages().next::<Said>().await?),
        Do::Sleep(milliseconds) => context.sleep("nap", ms(milliseconds)).await?,
        Do::Ignore | Do::GateAndPutOff | Do::GateAndSuspend => probe.gate().await,
        Do::FailAtFirst if !context.is_cancelled() => Err(resilient::Error::msg("not yet"))?,
        _ => context.cancelled().await,
    }
    match what {
        Do::Undo => {
            probe.note(format!("asked: {}", context.is_cancelled()));
            let refund = async || {
                probe.note("refund");
                Ok::<_, String>(())
            };
            context.once("refund", refund).await?;
            booked.undone = true;
            booked.save().await?;
            Err(Cancelled)?
        }
        Do::PutOff | Do::GateAndPutOff => Err(Postpone::for_(secs(3600)))?,
        Do::Suspend | Do::GateAndSuspend => Err(Suspend::until_message())?,
        Do::Fail => Err(resilient::Error::msg("the refund failed")),
        _ => Ok("done all the same".to_owned()),
    }
}

/// A process that runs [`booking`].
pub(crate) fn desk(store: impl Store, probe: &Probe, settings: Settings) -> Builder {
    builder(store, probe).register::<booking>().settings(settings)
}

pub(crate) async fn start(store: impl Store, probe: &Probe, settings: Settings) -> Runtime {
    desk(store, probe, settings).start().await.expect("a runtime starts")
}

/// A process that finds out about requests of others only when it begins a run.
fn deaf() -> Settings {
    quick().sweep(secs(3600))
}

/// A process that knows [`booking`] and takes no work.
async fn asks(store: &TestStore, probe: &Probe) -> Runtime {
    let asking = desk(store.another().await, probe, quick()).take_no_work();
    asking.start().await.expect("a runtime starts")
}

/// What becomes of a run, with what its error says besides.
pub(crate) fn cancelled(sources: &[&str]) -> Failure {
    failed("cancelled", "cancelled on request", sources)
}

const WAIT_ENDED: &str = "the wait has ended, because the instance is to be cancelled";
const BEGINS: &str = "begins, cancelled: false";
const BEGINS_CANCELLED: &str = "begins, cancelled: true";

/// Begins an instance here and answers how it ends.
fn invoked(runtime: &Runtime, what: Do) -> tokio::task::JoinHandle<Result<String, InvokeError>> {
    let runtime = runtime.clone();
    tokio::spawn(async move { booking::invoke(&runtime, "1", what).await })
}

on_every_store! {
    /// By the process that runs it, without asking the store; and it undoes what it has done before it ends.
    async fn what_runs_here_is_told_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, deaf()).await;
        let caller = invoked(&runtime, Do::Undo);
        probe.begun(1).await;
        booking::cancel(&runtime, "1").await.expect("it runs");
        assert_eq!(failure(caller.await.expect("no caller panics")), cancelled(&[]));
        assert_eq!(probe.notes(), [BEGINS, "asked: true", "refund"]);
        let row = stored(&store, "Booking", "1").await;
        assert_eq!(row.scrapbook.expect("it is stored").body, r#"{"undone":true}"#);
        assert_eq!((row.status, row.cancel_requested, row.attempts), (Status::Failed, true, 1));
    }

    /// By its next look at what it owns.
    async fn what_runs_elsewhere_is_told_soon(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick()).await;
        let asking = asks(&store, &probe).await;
        for what in [Do::Undo, Do::PutOff, Do::Suspend] {
            let (id, runs) = (format!("{what:?}"), probe.runs());
            booking::schedule(&runtime, id.as_str(), what).await.expect("it is stored");
            probe.begun(runs + 1).await;
            booking::cancel(&asking, id.as_str()).await.expect("it runs");
            assert_eq!(failure(booking::completion(&asking, id.as_str()).await), cancelled(&[]), "{id}");
            assert_eq!(probe.runs(), runs + 1, "it cannot be put away, so it ends");
        }
    }

    /// A body that only waits needs no word for it.
    async fn a_wait_in_memory_ends(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, deaf().stay_in_memory(secs(600))).await;
        for what in [Do::Listen, Do::Sleep(300_000)] {
            let (id, runs) = (format!("{what:?}"), probe.runs());
            booking::schedule(&runtime, id.as_str(), what).await.expect("it is stored");
            probe.begun(runs + 1).await;
            booking::cancel(&runtime, id.as_str()).await.expect("it runs");
            let answer = failure(booking::completion(&runtime, id.as_str()).await);
            assert_eq!(answer, cancelled(&[WAIT_ENDED]));
        }
    }

    /// It is asked, and nothing more.
    async fn a_run_need_not_listen(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(store.another().await, &probe, quick()).await;
        let caller = invoked(&runtime, Do::Ignore);
        probe.begun(1).await;
        booking::cancel(&runtime, "1").await.expect("it runs");
        let row = stored(&store, "Booking", "1").await;
        let reason = runtime.reason(&row).await.expect("the store works");
        assert!(reason.starts_with("runs on replica ") && reason.ends_with("; asked to end"), "{reason}");
        probe.open();
        assert_eq!(caller.await.expect("no caller panics").expect("it succeeds"), "done all the same");
        let caller = booking::invoke(&runtime, "2", Do::Ignore);
        assert_eq!(caller.await.expect("it is another one"), "done all the same");
    }

    /// A request that overtakes an outcome to wait is not lost, and is followed by one run and no more.
    async fn what_is_about_to_wait_does_not_wait(store: TestStore) {
        for what in [Do::GateAndPutOff, Do::GateAndSuspend] {
            let probe = Probe::default();
            let runtime = start(store.another().await, &probe, deaf()).await;
            let asking = asks(&store, &probe).await;
            let id = format!("{what:?}");
            let caller = tokio::spawn({
                let (runtime, id) = (runtime.clone(), id.clone());
                async move { booking::invoke(&runtime, id, what).await.map(drop) }
            });
            probe.begun(1).await;
            booking::cancel(&asking, id.as_str()).await.expect("it runs");
            assert_eq!(probe.notes(), [BEGINS], "it does not know yet");
            probe.open();
            assert_eq!(failure(caller.await.expect("no caller panics")), cancelled(&[]), "{id}");
            assert_eq!(probe.notes(), [BEGINS, BEGINS_CANCELLED]);
            let row = stored(&store, "Booking", &id).await;
            assert_eq!((row.attempts, row.crashes), (1, 0), "nothing is held against it");
            runtime.shutdown().await.expect("it ends");
        }
    }

    /// The claim has begun it, and its answer has not come yet.
    async fn a_request_during_a_claim_is_found(store: TestStore) {
        let (probe, held) = (Probe::default(), HeldStore::new(store.another().await));
        let asking = asks(&store, &probe).await;
        booking::schedule(&asking, "1", Do::Undo).await.expect("it is stored");
        held.hold([Point::After(Call::Claim)]);
        let runtime = start(held.clone(), &probe, quick()).await;
        eventually(PATIENCE, async || stored(&store, "Booking", "1").await.status == Status::Executing).await;
        booking::cancel(&runtime, "1").await.expect("it runs");
        assert_eq!(probe.runs(), 0);
        held.release();
        assert_eq!(failure(booking::completion(&runtime, "1").await), cancelled(&[]));
    }

    /// The request is stored beside the instance, so it does not die with the process.
    async fn a_request_outlives_a_crash(store: TestStore) {
        let probe = Probe::default();
        let first = start(store.another().await, &probe, deaf()).await;
        let asking = asks(&store, &probe).await;
        booking::schedule(&asking, "1", Do::Ignore).await.expect("it is stored");
        probe.begun(1).await;
        booking::cancel(&asking, "1").await.expect("it runs");
        crash(first, &store).await;
        let next = start(store.another().await, &probe, deaf()).await;
        probe.begun(2).await;
        assert_eq!(probe.notes(), [BEGINS, BEGINS_CANCELLED]);
        probe.open();
        assert_eq!(booking::completion(&next, "1").await.expect("it succeeds"), "done all the same");
    }

    /// Nobody runs it at the moment, and so nobody needs to be asked.
    async fn what_a_crash_has_left_is_cancelled_or_taken_over(store: TestStore) {
        let probe = Probe::default();
        let first = start(store.another().await, &probe, deaf()).await;
        let asking = asks(&store, &probe).await;
        booking::schedule(&asking, "1", Do::Undo).await.expect("it is stored");
        probe.begun(1).await;
        crash(first, &store).await;
        booking::cancel(&asking, "1").await.expect("it is there");
        let next = start(store.another().await, &probe, deaf()).await;
        assert_eq!(failure(booking::completion(&next, "1").await), cancelled(&[]));
        assert_eq!(probe.notes().last().expect("it said something"), "refund");
    }

    /// A process that ends hands the request on with the instance.
    async fn a_request_outlives_a_shutdown(store: TestStore) {
        let probe = Probe::default();
        let first = start(store.another().await, &probe, deaf().shutdown_grace(ms(50))).await;
        booking::schedule(&first, "1", Do::Ignore).await.expect("it is stored");
        probe.begun(1).await;
        booking::cancel(&first, "1").await.expect("it runs");
        first.shutdown().await.expect("it ends");
        let row = stored(&store, "Booking", "1").await;
        assert_eq!((row.status, row.cancel_requested), (Status::Postponed, true));
        let next = start(store.another().await, &probe, deaf()).await;
        probe.begun(2).await;
        assert_eq!(probe.notes(), [BEGINS, BEGINS_CANCELLED]);
        probe.open();
        assert_eq!(booking::completion(&next, "1").await.expect("it succeeds"), "done all the same");
    }

    /// The failure stays, whatever it is, and the hook for failures is told.
    async fn a_cancelled_run_is_not_tried_again(store: TestStore) {
        let (probe, told) = (Probe::default(), Arc::new(Mutex::new(Vec::new())));
        let hook = OnFailure::new({
            let told = Arc::clone(&told);
            move |_, failure| told.lock().expect("no hook panics").push(failure.clone())
        });
        let retry = Retry::linear(ms(1), Duration::ZERO).max_tries(5);
        let runtime = desk(store.another().await, &probe, deaf()).middleware(hook).middleware(retry);
        let runtime = runtime.start().await.expect("it starts");
        let mut failures = Vec::new();
        for what in [Do::Undo, Do::Fail, Do::PutOff] {
            let (id, runs) = (format!("{what:?}"), probe.runs());
            booking::schedule(&runtime, id.as_str(), what).await.expect("it is stored");
            probe.begun(runs + 1).await;
            booking::cancel(&runtime, id.as_str()).await.expect("it runs");
            failures.push(failure(booking::completion(&runtime, id.as_str()).await));
            assert_eq!(probe.runs(), runs + 1, "{id}");
        }
        let expected = [cancelled(&[]), failed("message", "the refund failed", &[]), cancelled(&[])];
        assert_eq!(failures, expected);
        assert_eq!(*told.lock().expect("no hook panics"), expected);
    }

    /// As everything that waits.
    async fn a_try_that_is_put_off_ends_where_it_waits(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(secs(1800), Duration::ZERO);
        let runtime = desk(store.another().await, &probe, deaf()).middleware(retry);
        let runtime = runtime.start().await.expect("it starts");
        booking::schedule(&runtime, "1", Do::FailAtFirst).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Booking", "1").await.reason.is_some()).await;
        booking::cancel(&runtime, "1").await.expect("it waits");
        assert!(failure(booking::completion(&runtime, "1").await).is_cancelled());
        assert_eq!(probe.runs(), 1, "without another run");
    }
}

/// It runs, so it is asked: the next try begins at once and can undo what was done.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_try_that_waits_in_memory_begins_at_once() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let retry = Retry::linear(secs(1800), Duration::ZERO).jitter(0.0).in_memory_below(secs(3600));
    let runtime = desk(store, &probe, Settings::default()).middleware(retry).start().await;
    let runtime = runtime.expect("it starts");
    let caller = invoked(&runtime, Do::FailAtFirst);
    tokio::time::sleep(secs(1000)).await;
    let asked = Instant::now();
    booking::cancel(&runtime, "1").await.expect("it runs");
    assert_eq!(caller.await.expect("no caller panics").expect("it succeeds"), "done all the same");
    assert_eq!(probe.notes(), [BEGINS, BEGINS_CANCELLED]);
    assert!(asked.elapsed() < secs(1), "{:?}", asked.elapsed());
}

/// Without a runtime: what the body does when it is asked, and after a crash in between.
#[tokio::test(start_paused = true)]
async fn a_unit_test_cancels() {
    let (context, probe) = (Context::test().with_cancel(), Probe::default());
    let book = || Scrapbook::<Booked>::default();
    let waited = booking(Do::Listen, &mut book(), &context, Dep::new(probe.clone())).await;
    assert_eq!(waited.expect_err("it has to end").to_string(), WAIT_ENDED);
    let mut crash = book().failing_at_save(1);
    booking(Do::Undo, &mut crash, &context, Dep::new(probe.clone())).await.expect_err("it crashes");
    let undone = booking(Do::Undo, &mut book(), &context.next_run(), Dep::new(probe.clone())).await;
    assert_eq!(undone.expect_err("it ends").to_string(), Cancelled.to_string());
    let notes = probe.notes();
    assert_eq!(notes.iter().filter(|note| *note == "refund").count(), 1, "{notes:?}");
}

/// By default a run elsewhere is told within the 3 s that are documented.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_run_elsewhere_is_told_within_a_sweep() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let runtime = start(store.clone(), &probe, Settings::default()).await;
    let asking = Runtime::builder(store).take_no_work().start().await.expect("it starts");
    for number in 0..20 {
        let id = number.to_string();
        booking::schedule(&runtime, id.as_str(), Do::Undo).await.expect("it is stored");
        probe.begun(number + 1).await;
        tokio::time::sleep(ms(137 * u64::try_from(number).expect("it is small"))).await;
        let asked = Instant::now();
        booking::cancel(&asking, id.as_str()).await.expect("it runs");
        assert_eq!(failure(runtime.completion::<booking>(id).await), cancelled(&[]));
        assert!(asked.elapsed() <= secs(3) + ms(200), "{:?}", asked.elapsed());
    }
}
