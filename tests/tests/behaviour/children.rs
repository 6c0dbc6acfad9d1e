//! Children: other functions that a body invokes, waits for with and without memory, and is woken by.

use std::sync::Arc;

use resilient::prelude::*;
use resilient::{Builder, Failure, Filter, FunctionId, Journal, PanelMessage, Store, StoredFunction};
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::{Kind, TestStore, eventually, on_every_store, open};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::codecs::SEAL;
use crate::common::{
    PATIENCE, Probe, assert_postponed, by_a_person, crash, failure, json, ms, quick, refusal, secs, stored,
};

#[derive(Debug, Serialize, Deserialize, Message)]
struct Approved(u32);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "resilient-looks-alike")]
struct Harmless;

/// What a child does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Return(u32),
    /// Waits for the gate of the probe.
    Gate(u32),
    /// Takes so many microseconds.
    Take(u64),
    /// Puts itself off once, for so many milliseconds.
    Postpone(u64),
    /// Waits for a message.
    Message,
    Fail,
    /// Never ends.
    Hang,
}

use Work::{Fail, Gate, Hang, Message as Listen, Postpone as PutOff, Return, Take};

#[resilient_fn(type_id = "Work", register = false)]
async fn work(work: Work, context: &Context, probe: Dep<Probe>) -> resilient::Result<u32> {
    probe.begin();
    Ok(match work {
        Return(number) => number,
        Gate(number) => {
            probe.gate().await;
            number
        }
        Take(micros) => {
            tokio::time::sleep(std::time::Duration::from_micros(micros)).await;
            context.attempt()
        }
        PutOff(_) if context.attempt() > 1 => context.attempt(),
        PutOff(millis) => Err(Postpone::for_(ms(millis)))?,
        Listen => context.messages().next::<Approved>().await?.0,
        Fail => return Err(resilient::Error::msg("told to fail")),
        Hang => std::future::pending().await,
    })
}

/// How a parent has its children do it; they are called `0`, `1` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Plan {
    /// One after the other.
    Each(Vec<Work>),
    /// Three side by side.
    Beside([Work; 3]),
    /// All on any replica.
    All(Vec<Work>),
    /// One whose failure is its result.
    Handled(Work),
    /// One that nobody waits for.
    Left(Work),
    /// One under this name.
    Named(String),
    /// The instance `1` through a runtime, and not through the context.
    Through(Work),
}

use Plan::{All, Beside, Each, Handled, Left, Named, Through};

#[resilient_fn(type_id = "Parent", register = false)]
async fn parent(plan: Plan, context: &Context, probe: Dep<Probe>) -> resilient::Result<Vec<u32>> {
    probe.note(format!("run {}", context.attempt()));
    let child = |number: usize, work: Work| context.invoke::<work>(number.to_string(), work);
    Ok(match plan {
        Each(works) => {
            let mut results = Vec::new();
            for (number, work) in works.into_iter().enumerate() {
                results.push(child(number, work).await?);
            }
            results
        }
        Beside([one, two, three]) => {
            let (one, two, three) = tokio::try_join!(child(0, one), child(1, two), child(2, three))?;
            vec![one, two, three]
        }
        All(works) => {
            let works = works.into_iter().enumerate();
            let children = works.map(|(number, work)| (number.to_string(), work));
            context.invoke_all::<work>(children).await?
        }
        Handled(work) => match child(0, work).await {
            Err(InvokeError::Failed(failure)) => vec![u32::from(failure.message == "told to fail")],
            other => vec![other?],
        },
        Left(work) => {
            context.schedule::<work>("0", work).await?;
            vec![]
        }
        Named(name) => vec![context.invoke::<work>(name, Return(1)).await?],
        Through(work) => vec![work::invoke(&probe.runtime(), "1", work).await?],
    })
}

/// A child of a type that nobody registers.
#[resilient_fn(type_id = "Unknown", register = false)]
async fn unknown((): ()) {}

#[resilient_fn(type_id = "Lost", register = false)]
async fn lost((): (), context: &Context) -> resilient::Result<()> {
    Ok(context.invoke::<unknown>("0", ()).await?)
}

/// A parent of another type, which calls its child as others do.
#[resilient_fn(type_id = "Cousin", register = false)]
async fn cousin(plan: Plan, context: &Context) -> resilient::Result<u32> {
    Ok(match plan {
        All(_) => context.invoke_all::<work>([("0", Return(2))]).await?.into_iter().sum(),
        _ => context.invoke::<work>("0", Return(2)).await?,
    })
}

/// Waits in memory while a test looks on.
fn staying() -> Settings {
    quick().stay_in_memory(secs(60))
}

/// Waits without memory.
fn leaving() -> Settings {
    quick().stay_in_memory(ms(0))
}

fn builder(store: impl Store, probe: &Probe, settings: Settings) -> Builder {
    let builder = Runtime::builder(store).dep(probe.clone()).settings(settings);
    builder.register::<work>().register::<parent>().register::<lost>().register::<cousin>()
}

async fn replica(store: impl Store, probe: &Probe, settings: Settings) -> Runtime {
    builder(store, probe, settings).start().await.expect("a runtime starts")
}

/// Whether it begins again only when it is told, but for a seldom look.
fn is_left_alone(row: &StoredFunction) -> bool {
    let rest = row.due_at.map(|due| due.saturating_since(row.updated_at));
    rest.is_some_and(|rest| rest > secs(3_500) && rest < secs(3_700))
}

async fn completed(runtime: &Runtime, id: &str) -> Vec<u32> {
    let Ok(ended) = tokio::time::timeout(PATIENCE, parent::completion(runtime, id)).await else {
        let rows = runtime.list(&Filter::default()).await.expect("the store is there");
        panic!("it is not woken: {rows:#?}");
    };
    ended.expect("it succeeds")
}

async fn suspended(store: &TestStore, id: &str) -> StoredFunction {
    eventually(PATIENCE, async || {
        let row = store.get(&[FunctionId::new("Parent", id)]).await.expect("the store is there").remove(0);
        row.filter(|row| row.status == Status::Suspended)
    })
    .await
}

on_every_store! {
    /// It is an instance like any other, and runs once, however often its parent does.
    async fn a_child_runs_once_under_an_id_of_its_parent(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let plan = Each(vec![Return(7), Take(1_000)]);
        assert_eq!(parent::invoke(&runtime, "1", plan).await.expect("it succeeds"), [7, 1]);
        assert_eq!(parent::reinvoke(&runtime, "1").await.expect("it succeeds"), [7, 1]);
        assert_eq!((probe.runs(), probe.notes().len()), (2, 2), "two children, and two runs of their parent");
        let child = stored(&store, "Work", "1/0").await;
        assert_eq!(child.result, Some(json("7")));
        let journal = Journal::read(child.journal.as_deref()).expect("it reads");
        assert_eq!(journal.parent, Some(FunctionId::new("Parent", "1")));
        assert_eq!(work::completion(&runtime, "1/0").await.expect("it has ended"), 7);
        // The panel shows the messages that told the parent.
        let panel = parent::control_panel(&runtime, "1").await.expect("it opens");
        let names: Vec<_> = panel.messages().iter().map(PanelMessage::name).collect();
        assert_eq!(names, ["resilient.child"; 2]);
    }

    /// Nothing of it is in memory then, a person sees whom it waits for, and nothing but the end of the child is waited for.
    async fn a_parent_waits_for_a_child_without_memory(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let answer = parent::invoke(&runtime, "1", Each(vec![Gate(1), Gate(2)])).await;
        assert!(matches!(answer, Err(InvokeError::Suspended { .. })), "{answer:?}");
        let row = stored(&store, "Parent", "1").await;
        assert!(row.status == Status::Suspended && is_left_alone(&row), "{row:?}");
        assert_eq!(row.reason.as_deref(), Some("waits for `Work/1/0`"));
        let reason = runtime.reason(&row).await.expect("the store is there");
        assert!(reason.starts_with("waits for `Work/1/0`; due at "), "{reason}");
        probe.open();
        assert_eq!(completed(&runtime, "1").await, [1, 2]);
        assert_eq!(probe.runs(), 2, "each child ran once");
    }

    /// It goes on in the run in which it waits, and what its children came to costs it no other one.
    async fn a_parent_stays_in_memory_for_a_while(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        parent::schedule(&runtime, "1", All(vec![Take(1), PutOff(30), Take(40_000)])).await.expect("it is stored");
        assert_eq!(completed(&runtime, "1").await, [1, 2, 1]);
        assert_eq!(probe.notes(), ["run 1"]);
    }

    /// What a child does meanwhile is its own affair: its parent waits for its end.
    async fn a_child_that_is_put_off_or_waits_suspends_its_parent(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let plan = Beside([PutOff(50), Listen, Return(3)]);
        let _ = parent::invoke(&runtime, "1", plan).await;
        eventually(PATIENCE, async || {
            let row = suspended(&store, "1").await;
            row.reason.as_deref() == Some("waits for `Work/1/1`") && is_left_alone(&row)
        })
        .await;
        runtime.send::<work>("1/1", Approved(2)).await.expect("it is stored");
        assert_eq!(completed(&runtime, "1").await, [2, 2, 3]);
    }

    /// Its failure is that of its parent, unless that handles it.
    async fn the_failure_of_a_child_reaches_its_parent(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        assert_eq!(parent::invoke(&runtime, "handled", Handled(Fail)).await.expect("it succeeds"), [1]);
        for (id, plan) in [("each", Each(vec![Fail])), ("all", All(vec![Hang, Fail, Hang]))] {
            parent::schedule(&runtime, id, plan).await.expect("it is stored");
            let failure = failure(parent::completion(&runtime, id).await);
            assert_eq!(failure.message, "the function failed: told to fail", "{id}");
        }
    }

    /// Also when no wait stays in memory: all are begun before the run ends.
    async fn children_side_by_side_are_all_begun(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let _ = parent::invoke(&runtime, "1", Beside([Gate(1), Gate(2), Gate(3)])).await;
        probe.begun(3).await;
        let row = suspended(&store, "1").await;
        let reason = row.reason.expect("it waits");
        assert_eq!(reason, "waits for `Work/1/0`; waits for `Work/1/1`; waits for `Work/1/2`");
        probe.open();
        assert_eq!(completed(&runtime, "1").await, [1, 2, 3]);
        assert_eq!(probe.runs(), 3);
    }

    /// A child counts among those that run, and does not wait for a place.
    async fn a_child_needs_no_free_place(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying().max_running(1)).await;
        parent::schedule(&runtime, "1", Each(vec![Return(1), Return(2)])).await.expect("it is stored");
        assert_eq!(completed(&runtime, "1").await, [1, 2]);
    }

    /// They are stored together, and no replica has to run them all.
    async fn many_children_are_shared_and_their_results_have_an_order(store: TestStore) {
        let probes = [Probe::default(), Probe::default()];
        // While its parent runs, one replica has one more place.
        let settings = quick().max_running(2).stay_in_memory(secs(60));
        let first = replica(store.clone(), &probes[0], settings.clone()).await;
        let second = replica(store.another().await, &probes[1], settings).await;
        parent::schedule(&first, "1", All((0..40).map(Gate).collect())).await.expect("it is stored");
        for probe in &probes {
            probe.begun(1).await;
        }
        probes.iter().for_each(Probe::open);
        assert_eq!(completed(&first, "1").await, (0..40).collect::<Vec<_>>());
        assert_eq!(probes.iter().map(Probe::runs).sum::<usize>(), 40);
        second.shutdown().await.expect("the store is there");
    }

    /// It is a start like any other, and its end wakes nobody.
    async fn a_child_that_is_left_to_others_is_not_waited_for(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        let none: [u32; 0] = [];
        assert_eq!(parent::invoke(&runtime, "1", Left(Return(7))).await.expect("it succeeds"), none);
        assert_eq!(work::completion(&runtime, "1/0").await.expect("it runs"), 7);
        assert_eq!(stored(&store, "Parent", "1").await.message_count, 0);
    }

    /// Whoever ends a child, its parent is woken: a person as well.
    async fn a_verb_that_ends_a_child_wakes_its_parent(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        for id in ["succeed", "fail", "delete"] {
            let _ = parent::invoke(&runtime, id, Handled(Listen)).await;
            suspended(&store, id).await;
            let child = format!("{id}/0");
            eventually(PATIENCE, async || stored(&store, "Work", &child).await.status == Status::Suspended).await;
            let panel = work::control_panel(&runtime, child.as_str()).await.expect("it opens");
            match id {
                "succeed" => panel.succeed(7).await,
                "fail" => panel.fail(by_a_person()).await,
                _ => panel.delete().await,
            }
            .expect("nobody was faster");
            if id == "delete" {
                // It is begun anew.
                eventually(PATIENCE, async || {
                    runtime.send::<work>(child.as_str(), Approved(7)).await.is_ok()
                })
                .await;
            }
            assert_eq!(completed(&runtime, id).await, [if id == "fail" { 0 } else { 7 }], "{id}");
        }
    }

    /// To cancel a child is one more way to end it; to cancel its parent leaves it alone.
    async fn a_child_that_is_cancelled_wakes_its_parent_and_not_the_other_way_round(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        for id in ["child", "parent"] {
            let _ = parent::invoke(&runtime, id, Handled(Listen)).await;
            suspended(&store, id).await;
            let child = format!("{id}/0");
            eventually(PATIENCE, async || stored(&store, "Work", &child).await.status == Status::Suspended).await;
        }
        work::cancel(&runtime, "child/0").await.expect("it waits");
        assert_eq!(completed(&runtime, "child").await, [0], "the body is told how its child failed");
        parent::cancel(&runtime, "parent").await.expect("it waits");
        assert!(failure(parent::completion(&runtime, "parent").await).is_cancelled());
        assert_eq!(stored(&store, "Work", "parent/0").await.status, Status::Suspended, "it goes on");
        // One that waits in memory leaves at once.
        let staying = replica(store.another().await, &probe, staying()).await;
        let answer = tokio::spawn({
            let staying = staying.clone();
            async move { parent::invoke(&staying, "memory", Each(vec![Listen])).await }
        });
        eventually(PATIENCE, async || runtime.list(&Filter::default()).await.is_ok_and(|rows| rows.len() == 6)).await;
        parent::cancel(&runtime, "memory").await.expect("it runs");
        assert!(failure(answer.await.expect("no panic")).is_cancelled());
    }

    /// A child that kills its process again and again ends as well.
    async fn a_crash_loop_of_a_child_wakes_its_parent(store: TestStore) {
        let probe = Probe::default();
        let settings = leaving().max_crashes(0);
        let runtime = replica(store.another().await, &probe, settings.clone()).await;
        let _ = parent::invoke(&runtime, "1", Handled(Hang)).await;
        suspended(&store, "1").await;
        probe.begun(1).await;
        crash(runtime, &store).await;
        let next = replica(store.clone(), &probe, settings).await;
        assert_eq!(completed(&next, "1").await, [0], "it failed, and not as it was told to");
    }

    /// Nobody tells of its end, so its parent looks again by itself, and says so.
    async fn somebody_elses_instance_is_waited_for(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        work::schedule(&runtime, "1/0", Gate(7)).await.expect("it is stored");
        let _ = parent::invoke(&runtime, "1", Each(vec![Return(1)])).await;
        let row = suspended(&store, "1").await;
        assert_eq!(row.reason.as_deref(), Some("waits for `Work/1/0`"));
        let rest = row.due_at.expect("it looks again").saturating_since(row.updated_at);
        assert!(rest <= secs(10) && rest > secs(5), "{rest:?}");
        probe.open();
        assert_eq!(work::completion(&runtime, "1/0").await.expect("it succeeds"), 7);
        let panel = parent::control_panel(&runtime, "1").await.expect("it opens");
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), [7], "the first start counts");
    }

    /// Parents of two types that have one id, as that of an order, would share it: the second would get the result of
    /// work that it has not asked for.
    async fn the_child_of_another_parent_is_refused(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let first = parent::invoke(&runtime, "1", Each(vec![Return(1)])).await;
        assert_eq!(first.expect("it succeeds"), [1]);
        for plan in [Each(vec![]), All(vec![])] {
            let failure = failure(cousin::invoke(&runtime, "1", plan.clone()).await);
            let text = "`Work/1/0` is the child of `Parent/1` already; give it another name, or its parent another id";
            assert_eq!(failure.message, text, "{plan:?}");
            cousin::control_panel(&runtime, "1").await.expect("it opens").delete().await.expect("it is there");
        }
        // One that nobody waits for has a parent, too.
        parent::invoke(&runtime, "left", Left(Return(1))).await.expect("it succeeds");
        let refused = failure(cousin::invoke(&runtime, "left", Each(vec![])).await);
        assert!(refused.message.starts_with("`Work/left/0` is the child of `Parent/left` already"), "{refused:?}");
        // While it runs here, it is that of its parent as well.
        let theirs = tokio::spawn({
            let runtime = runtime.clone();
            async move { parent::invoke(&runtime, "2", Each(vec![Gate(7)])).await }
        });
        probe.begun(3).await;
        let failure = failure(cousin::invoke(&runtime, "2", Each(vec![])).await);
        assert!(failure.message.starts_with("`Work/2/0` is the child of `Parent/2` already"), "{failure:?}");
        probe.open();
        assert_eq!(theirs.await.expect("no panic").expect("it succeeds"), [7]);
    }

    /// In memory it is looked at as often as by any other caller.
    async fn somebody_elses_instance_is_seen_to_end_in_memory(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, staying()).await;
        let other = replica(store.another().await, &probe, staying()).await;
        let theirs = tokio::spawn(async move { work::invoke(&other, "1/0", Gate(7)).await });
        probe.begun(1).await;
        let mine = tokio::spawn({
            let runtime = runtime.clone();
            async move { parent::invoke(&runtime, "1", Each(vec![Return(1)])).await }
        });
        eventually(PATIENCE, async || probe.notes().len() == 1).await;
        probe.open();
        assert_eq!(mine.await.expect("no panic").expect("it succeeds"), [7]);
        theirs.await.expect("no panic").expect("it succeeds");
    }

    /// `?` does what is to be done with an instance that is invoked past the context.
    async fn an_invoke_through_a_runtime_puts_the_body_off(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        probe.lend_runtime(&runtime);
        let late = PutOff(3_600_000);
        assert_postponed(work::invoke(&runtime, "1", late.clone()).await);
        assert_postponed(parent::invoke(&runtime, "postponed", Through(late)).await);
        let child = stored(&store, "Work", "1").await;
        let row = stored(&store, "Parent", "postponed").await;
        assert!(row.due_at.is_some() && row.due_at <= child.due_at.map(|due| due.saturating_add(secs(5))));
        assert!(row.due_at >= child.due_at.and_then(|due| due.as_micros().checked_sub(5_000_000)).map(resilient::Timestamp::from_micros));

        work::control_panel(&runtime, "1").await.expect("it opens").delete().await.expect("it is there");
        assert_postponed(parent::invoke(&runtime, "suspended", Through(Listen)).await);
        let row = stored(&store, "Parent", "suspended").await;
        let rest = row.due_at.expect("it looks again").saturating_since(row.updated_at);
        assert_eq!((row.status, rest), (Status::Postponed, secs(10)), "nobody would wake it");
        probe.forget_runtime();
    }

    /// It is refused before anything is stored, with an error that leaves the body.
    async fn a_child_that_cannot_be_is_refused(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick()).await;
        for (id, name, expected) in [
            ("empty", String::new(), "the name of the child is empty"),
            ("long", "x".repeat(196), "the instance id of the child has 201 bytes; at most 200 are kept"),
        ] {
            let failure = failure(parent::invoke(&runtime, id, Named(name)).await);
            assert!(failure.message.starts_with(expected), "{failure}");
        }
        let longest = parent::invoke(&runtime, "long", Named("x".repeat(195))).await;
        assert!(longest.is_err(), "the first parameter stays");
        assert_eq!(parent::invoke(&runtime, "just", Named("x".repeat(195))).await.expect("it fits"), [1]);
        let failure = failure(lost::invoke(&runtime, "1", ()).await);
        assert!(failure.message.starts_with("version 1 of function type `Unknown` is not registered"), "{failure}");
        let work = Filter { type_id: Some("Work".into()), ..Filter::default() };
        assert_eq!(store.list(&work).await.expect("the store is there").len(), 1);
    }

    /// So that nobody is told of an end that was none.
    async fn names_of_the_frameworks_own_messages_are_refused(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, leaving()).await;
        let _ = parent::invoke(&runtime, "1", Each(vec![Gate(7)])).await;
        let mut panel = runtime.raw_control_panel("Parent", "1").await.expect("it opens");
        let message = |name: &str| resilient::NewMessage { name: name.into(), payload: json("1"), key: name.into() };
        assert_eq!(
            refusal(panel.add_message(message("resilient.child"))),
            "the message `resilient.child` has a name that begins with `resilient.`; such names are the framework's own"
        );
        runtime.send::<parent>("1", Harmless).await.expect("it only looks alike");
        probe.open();
        assert_eq!(completed(&runtime, "1").await, [7]);
    }

    /// What runs is waited for, and what only waits goes on elsewhere.
    async fn a_parent_goes_on_elsewhere_after_a_shutdown(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe, staying()).await;
        let answer = tokio::spawn({
            let first = first.clone();
            async move { parent::invoke(&first, "1", Each(vec![Gate(7)])).await }
        });
        probe.begun(1).await;
        let ending = tokio::spawn({
            let first = first.clone();
            async move { first.shutdown().await.expect("the store is there") }
        });
        suspended(&store, "1").await;
        probe.open();
        assert_eq!(ending.await.expect("no panic").handed_over, 0, "the child ends before its process does");
        let _ = answer.await.expect("no panic");
        let second = replica(store.clone(), &probe, staying()).await;
        assert_eq!(completed(&second, "1").await, [7]);
        assert_eq!(probe.runs(), 1);
    }

    /// The run that waits is lost with its process, and so is the child.
    async fn a_crash_of_parent_and_child_is_survived(store: TestStore) {
        let probe = Probe::default();
        let first = replica(store.another().await, &probe, staying()).await;
        let handle = first.clone();
        let lost = tokio::spawn(async move { parent::invoke(&handle, "1", Each(vec![Return(1), Gate(2)])).await });
        probe.begun(2).await;
        lost.abort();
        let _ = lost.await;
        crash(first, &store).await;
        probe.open();
        let second = replica(store.clone(), &probe, staying()).await;
        assert_eq!(completed(&second, "1").await, [1, 2]);
    }

    /// A child may end at any moment of its parent: none of its ends is missed, and no parent waits for ever.
    async fn no_end_of_a_child_is_missed(store: TestStore) {
        let rounds = if store.kind() == Kind::Memory { 400 } else { 40 };
        let probe = Probe::default();
        let runtimes = [
            replica(store.clone(), &probe, leaving()).await,
            replica(store.another().await, &probe, quick().stay_in_memory(ms(2))).await,
        ];
        for round in 0..rounds {
            let (here, there) = (&runtimes[round % 2], &runtimes[(round + 1) % 2]);
            let take = |part: u64| Take((round as u64 * 263 * part) % 6_000);
            let id = round.to_string();
            let plan = match round % 3 {
                0 => Each(vec![take(1), take(2)]),
                1 => Beside([take(1), take(2), take(3)]),
                _ => All(vec![take(1), take(2), take(3)]),
            };
            parent::schedule(here, id.as_str(), plan).await.expect("it is stored");
            let ended = completed(there, &id).await;
            assert!(ended.iter().all(|attempt| *attempt == 1), "round {round}: {ended:?}");
        }
    }

    /// Its parent runs about once a second, and not once for each of them.
    async fn a_fan_out_does_not_run_its_parent_for_every_child(store: TestStore) {
        let number = if store.kind() == Kind::Memory { 1_000 } else { 200 };
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe, quick().max_running(50)).await;
        let begun = Instant::now();
        parent::schedule(&runtime, "1", All(vec![Take(20_000); number])).await.expect("it is stored");
        assert_eq!(completed(&runtime, "1").await.len(), number);
        let (runs, took) = (probe.notes().len(), begun.elapsed());
        println!("{number} children on {:?}: {runs} runs of their parent in {took:?}", store.kind());
        assert!(runs <= 5 + usize::try_from(took.as_secs()).unwrap_or(0), "{runs} runs in {took:?}");
    }
}

/// Minutes between the ends, in virtual time: a run for each of them, and none besides.
#[tokio::test(start_paused = true)]
async fn a_parent_runs_once_for_ends_that_are_far_apart() {
    let store = open(Kind::Memory).await.expect("memory is always there");
    let probe = Probe::default();
    let runtime = replica(store.clone(), &probe, Settings::default()).await;
    let works = (1..=20_u64).map(|minute| Take(minute * 60_000_000)).collect();
    parent::schedule(&runtime, "1", All(works)).await.expect("it is stored");
    assert_eq!(parent::completion(&runtime, "1").await.expect("it succeeds"), [1; 20]);
    assert_eq!(probe.notes().len(), 21, "{:?}", probe.notes());
}

/// The most that a fan-out costs in memory: a thousand that end one by one.
#[tokio::test(start_paused = true)]
async fn a_thousand_children_that_end_one_by_one_take_few_runs() {
    let store = open(Kind::Memory).await.expect("memory is always there");
    let probe = Probe::default();
    let runtime = replica(store.clone(), &probe, Settings::default()).await;
    let works = (1..=1_000_u64).map(|number| Take(number * 200_000)).collect();
    parent::schedule(&runtime, "1", All(works)).await.expect("it is stored");
    assert_eq!(parent::completion(&runtime, "1").await.expect("it succeeds").len(), 1_000);
    let runs = probe.notes().len();
    println!("1,000 children, five ends a second: {runs} runs of their parent");
    assert!(runs <= 10, "{runs} runs of the parent: it stays in memory while ends come");
}

fn order() -> Plan {
    Beside([PutOff(200), Take(1_000), Return(3)])
}

/// Whatever fails while children begin and end, their parent gets their results.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_loses_no_child() {
    let fresh = async || open(Kind::Memory).await.expect("memory is always there");
    let runs = at_every_call(&Fault::ERRORS, fresh, async |store| {
        let probe = Probe::default();
        let counted = store.clone().counting_only(&[Call::Write, Call::Claim, Call::Messages, Call::Get]);
        let runtime = replica(counted, &probe, leaving()).await;
        while parent::schedule(&runtime, "1", order()).await.is_err() {}
        let ended = completed(&runtime, "1").await;
        // The others count their attempts, of which a claim may have used one whose answer was lost.
        assert_eq!((ended.len(), ended[2]), (3, 3));
        runtime.shutdown().await.expect("the store is there again");
    });
    assert!(runs.await > 15);
}

/// A process that stops at any call leaves children and parent to the next one.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_loses_no_child() {
    for settings in [leaving(), quick()] {
        let fresh = async || open(Kind::Memory).await.expect("memory is always there");
        let runs = at_every_call(&Fault::CRASHES, fresh, async |store| {
            let probe = Probe::default();
            let counted = store.clone().counting_only(&[Call::Write, Call::Claim, Call::Messages, Call::Get]);
            let first = replica(counted, &probe, settings.clone()).await;
            let work = async {
                let _ = parent::schedule(&first, "1", order()).await;
                let _ = parent::completion(&first, "1").await;
            };
            let _ = tokio::time::timeout(secs(5), work).await;
            drop(first);
            let next = replica(Arc::clone(store.inner()), &probe, settings.clone()).await;
            next.schedule::<parent>("1", order()).await.expect("it is stored, or was");
            let ended = completed(&next, "1").await;
            assert_eq!((ended.len(), ended[2]), (3, 3));
        });
        assert!(runs.await > 8);
    }
}

/// A unit test says how children end, and is told when it does not.
#[tokio::test]
async fn a_unit_test_gives_the_results_of_children() {
    let probe = || Dep::new(Probe::default());
    let context = Context::test().with_child::<work>("0", Ok(7)).with_instance_id("any");
    assert_eq!(parent(Each(vec![Hang]), &context, probe()).await.expect("it is given"), [7]);
    assert_eq!(parent(All(vec![Hang]), &context.next_run(), probe()).await.expect("it is given"), [7]);
    let context = context.with_child::<work>("0", Err(Failure::new("message", "told to fail")));
    assert_eq!(parent(Handled(Hang), &context, probe()).await.expect("it is given"), [1]);
    let error = parent(Each(vec![Hang, Hang]), &Context::test(), probe()).await.expect_err("none is given");
    let expected = "no result was given for the child `Work/test/0`; give one with `Context::with_child`";
    assert_eq!(error.to_string(), expected);
    parent(Left(Hang), &Context::test(), probe()).await.expect("nobody waits for it");
}

/// Then nobody here knows which of its children it was, so it looks at all of them.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_told_with_an_unknown_codec_wakes_its_parent() {
    let store = open(Kind::Memory).await.expect("memory is always there");
    let probe = Probe::default();
    let settings = quick().wait_poll(ms(100)).stay_in_memory(secs(1));
    let other = builder(store.another().await, &probe, settings.clone()).codec(SEAL).start();
    let other = other.await.expect("a runtime starts");
    let here =
        builder(store.clone(), &probe, settings).take_no_work().start().await.expect("a runtime starts");
    let _ = parent::invoke(&here, "1", All(vec![Fail])).await;
    let ended = tokio::time::timeout(PATIENCE, parent::completion(&other, "1")).await;
    let failure = failure(ended.expect("it is woken"));
    assert_eq!(failure.message, "the function failed: told to fail");
}
