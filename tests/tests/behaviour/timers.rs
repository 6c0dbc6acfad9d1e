//! Timers: sleeps and deadlines that are kept with the instance, whatever happens to the processes.

use std::time::{Duration, UNIX_EPOCH};

use resilient::prelude::*;
use resilient::{Builder, InMemoryStore, Journal, Store, StoredFunction, Timestamp};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::{Kind, TestStore, eventually, on_every_store, open};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{PATIENCE, Probe, crash, failure, ms, quick, secs, stored};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
struct Note(String);

fn note(text: &str) -> Note {
    Note(text.to_owned())
}

const DAY: u64 = 24 * 3600 * 1000;

/// One step of [`nap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Sleeps so many milliseconds.
    Sleep(String, u64),
    /// Sleeps until so many milliseconds after 1970.
    Until(String, u64),
    /// Sleeps for ever.
    TooLong(String),
    /// Waits for a note for so many milliseconds.
    Within(String, u64),
    /// Waits for a note.
    Note,
    /// Sleeps so many milliseconds, beside a wait for a note.
    Beside(String, u64),
    /// Sleeps so many milliseconds, unless a note comes first.
    Unless(String, u64),
    /// Waits for a note so many milliseconds, and beside it sleeps so many.
    Two(u64, u64),
    /// Waits until the probe opens its gate.
    Gate,
    /// Fails in the first run.
    FailOnce,
}

use Step::{Beside, FailOnce, Gate, Sleep, TooLong, Two, Unless, Until, Within};

fn sleep(name: &str, milliseconds: u64) -> Step {
    Sleep(name.to_owned(), milliseconds)
}

fn within(name: &str, milliseconds: u64) -> Step {
    Within(name.to_owned(), milliseconds)
}

fn text(note: Option<Note>) -> String {
    note.map_or("none".to_owned(), |note| note.0)
}

/// Does the steps and says what each of them brought.
#[resilient_fn(type_id = "Nap", register = false)]
async fn nap(steps: Vec<Step>, context: &Context, probe: Dep<Probe>) -> resilient::Result<Vec<String>> {
    probe.begin();
    let inbox = context.messages();
    let mut heard = Vec::new();
    for step in steps {
        heard.push(match step {
            Sleep(name, milliseconds) => {
                context.sleep(name, ms(milliseconds)).await?;
                "slept".to_owned()
            }
            Until(name, milliseconds) => {
                context.sleep_until(name, UNIX_EPOCH + ms(milliseconds)).await?;
                "slept".to_owned()
            }
            TooLong(name) => {
                context.sleep(name, Duration::MAX).await?;
                "slept".to_owned()
            }
            Within(name, milliseconds) => text(inbox.next_within(name, ms(milliseconds)).await?),
            Step::Note => inbox.next::<Note>().await?.0,
            Beside(name, milliseconds) => {
                let ((), note) =
                    tokio::try_join!(context.sleep(name, ms(milliseconds)), inbox.next::<Note>())?;
                note.0
            }
            Unless(name, milliseconds) => tokio::select! {
                slept = context.sleep(name, ms(milliseconds)) => slept.map(|()| "slept".to_owned())?,
                note = inbox.next::<Note>() => note?.0,
            },
            Two(waits, sleeps) => {
                let wait = inbox.next_within::<Note>("wait", ms(waits));
                let (note, ()) = tokio::try_join!(wait, context.sleep("sleep", ms(sleeps)))?;
                text(note)
            }
            Gate => {
                probe.gate().await;
                "through".to_owned()
            }
            FailOnce if context.mode() == Mode::FirstRun => {
                return Err(resilient::Error::msg("told to fail"));
            }
            FailOnce => "failed".to_owned(),
        });
    }
    Ok(heard)
}

fn leaving() -> Settings {
    quick().stay_in_memory(ms(0))
}

fn staying() -> Settings {
    quick().stay_in_memory(secs(60))
}

fn builder(store: impl Store, probe: &Probe, settings: Settings) -> Builder {
    Runtime::builder(store).dep(probe.clone()).settings(settings).register::<nap>()
}

async fn replica(store: impl Store, probe: &Probe, settings: Settings) -> Runtime {
    builder(store, probe, settings).start().await.expect("a runtime starts")
}

/// The instance when it has suspended itself in its n-th run.
async fn suspended(store: &TestStore, attempt: u32) -> StoredFunction {
    eventually(PATIENCE, async || {
        let row = store
            .get(&[resilient::FunctionId::new("Nap", "1")])
            .await
            .expect("the store is there")
            .remove(0)?;
        (row.status == Status::Suspended && row.attempts == attempt).then_some(row)
    })
    .await
}

fn journal(row: &StoredFunction) -> Journal {
    Journal::read(row.journal.as_deref()).expect("it is a journal")
}

#[track_caller]
fn assert_suspended<T: std::fmt::Debug>(answer: &Result<T, InvokeError>) {
    assert!(matches!(answer, Err(InvokeError::Suspended { .. })), "suspended was expected: {answer:?}");
}

on_every_store! {
    /// The run goes on by itself, and never before its time.
    async fn a_short_sleep_stays_in_memory(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        let begun = std::time::Instant::now();
        let heard = nap::invoke(&runtime, "1", vec![sleep("a", 40), sleep("b", 30)]).await.expect("it succeeds");
        assert!(begun.elapsed() >= ms(70), "after {:?}", begun.elapsed());
        assert_eq!((heard, probe.runs()), (vec!["slept".to_owned(); 2], 1));
        let row = stored(&store, "Nap", "1").await;
        assert_eq!((row.attempts, journal(&row).timers.len()), (1, 2));
    }

    /// Days cost nothing: the instance is a row until then.
    async fn a_long_sleep_suspends_until_its_time(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        assert_suspended(&nap::invoke(&runtime, "1", vec![sleep("a week", 7 * DAY)]).await);
        let row = stored(&store, "Nap", "1").await;
        let due = row.due_at.expect("it has a deadline");
        let rest = due.saturating_since(row.created_at);
        assert!((ms(7 * DAY)..ms(7 * DAY) + secs(10)).contains(&rest), "{rest:?}");
        assert_eq!((row.status, row.owner, runtime.running()), (Status::Suspended, None, 0));
        assert_eq!(row.reason, Some(format!("sleeps until {due} (timer `a week`)")));
        assert_eq!(journal(&row).timers.get("a week"), Some(&due));
    }

    /// A sleep counts from its first run, on the store's clock, whoever wakes it.
    async fn a_sleep_goes_on_across_restarts(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        nap::schedule(&runtime, "1", vec![sleep("a", 500)]).await.expect("it is stored");
        let row = suspended(&store, 1).await;
        let due = row.due_at.expect("it has a deadline");
        crash(runtime, &store).await;
        let next = replica(store.another().await, &probe, leaving()).await;
        assert_eq!(nap::completion(&next, "1").await.expect("it succeeds"), ["slept"]);
        let row = stored(&store, "Nap", "1").await;
        let ended = row.completed_at.expect("it has succeeded");
        assert!(ended >= due && ended.saturating_since(row.created_at) >= ms(500), "never early");
        assert_eq!(journal(&row).timers.get("a"), Some(&due), "the first run has set it");
        assert_eq!(row.attempts, 2, "it is woken once");
    }

    /// A run that is begun before the time sleeps for the rest.
    async fn a_run_that_comes_early_sleeps_for_the_rest(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        assert_suspended(&nap::invoke(&runtime, "1", vec![sleep("a", DAY)]).await);
        let due = stored(&store, "Nap", "1").await.due_at;
        // A message that nobody waits for wakes it, too.
        runtime.send::<nap>("1", note("nothing")).await.expect("it is stored");
        assert_eq!(suspended(&store, 2).await.due_at, due);
        assert_suspended(&runtime.reinvoke::<nap>("1").await);
        assert_eq!(suspended(&store, 3).await.due_at, due);
    }

    /// Every later run finds it over.
    async fn a_timer_that_is_over_stays_over(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        let steps = vec![sleep("a", 30), FailOnce, within("b", 10)];
        assert_eq!(failure(nap::invoke(&runtime, "1", steps).await).message, "told to fail");
        let timers = journal(&stored(&store, "Nap", "1").await).timers;
        assert_eq!(timers.keys().collect::<Vec<_>>(), ["a"]);
        runtime.send::<nap>("1", note("late")).await.expect("it is stored");
        let heard = runtime.reinvoke::<nap>("1").await.expect("it succeeds");
        assert_eq!(heard, ["slept", "failed", "late"], "b begins when a run comes there");
        assert_eq!(journal(&stored(&store, "Nap", "1").await).timers, timers, "and ends where it began");
    }

    /// What the first run gave counts; a time in the past is over at once.
    async fn a_point_in_time_is_kept(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        let past = Until("past".to_owned(), 1);
        let new_year_2100 = Until("future".to_owned(), 4_102_444_800_000);
        assert_suspended(&nap::invoke(&runtime, "1", vec![past, new_year_2100]).await);
        let row = stored(&store, "Nap", "1").await;
        assert_eq!(row.due_at, Some(Timestamp::from_micros(4_102_444_800_000_000)));
        let mut panel = nap::control_panel(&runtime, "1").await.expect("it is there");
        *panel.param_mut() = vec![Until("future".to_owned(), 4_000_000_000_000)];
        assert_suspended(&panel.reinvoke().await);
        assert_eq!(stored(&store, "Nap", "1").await.due_at, row.due_at);
    }

    /// Which of both came first is decided once.
    async fn a_deadline_ends_a_wait_without_a_message(store: TestStore) {
        for (id, settings) in [("memory", staying()), ("suspended", leaving())] {
            let probe = Probe::default();
            let runtime = replica(store.clone(), &probe, settings).await;
            nap::schedule(&runtime, id, vec![within("a", 150), Step::Note]).await.expect("it is stored");
            eventually(PATIENCE, async || {
                let journal = journal(&stored(&store, "Nap", id).await);
                journal.expired.contains("a")
            })
            .await;
            runtime.send::<nap>(id, note("late")).await.expect("it is stored");
            assert_eq!(nap::completion(&runtime, id).await.expect("it succeeds"), ["none", "late"]);
            let row = stored(&store, "Nap", id).await;
            assert!(row.completed_at.expect("it has").saturating_since(row.created_at) >= ms(150), "never early");
            runtime.shutdown().await.expect("it ends");
        }
    }

    /// With a message it is over at once, in memory and suspended.
    async fn a_message_ends_a_wait_before_its_deadline(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        assert_suspended(&nap::invoke(&runtime, "1", vec![within("a", DAY)]).await);
        let row = stored(&store, "Nap", "1").await;
        let due = row.due_at.expect("it has a deadline");
        assert_eq!(row.reason, Some(format!("waits for message `Note` until {due} (timer `a`)")));
        runtime.send::<nap>("1", note("in time")).await.expect("it is stored");
        assert_eq!(nap::completion(&runtime, "1").await.expect("it succeeds"), ["in time"]);
        runtime.shutdown().await.expect("it ends");
        let runtime = replica(store.clone(), &probe, staying()).await;
        let answer = tokio::spawn({
            let runtime = runtime.clone();
            async move { nap::invoke(&runtime, "2", vec![within("a", DAY)]).await }
        });
        probe.begun(3).await;
        runtime.send::<nap>("2", note("in time")).await.expect("it is stored");
        assert_eq!(answer.await.expect("no panic").expect("it succeeds"), ["in time"]);
    }

    /// A wait that stays in memory for long loses its deadline in no crash.
    async fn a_deadline_is_stored_while_the_run_waits_in_memory(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        nap::schedule(&runtime, "1", vec![within("a", DAY)]).await.expect("it is stored");
        let row = eventually(PATIENCE, async || {
            let row = stored(&store, "Nap", "1").await;
            (!journal(&row).timers.is_empty()).then_some(row)
        });
        let row = row.await;
        assert_eq!(row.status, Status::Executing);
        crash(runtime, &store).await;
        let next = replica(store.another().await, &probe, leaving()).await;
        let due = suspended(&store, 2).await.due_at;
        assert_eq!(due.as_ref(), journal(&row).timers.get("a"));
        next.shutdown().await.expect("it ends");
    }

    /// Neither of both wake-ups is lost, whichever ends the run.
    async fn a_sleep_beside_a_wait_loses_no_wake_up(store: TestStore) {
        for settings in [leaving(), quick().stay_in_memory(ms(30))] {
            let probe = Probe::default();
            let runtime = replica(store.clone(), &probe, settings).await;
            let id = format!("{:?}", std::time::Instant::now());
            let started = nap::invoke(&runtime, id.as_str(), vec![Beside("a".to_owned(), 2_000)]).await;
            assert_suspended(&started);
            let row = stored(&store, "Nap", &id).await;
            let due = row.due_at.expect("it has a deadline");
            let both = format!("sleeps until {due} (timer `a`); waits for message `Note`");
            assert_eq!(row.reason, Some(both));
            runtime.send::<nap>(id.as_str(), note("hello")).await.expect("it is stored");
            assert_eq!(nap::completion(&runtime, id.as_str()).await.expect("it succeeds"), ["hello"]);
            let ended = stored(&store, "Nap", &id).await.completed_at.expect("it has succeeded");
            assert!(ended >= due);
            runtime.shutdown().await.expect("it ends");
        }
    }

    /// The earlier one ends it, and the other one is forgotten.
    async fn a_sleep_or_a_message_whichever_comes_first(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let either = || vec![Unless("a".to_owned(), 1_000), sleep("b", 10)];
        assert_suspended(&nap::invoke(&runtime, "1", either()).await);
        assert_eq!(nap::completion(&runtime, "1").await.expect("it succeeds"), ["slept", "slept"]);
        assert_suspended(&nap::invoke(&runtime, "2", vec![Unless("a".to_owned(), DAY), sleep("b", 10)]).await);
        runtime.send::<nap>("2", note("first")).await.expect("it is stored");
        assert_eq!(nap::completion(&runtime, "2").await.expect("it succeeds"), ["first", "slept"]);
    }

    /// The deadline that comes first wakes it, whatever else it waits for.
    async fn the_earliest_deadline_counts(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        for (id, waits, sleeps, earliest) in [("1", DAY, 7 * DAY, "wait"), ("2", 7 * DAY, DAY, "sleep")] {
            assert_suspended(&nap::invoke(&runtime, id, vec![Two(waits, sleeps)]).await);
            let row = stored(&store, "Nap", id).await;
            assert_eq!(row.due_at.as_ref(), journal(&row).timers.get(earliest));
        }
        nap::schedule(&runtime, "3", vec![Two(100, 250)]).await.expect("it is stored");
        assert_eq!(nap::completion(&runtime, "3").await.expect("it succeeds"), ["none"]);
    }

    /// Each says what to do.
    async fn bad_names_and_times_fail_by_name(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let bad = [
            (vec![sleep("a", 0), sleep("a", 0)], "the timer `a` was used in this run already; give each one a name of its own"),
            (vec![sleep("a", 0), within("a", DAY)], "the timer `a` was used in this run already; give each one a name of its own"),
            (vec![sleep("", 1)], "the name of the timer is empty; give at least one byte"),
            (vec![sleep(&"n".repeat(201), 1)], "the name of the timer has 201 bytes; at most 200 are kept"),
            (vec![TooLong("a".to_owned())], "the duration of 18446744073709551615 seconds is longer than 1,000 years; give a shorter one"),
            (vec![Until("a".to_owned(), 253_402_300_800_000)], "the time is after the year 9999; give an earlier one"),
        ];
        for (number, (steps, message)) in bad.into_iter().enumerate() {
            let failure = failure(nap::invoke(&runtime, number.to_string(), steps).await);
            assert!(failure.type_name.ends_with("WaitError"), "{failure}");
            assert_eq!(failure.message, message);
        }
    }

    /// The rest is slept elsewhere.
    async fn a_shutdown_ends_a_sleep_at_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        nap::schedule(&runtime, "1", vec![sleep("a", 3_000)]).await.expect("it is stored");
        probe.begun(1).await;
        assert_eq!(runtime.shutdown().await.expect("it ends").handed_over, 0);
        let row = suspended(&store, 1).await;
        let next = replica(store.another().await, &probe, staying()).await;
        assert_eq!(nap::completion(&next, "1").await.expect("it succeeds"), ["slept"]);
        let ended = stored(&store, "Nap", "1").await.completed_at.expect("it has succeeded");
        assert!(Some(ended) >= row.due_at);
    }
}

/// Loops that hardly ever look, so that days of virtual time pass quickly: hints wake what is due.
fn calm() -> Settings {
    let hour = secs(3600);
    Settings::default().heartbeat(hour).lease(hour * 3).poll(hour).sweep(hour).wait_poll(hour)
}

/// Few enough calls that each of them can fail once.
fn calls_apart() -> Settings {
    Settings::default().poll(secs(2)).wait_poll(secs(1))
}

/// Days pass in no time, and processes come and go in between.
#[tokio::test(start_paused = true)]
async fn days_pass_between_restarts() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let begun = Instant::now();
    let steps = vec![sleep("a", 3 * DAY), within("b", 2 * DAY), sleep("c", DAY)];
    let mut runtime = replica(store.clone(), &probe, calm()).await;
    nap::schedule(&runtime, "1", steps).await.expect("it is stored");
    for _ in 0..4 {
        tokio::time::sleep(ms(DAY)).await;
        runtime.shutdown().await.expect("it ends");
        tokio::time::sleep(ms(DAY / 10)).await;
        runtime = replica(store.clone(), &probe, calm()).await;
    }
    let last = runtime;
    let heard = nap::completion(&last, "1").await.expect("it succeeds");
    assert_eq!(heard, ["slept", "none", "slept"]);
    let passed = begun.elapsed();
    assert!((ms(6 * DAY)..ms(6 * DAY) + secs(3 * 3600)).contains(&passed), "{passed:?}");
    let row = stored(&store, "Nap", "1").await;
    assert_eq!(row.attempts, 4, "three timers, three wake-ups");
}

/// Nothing polls for what sleeps: it is a row with a due time.
#[tokio::test(start_paused = true)]
async fn a_thousand_sleepers_wake_at_their_times() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let runtime = replica(store.clone(), &probe, calm()).await;
    let begun = Instant::now();
    for number in 0..1_000 {
        nap::schedule(&runtime, number.to_string(), vec![sleep("a", DAY + number)])
            .await
            .expect("it is stored");
    }
    for number in 0..1_000_u64 {
        nap::completion(&runtime, number.to_string()).await.expect("it succeeds");
        assert!(begun.elapsed() >= ms(DAY + number));
    }
    assert!(begun.elapsed() < ms(DAY) + secs(10), "hints wake them: {:?}", begun.elapsed());
    assert_eq!(probe.runs(), 2_000);
}

/// A store that is away delays what sleeps, and loses nothing of it.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_loses_no_timer() {
    let fresh = async || open(Kind::Memory).await.expect("memory is always there");
    for fault in [&Fault::ERRORS[..], &Fault::CRASHES[..]] {
        let runs = at_every_call(fault, fresh, async |store| {
            let probe = Probe::default();
            let calls = [Call::Write, Call::Claim, Call::Messages, Call::Get];
            let first = replica(store.clone().counting_only(&calls), &probe, calls_apart()).await;
            let steps = || vec![sleep("a", 5_000), within("b", 3_000), sleep("c", 10)];
            let work = async {
                let _ = nap::schedule(&first, "1", steps()).await;
                let _ = nap::completion(&first, "1").await;
            };
            let _ = tokio::time::timeout(secs(4), work).await;
            drop(first);
            let next = replica(std::sync::Arc::clone(store.inner()), &probe, calls_apart()).await;
            nap::schedule(&next, "1", steps()).await.expect("it is stored, or was");
            assert_eq!(nap::completion(&next, "1").await.expect("it succeeds"), ["slept", "none", "slept"]);
            let row = stored(store.inner(), "Nap", "1").await;
            assert!(row.completed_at.expect("it has").saturating_since(row.created_at) >= ms(8_010));
        });
        assert!(runs.await > 4);
    }
}

/// A unit test moves the clock, and needs no store.
#[tokio::test(start_paused = true)]
async fn a_unit_test_sleeps_in_virtual_time() {
    let probe = Probe::default();
    let context = Context::test().with_message(note("early"));
    let steps = vec![sleep("a", 3 * DAY), within("b", DAY), within("c", DAY)];
    let begun = Instant::now();
    let heard = nap(steps.clone(), &context, Dep::new(probe.clone())).await.expect("it succeeds");
    assert_eq!((heard, begun.elapsed()), (vec!["slept".into(), "early".into(), "none".into()], ms(4 * DAY)));
    let again = nap(steps, &context.next_run(), Dep::new(probe.clone())).await.expect("it succeeds");
    assert_eq!(
        (again.last().map(String::as_str), begun.elapsed()),
        (Some("none"), ms(4 * DAY)),
        "all are over"
    );
    let both = vec![Unless("a".to_owned(), DAY), Beside("b".to_owned(), DAY)];
    let heard = nap(both, &Context::test(), Dep::new(probe)).await.expect_err("no note comes");
    assert_eq!(heard.to_string(), "what is waited for is not there yet; leave the function with `?`");
    assert_eq!(begun.elapsed(), ms(6 * DAY), "both sleeps were slept");
}
