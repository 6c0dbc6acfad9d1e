//! Two versions of a function under one type id: one identity, and each instance runs in the version it was begun with.

use std::fmt::Debug;

use resilient::prelude::*;
use resilient::{Failure, FunctionId, Status, Store, StoredFunction};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    PATIENCE, Probe, assert_postponed, builder, crash, failure, onlooker, refusal, secs, stored, told_to_fail,
};

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Return,
    Fail,
    Postpone,
    /// Returns when the probe lets it.
    Wait,
}

/// What every version does in the same way.
async fn act(act: Act, version: u32, probe: &Probe) -> resilient::Result<()> {
    probe.note(format!("version {version}"));
    probe.begin();
    match act {
        Act::Return => Ok(()),
        Act::Fail => Err(resilient::Error::msg("told to fail")),
        Act::Postpone => Err(Postpone::for_(secs(3600)))?,
        Act::Wait => {
            probe.gate().await;
            Ok(())
        }
    }
}

mod one {
    use super::*;

    #[resilient_fn(type_id = "Flow", register = false)]
    pub(super) async fn flow(what: Act, probe: Dep<Probe>) -> resilient::Result<String> {
        act(what, 1, &probe).await?;
        Ok("done by version 1".to_owned())
    }

    #[resilient_fn(type_id = "Sum", register = false)]
    pub(super) async fn sum(number: u32, probe: Dep<Probe>) -> resilient::Result<u32> {
        act(Act::Return, 1, &probe).await?;
        Ok(number + 1)
    }
}

mod two {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Receipt {
        pub(super) number: u32,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Order {
        pub(super) what: Act,
    }

    /// Another parameter, a scrapbook, and another result.
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        pub(super) acted: bool,
    }

    #[resilient_fn(type_id = "Flow", version = 2, register = false)]
    pub(super) async fn flow(
        order: Order,
        book: &mut Scrapbook<Book>,
        probe: Dep<Probe>,
    ) -> resilient::Result<Receipt> {
        act(order.what, 2, &probe).await?;
        book.acted = true;
        Ok(Receipt { number: 2 })
    }

    #[resilient_fn(type_id = "Sum", version = 2, register = false)]
    pub(super) async fn sum(numbers: Vec<u64>, probe: Dep<Probe>) -> resilient::Result<u64> {
        act(Act::Return, 2, &probe).await?;
        Ok(numbers.iter().sum())
    }
}

fn order(what: Act) -> two::Order {
    two::Order { what }
}

async fn first(store: &TestStore, probe: &Probe) -> Runtime {
    let first = builder(store.another().await, probe).register::<one::flow>().register::<one::sum>();
    first.start().await.expect("it starts")
}

async fn second(store: &TestStore, probe: &Probe) -> Runtime {
    let second = builder(store.another().await, probe).register::<two::flow>().register::<two::sum>();
    second.start().await.expect("it starts")
}

/// A process with both versions.
async fn both(store: &TestStore, probe: &Probe) -> Runtime {
    let both = builder(store.another().await, probe).register::<one::flow>().register::<one::sum>();
    let both = both.register::<two::flow>().register::<two::sum>();
    both.start().await.expect("two versions are no duplicate")
}

async fn flow(store: &impl Store, id: &str) -> StoredFunction {
    stored(store, "Flow", id).await
}

/// An instance of `stored` was asked for as one of the other version.
#[track_caller]
fn assert_other<T: Debug>(answer: Result<T, InvokeError>, expected: &str, of: u32) {
    match answer {
        Err(InvokeError::OtherVersion { id, stored, asked }) => {
            assert_eq!((id, stored, asked), (FunctionId::new("Flow", expected), of, 3 - of));
        }
        other => panic!("another version was expected: {other:?}"),
    }
}

on_every_store! {
    /// Each is begun, claimed and begun again in its version, by a process that has both.
    async fn an_instance_runs_in_the_version_it_was_begun_with(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let both = both(&store, &probe).await;
        assert_eq!(one::flow::invoke(&both, "1", Act::Return).await.expect("it succeeds"), "done by version 1");
        let receipt = two::Receipt { number: 2 };
        assert_eq!(two::flow::invoke(&both, "2", order(Act::Return)).await.expect("it succeeds"), receipt);
        one::flow::schedule(&both, "3", Act::Wait).await.expect("it is stored");
        assert_eq!(one::flow::completion(&both, "3").await.expect("it succeeds"), "done by version 1");
        two::flow::schedule(&both, "4", order(Act::Wait)).await.expect("it is stored");
        assert_eq!(two::flow::completion(&both, "4").await.expect("it succeeds"), receipt);
        assert_eq!(one::flow::reinvoke(&both, "1").await.expect("it succeeds"), "done by version 1");
        let panel = two::flow::control_panel(&both, "2").await.expect("it is of this version");
        assert_eq!(panel.scrapbook(), &two::Book { acted: true });
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), receipt);
        assert_eq!(probe.notes(), [1, 2, 1, 2, 1, 2].map(|version| format!("version {version}")));
        for (id, version) in [("1", 1), ("2", 2), ("3", 1), ("4", 2)] {
            assert_eq!(flow(&store, id).await.version, version);
        }
    }

    /// Nobody processes an order a second time because it was asked for in another version.
    async fn the_result_of_another_version_is_returned_when_it_reads_as_asked(store: TestStore) {
        let probe = Probe::default();
        let (first, second) = (first(&store, &probe).await, second(&store, &probe).await);
        assert_eq!(one::sum::invoke(&first, "1", 6).await.expect("it succeeds"), 7);
        assert_eq!(two::sum::invoke(&second, "1", vec![1, 2]).await.expect("a u64 reads a u32"), 7);
        assert_eq!(two::sum::completion(&second, "1").await.expect("a u64 reads a u32"), 7);
        let large = u64::from(u32::MAX) + 1;
        assert_eq!(two::sum::invoke(&second, "2", vec![large]).await.expect("it succeeds"), large);
        let text = "`Sum/2` runs in version 2 of its function, and was asked for in version 1; ask in its own";
        assert_eq!(refusal(one::sum::invoke(&first, "2", 6).await), text);
        assert_eq!(refusal(one::sum::completion(&first, "2").await), text);
        assert_eq!(probe.runs(), 2);
    }

    /// Also when both are in one process, which then answers without asking the store.
    async fn a_result_that_does_not_read_as_asked_is_another_versions(store: TestStore) {
        let probe = Probe::default();
        let both = both(&store, &probe).await;
        let begin = |runtime: Runtime| async move { one::flow::invoke(&runtime, "1", Act::Wait).await };
        let begun = tokio::spawn(begin(both.clone()));
        probe.begun(1).await;
        let ask = |runtime: Runtime| async move { two::flow::invoke(&runtime, "1", order(Act::Return)).await };
        let (here, elsewhere) = (tokio::spawn(ask(both.clone())), tokio::spawn(ask(second(&store, &probe).await)));
        probe.open();
        assert_eq!(begun.await.expect("no panic").expect("it succeeds"), "done by version 1");
        assert_other(here.await.expect("no panic"), "1", 1);
        assert_other(elsewhere.await.expect("no panic"), "1", 1);
        assert_other(two::flow::completion(&both, "1").await, "1", 1);
        two::flow::invoke(&both, "2", order(Act::Return)).await.expect("it succeeds");
        assert_other(one::flow::invoke(&both, "2", Act::Return).await, "2", 2);
        assert_other(one::flow::completion(&both, "2").await, "2", 2);
        assert_eq!(probe.runs(), 2, "and nothing ran twice");
    }

    /// A failure has no type that could be another one, and neither has a pause.
    async fn failures_and_pauses_are_those_of_every_version(store: TestStore) {
        let probe = Probe::default();
        let (first, second) = (first(&store, &probe).await, second(&store, &probe).await);
        assert_eq!(failure(one::flow::invoke(&first, "1", Act::Fail).await), told_to_fail());
        assert_eq!(failure(two::flow::invoke(&second, "1", order(Act::Return)).await), told_to_fail());
        assert_eq!(failure(two::flow::completion(&second, "1").await), told_to_fail());
        assert_postponed(two::flow::invoke(&second, "2", order(Act::Postpone)).await);
        assert_postponed(one::flow::invoke(&first, "2", Act::Return).await);
        assert_eq!(probe.runs(), 2);
    }

    async fn scheduling_an_instance_of_another_version_leaves_it_as_it_is(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        let (first, second) = (first(&store, &probe).await, second(&store, &probe).await);
        two::flow::schedule_after(&second, "1", order(Act::Return), secs(3600)).await.expect("it is stored");
        let row = flow(&store, "1").await;
        one::flow::schedule(&first, "1", Act::Return).await.expect("it is there already");
        one::flow::schedule_after(&first, "1", Act::Return, secs(1)).await.expect("it is there already");
        assert_eq!(flow(&store, "1").await, row);
        tool.shutdown().await.expect("the store works");
    }

    /// Whatever its status: the types of the panel are not those of the instance.
    async fn panels_and_reinvocations_are_those_of_the_instances_version(store: TestStore) {
        let probe = Probe::default();
        let (both, second) = (both(&store, &probe).await, second(&store, &probe).await);
        one::flow::invoke(&both, "succeeded", Act::Return).await.expect("it succeeds");
        failure(one::flow::invoke(&both, "failed", Act::Fail).await);
        assert_postponed(one::flow::invoke(&both, "postponed", Act::Postpone).await);
        one::flow::schedule(&both, "executing", Act::Wait).await.expect("it is stored");
        probe.begun(4).await;
        for id in ["succeeded", "failed", "postponed", "executing"] {
            let row = flow(&store, id).await;
            for runtime in [&both, &second] {
                assert_other(two::flow::control_panel(runtime, id).await, id, 1);
                assert_other(two::flow::reinvoke(runtime, id).await, id, 1);
                let raw = runtime.raw_control_panel("Flow", id).await.expect("a raw panel opens everything");
                assert_eq!((raw.version(), raw.stored()), (1, &row));
            }
            assert_eq!(flow(&store, id).await, row, "looking changes nothing");
        }
        probe.open();
        one::flow::completion(&both, "executing").await.expect("it succeeds");
        // A tool that knows the other version only can end it by its raw panel, and make it run.
        let raw = second.raw_control_panel("Flow", "postponed").await.expect("it is there");
        raw.fail(Failure::new("person", "no more")).await.expect("nobody else was there");
        assert_eq!(failure(one::flow::completion(&both, "postponed").await).message, "no more");
        let raw = second.raw_control_panel("Flow", "failed").await.expect("it is there");
        raw.schedule_reinvoke().await.expect("nobody else was there");
        probe.begun(5).await;
        assert_eq!(probe.notes().last().map(String::as_str), Some("version 1"));
    }

    /// A panel that is read anew may find an instance that was begun anew.
    async fn a_panel_whose_instance_was_begun_anew_in_another_version_says_so(store: TestStore) {
        let probe = Probe::default();
        let both = both(&store, &probe).await;
        one::flow::invoke(&both, "1", Act::Return).await.expect("it succeeds");
        let mut panel = one::flow::control_panel(&both, "1").await.expect("it is there");
        one::flow::control_panel(&both, "1").await.expect("it is there").delete().await.expect("it is deleted");
        two::flow::invoke(&both, "1", order(Act::Return)).await.expect("the id is free");
        assert_other(panel.completion().await, "1", 2);
        assert_other(panel.reload().await, "1", 2);
    }

    /// It is waited for like any other: through a crash, and through the time in which nobody is there to run it.
    async fn whoever_waits_for_another_version_waits_on_until_it_is_run(store: TestStore) {
        let probe = Probe::default();
        let (before, second) = (first(&store, &probe).await, second(&store, &probe).await);
        one::flow::schedule(&before, "1", Act::Wait).await.expect("it is stored");
        probe.begun(1).await;
        let ask = |runtime: Runtime| async move { two::flow::invoke(&runtime, "1", order(Act::Return)).await };
        let asked = tokio::spawn(ask(second.clone()));
        let wait = |runtime: Runtime| async move { two::flow::completion(&runtime, "1").await };
        let waited = tokio::spawn(wait(second.clone()));
        crash(before, &store).await;
        eventually(PATIENCE, async || flow(&store, "1").await.status == Status::Postponed).await;
        // The second version has something else to do, so that its claims can be seen.
        two::flow::schedule(&second, "2", order(Act::Return)).await.expect("it is stored");
        two::flow::completion(&second, "2").await.expect("it succeeds");
        assert!(!asked.is_finished() && !waited.is_finished(), "it is waited for");
        let after = first(&store, &probe).await;
        probe.open();
        assert_eq!(one::flow::completion(&after, "1").await.expect("it succeeds"), "done by version 1");
        assert_other(asked.await.expect("no panic"), "1", 1);
        assert_other(waited.await.expect("no panic"), "1", 1);
        assert_eq!(probe.notes(), ["version 1", "version 2", "version 1"]);
    }

    /// A replica without the version neither claims nor runs the instance.
    async fn a_version_that_is_not_here_is_not_run_here(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let before = first(&store, &probe).await;
        let tool = builder(store.another().await, &probe).register::<two::flow>().take_no_work();
        let tool = tool.start().await.expect("it starts");
        two::flow::schedule(&tool, "1", order(Act::Return)).await.expect("it is stored");
        let row = flow(&store, "1").await;
        one::flow::invoke(&before, "2", Act::Return).await.expect("it succeeds");
        one::flow::schedule(&before, "3", Act::Return).await.expect("it is stored");
        one::flow::completion(&before, "3").await.expect("it succeeds");
        let text = "version 2 of function type `Flow` is not registered; \
            add `.discover()` or `.register::<F>()` to the builder";
        assert_eq!(refusal(two::flow::invoke(&before, "4", order(Act::Return)).await), text);
        assert_eq!(refusal(two::flow::schedule(&before, "4", order(Act::Return)).await), text);
        assert_eq!(refusal(two::flow::reinvoke(&before, "1").await), text);
        assert_eq!(flow(&store, "1").await, row);
        let after = second(&store, &probe).await;
        assert_eq!(two::flow::completion(&after, "1").await.expect("it succeeds"), two::Receipt { number: 2 });
    }
}
