//! Nothing waits without a stated reason.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Filter, InMemoryStore, Payload, Store};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    Act, PATIENCE, Probe, builder, crash, eventually_told, fail_as_told, gated, onlooker, play, quick,
    replica, secs, stored,
};
use crate::events::Ears;

/// The code of yesterday.
mod yesterday {
    use super::*;

    #[resilient_fn(type_id = "Stuck", register = false)]
    pub(super) async fn work(number: u32, probe: Dep<Probe>) -> u32 {
        probe.begin();
        number
    }
}

/// Its next version, which says more and writes down what it has done.
mod today {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = u32)]
    pub(super) struct Number {
        pub(super) number: u32,
    }

    impl From<u32> for Number {
        fn from(number: u32) -> Self {
            Self { number }
        }
    }

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        pub(super) begun: bool,
    }

    #[resilient_fn(type_id = "Stuck", register = false)]
    pub(super) async fn work(number: Number, book: &mut Scrapbook<Book>, probe: Dep<Probe>) -> u32 {
        probe.begin();
        book.begun = true;
        number.number
    }

    #[resilient_fn(type_id = "Stuck", version = 2, register = false)]
    pub(super) async fn flow(number: u32, probe: Dep<Probe>) -> u32 {
        probe.begin();
        number
    }
}

/// A process with the code of today that takes no work.
async fn tool(store: impl Store, probe: &Probe) -> Runtime {
    let tool = builder(store, probe).register::<today::work>().register::<today::flow>().take_no_work();
    tool.start().await.expect("it starts")
}

const NOBODY: &str = "no live replica runs this type; start one that registers it and takes work";
const NO_VERSION: &str = "no live replica runs version 2 of this type";
const NO_PARAM: &str = "no live replica reads parameter version 2 of this type";
const NO_SCRAPBOOK: &str = "no live replica reads scrapbook version 1 of this type";

/// Leaves work that the code of yesterday cannot run.
async fn leave_newer_work(tool: &Runtime) {
    today::flow::schedule(tool, "flow", 1).await.expect("it is stored");
    today::work::schedule(tool, "param", today::Number { number: 2 }).await.expect("it is stored");
    today::work::schedule_after(tool, "scrapbook", today::Number { number: 3 }, secs(3600))
        .await
        .expect("it is stored");
    let mut raw = tool.raw_control_panel("Stuck", "scrapbook").await.expect("it is there");
    raw.set_param(Payload::new(1, "3")).expect("it is JSON");
    raw.set_scrapbook(Payload::new(1, r#"{"begun":true}"#)).expect("it is JSON");
    raw.schedule_reinvoke().await.expect("nobody else was there");
}

#[derive(Debug, Clone, Serialize, Deserialize, Message)]
struct Word(String);

/// Says the word that is sent.
#[resilient_fn(type_id = "Heard", register = false)]
async fn heard((): (), context: &Context) -> resilient::Result<String> {
    Ok(context.messages().next::<Word>().await?.0)
}

/// Leaves an instance that waits for its message, and nobody who runs it.
async fn suspend(store: &TestStore, tool: &Runtime, id: &str) {
    heard::schedule(tool, id, ()).await.expect("it is stored");
    let settings = quick().stay_in_memory(Duration::ZERO);
    let worker = Runtime::builder(store.another().await).settings(settings).register::<heard>();
    let worker = worker.start().await.expect("it starts");
    eventually(PATIENCE, async || stored(store, "Heard", id).await.status == Status::Suspended).await;
    worker.shutdown().await.expect("it ends");
}

/// What a runtime, a panel with types and one without them say.
async fn assert_reason(knowing: &Runtime, other: &Runtime, id: &str, expected: &str) {
    let typed = heard::control_panel(knowing, id).await.expect("it is there");
    assert_eq!(typed.reason().await.expect("the store works"), expected);
    let raw = other.raw_control_panel("Heard", id).await.expect("it is there");
    assert_eq!(raw.reason().await.expect("the store works"), expected);
    assert_eq!(other.reason(raw.stored()).await.expect("the store works"), expected);
    let live = other.replicas().await.expect("the store works");
    assert_eq!(raw.stored().explain(&live), expected);
}

/// What no live replica can take, with the reasons.
async fn stuck(runtime: &Runtime) -> Vec<(String, String)> {
    let mut stuck = Vec::new();
    for row in runtime.list(&Filter { stuck: true, ..Filter::default() }).await.expect("the store works") {
        stuck.push((row.id.instance_id.to_string(), runtime.reason(&row).await.expect("the store works")));
    }
    stuck
}

fn reasons(reasons: &[(&str, &str)]) -> Vec<(String, String)> {
    reasons.iter().map(|(id, reason)| ((*id).to_owned(), (*reason).to_owned())).collect()
}

on_every_store! {
    /// It is told by anybody who asks, and run as soon as somebody can.
    async fn work_for_other_code_says_what_it_waits_for(store: TestStore) {
        let probe = Probe::default();
        let tool = tool(store.another().await, &probe).await;
        leave_newer_work(&tool).await;
        let all = reasons(&[("flow", NOBODY), ("param", NOBODY), ("scrapbook", NOBODY)]);
        assert_eq!(stuck(&tool).await, all, "a tool runs nothing");
        let before = builder(store.another().await, &probe).register::<yesterday::work>().start().await;
        let before = before.expect("it starts");
        yesterday::work::schedule(&before, "own", 4).await.expect("it is stored");
        yesterday::work::completion(&before, "own").await.expect("it succeeds");
        let all = reasons(&[("flow", NO_VERSION), ("param", NO_PARAM), ("scrapbook", NO_SCRAPBOOK)]);
        assert_eq!(stuck(&before).await, all);
        for (id, reason) in &all {
            let raw = before.raw_control_panel("Stuck", id.as_str()).await.expect("it is there");
            assert_eq!(&raw.reason().await.expect("the store works"), reason);
        }
        let panel = today::work::control_panel(&tool, "param").await.expect("it is there");
        assert_eq!(panel.reason().await.expect("the store works"), NO_PARAM);
        let after = builder(store.another().await, &probe).register::<today::work>().register::<today::flow>();
        let after = after.start().await.expect("it starts");
        assert_eq!(stuck(&before).await, []);
        assert_eq!(today::flow::completion(&tool, "flow").await.expect("it succeeds"), 1);
        assert_eq!(today::work::completion(&tool, "param").await.expect("it succeeds"), 2);
        assert_eq!(today::work::completion(&tool, "scrapbook").await.expect("it succeeds"), 3);
        after.shutdown().await.expect("it ends");
    }

    /// Whatever its status.
    async fn every_instance_says_why_it_stands_where_it_stands(store: TestStore) {
        let probe = Probe::default();
        let (working, tool) = (replica(store.another().await, &probe).await, onlooker(&store, &probe).await);
        let reason = async |type_id: &str, id: &str| {
            tool.reason(&stored(&store, type_id, id).await).await.expect("the store works")
        };
        gated::schedule(&tool, "1", 1).await.expect("it is stored");
        probe.begun(1).await;
        let owner = working.replica_id().expect("it is alive");
        let runs = reason("Gated", "1").await;
        assert!(runs.starts_with(&format!("runs on replica {owner} ({}@", std::process::id())), "{runs}");
        play::schedule_after(&tool, "1", vec![], secs(3600)).await.expect("it is stored");
        let waits = reason("Play", "1").await;
        let due = stored(&store, "Play", "1").await.due_at.expect("it waits");
        assert_eq!(waits, format!("waits until {due}"));
        play::invoke(&working, "2", vec![Act::Return]).await.expect("it succeeds");
        assert_eq!(reason("Play", "2").await, "succeeded");
        fail_as_told(&working, "3").await;
        assert_eq!(reason("Play", "3").await, "failed: told to fail; repair it through the control panel");
        crash(working, &store).await;
        let lost = reason("Gated", "1").await;
        assert_eq!(lost, format!("its owner {owner} is not known any more; {NOBODY}"));
        let full = builder(store.another().await, &probe).settings(quick().max_running(1)).start().await;
        let full = full.expect("it starts");
        // Three have begun before, and this is the lost one, in the only place.
        probe.begun(4).await;
        play::schedule(&tool, "4", vec![]).await.expect("it is stored");
        let text = "is due, and waits for a replica with a free slot that reads parameter version 1";
        assert_eq!(reason("Play", "4").await, text);
        probe.open();
        full.completion::<play>("4").await.expect("it succeeds");
    }

    /// Also what is not due: a type that nobody has registered is a mistake whenever it is seen.
    async fn what_waits_says_that_nobody_could_go_on(store: TestStore) {
        let probe = Probe::default();
        let tool = Runtime::builder(store.another().await).register::<heard>().take_no_work();
        let tool = tool.start().await.expect("it starts");
        let goal = "waits for message `Word`";
        suspend(&store, &tool, "1").await;
        heard::schedule_after(&tool, "2", (), secs(3600)).await.expect("it is stored");
        let other = replica(store.another().await, &probe).await;
        let due = stored(&store, "Heard", "2").await.due_at.expect("it waits");
        let told = [("1", format!("{goal}; {NOBODY}")), ("2", format!("waits until {due}; {NOBODY}"))];
        for (id, reason) in &told {
            assert_reason(&tool, &other, id, reason).await;
        }
        let able = Runtime::builder(store.another().await).register::<heard>();
        let able = able.start().await.expect("it starts");
        assert_reason(&tool, &other, "1", goal).await;
        assert_reason(&tool, &other, "2", &format!("waits until {due}")).await;
        able.shutdown().await.expect("it ends");
    }

    /// What the last run has said is not so any more: its message is there.
    async fn what_a_message_has_woken_does_not_wait_for_it(store: TestStore) {
        let probe = Probe::default();
        let tool = Runtime::builder(store.another().await).register::<heard>().take_no_work();
        let tool = tool.start().await.expect("it starts");
        let word = || Word("hello".to_owned());
        suspend(&store, &tool, "1").await;
        suspend(&store, &tool, "2").await;
        heard::send(&tool, "1", word()).await.expect("it is stored");
        assert_reason(&tool, &tool, "1", &format!("{NOBODY}; a message came")).await;
        let full = builder(store.another().await, &probe).settings(quick().max_running(1)).register::<heard>();
        let full = full.start().await.expect("it starts");
        assert_eq!(heard::completion(&tool, "1").await.expect("it succeeds"), "hello");
        gated::schedule(&full, "1", 1).await.expect("it is stored");
        probe.begun(1).await;
        heard::send(&tool, "2", word()).await.expect("it is stored");
        let text = "is due, and waits for a replica with a free slot that reads parameter version 1";
        assert_reason(&full, &tool, "2", &format!("{text}; a message came")).await;
        probe.open();
        assert_eq!(heard::completion(&tool, "2").await.expect("it succeeds"), "hello");
    }
}

/// Once of each kind, and again when it has come back.
#[tokio::test(start_paused = true)]
async fn work_for_other_code_is_told() {
    let ears = Ears::default();
    let _listening = tracing::subscriber::set_default(ears.clone());
    let (store, probe) = (InMemoryStore::new(), Probe::default());
    let tool = tool(store.clone(), &probe).await;
    leave_newer_work(&tool).await;
    today::flow::schedule(&tool, "flow too", 1).await.expect("it is stored");
    let _before =
        builder(store.clone(), &probe).register::<yesterday::work>().start().await.expect("it starts");
    let told = |id: &str, reason: &str| {
        format!(
            "WARN due work, like this instance, waits for other code type_id=Stuck instance_id={id} reason={reason:?}"
        )
    };
    eventually_told(&ears.0, &told("scrapbook", NO_SCRAPBOOK)).await;
    let warnings =
        || ears.lines().into_iter().filter(|line| line.starts_with("WARN due")).collect::<Vec<_>>();
    let all = [told("flow", NO_VERSION), told("param", NO_PARAM), told("scrapbook", NO_SCRAPBOOK)];
    assert_eq!(warnings(), all);
    tokio::time::sleep(secs(180)).await;
    assert_eq!(warnings(), all, "once");
    let after = builder(store.clone(), &probe).register::<today::flow>().start().await.expect("it starts");
    today::flow::completion(&tool, "flow").await.expect("it succeeds");
    after.shutdown().await.expect("it ends");
    tokio::time::sleep(secs(120)).await;
    today::flow::schedule(&tool, "flow again", 1).await.expect("it is stored");
    // A look comes each minute, which is more than a told event is waited for.
    tokio::time::sleep(secs(60)).await;
    eventually_told(&ears.0, &told("flow again", NO_VERSION)).await;
}
