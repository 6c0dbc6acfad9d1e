//! Functions that run by themselves, at their ticks, once over all replicas.

use std::time::{Duration, SystemTime};

use resilient::prelude::*;
use resilient::{Builder, Filter, InMemoryStore, StartError, Store, StoredFunction, Timestamp};
use resilient_tests::{TestStore, eventually, on_every_store};

use crate::common::{PATIENCE, Probe, crash, json, quick, secs, stored};

/// Says when it is due. A busy machine may miss a second.
#[resilient_fn(type_id = "Recurs.Second", every = "1s", missed = "every", register = false)]
async fn each_second(tick: Tick, probe: Dep<Probe>) -> Tick {
    probe.note(tick.to_string());
    probe.begin();
    tick
}

/// Does not ask when it is due.
#[resilient_fn(type_id = "Recurs.Day", every = "1d", register = false)]
async fn daily((): (), probe: Dep<Probe>) {
    probe.begin();
}

#[resilient_fn(
    type_id = "Recurs.Midnight",
    cron = "@daily",
    timezone = "Europe/Copenhagen",
    register = false
)]
async fn midnight(tick: Tick, probe: Dep<Probe>) -> Tick {
    probe.begin();
    tick
}

const HOURLY: &str = "Recurs.Hour";

/// Is made up for once.
#[resilient_fn(type_id = "Recurs.Hour", every = "1h", register = false)]
async fn hourly(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
    probe.begin();
}

/// The same, at half past.
#[resilient_fn(type_id = "Recurs.Hour", cron = "30 * * * *", missed = "every", register = false)]
async fn at_half_past(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
    probe.begin();
}

/// The same, made up for each time.
#[resilient_fn(type_id = "Recurs.Hour", every = "1h", missed = "every", register = false)]
async fn each_hour(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
    probe.begin();
}

/// The same, in a later version, and once a day.
#[resilient_fn(type_id = "Recurs.Hour", version = 2, every = "1d", register = false)]
async fn no_longer_hourly(tick: Tick, probe: Dep<Probe>) {
    probe.note(format!("v2 {tick}"));
    probe.begin();
}

/// The same, and it does not recur any more.
#[resilient_fn(type_id = "Recurs.Hour", version = 2, register = false)]
async fn by_hand(tick: Tick, probe: Dep<Probe>) {
    probe.note(tick.to_string());
    probe.begin();
}

fn builder(store: impl Store, probe: &Probe) -> Builder {
    Runtime::builder(store).dep(probe.clone()).settings(quick())
}

async fn replica<F: ResilientFn>(store: &TestStore, probe: &Probe) -> Runtime {
    builder(store.another().await, probe).register::<F>().start().await.expect("it starts")
}

async fn tool<F: ResilientFn>(store: &TestStore, probe: &Probe) -> Runtime {
    let tool = builder(store.another().await, probe).register::<F>().take_no_work();
    tool.start().await.expect("it starts")
}

/// How long it is since 1970.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970")
}

/// Waits until no tick of an hour, of half an hour or of a day will come while a test looks at what is there: one that came
/// in the middle would be run like any other.
async fn far_from_a_tick() {
    const HALF_AN_HOUR: Duration = Duration::from_mins(30);
    const LONGEST_TEST: Duration = Duration::from_secs(30);
    let since = Duration::from_secs(since_1970().as_secs() % HALF_AN_HOUR.as_secs());
    let rest = HALF_AN_HOUR.saturating_sub(since);
    if rest < LONGEST_TEST {
        tokio::time::sleep(rest).await;
    }
}

/// The whole hours of this moment, in seconds, far from a tick.
async fn this_hour() -> u64 {
    far_from_a_tick().await;
    since_1970().as_secs() / 3600 * 3600
}

fn at(seconds: u64) -> Tick {
    Tick::at(SystemTime::UNIX_EPOCH + secs(seconds))
}

/// All instances of a type, in the order of their ids.
async fn all(store: &impl Store, type_id: &str) -> Vec<StoredFunction> {
    let filter = Filter { type_id: Some(type_id.into()), ..Filter::default() };
    store.list(&filter).await.expect("the store works")
}

fn ids(rows: &[StoredFunction]) -> Vec<&str> {
    rows.iter().map(|row| row.id.instance_id.as_str()).collect()
}

/// The firing of a type that waits for its time, when it is stored.
async fn waiting(store: &impl Store, type_id: &str) -> StoredFunction {
    eventually(PATIENCE, async || {
        let now = Timestamp::try_from(SystemTime::now()).expect("it is before the year 10,000");
        let is_ahead = |row: &StoredFunction| row.due_at.is_some_and(|due| due > now);
        all(store, type_id).await.into_iter().find(is_ahead)
    })
    .await
}

on_every_store! {
    /// The next one is stored before its time, to be seen and worked with like every instance.
    async fn the_next_firing_waits_in_the_store(store: TestStore) {
        far_from_a_tick().await;
        let probe = Probe::default();
        let replicas = (replica::<midnight>(&store, &probe).await, replica::<midnight>(&store, &probe).await);
        let row = waiting(&store, "Recurs.Midnight").await;
        let id = row.id.instance_id.as_str();
        let tick: Tick = id.parse().expect("its id is its tick");
        assert_eq!((row.status, row.attempts), (Status::Postponed, 0));
        assert_eq!(row.due_at.map(SystemTime::from), Some(tick.due()));
        assert_eq!(row.param, json(format!("{id:?}")));
        assert!(id.ends_with("T22:00:00Z") || id.ends_with("T23:00:00Z"), "{id} is midnight in Denmark");
        let reason = replicas.0.reason(&row).await.expect("the store works");
        assert!(reason.contains(&id[..10]), "{reason}");
        let panel = midnight::control_panel(&replicas.1, tick).await.expect("it opens");
        assert_eq!(panel.param(), &tick);
        assert_eq!(midnight::reinvoke(&replicas.1, tick).await.expect("it is run before its time"), tick);
        assert_eq!(probe.runs(), 1);
        assert_eq!(ids(&all(&store, "Recurs.Midnight").await).len(), 2, "the one after it is stored");
    }

    /// Whoever is there: no tick is left out, and none comes twice.
    async fn each_tick_fires_once_over_all_replicas(store: TestStore) {
        let probe = Probe::default();
        let first = replica::<each_second>(&store, &probe).await;
        let second = replica::<each_second>(&store, &probe).await;
        let third = replica::<each_second>(&store, &probe).await;
        probe.begun(2).await;
        crash(first, &store).await;
        probe.begun(4).await;
        second.shutdown().await.expect("it ends");
        // What the first one was running when it crashed is begun twice, so the begun ones do not count.
        eventually(PATIENCE, async || {
            let rows = all(&store, "Recurs.Second").await;
            rows.iter().filter(|row| row.status == Status::Succeeded).count() >= 5
        })
        .await;
        third.shutdown().await.expect("it ends");
        let rows = all(&store, "Recurs.Second").await;
        let (over, ahead): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.status == Status::Succeeded);
        let first: Tick = rows[0].id.instance_id.as_str().parse().expect("its id is its tick");
        for (after, row) in (0..).zip(&over) {
            let tick = Tick::at(first.due() + secs(after));
            assert_eq!(row.id.instance_id.as_str(), tick.to_string(), "none is left out");
            assert!(SystemTime::from(row.updated_at) >= tick.due(), "{row:?}");
            let runs = probe.notes().iter().filter(|note| **note == tick.to_string()).count();
            assert!(runs >= 1 && runs <= row.attempts as usize, "{runs} runs of {row:?}");
        }
        assert!(over.len() >= 5 && !ahead.is_empty(), "{:?}", ids(&rows));
        assert!(ahead.iter().all(|row| row.status == Status::Postponed), "{ahead:?}");
    }

    /// A firing that nobody was there to run, runs late; the ticks after it are left out.
    async fn missed_ticks_are_made_up_for_once(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<hourly>(&store, &probe).await;
        hourly::schedule(&before, at(hour - 5 * 3600), at(hour - 5 * 3600)).await.expect("it is stored");
        let _replica = replica::<hourly>(&store, &probe).await;
        probe.begun(1).await;
        let next = waiting(&store, HOURLY).await;
        assert_eq!(probe.notes(), [at(hour - 5 * 3600).to_string()]);
        let ids = all(&store, HOURLY).await;
        assert_eq!(ids.len(), 2, "the late one and the next one: {ids:?}");
        assert!(next.id.instance_id.as_str() > at(hour).to_string().as_str());
    }

    /// Each of them is made up for, in their order.
    async fn missed_ticks_are_made_up_for_each(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<each_hour>(&store, &probe).await;
        each_hour::schedule(&before, at(hour - 5 * 3600), at(hour - 5 * 3600)).await.expect("it is stored");
        let replicas = (replica::<each_hour>(&store, &probe).await, replica::<each_hour>(&store, &probe).await);
        probe.begun(6).await;
        let next = waiting(&store, HOURLY).await;
        let each: Vec<_> = (0..6).rev().map(|ago| at(hour - ago * 3600).to_string()).collect();
        let mut notes = probe.notes();
        notes.sort();
        assert_eq!(notes[..6], each);
        assert!(next.id.instance_id.as_str() > each[5].as_str());
        drop(replicas);
    }

    /// The ticks after it have run; that they are deleted does not bring them back.
    async fn an_old_firing_that_runs_again_repeats_no_other(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let tool = tool::<each_hour>(&store, &probe).await;
        each_hour::schedule(&tool, at(hour - 3 * 3600), at(hour - 3 * 3600)).await.expect("it is stored");
        let replica = replica::<each_hour>(&store, &probe).await;
        probe.begun(4).await;
        let next = waiting(&store, HOURLY).await;
        for ago in [2, 1] {
            let tick = at(hour - ago * 3600);
            each_hour::completion(&tool, tick).await.expect("it succeeds");
            let panel = each_hour::control_panel(&tool, tick).await.expect("it is there");
            panel.delete().await.expect("it has ended");
        }
        each_hour::reinvoke(&replica, at(hour - 3 * 3600)).await.expect("it succeeds");
        assert_eq!(probe.runs(), 5);
        let left = [at(hour - 3 * 3600).to_string(), at(hour).to_string(), next.id.instance_id.to_string()];
        assert_eq!(ids(&all(&store, HOURLY).await), left);
    }

    /// It is put back, within a minute, and at once by a replica that starts.
    async fn a_firing_that_somebody_deleted_comes_back(store: TestStore) {
        far_from_a_tick().await;
        let probe = Probe::default();
        let first = replica::<daily>(&store, &probe).await;
        let row = waiting(&store, "Recurs.Day").await;
        let panel = daily::control_panel(&first, &row.id.instance_id).await.expect("it is there");
        panel.delete().await.expect("it waits");
        let _second = replica::<daily>(&store, &probe).await;
        assert_eq!(waiting(&store, "Recurs.Day").await.id, row.id);
        assert_eq!(probe.runs(), 0);
    }

    /// To skip a firing is to end it; the next one is stored all the same.
    async fn a_firing_that_somebody_ended_is_followed_by_the_next(store: TestStore) {
        far_from_a_tick().await;
        let probe = Probe::default();
        let first = replica::<daily>(&store, &probe).await;
        let skipped = waiting(&store, "Recurs.Day").await;
        daily::cancel(&first, &skipped.id.instance_id).await.expect("it waits");
        let _second = replica::<daily>(&store, &probe).await;
        let next = waiting(&store, "Recurs.Day").await;
        let tick: Tick = skipped.id.instance_id.as_str().parse().expect("its id is its tick");
        assert_eq!(next.id.instance_id.as_str(), Tick::at(tick.due() + secs(86_400)).to_string());
        assert_eq!(probe.runs(), 0);
    }

    /// What was stored under the old schedule fires once, at its time; it begins nothing of its own.
    async fn a_changed_schedule_counts_from_its_deployment(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<hourly>(&store, &probe).await;
        hourly::schedule(&before, at(hour - 5 * 3600), at(hour - 5 * 3600)).await.expect("it is stored");
        let _replica = replica::<at_half_past>(&store, &probe).await;
        probe.begun(1).await;
        let next = waiting(&store, HOURLY).await;
        assert!(next.id.instance_id.as_str().ends_with(":30:00Z"), "{}", next.id);
        assert_eq!(ids(&all(&store, HOURLY).await).len(), 2, "no tick of the new schedule was missed");
        assert_eq!(probe.notes(), [at(hour - 5 * 3600).to_string()]);
    }

    /// Old and new replicas each keep their own.
    async fn two_schedules_go_on_side_by_side(store: TestStore) {
        far_from_a_tick().await;
        let probe = Probe::default();
        let _old = replica::<hourly>(&store, &probe).await;
        let _new = replica::<at_half_past>(&store, &probe).await;
        eventually(PATIENCE, async || all(&store, HOURLY).await.len() == 2).await;
        let rows = all(&store, HOURLY).await;
        let of = |end: &str| rows.iter().filter(|row| row.id.instance_id.as_str().ends_with(end)).count();
        assert_eq!((of(":00:00Z"), of(":30:00Z")), (1, 1), "{:?}", ids(&rows));
    }

    /// Firings of one type share their ids, so one of its versions makes them.
    async fn the_newest_version_recurs(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<hourly>(&store, &probe).await;
        hourly::schedule(&before, at(hour - 3600), at(hour - 3600)).await.expect("it is stored");
        let both = builder(store.another().await, &probe).register::<hourly>().register::<no_longer_hourly>();
        let _both = both.start().await.expect("it starts");
        probe.begun(1).await;
        let next = waiting(&store, HOURLY).await;
        assert_eq!(probe.notes(), [at(hour - 3600).to_string()], "in the version that it was stored in");
        assert_eq!(next.version, 2);
        assert!(next.id.instance_id.as_str().ends_with("T00:00:00Z"), "{}", next.id);
        assert_eq!(all(&store, HOURLY).await.len(), 2);
    }

    /// Also when an earlier version, which is still there, recurs.
    async fn a_version_that_does_not_recur_ends_the_chain(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<hourly>(&store, &probe).await;
        hourly::schedule(&before, at(hour - 3600), at(hour - 3600)).await.expect("it is stored");
        let both = builder(store.another().await, &probe).register::<hourly>().register::<by_hand>();
        let both = both.start().await.expect("it starts");
        hourly::completion(&both, at(hour - 3600)).await.expect("it succeeds");
        both.shutdown().await.expect("it ends");
        assert_eq!(all(&store, HOURLY).await.len(), 1, "nothing follows");
    }

    /// What is stored waits for code that can run it, and says so.
    async fn a_firing_whose_function_is_gone_is_stuck(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let before = tool::<hourly>(&store, &probe).await;
        hourly::schedule(&before, at(hour - 3600), at(hour - 3600)).await.expect("it is stored");
        before.shutdown().await.expect("it ends");
        let after = replica::<daily>(&store, &probe).await;
        let stuck = after.list(&Filter { stuck: true, ..Filter::default() }).await.expect("the store works");
        assert_eq!(ids(&stuck), [at(hour - 3600).to_string()]);
        let reason = after.reason(&stuck[0]).await.expect("the store works");
        assert_eq!(reason, "no live replica runs this type; start one that registers it and takes work");
    }

    /// It is an instance like others, and no part of the chain.
    async fn a_recurring_function_can_be_invoked_by_hand(store: TestStore) {
        let (probe, hour) = (Probe::default(), this_hour().await);
        let tool = tool::<each_hour>(&store, &probe).await;
        each_hour::invoke(&tool, "by hand", at(7)).await.expect("it succeeds");
        // Nor does a name that looks like a tick call all of history back.
        each_hour::invoke(&tool, at(hour - 9 * 3600), at(7)).await.expect("it succeeds");
        assert_eq!(probe.notes(), [at(7).to_string(), at(7).to_string()]);
        assert_eq!(ids(&all(&store, HOURLY).await), [at(hour - 9 * 3600).to_string().as_str(), "by hand"]);
    }

    /// What fails is a person's to repair; the next tick comes.
    async fn a_firing_that_fails_does_not_end_the_chain(store: TestStore) {
        #[resilient_fn(type_id = "Recurs.Fails", every = "1s", register = false)]
        async fn fails((): (), probe: Dep<Probe>) -> resilient::Result<()> {
            probe.begin();
            Err(resilient::Error::msg("not today"))
        }
        let probe = Probe::default();
        let runtime = replica::<fails>(&store, &probe).await;
        probe.begun(2).await;
        runtime.shutdown().await.expect("it ends");
        let rows = all(&store, "Recurs.Fails").await;
        assert!(rows.iter().filter(|row| row.status == Status::Failed).count() >= 2, "{:?}", ids(&rows));
        assert_eq!(rows[rows.len() - 1].status, Status::Postponed, "the next one waits");
    }

    /// Tools look and repair.
    async fn a_tool_begins_no_chain(store: TestStore) {
        let probe = Probe::default();
        let tool = tool::<daily>(&store, &probe).await;
        // A replica that works would have stored it by the time that this has run.
        daily::invoke(&tool, "by hand", ()).await.expect("it succeeds");
        assert_eq!(ids(&all(&store, "Recurs.Day").await), ["by hand"]);
    }
}

#[tokio::test]
async fn a_recurring_function_is_a_function() {
    let probe = Probe::default();
    let tick = "2026-11-22T00:00:00Z".parse::<Tick>().expect("it is a tick");
    assert_eq!(each_second(tick, Dep::new(probe.clone())).await, tick);
    daily((), Dep::new(probe.clone())).await;
    assert_eq!(probe.runs(), 2);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_followed_is_a_problem_of_the_start() {
    #[resilient_fn(type_id = "Recurs.Never", cron = "0 0 30 2 *", register = false)]
    async fn never((): ()) {}
    #[resilient_fn(type_id = "Recurs.Unread", cron = "0 25 * * *", register = false)]
    async fn unread((): ()) {}
    #[resilient_fn(
        type_id = "Recurs.Nowhere",
        cron = "0 0 * * *",
        timezone = "Europe/Kopenhagen",
        register = false
    )]
    async fn nowhere((): ()) {}
    let builder = Runtime::builder(InMemoryStore::new()).register::<never>().register::<unread>();
    let problems = match builder.register::<nowhere>().start().await {
        Err(StartError::Problems(problems)) => problems,
        other => panic!("problems were expected: {other:?}"),
    };
    let path = module_path!();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    let schedule = |name: &str, text: &str| format!("the schedule of `{path}::{name}`, `{text}`, ");
    assert_eq!(
        problems[0],
        schedule("never", r#"cron = "0 0 30 2 *", timezone = "UTC""#) + "is never due; there is no such day"
    );
    assert!(problems[1].starts_with(
        &(schedule("nowhere", r#"cron = "0 0 * * *", timezone = "Europe/Kopenhagen""#)
            + "has an unknown time zone; expected a name")
    ));
    assert!(problems[2].starts_with(
        &(schedule("unread", r#"cron = "0 25 * * *", timezone = "UTC""#) + "is no cron expression: ")
    ));
}

#[tokio::test]
async fn the_parameter_may_be_a_type_of_its_own() {
    /// What a person may ask for, too.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Report {
        until: Tick,
        customer: Option<String>,
    }
    impl From<Tick> for Report {
        fn from(until: Tick) -> Self {
            Self { until, customer: None }
        }
    }
    #[resilient_fn(type_id = "Recurs.Report", every = "1d", register = false)]
    async fn report(report: Report) -> Tick {
        report.until
    }
    far_from_a_tick().await;
    let store = InMemoryStore::new();
    let runtime = Runtime::builder(store.clone()).register::<report>().start().await.expect("it starts");
    let row = waiting(&store, "Recurs.Report").await;
    let tick: Tick = row.id.instance_id.as_str().parse().expect("its id is its tick");
    let panel = report::control_panel(&runtime, tick).await.expect("it opens");
    assert_eq!(panel.param(), &Report { until: tick, customer: None });
    assert_eq!(stored(&store, "Recurs.Report", &tick.to_string()).await, row);
    assert!(tick.due() > SystemTime::now() && tick.due() <= SystemTime::now() + Duration::from_hours(24));
}
