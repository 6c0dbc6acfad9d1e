//! The result of an id is the result of its first call, for every caller in every process.

use std::fmt::Debug;

use resilient::Journal;
use resilient::middleware::{Correlation, correlation};
use resilient::prelude::*;
use resilient_tests::{eventually, on_every_store};

use crate::common::{
    Act, PATIENCE, Probe, assert_postponed, builder, double, failure, gated, json, ms, onlooker, play,
    refusal, replica, stored, told_to_fail, two_replicas,
};

/// Nothing in, nothing out.
#[resilient_fn(type_id = "Unit", register = false)]
async fn unit((): (), probe: Dep<Probe>) {
    probe.begin();
}

/// Says nothing, although it could.
#[resilient_fn(type_id = "Silent", register = false)]
async fn silent((): (), probe: Dep<Probe>) -> Option<String> {
    probe.begin();
    None
}

/// Says as much as it is told to.
#[resilient_fn(type_id = "Verbose", register = false)]
async fn verbose(bytes: usize, probe: Dep<Probe>) -> String {
    probe.begin();
    "\u{1f363}\"\\\n é".chars().cycle().take(bytes / 3).collect()
}

/// Invokes another function with the runtime that the probe was lent.
#[resilient_fn(type_id = "Parent", register = false)]
async fn parent(number: u64, context: &Context, probe: Dep<Probe>) -> Result<u64, InvokeError> {
    let child = format!("{}/child", context.instance_id());
    let runtime = probe.runtime();
    Ok(double::invoke(&runtime, child, number).await? + 1)
}

async fn twice<F: ResilientFn>(here: &Runtime, there: &Runtime, param: fn() -> F::Param) -> [F::Output; 3]
where
    F::Output: Debug,
{
    let first = here.invoke::<F>("1", param()).await.expect("it succeeds");
    let second = here.invoke::<F>("1", param()).await.expect("its result is stored");
    let third = there.invoke::<F>("1", param()).await.expect("its result is stored for all");
    [first, second, third]
}

on_every_store! {
    /// Also in another process, whatever the parameter.
    async fn a_second_call_returns_the_result_of_the_first(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        assert_eq!(double::invoke(&here, "1", 21).await.expect("it succeeds"), 42);
        assert_eq!(double::invoke(&here, "1", 21).await.expect("it is stored"), 42);
        assert_eq!(double::invoke(&here, "1", 5).await.expect("it is stored"), 42, "the first parameter stays");
        assert_eq!(double::invoke(&there, "1", 21).await.expect("it is stored"), 42);
        assert_eq!(double::invoke(&there, "1", 6).await.expect("it is stored"), 42, "the first parameter stays");
        assert_eq!(probe.runs(), 1, "the body runs once");
        assert_eq!(stored(&store, "Double", "1").await.param, json("21"));
    }

    /// 64 at once, from two processes.
    async fn callers_at_the_same_time_share_one_run(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let callers: Vec<_> = (0..64)
            .map(|caller| {
                let runtime = if caller % 2 == 0 { here.clone() } else { there.clone() };
                tokio::spawn(async move { gated::invoke(&runtime, "shared", caller).await })
            })
            .collect();
        probe.begun(1).await;
        probe.open();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.expect("no caller panics").expect("it succeeds"));
        }
        let first = stored(&store, "Gated", "shared").await.param.body.parse::<u64>().expect("it is a number");
        assert_eq!(answers, [first; 64], "all get the result of the one who was first");
        assert_eq!(probe.runs(), 1, "the body runs once");
    }

    /// Different ids do not wait for each other, and none gets the result of another.
    async fn many_ids_at_once_each_get_their_own_result(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let callers: Vec<_> = (0..200_u64)
            .map(|number| {
                let runtime = if number % 2 == 0 { here.clone() } else { there.clone() };
                tokio::spawn(async move { double::invoke(&runtime, format!("n{number}"), number).await })
            })
            .collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.expect("no caller panics").expect("it succeeds"));
        }
        assert_eq!(answers, (0..200).map(|number| number * 2).collect::<Vec<_>>());
        assert_eq!(probe.runs(), 200);
    }

    /// Unit, `None`, and nearly as much as may be stored.
    async fn every_result_comes_back_as_it_was(store: TestStore) {
        let probe = Probe::default();
        let here = builder(store.clone(), &probe).register::<unit>().register::<silent>().register::<verbose>();
        let here = here.start().await.expect("a runtime starts");
        let there = builder(store.another().await, &probe);
        let there = there.register::<unit>().register::<silent>().register::<verbose>();
        let there = there.start().await.expect("a runtime starts");
        assert_eq!(twice::<unit>(&here, &there, || ()).await, [(), (), ()]);
        assert_eq!(twice::<silent>(&here, &there, || ()).await, [None, None, None]);
        let [first, second, third] = twice::<verbose>(&here, &there, || 900_000).await;
        assert_eq!(first.chars().count(), 300_000);
        assert!(second == first && third == first, "a large result is the same from the store");
        assert_eq!(probe.runs(), 3, "each body ran once");
    }

    /// A failure is stored like a result, and so it is for every later caller.
    async fn a_failure_is_the_answer_to_every_caller(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        for runtime in [&here, &here, &there] {
            assert_eq!(failure(play::invoke(runtime, "1", vec![Act::Fail]).await), told_to_fail());
        }
        assert_eq!(failure(play::completion(&there, "1").await), told_to_fail());
        assert_eq!(probe.runs(), 1, "what has failed waits for a person");
    }

    /// A caller learns that it has to ask again later; asking does not make the body run earlier.
    async fn a_postponed_function_is_a_typed_answer(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let an_hour = || vec![Act::Postpone(3_600_000)];
        for runtime in [&here, &here, &there] {
            let answer = play::invoke(runtime, "1", an_hour()).await;
            let Err(InvokeError::Postponed { until, .. }) = answer else { panic!("it was put off: {answer:?}") };
            let stored = stored(&store, "Play", "1").await.due_at.expect("it waits");
            let stored = std::time::SystemTime::from(stored);
            let apart = until.duration_since(stored).or_else(|_| stored.duration_since(until)).expect("one is later");
            assert!(apart < ms(10_000), "it says when: {until:?}, and {stored:?} is stored");
        }
        assert_eq!(probe.runs(), 1, "an early question does not begin it");
    }

    /// Who waits in another process for a run that puts itself off gets the same answer.
    async fn a_caller_elsewhere_is_told_of_the_postponement(store: TestStore) {
        let probe = Probe::default();
        let here = builder(store.clone(), &probe).register::<late>().start().await.expect("it starts");
        let there = builder(store.another().await, &probe).register::<late>().start().await.expect("it starts");
        let begun = tokio::spawn({
            let here = here.clone();
            async move { late::invoke(&here, "1", 3_600_000).await }
        });
        probe.begun(1).await;
        let waits = tokio::spawn(async move { late::invoke(&there, "1", 0).await });
        probe.open();
        assert_postponed(begun.await.expect("no caller panics"));
        assert_postponed(waits.await.expect("no caller panics"));
        assert_eq!(probe.runs(), 1);
    }

    /// However often it puts itself off, and from any process.
    async fn completion_waits_through_postponements(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let acts = vec![Act::Postpone(1), Act::Postpone(0), Act::Postpone(30)];
        let _ = play::invoke(&here, "1", acts).await;
        assert_eq!(play::completion(&there, "1").await.expect("it succeeds"), [1, 2, 3, 4]);
        assert_eq!(play::completion(&here, "1").await.expect("it has succeeded"), [1, 2, 3, 4]);
        assert_eq!(play::invoke(&there, "1", Vec::new()).await.expect("it has succeeded"), [1, 2, 3, 4]);
        assert_eq!(
            probe.notes(),
            [
                "1 FirstRun after []",
                "2 Retry after [1]",
                "3 Retry after [1, 2]",
                "4 Retry after [1, 2, 3]"
            ],
            "each run finds the scrapbook that the one before it was put off with"
        );
    }

    /// Neither a result nor a reason to wait.
    async fn completion_of_what_is_not_there_says_so(store: TestStore) {
        let runtime = replica(store, &Probe::default()).await;
        assert_eq!(refusal(double::completion(&runtime, "x").await), "there is no instance `Double/x`");
    }

    /// What is deleted while somebody waits for it will not come.
    async fn completion_ends_when_the_instance_is_deleted(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        assert_postponed(play::invoke(&here, "1", vec![Act::Postpone(3_600_000)]).await);
        let waits = tokio::spawn(async move { play::completion(&there, "1").await });
        tokio::task::yield_now().await;
        play::control_panel(&here, "1").await.expect("it is there").delete().await.expect("it can be deleted");
        assert_eq!(refusal(waits.await.expect("no caller panics")), "there is no instance `Play/1`");
    }

    /// The run is not the caller's.
    async fn a_caller_that_goes_away_takes_nothing_with_it(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        let caller = tokio::spawn({
            let here = here.clone();
            async move { gated::invoke(&here, "1", 7).await }
        });
        probe.begun(1).await;
        caller.abort();
        assert!(caller.await.expect_err("it was aborted").is_cancelled());
        assert_eq!(here.running(), 1, "the run goes on");
        probe.open();
        assert_eq!(gated::completion(&there, "1").await.expect("it succeeds"), 7);
        assert_eq!(probe.runs(), 1);
    }

    /// The same instance id under another type is another piece of work.
    async fn ids_of_different_types_are_apart(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        probe.open();
        assert_eq!(double::invoke(&runtime, "1", 4).await.expect("it succeeds"), 8);
        assert_eq!(gated::invoke(&runtime, "1", 4).await.expect("it succeeds"), 4);
        assert_eq!(probe.runs(), 2);
    }

    /// A body invokes another function, whose result it finds again when it runs again.
    async fn functions_invoke_each_other(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).register::<parent>().start().await.expect("it starts");
        probe.lend_runtime(&runtime);
        assert_eq!(parent::invoke(&runtime, "p", 3).await.expect("it succeeds"), 7);
        assert_eq!(parent::reinvoke(&runtime, "p").await.expect("it succeeds"), 7);
        assert_eq!(probe.runs(), 1, "the child ran once");
        assert_eq!(stored(&store, "Double", "p/child").await.result, Some(json("6")));
        probe.forget_runtime();
    }

    /// A tool or an old deployment can ask for the result of what it cannot run.
    async fn a_function_that_is_not_registered_is_refused_and_stored_nothing(store: TestStore) {
        let runtime = Runtime::builder(store.clone()).start().await.expect("a runtime without functions starts");
        let refused = "version 1 of function type `Double` is not registered; \
            add `.discover()` or `.register::<F>()` to the builder";
        assert_eq!(refusal(double::invoke(&runtime, "1", 1).await), refused);
        assert_eq!(refusal(double::schedule(&runtime, "1", 1).await), refused);
        assert_eq!(refusal(double::completion(&runtime, "1").await), "there is no instance `Double/1`");
    }

    /// As a web service in front of the workers does, which has none of their services.
    async fn a_process_that_takes_no_work_starts_what_is_not_registered(store: TestStore) {
        let service = Runtime::builder(store.another().await).middleware(Correlation).take_no_work();
        let service = service.start().await.expect("a runtime starts");
        double::schedule_after(&service, "1", 1, ms(1)).await.expect("it is stored");
        double::schedule_with(&service, "2", 2, []).await.expect("it is stored");
        let many = double::schedule_many(&service, [("2", 2), ("3", 3)]).await.expect("they are stored");
        assert_eq!(many, 1);
        let started = correlation::scope("request-7", double::schedule(&service, "4", 4));
        started.await.expect("it is stored");
        let journal = Journal::read(stored(&store, "Double", "4").await.journal.as_deref());
        let headers = journal.expect("it can be read").headers;
        assert_eq!(headers.get(correlation::HEADER).map(String::as_str), Some("request-7"));
        let refused = "version 1 of function type `Double` is not registered; \
            add `.discover()` or `.register::<F>()` to the builder";
        assert_eq!(refusal(double::invoke(&service, "5", 5).await), refused, "it runs nothing");

        let _worker = replica(store.clone(), &Probe::default()).await;
        for number in 1..=4 {
            let doubled = double::completion(&service, number.to_string()).await;
            assert_eq!(doubled.expect("a worker runs it"), 2 * number);
        }
    }

    /// An instance that another process has scheduled is waited for.
    async fn invoking_what_was_scheduled_waits_for_its_result(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        gated::schedule(&tool, "1", 5).await.expect("it is stored");
        let caller = tokio::spawn(async move { gated::invoke(&tool, "1", 9).await });
        let worker = replica(store.clone(), &probe).await;
        probe.begun(1).await;
        probe.open();
        assert_eq!(caller.await.expect("no caller panics").expect("it succeeds"), 5);
        eventually(PATIENCE, async || worker.running() == 0).await;
        assert_eq!(probe.runs(), 1);
    }
}

/// Puts itself off when the probe lets it.
#[resilient_fn(type_id = "Late", register = false)]
async fn late(milliseconds: u64, probe: Dep<Probe>) -> Result<(), Postpone> {
    probe.begin();
    probe.gate().await;
    Err(Postpone::for_(ms(milliseconds)))
}
