//! What is wrong with a program is said when it starts, all of it at once.

use std::time::Instant;

use resilient::prelude::*;
use resilient::{FunctionSettings, InMemoryStore, StartError};
use resilient_tests::faults::Fault;
use resilient_tests::{FaultyStore, eventually, on_every_store};

use crate::common::{
    PATIENCE, Probe, builder, crash, double, gated, ms, onlooker, play, quick, replica, secs,
};

struct Bank;
struct Mailer;

#[resilient_fn(type_id = "Startup.Pay", register = false)]
async fn pay(amount: u32, _bank: Dep<Bank>, _mailer: Dep<Mailer>) -> u32 {
    amount
}

#[resilient_fn(type_id = "Startup.Notify", register = false)]
async fn notify(amount: u32, _mailer: Dep<Mailer>, ledger: Option<Dep<String>>) -> Option<String> {
    ledger.map(|ledger| format!("{amount} in {}", *ledger))
}

mod other {
    use super::prelude::*;

    #[resilient_fn(type_id = "Startup.Pay", register = false)]
    pub(super) async fn pay_again(amount: u32) -> u32 {
        amount
    }
}
use resilient::prelude;

/// Found by discovery only.
#[resilient_fn(type_id = "Startup.Discovered")]
async fn discovered(number: u32) -> u32 {
    number + 1
}

fn problems(started: Result<Runtime, StartError>) -> Vec<String> {
    match started {
        Err(StartError::Problems(problems)) => problems,
        other => panic!("problems were expected: {other:?}"),
    }
}

#[tokio::test]
async fn all_problems_are_listed_at_once() {
    let started = Runtime::builder(InMemoryStore::new())
        .register::<pay>()
        .register::<other::pay_again>()
        .register::<notify>()
        .expect_types(["Startup.Pay", "Startup.Missing"])
        .settings(Settings::default().lease(ms(1_500)).max_batch(0).poll(ms(1)).max_payload(16 * 1024 * 1024))
        .function_settings::<pay>(FunctionSettings::default().lease(ms(100)).max_running(0))
        .function_settings::<double>(FunctionSettings::default())
        .start()
        .await;
    let path = module_path!();
    let lease = |whose: &str, lease: &str| {
        format!(
            "the lease of {whose} is {lease}; give at least twice the heartbeat of 1s, or one lost heartbeat stops everything"
        )
    };
    let found = problems(started);
    let expected = [
        lease("the settings", "1.5s"),
        "`poll` is 1ms; give at least 5ms".to_owned(),
        "`max_batch` is 0; give at least 1".to_owned(),
        "`max_payload` is 16777216; give at most 15728640 bytes".to_owned(),
        lease("function type `Startup.Pay`", "100ms"),
        "`max_running` of function type `Startup.Pay` is 0; give at least 1".to_owned(),
        "there are settings for `Double`, which is not registered".to_owned(),
        "function type `Startup.Missing` is expected and not registered; \
            name its crate with `use … as _;`, or register it"
            .to_owned(),
        format!("no dependency of type `{path}::Bank`, needed by `{path}::pay`; give one with `.dep(…)`"),
        format!(
            "no dependency of type `{path}::Mailer`, needed by `{path}::notify`, `{path}::pay`; give one with `.dep(…)`"
        ),
    ];
    let (duplicates, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|text| text.contains("is used twice"));
    assert_eq!(others, expected);
    let [duplicate] = duplicates.try_into().expect("one duplicate");
    let begin = format!("type id `Startup.Pay` version 1 is used twice: by `{path}::pay` (");
    let end = "startup.rs:27); change one of them";
    assert!(duplicate.starts_with(&begin), "{duplicate}");
    assert!(duplicate.contains(&format!("by `{path}::other::pay_again` (")), "{duplicate}");
    assert!(duplicate.ends_with(end) || duplicate.contains("startup.rs:"), "{duplicate}");
}

#[tokio::test]
async fn the_error_of_a_start_is_a_list_for_people() {
    let started = Runtime::builder(InMemoryStore::new()).expect_types(["A", "B"]).start().await;
    let error = started.expect_err("neither is there");
    let missing = |name: &str| {
        format!(
            "  - function type `{name}` is expected and not registered; name its crate with `use … as _;`, or register it"
        )
    };
    let expected =
        format!("the runtime cannot start, 2 problems to mend:\n{}\n{}", missing("A"), missing("B"));
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_is_said_so() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Down);
    let started = builder(store.clone(), &Probe::default()).start().await;
    let error = started.expect_err("the store is down");
    assert!(matches!(error, StartError::Store(ref error) if error.is_transient()), "{error:?}");
    assert_eq!(error.to_string(), "the runtime cannot start, its store is away or not usable");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("fault: Initialize was not applied"));
    store.heal();
    builder(store, &Probe::default()).start().await.expect("it is back");
}

#[tokio::test]
async fn what_is_registered_twice_by_the_same_name_is_one() {
    let probe = Probe::default();
    let runtime = builder(InMemoryStore::new(), &probe).register::<double>().expect_types(["Double", "Play"]);
    let runtime = runtime.start().await.expect("it starts");
    assert_eq!(runtime.registered(), [("Double", 1), ("Gated", 1), ("Play", 1)]);
}

on_every_store! {
    /// Neither what is due nor what a dead replica ran; a direct call runs at once.
    async fn a_replica_takes_no_work_before_its_delay_is_over(store: TestStore) {
        let probe = Probe::default();
        let lost = replica(store.another().await, &probe).await;
        gated::schedule(&lost, "crashed", 5).await.expect("it is stored");
        probe.begun(1).await;
        crash(lost, &store).await;
        probe.open();
        let tool = onlooker(&store, &probe).await;
        double::schedule(&tool, "due", 2).await.expect("it is stored");
        let (started, delay) = (Instant::now(), ms(500));
        let runtime = builder(store, &probe).settings(quick().start_delay(delay)).start().await.expect("it starts");
        assert_eq!(double::invoke(&runtime, "direct", 1).await.expect("it succeeds"), 2);
        assert_eq!(double::completion(&runtime, "due").await.expect("it succeeds"), 4);
        assert!(started.elapsed() >= delay, "it was taken after {:?}", started.elapsed());
        assert_eq!(gated::completion(&runtime, "crashed").await.expect("it succeeds"), 5);
    }

    /// Without naming it.
    async fn a_function_is_discovered(store: TestStore) {
        let runtime = Runtime::builder(store).discover().expect_types(["Startup.Discovered"]);
        let runtime = runtime.start().await.expect("everything that is discovered has what it needs");
        assert!(runtime.registered().contains(&("Startup.Discovered", 1)), "{:?}", runtime.registered());
        assert!(!runtime.registered().iter().any(|(type_id, _)| *type_id == "Double"), "it asked not to be");
        assert_eq!(discovered::invoke(&runtime, "1", 1).await.expect("it succeeds"), 2);
    }

    /// What is there is given, and what need not be there is `None`.
    async fn an_optional_service_may_be_missing(store: TestStore) {
        let without = Runtime::builder(store.clone()).dep(Mailer).register::<notify>();
        let without = without.start().await.expect("it starts without a ledger");
        assert_eq!(notify::invoke(&without, "1", 7).await.expect("it succeeds"), None);
        let with = Runtime::builder(store).dep(Mailer).dep("blue".to_owned()).register::<notify>();
        let with = with.start().await.expect("it starts with a ledger");
        assert_eq!(notify::invoke(&with, "2", 7).await.expect("it succeeds"), Some("7 in blue".to_owned()));
    }

    /// Replicas start at the same time, on a store that nobody has prepared.
    async fn many_replicas_start_at_once(store: TestStore) {
        let probe = Probe::default();
        let mut starts = Vec::new();
        for _ in 0..8 {
            let (store, probe) = (store.another().await, probe.clone());
            starts.push(tokio::spawn(async move { replica(store, &probe).await }));
        }
        let mut runtimes = Vec::new();
        for start in starts {
            runtimes.push(start.await.expect("no start panics"));
        }
        let mut ids: Vec<_> = runtimes.iter().filter_map(Runtime::replica_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 8, "each is somebody else");
        assert_eq!(runtimes[0].replicas().await.expect("the store is there").len(), 8);
        for (number, runtime) in (0..).zip(&runtimes) {
            assert_eq!(double::invoke(runtime, format!("n{number}"), number).await.expect("it succeeds"), number * 2);
        }
    }

    /// What a replica says of itself.
    async fn a_replica_is_known_to_the_others(store: TestStore) {
        let probe = Probe::default();
        let settings = quick().lease(secs(7)).app_version("2026-11");
        let own = FunctionSettings::default().lease(secs(30));
        let here = builder(store.clone(), &probe).settings(settings).function_settings::<play>(own);
        let here = here.start().await.expect("it starts");
        let there = replica(store.another().await, &probe).await;
        let replicas = there.replicas().await.expect("the store is there");
        let found = replicas.iter().find(|live| Some(live.replica.id) == here.replica_id()).expect("it is listed");
        assert_eq!((found.replica.app_version.as_str(), found.replica.pid), ("2026-11", std::process::id()));
        assert_eq!(found.replica.lease, secs(30), "the longest of its functions");
        assert!(!found.replica.host.is_empty());
        let mut types: Vec<_> =
            found.replica.types.iter().map(|of| (of.type_id.as_str(), of.version, of.lease)).collect();
        types.sort_unstable();
        assert_eq!(types, [("Double", 1, secs(7)), ("Gated", 1, secs(7)), ("Play", 1, secs(30))]);
        assert!(found.heartbeat_at >= found.started_at);
        here.shutdown().await.expect("it ends");
        let ids: Vec<_> = there.replicas().await.expect("the store is there").iter().map(|live| live.replica.id).collect();
        assert_eq!(ids, [there.replica_id().expect("it is alive")], "who has left is not listed");
    }

    /// Whoever looks at a running instance sees its owner, and how long ago that gave a sign of life.
    async fn the_owner_of_a_running_instance_is_seen_alive(store: TestStore) {
        let probe = Probe::default();
        let here = replica(store.clone(), &probe).await;
        let tool = onlooker(&store, &probe).await;
        gated::schedule(&tool, "1", 1).await.expect("it is stored");
        probe.begun(1).await;
        let panel = gated::control_panel(&tool, "1").await.expect("it is there");
        assert_eq!((panel.status(), panel.owner()), (Status::Executing, here.replica_id()));
        let last_sign = async || {
            let replicas = tool.replicas().await.expect("the store is there");
            let owner = replicas.into_iter().find(|live| Some(live.replica.id) == panel.owner());
            owner.expect("the owner is alive").heartbeat_at
        };
        let first = last_sign().await;
        eventually(PATIENCE, async || last_sign().await > first).await;
        probe.open();
        assert_eq!(panel.completion().await.expect("it succeeds"), 1, "a panel waits for its instance, too");
    }
}
