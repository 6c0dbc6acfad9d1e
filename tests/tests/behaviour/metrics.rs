//! What is counted: every name that is documented, with its kind, unit, labels and words, and no other.

use std::collections::{BTreeMap, BTreeSet};

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use resilient::middleware::Retry;
use resilient::prelude::*;
use resilient::{Builder, FunctionId, InMemoryStore, Message, Store};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually};

use crate::common::{PATIENCE, Probe, builder, double, failure, quick, secs, stored};

/// The table in the module's documentation.
const DOCUMENTED: &str = include_str!("../../../resilient/src/metrics.rs");

/// A row of the table, or what was emitted under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
    what: String,
}

fn documented() -> BTreeMap<String, Described> {
    let rows = DOCUMENTED.lines().filter_map(|line| line.strip_prefix("//! | `resilient_"));
    let rows = rows.map(|row| {
        let cells: Vec<_> =
            row.trim_end_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [name, kind, unit, labels, what] = cells.try_into().expect("the table has five columns");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (format!("resilient_{name}"), Described { kind, unit, labels, what })
    });
    rows.collect()
}

/// What was emitted until now, and since the last look.
fn emitted(snapshotter: &Snapshotter) -> BTreeMap<String, Described> {
    let mut found = BTreeMap::new();
    for (key, unit, what, _) in snapshotter.snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels = key.labels().map(|label| label.key().to_owned()).collect();
        let unit = unit.map(|unit| unit.as_str().to_owned()).unwrap_or_default();
        let what = what.map(|what| what.to_string()).unwrap_or_default();
        let described = Described { kind: kind.to_owned(), unit, labels, what };
        let before = found.insert(key.name().to_owned(), described.clone());
        assert!(before.is_none_or(|before| before == described), "{} has two forms", key.name());
    }
    found
}

/// The series that have counted something, without those of time and batches.
fn counts(snapshotter: &Snapshotter) -> Vec<String> {
    let mut found = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{values:?}"),
        };
        found.push(format!("{}{} {value}", key.key().name(), labels.concat()));
    }
    found.sort();
    found
}

/// What the function waits for.
#[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
struct Number(u32);

/// What somebody sends under the same name.
#[derive(Debug, serde::Serialize, serde::Deserialize, Message)]
#[message(name = "Number")]
struct Text(String);

/// What [`measured`] does.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
enum Do {
    Save,
    Fail,
    Listen,
    Hang,
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize, Scrapbook)]
struct Done {
    steps: u32,
}

#[resilient_fn(type_id = "Measured", register = false)]
async fn measured(
    what: Do,
    done: &mut Scrapbook<Done>,
    context: &Context,
    probe: Dep<Probe>,
) -> resilient::Result<u32> {
    probe.begin();
    match what {
        Do::Save => {
            done.steps += 1;
            done.save().await?;
            Ok(done.steps)
        }
        Do::Fail => Err(resilient::Error::msg("told to fail")),
        Do::Listen => Ok(context.messages().next::<Number>().await?.0),
        Do::Hang => std::future::pending().await,
    }
}

fn measuring(store: impl Store, probe: &Probe) -> Builder {
    builder(store, probe).settings(Settings::default()).register::<measured>()
}

async fn start(builder: Builder) -> Runtime {
    builder.start().await.expect("a runtime starts")
}

/// Runs, tries again in both ways, listens, and gets a message that it cannot read.
async fn a_day_like_any_other() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let retry = Retry::linear(secs(1), secs(2)).jitter(0.0).in_memory_below(secs(2)).max_tries(3);
    let runtime = start(measuring(store.clone(), &probe).middleware(retry)).await;
    measured::invoke(&runtime, "saves", Do::Save).await.expect("it succeeds");
    measured::schedule(&runtime, "fails", Do::Fail).await.expect("it is stored");
    failure(measured::completion(&runtime, "fails").await);
    measured::schedule(&runtime, "listens", Do::Listen).await.expect("it is stored");
    suspended(&store, 0).await;
    measured::send(&runtime, "listens", Text("seven".to_owned())).await.expect("it is there");
    suspended(&store, 1).await;
    measured::send(&runtime, "listens", Number(7)).await.expect("it is there");
    assert_eq!(measured::completion(&runtime, "listens").await.expect("it succeeds"), 7);
    measured::schedule_after(&runtime, "waits", Do::Save, secs(3600)).await.expect("it is stored");
    measured::cancel(&runtime, "waits").await.expect("it waits");
    runtime.shutdown().await.expect("the store is there");
}

/// Waits until it listens, with so many messages that it could not read.
async fn suspended(store: &InMemoryStore, dead_letters: usize) {
    eventually(PATIENCE, async || {
        let row = stored(store, "Measured", "listens").await;
        let journal = resilient::Journal::read(row.journal.as_deref()).expect("it can be read");
        row.status == Status::Suspended && journal.dead_letters.len() == dead_letters
    })
    .await;
}

/// A process is lost with what it ran, and nobody may try that again.
async fn a_crash() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let lost = start(measuring(store.clone(), &probe)).await;
    measured::schedule(&lost, "1", Do::Hang).await.expect("it is stored");
    probe.begun(1).await;
    drop(lost);
    let next = start(measuring(store, &probe).settings(Settings::default().max_crashes(0))).await;
    assert_eq!(failure(measured::completion(&next, "1").await).type_name, "crash loop");
}

/// What has succeeded is deleted.
async fn a_month() {
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let first = start(measuring(store.clone(), &probe)).await;
    measured::invoke(&first, "1", Do::Save).await.expect("it succeeds");
    first.shutdown().await.expect("the store is there");
    tokio::time::sleep(std::time::Duration::from_hours(31 * 24)).await;
    let next = start(measuring(store.clone(), &probe)).await;
    let id = FunctionId::new("Measured", "1");
    eventually(PATIENCE, async || {
        store.get(std::slice::from_ref(&id)).await.expect("the store is there") == [None]
    })
    .await;
    next.shutdown().await.expect("the store is there");
}

/// The store is away until the lease has ended, and comes back.
async fn an_outage() {
    let store = FaultyStore::failing(InMemoryStore::new(), 2, Fault::Down).counting_only(&[Call::Beat]);
    let probe = Probe::default();
    let runtime = start(measuring(store.clone(), &probe)).await;
    eventually(PATIENCE, async || runtime.replica_id().is_none()).await;
    store.heal();
    eventually(PATIENCE, async || runtime.replica_id().is_some()).await;
    runtime.shutdown().await.expect("the store is there");
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_is_what_is_documented() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    a_day_like_any_other().await;
    a_crash().await;
    a_month().await;
    an_outage().await;
    let (documented, emitted) = (documented(), emitted(&snapshotter));
    for (name, found) in &emitted {
        assert_eq!(Some(found), documented.get(name), "`{name}` is not emitted as it is documented");
    }
    let missing: Vec<_> = documented.keys().filter(|name| !emitted.contains_key(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "these are documented and not emitted");
    assert_eq!(documented.len(), 19, "the table was read");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_counted_once() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let probe = Probe::default();
    let runtime = start(measuring(InMemoryStore::new(), &probe).settings(quick().poll(secs(60)))).await;
    measured::invoke(&runtime, "1", Do::Save).await.expect("it succeeds");
    measured::invoke(&runtime, "1", Do::Save).await.expect("it has succeeded");
    double::schedule(&runtime, "1", 2).await.expect("it is stored");
    double::completion(&runtime, "1").await.expect("it succeeds");
    let expected = [
        "resilient_batch_size [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]",
        "resilient_batches result=stored 6",
        "resilient_claims type_id=Double 1",
        "resilient_run_duration_seconds type_id=Double outcome=success [0.0]",
        "resilient_run_duration_seconds type_id=Measured outcome=success [0.0]",
        "resilient_running type_id=Double 0",
        "resilient_running type_id=Measured 0",
        "resilient_runs_begun type_id=Double 1",
        "resilient_runs_begun type_id=Measured 1",
        "resilient_runs_ended type_id=Double outcome=success 1",
        "resilient_runs_ended type_id=Measured outcome=success 1",
        "resilient_saves type_id=Measured 1",
    ];
    assert_eq!(counts(&snapshotter), expected);
}

#[tokio::test(start_paused = true)]
async fn failures_and_crashes_are_counted_by_what_became_of_them() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    a_day_like_any_other().await;
    a_crash().await;
    a_month().await;
    let counted = counts(&snapshotter);
    for expected in [
        "resilient_retries type_id=Measured wait=memory 1",
        "resilient_retries type_id=Measured wait=stored 1",
        "resilient_messages_sent type_id=Measured 2",
        "resilient_dead_letters type_id=Measured 1",
        "resilient_cancellations type_id=Measured 1",
        "resilient_expired 1",
        "resilient_takeovers 1",
        "resilient_crashes type_id=Measured 1",
        "resilient_crash_loops type_id=Measured 1",
        "resilient_runs_ended type_id=Measured outcome=failed 1",
        "resilient_runs_ended type_id=Measured outcome=postpone 1",
        "resilient_runs_ended type_id=Measured outcome=stopped 1",
        "resilient_runs_ended type_id=Measured outcome=success 3",
        "resilient_runs_ended type_id=Measured outcome=suspend 2",
        "resilient_running type_id=Measured 0",
    ] {
        assert!(counted.iter().any(|line| line == expected), "`{expected}` is missing: {counted:#?}");
    }
}
