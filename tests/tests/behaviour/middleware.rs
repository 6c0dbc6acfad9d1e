//! What wraps every run: its order, what it may do with a run, headers, and the hook for failures.

use std::time::Duration;

use resilient::middleware::{
    Correlation, Invocation, Middleware, Next, OnFailure, Retry, Starting, correlation,
};
use resilient::prelude::*;
use resilient::store::{Edit, Transition, Write, Written};
use resilient::{Builder, Due, Failure, InMemoryStore, RawOutcome, StartError, Store};
use resilient_tests::faults::Call;
use resilient_tests::held::{HeldStore, Point};
use resilient_tests::on_every_store;

use crate::common::{
    Act, Played, Probe, assert_postponed, builder, crash, double, failed, failure, json, ms, play, quick,
    refusal, replica, secs, stored, told_to_fail,
};

tokio::task_local! {
    /// The names of all that is around the task.
    static AROUND: String;
}

fn around() -> String {
    AROUND.try_with(Clone::clone).unwrap_or_default()
}

/// Says what is around it.
#[resilient_fn(type_id = "Placed", register = false)]
async fn placed((): (), probe: Dep<Probe>) -> String {
    probe.begin();
    around()
}

/// What it does with a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Pass,
    Panic,
    Swallow,
    Replace,
    Repeat,
    GiveUp,
    GiveUpOnce,
}

/// Puts its name around what is inside, and tells how that ended.
struct Layer(&'static str, Does, Probe);

impl Middleware for Layer {
    fn starting(&self, start: &mut Starting) {
        let so_far = start.header("started by").unwrap_or_default();
        start.set_header("started by", format!("{so_far}{}", self.0));
        self.2.note(format!("{} starts {}", self.0, start.id()));
    }

    async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
        let Self(name, does, probe) = self;
        let inside = format!("{}{name}", around());
        let inner = || AROUND.scope(inside.clone(), next.run());
        let outcome = match does {
            Does::Pass => inner().await,
            Does::Panic => {
                inner().await;
                panic!("{name} panics")
            }
            Does::Swallow => RawOutcome::Success(json("[7]")),
            Does::Replace => {
                inner().await;
                RawOutcome::Success(json("[7]"))
            }
            Does::Repeat => {
                inner().await;
                inner().await
            }
            Does::GiveUp => {
                inner().await;
                let given_up = tokio::time::timeout(ms(20), inner()).await;
                given_up.unwrap_or_else(|_| RawOutcome::Failed(Failure::new("timeout", "it took too long")))
            }
            Does::GiveUpOnce => {
                inner().await;
                tokio::time::timeout(ms(20), inner()).await.expect_err("it is held up");
                inner().await
            }
        };
        let version = invocation.version();
        probe.note(format!("{name}: {} v{version} {}", invocation.epoch(), outcome.kind()));
        outcome
    }
}

/// `play` inside of a layer that does this.
async fn with(store: impl Store, probe: &Probe, does: Does) -> Runtime {
    builder(store, probe).middleware(Layer("m", does, Probe::default())).start().await.expect("it starts")
}

/// Counts its runs, in memory or not: the first leaves what it has unsaved, the second saves and goes on to the gate.
#[resilient_fn(type_id = "Repeated", register = false)]
async fn repeated((): (), played: &mut Scrapbook<Played>, context: &Context, probe: Dep<Probe>) -> Vec<u32> {
    probe.note(format!("{:?} after {:?}", context.mode(), played.attempts));
    probe.begin();
    let run = u32::try_from(probe.runs()).expect("few");
    played.attempts.push(run);
    if run == 2 {
        played.save().await.expect("it can be saved");
        played.attempts.push(99);
        probe.gate().await;
    }
    played.attempts.clone()
}

/// Refuses to let anything start.
struct Bouncer;

impl Middleware for Bouncer {
    fn starting(&self, start: &mut Starting) {
        assert!(start.id().instance_id.as_str() != "banned", "not in here");
        start.set_header(
            "size",
            "x".repeat(if start.id().instance_id.as_str() == "huge" { 2_000 } else { 1 }),
        );
    }

    async fn handle(&self, _: &Invocation, next: Next<'_>) -> RawOutcome {
        next.run().await
    }
}

/// A hook that notes every failure, and panics then.
fn alarm(probe: &Probe) -> impl Middleware {
    let probe = probe.clone();
    OnFailure::new(move |invocation, failure| {
        let attempt = invocation.context().attempt();
        probe.note(format!("{} #{attempt} {failure}", invocation.context().id()));
        panic!("the alarm is broken");
    })
}

fn starts(probe: &Probe) -> Builder {
    builder(InMemoryStore::new(), probe)
}

on_every_store! {
    /// The runtime's around the function's, first added outermost, around the body in one task.
    async fn what_was_added_first_is_outermost(store: TestStore) {
        let (probe, log) = (Probe::default(), Probe::default());
        let layer = |name| Layer(name, Does::Pass, log.clone());
        let runtime = builder(store.clone(), &probe)
            .register::<placed>()
            .function_middleware::<placed>(layer("c"))
            .middleware(layer("a"))
            .function_middleware::<double>(layer("x"))
            .middleware(layer("b"))
            .function_middleware::<placed>(layer("d"));
        let runtime = runtime.start().await.expect("it starts");
        assert_eq!(placed::invoke(&runtime, "1", ()).await.expect("it succeeds"), "abcd");
        let of = |name: &str, text: &str| format!("{name}{text}");
        let starts = ["a", "b", "c", "d"].map(|name| of(name, " starts Placed/1"));
        let ends = ["d", "c", "b", "a"].map(|name| of(name, ": 0 v1 success"));
        assert_eq!(log.notes(), [starts, ends].concat());
        let journal = stored(&store, "Placed", "1").await.journal;
        assert_eq!(journal.as_deref(), Some(r#"{"headers":{"started by":"abcd"}}"#));
        assert_eq!(double::invoke(&runtime, "1", 2).await.expect("it succeeds"), 4);
        let journal = stored(&store, "Double", "1").await.journal;
        assert_eq!(journal.as_deref(), Some(r#"{"headers":{"started by":"abx"}}"#));
    }

    /// It is a failure for what is around it, which may do something about it.
    async fn a_panic_of_middleware_is_a_failure(store: TestStore) {
        let (probe, log) = (Probe::default(), Probe::default());
        let runtime = builder(store, &probe)
            .register::<placed>()
            .middleware(Layer("outer", Does::Pass, log.clone()))
            .middleware(Retry::linear(ms(1), ms(0)).max_tries(2))
            .middleware(Layer("inner", Does::Panic, log.clone()));
        let runtime = runtime.start().await.expect("it starts");
        placed::schedule(&runtime, "1", ()).await.expect("it is stored");
        assert_eq!(failure(placed::completion(&runtime, "1").await), failed("panic", "inner panics", &[]));
        assert_eq!(probe.runs(), 2, "it was tried again");
        let ends = ["outer: 1 v1 postpone", "outer: 3 v1 failed"];
        assert_eq!(log.notes()[2..], ends);
    }

    /// The body does not run; its scrapbook stays.
    async fn middleware_may_swallow_a_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = with(store.clone(), &probe, Does::Swallow).await;
        assert_eq!(play::invoke(&runtime, "1", vec![Act::Fail]).await.expect("it succeeds"), [7]);
        let row = stored(&store, "Play", "1").await;
        assert_eq!((probe.runs(), row.scrapbook), (0, None));
        assert!(matches!(double::invoke(&runtime, "1", 2).await, Err(InvokeError::Decode { field: "result", .. })));
    }

    /// What it says counts; the scrapbook is the body's.
    async fn middleware_may_replace_an_outcome(store: TestStore) {
        let probe = Probe::default();
        let runtime = with(store.clone(), &probe, Does::Replace).await;
        assert_eq!(play::invoke(&runtime, "1", vec![Act::Fail]).await.expect("it succeeds"), [7]);
        let row = stored(&store, "Play", "1").await;
        assert_eq!((row.result, row.failure), (Some(json("[7]")), None));
        assert_eq!(row.scrapbook.map(|scrapbook| scrapbook.body), Some(r#"{"attempts":[1]}"#.to_owned()));
    }

    /// Each time from the top, with what the time before has left.
    async fn middleware_may_repeat_a_run(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let runtime = builder(store.clone(), &probe).register::<repeated>();
        let layer = Layer("m", Does::Repeat, Probe::default());
        let runtime = runtime.middleware(layer).start().await.expect("it starts");
        assert_eq!(repeated::invoke(&runtime, "1", ()).await.expect("it succeeds"), [1, 2, 99]);
        assert_eq!(probe.notes(), ["FirstRun after []", "Retry after [1]"]);
        let row = stored(&store, "Repeated", "1").await;
        assert_eq!((row.attempts, row.saves), (1, 1));
        assert_eq!(row.scrapbook.expect("it was left").body, r#"{"attempts":[1,2,99]}"#);
    }

    /// The last save counts, and not what an earlier time has left.
    async fn middleware_may_give_a_run_up(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).register::<repeated>();
        let layer = Layer("m", Does::GiveUp, Probe::default());
        let runtime = runtime.middleware(layer).start().await.expect("it starts");
        assert_eq!(failure(repeated::invoke(&runtime, "1", ()).await), failed("timeout", "it took too long", &[]));
        let row = stored(&store, "Repeated", "1").await;
        assert_eq!(row.scrapbook.expect("it was saved").body, r#"{"attempts":[1,2]}"#);
        probe.open();
        let panel = repeated::control_panel(&runtime, "1").await.expect("it is there");
        assert_eq!(panel.scrapbook().attempts, [1, 2]);
    }

    /// It may be stored any moment: what begins next must not fall behind it.
    async fn a_save_that_is_under_way_counts(store: TestStore) {
        let (probe, held) = (Probe::default(), HeldStore::new(store.another().await));
        let runtime = builder(held.clone(), &probe).register::<repeated>().settings(quick().poll(secs(3_600)));
        let layer = Layer("m", Does::GiveUpOnce, Probe::default());
        let runtime = runtime.middleware(layer).start().await.expect("it starts");
        repeated::schedule_after(&runtime, "1", (), ms(100)).await.expect("it is stored");
        held.hold([Point::Before(Call::Write)]);
        probe.begun(3).await;
        held.release();
        assert_eq!(repeated::completion(&runtime, "1").await.expect("it succeeds"), [1, 2, 3]);
        assert_eq!(probe.notes(), ["FirstRun after []", "Retry after [1]", "Retry after [1, 2]"]);
    }

    /// Whichever call stores the instance, every run on every replica reads them.
    async fn headers_are_there_in_every_run(store: TestStore) {
        let probe = Probe::default();
        let log = Probe::default();
        let tool = builder(store.another().await, &probe).middleware(Layer("t", Does::Pass, log.clone()));
        let tool = tool.take_no_work().start().await.expect("it starts");
        let acts = vec![Act::Postpone(1)];
        assert_postponed(play::invoke(&tool, "invoke", acts.clone()).await);
        play::schedule(&tool, "schedule", acts.clone()).await.expect("it is stored");
        play::schedule_after(&tool, "in", acts.clone(), ms(1)).await.expect("it is stored");
        play::schedule_at(&tool, "at", acts.clone(), std::time::SystemTime::now()).await.expect("it is stored");
        tool.invoke_with::<play>("invoke with", acts.clone(), []).await.expect_err("it is put off");
        tool.schedule_with::<play>("schedule with", acts.clone(), []).await.expect("it is stored");
        let worker = builder(store, &probe).middleware(Reader(log.clone())).start().await.expect("it starts");
        for id in ["invoke", "schedule", "in", "at", "invoke with", "schedule with"] {
            play::completion(&worker, id).await.expect("it succeeds");
            let read = format!("{id} reads Some(\"t\")");
            assert!(log.notes().contains(&read), "{id}: {:?}", log.notes());
        }
    }

    /// Nothing is stored, and nobody else is harmed.
    async fn middleware_may_refuse_a_start(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).middleware(Bouncer).settings(quick().max_payload(1_000));
        let runtime = runtime.start().await.expect("it starts");
        let refused = "not started, for middleware panicked: not in here";
        assert_eq!(refusal(double::invoke(&runtime, "banned", 1).await), refused);
        assert_eq!(refusal(double::schedule(&runtime, "banned", 1).await), refused);
        let huge = "the journal has 2023 bytes; at most 1000 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(double::invoke(&runtime, "huge", 1).await), huge);
        assert_eq!(refusal(double::schedule(&runtime, "huge", 1).await), huge);
        for id in ["banned", "huge"] {
            assert!(matches!(double::control_panel(&runtime, id).await, Err(InvokeError::NotFound { .. })));
        }
        assert_eq!(double::invoke(&runtime, "welcome", 1).await.expect("it succeeds"), 2);
        assert_eq!(runtime.running(), 0);
    }

    /// Once, with the last failure; and a hook that panics changes nothing.
    async fn the_hook_is_called_for_failures_that_stay(store: TestStore) {
        let (probe, alarms) = (Probe::default(), Probe::default());
        // Inside of the retry it sees no more and no less.
        let runtime = builder(store.clone(), &probe)
            .middleware(Retry::linear(ms(1), ms(0)).max_tries(3))
            .middleware(alarm(&alarms))
            .start()
            .await
            .expect("it starts");
        play::schedule(&runtime, "fails", vec![Act::Fail; 9]).await.expect("it is stored");
        assert_eq!(failure(play::completion(&runtime, "fails").await), told_to_fail());
        play::schedule(&runtime, "recovers", vec![Act::Fail, Act::Postpone(1)]).await.expect("it is stored");
        play::completion(&runtime, "recovers").await.expect("it succeeds");
        assert_eq!(alarms.notes(), ["Play/fails #3 told to fail"]);
    }

    /// Nobody else would tell.
    async fn the_hook_is_called_for_a_crash_loop(store: TestStore) {
        let (probe, alarms) = (Probe::default(), Probe::default());
        let settings = quick().max_crashes(0);
        let first = replica(store.another().await, &probe).await;
        play::schedule(&first, "1", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(1).await;
        crash(first, &store).await;
        let second = builder(store.clone(), &probe).settings(settings).middleware(alarm(&alarms));
        let second = second.start().await.expect("it starts");
        assert_eq!(failure(play::completion(&second, "1").await).type_name, "crash loop");
        let notes = alarms.notes();
        assert!(notes[0].starts_with("Play/1 #2 crash loop: 1 owners were lost"), "{notes:?}");
        assert_eq!(probe.runs(), 1);
    }
}

/// Says which header it reads.
pub(crate) struct Reader(pub(crate) Probe);

impl Middleware for Reader {
    async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
        let id = invocation.context().instance_id().clone();
        let header = invocation.header("started by").or_else(|| invocation.header(correlation::HEADER));
        self.0.note(format!("{id} reads {header:?}"));
        next.run().await
    }
}

/// What cannot be read fails for good, too.
#[tokio::test]
async fn the_hook_is_called_for_what_cannot_be_read() {
    let (store, probe, alarms) = (InMemoryStore::new(), Probe::default(), Probe::default());
    let tool = builder(store.clone(), &probe).take_no_work().start().await.expect("it starts");
    double::schedule(&tool, "1", 2).await.expect("it is stored");
    let row = stored(&store, "Double", "1").await;
    let journal = Some("written by newer code".to_owned());
    let edit = Edit { journal, ..Edit::of(&row, Transition::Keep) };
    assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store is there"), [Written::Done]);
    let worker = builder(store, &probe).middleware(alarm(&alarms)).start().await.expect("it starts");
    let unread = failure(double::completion(&worker, "1").await);
    assert_eq!(alarms.notes(), [format!("Double/1 #1 {unread}")]);
    assert_eq!(probe.runs(), 0);
}

/// Puts everything off for too long.
struct Late;

impl Middleware for Late {
    async fn handle(&self, _: &Invocation, _: Next<'_>) -> RawOutcome {
        RawOutcome::Postpone(Due::After(Duration::MAX))
    }
}

/// What cannot be stored fails for good, too.
#[tokio::test]
async fn the_hook_is_called_for_an_outcome_that_cannot_be_stored() {
    let (probe, alarms) = (Probe::default(), Probe::default());
    let runtime =
        starts(&probe).middleware(alarm(&alarms)).middleware(Late).start().await.expect("it starts");
    let late = failure(double::invoke(&runtime, "1", 1).await);
    assert_eq!(late.type_name, "outcome that cannot be stored");
    assert_eq!(alarms.notes(), [format!("Double/1 #1 {late}")]);
}

#[tokio::test]
async fn middleware_of_an_unknown_function_is_refused_at_the_start() {
    let started = starts(&Probe::default()).function_middleware::<placed>(Correlation).start().await;
    let Err(StartError::Problems(problems)) = started else { panic!("a problem was expected: {started:?}") };
    assert_eq!(problems, ["there is middleware for `Placed` version 1, which is not registered"]);
}
