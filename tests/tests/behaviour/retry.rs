//! Trying again: delays, counts, what is never tried again, and waiting in memory.

use std::collections::HashSet;
use std::time::Duration;

use resilient::middleware::Retry;
use resilient::prelude::*;
use resilient::{
    Builder, Failure, InMemoryStore, Journal, Message, Shutdown, StartError, Store, StoredFunction,
};
use resilient_tests::{eventually, on_every_store};
use tokio::time::Instant;

use crate::common::{
    PATIENCE, Played, Probe, assert_postponed, builder, failed, failure, ms, play, quick, secs, stored,
};

/// What one run of [`shaky`] does.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Do {
    Return,
    Fail,
    Panic,
    Postpone,
    /// Waits for a message.
    Listen,
    /// Makes a call that must not happen twice, and that fails.
    Once,
}

use Do::{Fail, Listen, Once, Panic, Postpone as PutOff, Return};

/// What [`shaky`] listens for.
#[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
struct GoOn;

/// Does in its n-th run, in memory or not, what the n-th word says, and succeeds after the last one.
#[resilient_fn(type_id = "Shaky", register = false)]
async fn shaky(
    acts: Vec<Do>,
    played: &mut Scrapbook<Played>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<Vec<u32>> {
    probe.note(format!("{} {:?} after {:?}", context.attempt(), context.mode(), played.attempts));
    probe.begin();
    let run = probe.runs();
    played.attempts.push(u32::try_from(run)?);
    match acts.get(run - 1).unwrap_or(&Return) {
        Return => Ok(played.attempts.clone()),
        Fail => Err(resilient::Error::msg(format!("run {run} fails"))),
        Panic => panic!("run {run} panics"),
        PutOff => Err(Postpone::for_(ms(1)))?,
        Listen => {
            context.messages().next::<GoOn>().await?;
            Ok(played.attempts.clone())
        }
        Once => Ok(context.once("ship", async || Err("the ship sank")).await?),
    }
}

fn is_hopeful(failure: &Failure) -> bool {
    failure.message != "hopeless"
}

/// Fails with this message.
#[resilient_fn(
    type_id = "Shaky.Attribute",
    register = false,
    retry(first = "1ms", factor = 2, max_tries = 3, jitter = 0, only_if = is_hopeful)
)]
async fn attributed(message: String, probe: Dep<Probe>) -> resilient::Result<()> {
    probe.begin();
    Err(resilient::Error::msg(message))
}

fn exactly(retry: Retry) -> Retry {
    retry.jitter(0.0)
}

fn retrying(store: impl Store, probe: &Probe, retry: Retry) -> Builder {
    builder(store, probe).register::<shaky>().middleware(retry)
}

async fn start(builder: Builder) -> Runtime {
    builder.start().await.expect("a runtime starts")
}

/// How long the last run has put the instance off.
fn delay(row: &StoredFunction) -> Duration {
    row.due_at.expect("it waits").saturating_since(row.updated_at)
}

fn failed_tries(row: &StoredFunction) -> u32 {
    Journal::read(row.journal.as_deref()).expect("it can be read").failed_tries
}

fn run_fails(run: u32) -> Failure {
    failed("message", &format!("run {run} fails"), &[])
}

fn again(run: u32, tries: u32, most: u32) -> String {
    format!("try {tries} of {most} failed: run {run} fails; tried again")
}

/// Waits until this many tries have failed.
async fn tried(store: &impl Store, tries: u32) -> StoredFunction {
    eventually(PATIENCE, async || {
        let row = stored(store, "Shaky", "1").await;
        (row.status == Status::Postponed && failed_tries(&row) == tries).then_some(row)
    })
    .await
}

on_every_store! {
    /// The wait is stored, and any replica goes on with it; the count goes with the instance.
    async fn a_failure_is_put_off_longer_and_longer(store: TestStore) {
        let probe = Probe::default();
        let retry = exactly(Retry::exponential(ms(50), 1_000.0)).max_tries(3);
        let first = start(retrying(store.another().await, &probe, retry).take_no_work()).await;
        assert_postponed(shaky::invoke(&first, "1", vec![Fail; 9]).await);
        let row = stored(&store, "Shaky", "1").await;
        assert_eq!((row.status, delay(&row), row.reason.clone()), (Status::Postponed, ms(50), Some(again(1, 1, 3))));
        assert_eq!((failed_tries(&row), row.failure), (1, None));
        assert_eq!(row.scrapbook.expect("the run has left it").body, r#"{"attempts":[1]}"#);
        drop(first);
        let _second = start(retrying(store.another().await, &probe, retry)).await;
        let row = tried(&store, 2).await;
        assert_eq!((delay(&row), row.reason), (secs(50), Some(again(2, 2, 3))));
        assert_eq!(probe.notes(), ["1 FirstRun after []", "2 Retry after [1]"]);
    }

    /// Then it fails for good, with the last failure.
    async fn tries_come_to_an_end(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(retrying(store.clone(), &probe, Retry::linear(ms(1), ms(1)).max_tries(3))).await;
        shaky::schedule(&runtime, "1", vec![Fail; 9]).await.expect("it is stored");
        assert_eq!(failure(shaky::completion(&runtime, "1").await), run_fails(3));
        let row = stored(&store, "Shaky", "1").await;
        assert_eq!((row.attempts, row.reason, row.due_at), (3, None, None));
        assert_eq!(row.crashes, 0, "nobody was lost");
    }

    /// One success is enough; a panic is a failure like any other.
    async fn a_try_that_succeeds_ends_it(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(retrying(store.clone(), &probe, Retry::exponential(ms(1), 2.0).max_tries(3))).await;
        shaky::schedule(&runtime, "1", vec![Fail, Panic]).await.expect("it is stored");
        let runs = shaky::completion(&runtime, "1").await.expect("the third try succeeds");
        assert_eq!(runs, [1, 3], "what the panic left unsaved is gone");
        let row = stored(&store, "Shaky", "1").await;
        assert_eq!((row.status, row.attempts, failed_tries(&row)), (Status::Succeeded, 3, 0));
    }

    /// In the same run, with the scrapbook as it was left; nothing is stored between the tries.
    async fn a_short_delay_is_waited_for_in_memory(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(ms(1), ms(0)).in_memory_below(ms(2));
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        let runs = shaky::invoke(&runtime, "1", vec![Fail, Panic, Fail]).await.expect("the fourth try succeeds");
        assert_eq!(runs, [1, 3, 4], "what the panic left unsaved is gone");
        let row = stored(&store, "Shaky", "1").await;
        assert_eq!((row.attempts, row.epoch.as_i64(), row.saves, failed_tries(&row)), (1, 1, 0, 0));
        assert_eq!(
            probe.notes(),
            ["1 FirstRun after []", "1 Retry after [1]", "1 Retry after [1]", "1 Retry after [1, 3]"],
        );
    }

    /// Whoever goes on does so when the delay is over.
    async fn a_shutdown_hands_a_wait_in_memory_on(store: TestStore) {
        let probe = Probe::default();
        let retry = exactly(Retry::linear(secs(3_600), ms(0))).in_memory_below(Duration::MAX);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        shaky::schedule(&runtime, "1", vec![Fail]).await.expect("it is stored");
        probe.begun(1).await;
        assert_eq!(runtime.shutdown().await.expect("the store is there"), Shutdown { handed_over: 0 });
        let row = stored(&store, "Shaky", "1").await;
        assert_eq!((row.status, row.attempts, failed_tries(&row)), (Status::Postponed, 1, 1));
        assert_eq!(row.reason, Some(again(1, 1, 10)));
        let left = delay(&row);
        assert!(left <= secs(3_600) && left + PATIENCE > secs(3_600), "{left:?} are left");
    }

    /// Nothing is tried again that the predicate, or the kind of the failure, forbids.
    async fn some_failures_stay(store: TestStore) {
        let probe = Probe::default();
        let picky = |failure: &Failure| {
            assert_ne!(failure.message, "run 2 fails", "a predicate that panics");
            failure.type_name == "panic"
        };
        let retry = Retry::linear(ms(1), ms(1)).only_if(picky);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        shaky::schedule(&runtime, "1", vec![Panic, Fail]).await.expect("it is stored");
        assert_eq!(failure(shaky::completion(&runtime, "1").await), run_fails(2));
        assert_eq!(failure(shaky::invoke(&runtime, "2", vec![Fail; 3]).await), run_fails(3));
    }

    /// Only a person can know whether the call that failed has happened.
    async fn an_unknown_outcome_stays(store: TestStore) {
        let probe = Probe::default();
        let runtime = start(retrying(store, &probe, Retry::linear(ms(1), ms(0)))).await;
        shaky::schedule(&runtime, "1", vec![Once; 9]).await.expect("it is stored");
        assert_eq!(failure(shaky::completion(&runtime, "1").await).type_name, "unknown outcome");
        assert_eq!(probe.runs(), 1, "it is not tried again");
    }

    /// Waiting for somebody else is no failed try.
    async fn a_suspension_begins_the_count_anew(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(ms(1), ms(0)).max_tries(2);
        let settings = quick().stay_in_memory(ms(0));
        let runtime = start(retrying(store.clone(), &probe, retry).settings(settings)).await;
        shaky::schedule(&runtime, "1", vec![Fail, Listen, Fail]).await.expect("it is stored");
        eventually(PATIENCE, async || stored(&store, "Shaky", "1").await.status == Status::Suspended).await;
        assert_eq!(failed_tries(&stored(&store, "Shaky", "1").await), 0);
        shaky::send(&runtime, "1", GoOn).await.expect("it is there");
        assert_eq!(shaky::completion(&runtime, "1").await.expect("it succeeds"), [1, 2, 3, 4]);
    }

    /// What the body asks for itself is no failed try, and neither is what a person asks for.
    async fn tries_are_counted_in_a_row(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(ms(1), ms(0)).max_tries(2);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        let acts = vec![Fail, PutOff, Fail, PutOff, Fail, Fail, Fail, Return];
        shaky::schedule(&runtime, "1", acts).await.expect("it is stored");
        assert_eq!(failure(shaky::completion(&runtime, "1").await), run_fails(6));
        assert_postponed(shaky::reinvoke(&runtime, "1").await);
        shaky::completion(&runtime, "1").await.expect("the second try of the second life succeeds");
        assert_eq!(probe.runs(), 8);
    }

    /// A person who makes it due at once, or edits it while it waits, begins the count anew, too.
    async fn a_control_panel_begins_the_count_anew(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(secs(3_600), ms(0)).max_tries(2);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        assert_postponed(shaky::invoke(&runtime, "1", vec![Fail; 9]).await);
        let mut panel = shaky::control_panel(&runtime, "1").await.expect("it is there");
        panel.save().await.expect("nobody else was there");
        assert_eq!(failed_tries(&stored(&store, "Shaky", "1").await), 1, "an edit alone is no new beginning");
        panel.schedule_reinvoke().await.expect("nobody else was there");
        probe.begun(2).await;
        assert_eq!(tried(&store, 1).await.attempts, 2);
        let panel = shaky::control_panel(&runtime, "1").await.expect("it is there");
        panel.postpone_for(ms(1)).await.expect("nobody else was there");
        probe.begun(3).await;
        assert_eq!(tried(&store, 1).await.attempts, 3);
    }

    /// The one of the function replaces the one of the runtime.
    async fn the_innermost_policy_decides_alone(store: TestStore) {
        let probe = Probe::default();
        let common = Retry::linear(ms(1), ms(0)).max_tries(9);
        let own = Retry::linear(ms(1), ms(0)).max_tries(2);
        let runtime = start(retrying(store.clone(), &probe, common).function_middleware::<shaky>(own)).await;
        shaky::schedule(&runtime, "1", vec![Fail; 9]).await.expect("it is stored");
        assert_eq!(failure(shaky::completion(&runtime, "1").await), run_fails(2));
        let never = Retry::linear(ms(1), ms(0)).max_tries(1);
        let runtime = start(retrying(store, &probe, common).function_middleware::<shaky>(never)).await;
        assert_eq!(failure(shaky::invoke(&runtime, "2", vec![Fail; 9]).await), run_fails(3));
    }

    /// It belongs to the function, whatever is around that.
    async fn the_attribute_is_the_innermost_policy(store: TestStore) {
        let probe = Probe::default();
        let other = Retry::linear(secs(9), ms(0)).max_tries(9);
        let runtime = retrying(store.clone(), &probe, other).register::<attributed>();
        let runtime = start(runtime.function_middleware::<attributed>(other)).await;
        attributed::schedule(&runtime, "1", "busy".to_owned()).await.expect("it is stored");
        let busy = failed("message", "busy", &[]);
        assert_eq!(failure(attributed::completion(&runtime, "1").await), busy);
        let row = stored(&store, "Shaky.Attribute", "1").await;
        assert_eq!((row.attempts, failed_tries(&row)), (3, 2), "the last one was followed by none");
        attributed::schedule(&runtime, "2", "hopeless".to_owned()).await.expect("it is stored");
        failure(attributed::completion(&runtime, "2").await);
        assert_eq!(stored(&store, "Shaky.Attribute", "2").await.attempts, 1);
    }

    /// Spread out, within their bounds.
    async fn delays_are_shortened_at_random(store: TestStore) {
        let probe = Probe::default();
        let retry = Retry::linear(secs(1_000), ms(0)).jitter(0.5);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        let mut delays = HashSet::new();
        for number in 0..8 {
            let id = number.to_string();
            assert_postponed(shaky::invoke(&runtime, id.as_str(), vec![Fail; 9]).await);
            let found = delay(&stored(&store, "Shaky", &id).await);
            assert!(found >= secs(500) && found <= secs(1_000), "{found:?}");
            delays.insert(found);
        }
        assert!(delays.len() > 1, "all are the same: {delays:?}");
    }

    /// The longest delay that can be said is one that can be stored.
    async fn no_delay_is_too_long(store: TestStore) {
        let probe = Probe::default();
        let retry = exactly(Retry::exponential(Duration::MAX, f64::MAX)).max_delay(Duration::MAX);
        let runtime = start(retrying(store.clone(), &probe, retry)).await;
        assert_postponed(shaky::invoke(&runtime, "1", vec![Fail]).await);
        assert_eq!(delay(&stored(&store, "Shaky", "1").await), Duration::from_hours(24 * 365_250));
    }
}

#[tokio::test]
async fn a_description_that_cannot_work_is_refused_at_the_start() {
    let bad = Retry::exponential(ms(1), f64::NAN).max_tries(0).jitter(2.0);
    let shrinking = Retry::exponential(ms(1), 0.5).jitter(f64::NAN);
    let started = builder(InMemoryStore::new(), &Probe::default())
        .middleware(bad)
        .function_middleware::<play>(shrinking)
        .function_middleware::<shaky>(Retry::exponential(ms(1), 1.0))
        .start()
        .await;
    let Err(StartError::Problems(problems)) = started else { panic!("problems were expected: {started:?}") };
    let expected = [
        "the factor of a retry is NaN; give a number from 1 on",
        "`max_tries` of a retry is 0; give at least 1, which tries nothing again",
        "the jitter of a retry is 2; give a number from 0 to 1",
        "function type `Play`: the factor of a retry is 0.5; give a number from 1 on",
        "function type `Play`: the jitter of a retry is NaN; give a number from 0 to 1",
        "there is middleware for `Shaky` version 1, which is not registered",
    ];
    assert_eq!(problems, expected);
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_tries_go_on_for_days() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let rare = secs(60);
    let sparse = quick().heartbeat(rare).lease(secs(3_600)).poll(rare).sweep(rare).wait_poll(rare);
    let retry = exactly(Retry::exponential(secs(3_600), 2.0)).max_delay(secs(86_400)).max_tries(7);
    let runtime =
        start(retrying(store.clone(), &probe, retry.in_memory_below(secs(7_200))).settings(sparse)).await;
    let begun = Instant::now();
    // An hour in memory, then 2, 4, 8, 16 and 24 stored.
    assert_postponed(shaky::invoke(&runtime, "1", vec![Fail; 9]).await);
    assert!(begun.elapsed() >= secs(3_600) && begun.elapsed() < secs(3_601), "{:?}", begun.elapsed());
    assert_eq!(failure(shaky::completion(&runtime, "1").await), run_fails(7));
    let row = stored(&store, "Shaky", "1").await;
    let took = row.updated_at.saturating_since(row.created_at);
    assert!(took >= secs(55 * 3_600) && took < secs(55 * 3_600) + secs(1), "{took:?}");
    assert_eq!(row.attempts, 6, "the first two tries were one run");
}
