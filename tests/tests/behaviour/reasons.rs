//! Nothing waits without a stated reason.

use resilient::prelude::*;
use resilient::{Filter, InMemoryStore, Payload, Store};
use resilient_tests::on_every_store;
use serde::{Deserialize, Serialize};

use crate::common::{
    Act, Probe, builder, crash, eventually_told, fail_as_told, gated, onlooker, play, quick, replica, secs,
    stored,
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
        let nobody = "no live replica runs version 1 of this type";
        let all = reasons(&[("flow", NO_VERSION), ("param", nobody), ("scrapbook", nobody)]);
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
        assert_eq!(lost, format!("its owner {owner} is not known any more; it is taken over"));
        let full = builder(store.another().await, &probe).settings(quick().max_running(1)).start().await;
        let full = full.expect("it starts");
        probe.begun(2).await;
        play::schedule(&tool, "4", vec![]).await.expect("it is stored");
        let text = "is due, and waits for a replica with a free slot that reads parameter version 1";
        assert_eq!(reason("Play", "4").await, text);
        probe.open();
        full.completion::<play>("4").await.expect("it succeeds");
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
