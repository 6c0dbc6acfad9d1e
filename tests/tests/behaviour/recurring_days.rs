//! Functions that recur, over days of virtual time.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use resilient::prelude::*;
use resilient::{
    Builder, Clock, Filter, FunctionSettings, InMemoryStore, Retention, Store, StoredFunction, Timestamp,
};
use resilient_tests::FaultyStore;
use resilient_tests::faults::{Call, Fault, at_every_call};
use tokio::time::{Instant, sleep, timeout};

use crate::common::{Probe, ms, secs};

const DAY: Duration = Duration::from_hours(24);
const EIGHT_HOURS: Duration = Duration::from_hours(8);

#[resilient_fn(type_id = "Days.Midnight", every = "1d", register = false)]
async fn midnight(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
}

#[resilient_fn(type_id = "Days.Midnight", every = "1d", missed = "every", register = false)]
async fn each_midnight(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
}

/// The first one fails, and is kept.
#[resilient_fn(type_id = "Days.Kept", every = "1d", missed = "every", register = false)]
async fn first_is_kept(tick: Tick, probe: Dep<Probe>) -> resilient::Result<()> {
    probe.note(tick.to_string());
    if probe.notes().len() == 1 { Err(io::Error::other("told to fail").into()) } else { Ok(()) }
}

#[resilient_fn(type_id = "Days.Night", cron = "30 2 * * *", timezone = "Europe/Copenhagen", register = false)]
async fn at_night((): ()) {}

#[resilient_fn(
    type_id = "Days.Quarter",
    cron = "*/15 * * * *",
    timezone = "Europe/Copenhagen",
    register = false
)]
async fn each_quarter((): ()) {}

/// It takes longer than the time between two ticks.
#[resilient_fn(type_id = "Days.Slow", every = "1m", register = false)]
async fn slow((): (), probe: Dep<Probe>) {
    probe.begin();
    probe.note("begins");
    sleep(secs(150)).await;
    probe.note("ends");
}

/// Virtual time from then on.
#[derive(Debug)]
struct From {
    origin: Timestamp,
    started: Instant,
}

impl Clock for From {
    fn now(&self) -> Timestamp {
        self.origin.saturating_add(self.started.elapsed())
    }
}

fn store_of(time: &str) -> InMemoryStore {
    let tick: Tick = time.parse().expect("a tick");
    let origin = Timestamp::try_from(tick.due()).expect("it is before the year 10,000");
    InMemoryStore::with_clock(From { origin, started: Instant::now() })
}

/// Background activities so rare that days are over soon.
fn builder(store: impl Store, probe: &Probe) -> Builder {
    let rare = secs(600);
    let settings =
        Settings::default().heartbeat(rare).lease(secs(3600)).poll(rare).sweep(rare).wait_poll(rare);
    Runtime::builder(store).dep(probe.clone()).settings(settings)
}

async fn replica<F: ResilientFn>(store: &InMemoryStore, probe: &Probe) -> Runtime {
    builder(store.clone(), probe).register::<F>().start().await.expect("it starts")
}

async fn all(store: &impl Store) -> Vec<StoredFunction> {
    store.list(&Filter { limit: 10_000, ..Filter::default() }).await.expect("the store works")
}

/// The ids of what has run, each within a moment of its tick, and of what waits.
fn on_time<'a>(rows: &'a [StoredFunction]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (over, waiting): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.status == Status::Succeeded);
    for row in &over {
        let tick: Tick = row.id.instance_id.as_str().parse().expect("its id is its tick");
        let late = SystemTime::from(row.updated_at).duration_since(tick.due()).expect("not before its time");
        assert!(late < ms(20), "{} ran {late:?} late", row.id);
    }
    let ids =
        |rows: Vec<&'a StoredFunction>| rows.into_iter().map(|row| row.id.instance_id.as_str()).collect();
    (ids(over), ids(waiting))
}

fn ids(rows: &[StoredFunction]) -> Vec<&str> {
    rows.iter().map(|row| row.id.instance_id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_three_replicas_fire_each_midnight_once() {
    let (store, probe) = (store_of("2026-11-20T12:00:00Z"), Probe::default());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica::<midnight>(&store, &probe).await);
    }
    sleep(DAY * 4).await;
    let rows = all(&store).await;
    let midnights: Vec<_> = (21..=24).map(|day| format!("2026-11-{day}T00:00:00Z")).collect();
    let (over, waiting) = on_time(&rows);
    assert_eq!(over, midnights);
    assert_eq!(waiting, ["2026-11-25T00:00:00Z"]);
    assert_eq!(probe.notes(), midnights);
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_nightly_job_runs_once_a_night_through_daylight_saving() {
    let nights = async |from: &str| {
        let store = store_of(from);
        let _replica = replica::<at_night>(&store, &Probe::default()).await;
        sleep(DAY * 3).await;
        let rows = all(&store).await;
        on_time(&rows).0.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // On 2026-03-29 there is no 02:30: it runs at 03:00, an hour and a half before that of the next day.
    assert_eq!(
        nights("2026-03-27T12:00:00Z").await,
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    // On 2026-10-25 there are two: it runs at the first.
    assert_eq!(
        nights("2026-10-23T12:00:00Z").await,
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_job_of_each_quarter_follows_the_clock_through_daylight_saving() {
    for (from, first) in [("2026-03-28T23:50:00Z", "2026-03-29"), ("2026-10-24T23:50:00Z", "2026-10-25")] {
        let store = store_of(from);
        let _replica = replica::<each_quarter>(&store, &Probe::default()).await;
        sleep(Duration::from_hours(3)).await;
        let rows = all(&store).await;
        let times = (0..3)
            .flat_map(|hour| [0, 15, 30, 45].map(|minute| format!("{first}T{hour:02}:{minute:02}:00Z")));
        assert_eq!(on_time(&rows).0, times.collect::<Vec<_>>(), "neither a gap nor a rush");
    }
}

/// Runs for two days, is away for three and a half, and comes back.
async fn outage<F: ResilientFn>() -> (Vec<String>, Vec<String>) {
    let (store, probe) = (store_of("2026-11-01T12:00:00Z"), Probe::default());
    let replicas = (replica::<F>(&store, &probe).await, replica::<F>(&store, &probe).await);
    sleep(DAY * 2).await;
    drop(replicas);
    sleep(DAY * 7 / 2).await;
    let _replicas = (replica::<F>(&store, &probe).await, replica::<F>(&store, &probe).await);
    sleep(DAY / 4).await;
    let rows = all(&store).await;
    assert!(rows.iter().all(|row| row.attempts <= 1), "{rows:?}");
    (probe.notes(), ids(&rows).into_iter().map(str::to_owned).collect())
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_an_outage_of_days_is_made_up_for_by_one_run() {
    let (notes, stored) = outage::<midnight>().await;
    let midnights = [2, 3, 4, 8].map(|day| format!("2026-11-{day:02}T00:00:00Z"));
    assert_eq!(notes, midnights[..3]);
    assert_eq!(stored, midnights);
}

/// Results that are deleted after so long.
async fn forgetful<F: ResilientFn>(store: &InMemoryStore, probe: &Probe, after: Duration) -> Runtime {
    let settings = FunctionSettings::default().retention(Retention::For(after));
    let builder = builder(store.clone(), probe).register::<F>().function_settings::<F>(settings);
    builder.start().await.expect("it starts")
}

/// The ticks at which it has fired, five days after an old firing has failed; the results of the others are deleted. Then
/// somebody deletes the firing that waits, and lets the old one run again or does not.
async fn fired_when_others_are_forgotten(runs_again: bool) -> Vec<String> {
    let (store, probe) = (store_of("2026-11-01T12:00:00Z"), Probe::default());
    let replica = forgetful::<first_is_kept>(&store, &probe, EIGHT_HOURS).await;
    sleep(DAY * 5).await;
    let left = all(&store).await;
    assert_eq!(ids(&left), ["2026-11-02T00:00:00Z", "2026-11-07T00:00:00Z"]);
    let waiting = first_is_kept::control_panel(&replica, "2026-11-07T00:00:00Z").await.expect("it is there");
    waiting.delete().await.expect("it waits");
    if runs_again {
        first_is_kept::reinvoke(&replica, "2026-11-02T00:00:00Z").await.expect("it succeeds");
    }
    sleep(DAY * 2).await;
    probe.notes()
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_firing_whose_result_was_deleted_does_not_fire_again() {
    let midnights = [2, 3, 4, 5, 6, 7, 8].map(|day| format!("2026-11-{day:02}T00:00:00Z"));
    assert_eq!(fired_when_others_are_forgotten(false).await, midnights);
    let [old, .., before, last] = &midnights;
    let mut again = midnights[..5].to_vec();
    again.extend([old, before, last].map(String::clone));
    assert_eq!(fired_when_others_are_forgotten(true).await, again);
}

/// Nothing was deleted that has not fired.
#[tokio::test(start_paused = true)]
async fn in_virtual_time_an_outage_that_is_longer_than_the_retention_is_made_up_for() {
    let (store, probe) = (store_of("2026-11-01T12:00:00Z"), Probe::default());
    for days in [2, 4] {
        let replicas = [
            forgetful::<each_midnight>(&store, &probe, EIGHT_HOURS).await,
            forgetful::<each_midnight>(&store, &probe, EIGHT_HOURS).await,
        ];
        sleep(DAY).await;
        drop(replicas);
        sleep(DAY * days).await;
    }
    let midnights = [2, 3, 4, 5].map(|day| format!("2026-11-{day:02}T00:00:00Z"));
    assert_eq!(probe.notes(), midnights);
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_an_outage_of_days_is_made_up_for_by_each_run() {
    let (notes, stored) = outage::<each_midnight>().await;
    let midnights = [2, 3, 4, 5, 6, 7, 8].map(|day| format!("2026-11-{day:02}T00:00:00Z"));
    assert_eq!(notes, midnights[..6], "in their order");
    assert_eq!(stored, midnights);
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_slow_firing_does_not_hold_up_the_next() {
    let (store, probe) = (store_of("2026-11-01T12:00:30Z"), Probe::default());
    let _replica = replica::<slow>(&store, &probe).await;
    sleep(secs(200)).await;
    assert_eq!(probe.notes(), ["begins", "begins", "begins", "ends"]);
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_one_place_keeps_firings_apart_in_a_replica() {
    let (store, probe) = (store_of("2026-11-01T12:00:30Z"), Probe::default());
    let one = FunctionSettings::default().max_running(1);
    let replica = builder(store.clone(), &probe).register::<slow>().function_settings::<slow>(one);
    let _replica = replica.start().await.expect("it starts");
    sleep(secs(400)).await;
    assert_eq!(probe.notes(), ["begins", "ends", "begins", "ends", "begins"], "three ticks were left out");
}

/// Between two ticks of the functions that meet faults.
const STEP: Duration = secs(10);

#[resilient_fn(type_id = "Days.Step", every = "10s", missed = "every", register = false)]
async fn each_step(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
}

#[resilient_fn(type_id = "Days.Step", every = "10s", register = false)]
async fn step(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
}

async fn start<F: ResilientFn>(store: impl Store, probe: &Probe) -> Option<Runtime> {
    let settings = Settings::default().heartbeat(secs(2)).lease(secs(6)).poll(secs(2)).sweep(secs(6));
    let builder = Runtime::builder(store).dep(probe.clone()).settings(settings).register::<F>();
    builder.start().await.ok()
}

/// A process whose manager starts it again until that works, for so long.
async fn process<F: ResilientFn>(store: &FaultyStore, probe: &Probe, time: Duration) {
    let lives = async {
        let _runtime = loop {
            match start::<F>(store.clone(), probe).await {
                Some(runtime) => break runtime,
                None => sleep(ms(300)).await,
            }
        };
        std::future::pending::<()>().await;
    };
    let _ = timeout(time, lives).await;
}

async fn struck(store: &FaultyStore, after: Duration) {
    while !store.fired() {
        sleep(ms(20)).await;
    }
    sleep(after).await;
}

/// A process meets the fault, and another one goes on after it.
async fn survive<F: ResilientFn>(fault: Fault, outage: Duration, store: FaultyStore) -> Vec<StoredFunction> {
    let probe = Probe::default();
    if Fault::CRASHES.contains(&fault) {
        tokio::select! {
            () = process::<F>(&store, &probe, STEP * 2) => {}
            () = struck(&store, ms(50)) => {}
        }
    } else {
        let heals = async {
            struck(&store, outage).await;
            store.heal();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = process::<F>(&store, &probe, STEP * 2 + outage) => {}
            () = heals => {}
        }
    }
    let second = start::<F>(Arc::clone(store.inner()), &probe).await.expect("the inner store works");
    sleep(STEP * 2).await;
    drop(second);
    let rows = all(store.inner()).await;
    expect_a_chain(&rows, &probe);
    rows
}

/// Each firing has run once at most, and one waits.
fn expect_a_chain(rows: &[StoredFunction], probe: &Probe) {
    for row in rows {
        let runs = probe.notes().iter().filter(|note| *note == row.id.instance_id.as_str()).count();
        assert!(runs <= row.attempts as usize, "a firing ran twice, or early: {row:#?}");
        assert!(runs > 0 || row.status == Status::Postponed, "it is over and never ran: {row:#?}");
    }
    let waiting = rows.iter().filter(|row| row.status != Status::Succeeded).count();
    assert_eq!(waiting, 1, "the chain goes on by one firing: {:?}", ids(rows));
    assert!(rows.len() >= 2, "{:?}", ids(rows));
}

/// Whether the ticks follow each other.
fn expect_no_gap(rows: &[StoredFunction]) {
    let first: Tick = rows[0].id.instance_id.as_str().parse().expect("its id is its tick");
    let each: Vec<_> =
        (0..).zip(rows).map(|(after, _)| Tick::at(first.due() + STEP * after).to_string()).collect();
    assert_eq!(ids(rows), each);
}

/// Without signs of life, which go on and on.
const COUNTED: [Call; 8] = [
    Call::Initialize,
    Call::Write,
    Call::Get,
    Call::List,
    Call::Claim,
    Call::Replicas,
    Call::Lifeline,
    Call::Join,
];

const FAULTS: [(Fault, Duration); 6] = [
    (Fault::Before, secs(1)),
    (Fault::After, secs(1)),
    (Fault::Down, secs(1)),
    (Fault::Down, secs(25)),
    (Fault::Crash, secs(1)),
    (Fault::CrashAfter, secs(1)),
];

async fn at_every_call_of<F: ResilientFn>(expect: impl Fn(Duration, &[StoredFunction])) {
    let mut runs = 0;
    for (fault, outage) in FAULTS {
        let scenario = async |store: FaultyStore| {
            let store = store.counting_only(&COUNTED);
            expect(outage, &survive::<F>(fault, outage, store).await);
        };
        runs += at_every_call(&[fault], async || store_of("2026-11-01T12:00:05Z"), scenario).await;
    }
    println!("{runs} runs");
    assert!(runs > 200, "only {runs} runs");
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_each_tick_survives_a_fault_at_every_call() {
    at_every_call_of::<each_step>(|_, rows| expect_no_gap(rows)).await;
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_a_chain_survives_a_fault_at_every_call() {
    // Ticks are left out while the store is away for longer than one, and only then.
    let expect = |outage: Duration, rows: &[StoredFunction]| {
        if outage < STEP {
            expect_no_gap(rows);
        }
    };
    at_every_call_of::<step>(expect).await;
}
