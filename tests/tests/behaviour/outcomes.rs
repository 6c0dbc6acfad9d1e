//! Every way in which a run ends, and what is stored of it.

use std::error::Error;
use std::fmt::Debug;
use std::time::SystemTime;

use resilient::prelude::*;
use resilient::{Failure, MAX_FAILURE_TEXT, SaveError};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    Act, PATIENCE, Played, Probe, assert_postponed, builder, failure, json, ms, play, quick, refusal,
    replica, secs, stored, told_to_fail,
};

/// Panics in the way it is told to.
#[resilient_fn(type_id = "Panics", register = false)]
async fn panics(how: String) {
    match how.as_str() {
        "a constant" => panic!("a constant"),
        "after a pause" => {
            tokio::task::yield_now().await;
            panic!("it was {how}")
        }
        "a number" => std::panic::panic_any(7_u32),
        "an index" => drop(how.as_bytes()[how.len()..][0]),
        _ => drop(PanicsWhenDropped),
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("while dropping");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the order {order} cannot be booked")]
struct Unbooked {
    order: u32,
    source: Refused,
}

#[derive(Debug, thiserror::Error)]
#[error("the bank refused")]
struct Refused(#[source] std::num::ParseIntError);

#[resilient_fn(type_id = "Chain", register = false)]
async fn chain(order: u32) -> Result<(), Unbooked> {
    let source = Refused("x".parse::<u32>().expect_err("it is no number"));
    Err(Unbooked { order, source })
}

#[resilient_fn(type_id = "Question", register = false)]
async fn question(text: String) -> resilient::Result<u32> {
    Ok(text.parse()?)
}

#[resilient_fn(type_id = "Text", register = false)]
async fn text(text: String) -> Result<(), String> {
    Err(text)
}

#[resilient_fn(type_id = "Constant", register = false)]
async fn constant((): ()) -> Result<(), &'static str> {
    Err("always")
}

#[resilient_fn(type_id = "Boxed", register = false)]
async fn boxed(text: String) -> Result<(), Box<dyn Error + Send + Sync>> {
    Err(text
        .parse::<u32>()
        .map_err(|source| Unbooked { order: 1, source: Refused(source) })
        .expect_err("no number"))?
}

#[resilient_fn(type_id = "Anyhow", register = false)]
async fn with_anyhow(text: String) -> anyhow::Result<u32> {
    use anyhow::Context as _;
    text.parse::<u32>().context("reading the order").context("booking it")
}

/// Looks like a value that could be stored as a whole.
type Answer = Result<u32, String>;

#[resilient_fn(type_id = "Aliased", register = false)]
async fn aliased(number: u32) -> Answer {
    if number == 0 { Err("zero".to_owned()) } else { Ok(number) }
}

/// When a function wants to go on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum When {
    In(u64),
    Past,
    LongestDuration,
    LongAway,
}

impl When {
    fn postpone(self) -> Postpone {
        match self {
            Self::In(milliseconds) => Postpone::for_(ms(milliseconds)),
            Self::Past => Postpone::until(SystemTime::UNIX_EPOCH),
            Self::LongestDuration => Postpone::for_(std::time::Duration::MAX),
            Self::LongAway => Postpone::until(SystemTime::UNIX_EPOCH + secs(253_402_300_800)),
        }
    }
}

const SOON: When = When::In(1);

/// A user's error, as thiserror makes it.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("later")]
    Later(#[from] Postpone),
    #[error("deeper")]
    Deeper(#[source] Box<Self>),
}

#[resilient_fn(type_id = "By.Question", register = false)]
async fn by_question(when: When, context: &Context) -> resilient::Result<u32> {
    if context.mode() == Mode::FirstRun {
        Err(when.postpone())?;
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Value", register = false)]
async fn by_value(when: When, context: &Context) -> Result<u32, Postpone> {
    if context.mode() == Mode::FirstRun {
        return Err(when.postpone());
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.IntoErr", register = false)]
async fn by_into_err(when: When, context: &Context) -> Result<u32, Trouble> {
    if context.mode() == Mode::FirstRun {
        return when.postpone().into_err();
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.From", register = false)]
async fn by_from(when: When, context: &Context) -> Result<u32, Trouble> {
    if context.mode() == Mode::FirstRun {
        Err(when.postpone())?;
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Source", register = false)]
async fn by_source(when: When, context: &Context) -> Result<u32, Trouble> {
    if context.mode() == Mode::FirstRun {
        return Err(Trouble::Deeper(Box::new(when.postpone().into())));
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Box", register = false)]
async fn by_box(when: When, context: &Context) -> Result<u32, Box<dyn Error + Send + Sync>> {
    if context.mode() == Mode::FirstRun {
        Err(when.postpone())?;
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Anyhow", register = false)]
async fn by_anyhow(when: When, context: &Context) -> anyhow::Result<u32> {
    if context.mode() == Mode::FirstRun {
        Err(when.postpone())?;
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Context", register = false)]
async fn by_context(when: When, context: &Context) -> anyhow::Result<u32> {
    if context.mode() == Mode::FirstRun {
        return Err(anyhow::Error::from(when.postpone()).context("later"));
    }
    Ok(context.attempt())
}

#[resilient_fn(type_id = "By.Outcome", register = false)]
async fn by_outcome(when: When, context: &Context) -> Outcome<u32> {
    match context.mode() {
        Mode::FirstRun => Outcome::Postpone(when.postpone()),
        Mode::Retry => Outcome::Success(context.attempt()),
    }
}

#[resilient_fn(type_id = "By.Constructor", register = false)]
async fn by_constructor(_when: When, context: &Context) -> Outcome<u32> {
    match context.attempt() {
        1 => Outcome::postpone_for(ms(1)),
        2 => Outcome::postpone_until(SystemTime::now()),
        3 => Outcome::from(Err::<u32, _>(Postpone::for_(ms(1)))),
        4 => Outcome::fail(resilient::Error::msg("four is too much")),
        attempt => Outcome::from(Ok::<_, Postpone>(attempt)),
    }
}

/// Has got somewhere, and ends as it is told to.
#[resilient_fn(type_id = "Keep", register = false)]
async fn keep(how: String, kept: &mut Scrapbook<Kept>, probe: Dep<Probe>) -> resilient::Result<f64> {
    kept.steps.push("saved".to_owned());
    kept.save().await?;
    kept.steps.push("not saved".to_owned());
    probe.begin();
    match how.as_str() {
        "success" => Ok(0.1),
        "failure" => Err(resilient::Error::msg("told to fail")),
        "postpone" => Err(Postpone::for_(secs(3600)))?,
        "result" => Ok(f64::NAN),
        "scrapbook" => {
            kept.ratio = f64::INFINITY;
            Ok(0.1)
        }
        "save" => {
            kept.ratio = f64::NAN;
            kept.save().await?;
            Ok(0.1)
        }
        _ => panic!("told to panic"),
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Scrapbook)]
struct Kept {
    steps: Vec<String>,
    ratio: f64,
}

/// Says what it knows of itself.
#[resilient_fn(type_id = "Knows", register = false)]
async fn knows((): (), context: &Context) -> resilient::Result<String> {
    if context.attempt() < 3 {
        Err(Postpone::for_(ms(1)))?;
    }
    let (id, mode) = (context.id(), context.mode());
    Ok(format!("{id} {} {} {} {mode:?}", context.type_id(), context.instance_id(), context.attempt()))
}

/// Goes on after a save that failed.
#[resilient_fn(type_id = "Stubborn", register = false)]
async fn stubborn((): (), played: &mut Scrapbook<Played>, probe: Dep<Probe>) -> resilient::Result<()> {
    probe.begin();
    probe.gate().await;
    played.attempts.push(7);
    let saved = played.save().await;
    probe.note(format!("{:?}", saved.map_err(|error| matches!(error, SaveError::LostOwnership { .. }))));
    tokio::task::yield_now().await;
    probe.note("went on");
    Ok(())
}

async fn runtime(store: &TestStore, probe: &Probe) -> Runtime {
    let builder = builder(store.clone(), probe)
        .register::<panics>()
        .register::<chain>()
        .register::<question>()
        .register::<text>()
        .register::<constant>()
        .register::<boxed>()
        .register::<with_anyhow>()
        .register::<aliased>()
        .register::<by_question>()
        .register::<by_value>()
        .register::<by_into_err>()
        .register::<by_from>()
        .register::<by_source>()
        .register::<by_box>()
        .register::<by_anyhow>()
        .register::<by_context>()
        .register::<by_outcome>()
        .register::<by_constructor>()
        .register::<keep>()
        .register::<knows>()
        .register::<stubborn>();
    builder.start().await.expect("a runtime starts")
}

fn failed(type_name: &str, message: &str, sources: &[&str]) -> Failure {
    let mut failure = Failure::new(type_name, message);
    failure.sources = sources.iter().map(|&source| source.to_owned()).collect();
    failure
}

async fn is_run_twice<F: ResilientFn<Param = When, Output = u32>>(runtime: &Runtime) {
    assert_postponed(runtime.invoke::<F>("1", SOON).await);
    assert_eq!(runtime.completion::<F>("1").await.expect("it succeeds"), 2, "{}", F::TYPE_ID);
}

async fn fails<F: ResilientFn>(runtime: &Runtime, param: F::Param) -> Failure
where
    F::Output: Debug,
{
    failure(runtime.invoke::<F>("1", param).await)
}

on_every_store! {
    /// The process goes on, and so does the next instance.
    async fn a_panic_is_a_failure(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        let expected = [
            ("a constant", "a constant"),
            ("after a pause", "it was after a pause"),
            ("a number", "the panic has no text"),
            ("an index", "index out of bounds: the len is 0 but the index is 0"),
            ("while dropping", "while dropping"),
        ];
        for (how, message) in expected {
            let found = failure(panics::invoke(&runtime, how, how.to_owned()).await);
            assert_eq!(found, Failure::new("panic", message));
            let panel = panics::control_panel(&runtime, how).await.expect("it is there");
            assert_eq!((panel.status(), panel.failure()), (Status::Failed, Some(Failure::new("panic", message))));
        }
        assert_eq!(runtime.running(), 0);
    }

    /// For the person who has to repair it.
    async fn a_failure_names_the_error_and_all_its_causes(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        let digit = "invalid digit found in string";
        let unbooked = std::any::type_name::<Unbooked>();
        let booking = failed(unbooked, "the order 4 cannot be booked", &["the bank refused", digit]);
        assert_eq!(fails::<chain>(&runtime, 4).await, booking);
        let parse = failed("core::num::error::ParseIntError", digit, &[]);
        assert_eq!(fails::<question>(&runtime, "x".to_owned()).await, parse);
        assert_eq!(fails::<text>(&runtime, "no luck".to_owned()).await, failed("alloc::string::String", "no luck", &[]));
        assert_eq!(fails::<constant>(&runtime, ()).await, failed("&str", "always", &[]));
        let boxed = fails::<boxed>(&runtime, "x".to_owned()).await;
        assert_eq!((boxed.message, boxed.sources), ("the order 1 cannot be booked".to_owned(), booking.sources));
        let with_anyhow = fails::<with_anyhow>(&runtime, "x".to_owned()).await;
        let sources = vec!["reading the order".to_owned(), digit.to_owned()];
        assert_eq!((with_anyhow.message, with_anyhow.sources), ("booking it".to_owned(), sources));
    }

    /// A store cannot keep every text; what it cannot keep is no reason to lose the failure.
    async fn a_failure_with_an_odd_text_is_stored_all_the_same(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        let long = "\u{1f363}".repeat(MAX_FAILURE_TEXT);
        for (id, message) in [("empty", ""), ("odd", "a\0b\"\\\n\u{202e}'; --"), ("long", &long)] {
            let found = failure(text::invoke(&runtime, id, message.to_owned().replace('\0', "")).await);
            assert_eq!(found, Failure::new("alloc::string::String", message.replace('\0', "")));
            let panel = text::control_panel(&runtime, id).await.expect("it is there");
            assert_eq!(panel.failure(), Some(found), "`{id}` is stored as it was answered");
        }
    }

    /// The spelling of a signature does not matter.
    async fn an_alias_of_a_result_is_a_result(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        assert_eq!(aliased::invoke(&runtime, "7", 7).await.expect("it succeeds"), 7);
        assert_eq!(failure(aliased::invoke(&runtime, "0", 0).await), failed("alloc::string::String", "zero", &[]));
        assert_eq!(stored(&store, "Aliased", "7").await.result, Some(json("7")));
    }

    /// By `?`, by value, through a user's errors, boxes and `anyhow`.
    async fn a_postponement_is_found_in_every_error(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        is_run_twice::<by_question>(&runtime).await;
        is_run_twice::<by_value>(&runtime).await;
        is_run_twice::<by_into_err>(&runtime).await;
        is_run_twice::<by_from>(&runtime).await;
        is_run_twice::<by_source>(&runtime).await;
        is_run_twice::<by_box>(&runtime).await;
        is_run_twice::<by_anyhow>(&runtime).await;
        is_run_twice::<by_context>(&runtime).await;
        is_run_twice::<by_outcome>(&runtime).await;
    }

    /// Without `?`.
    async fn an_outcome_is_made_in_many_ways(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        assert_postponed(by_constructor::invoke(&runtime, "1", SOON).await);
        let four = failed("message", "four is too much", &[]);
        assert_eq!(failure(by_constructor::completion(&runtime, "1").await), four);
        assert_eq!(by_constructor::reinvoke(&runtime, "1").await.expect("it succeeds"), 5);
    }

    /// Zero and the past mean at once; what no calendar holds is a failure that says so.
    async fn the_limits_of_a_postponement_are_kept(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        for (id, when) in [("zero", When::In(0)), ("past", When::Past)] {
            by_value::schedule(&runtime, id, when).await.expect("it is stored");
            assert_eq!(by_value::completion(&runtime, id).await.expect("it succeeds"), 2, "{id}");
        }
        let later = failure(by_value::invoke(&runtime, "1", When::LongAway).await);
        let text = "the time is after the year 9999; give an earlier one";
        assert_eq!((later.type_name, later.message), ("resilient::Postpone".to_owned(), text.to_owned()));
        let longer = failure(by_value::invoke(&runtime, "2", When::LongestDuration).await);
        let text = "the duration of 18446744073709551615 seconds is longer than 1,000 years; give a shorter one";
        assert_eq!((longer.type_name, longer.message), ("resilient::Postpone".to_owned(), text.to_owned()));
    }

    /// Its id, and which run it is.
    async fn a_run_knows_its_instance_and_its_attempt(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        knows::schedule(&runtime, "order 7", ()).await.expect("it is stored");
        let known = knows::completion(&runtime, "order 7").await.expect("it succeeds");
        assert_eq!(known, "Knows/order 7 Knows order 7 3 Retry");
    }

    /// Also what was not saved; only a panic leaves no state that could be stored.
    async fn the_scrapbook_is_stored_with_every_outcome(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        let both = Kept { steps: vec!["saved".to_owned(), "not saved".to_owned()], ratio: 0.0 };
        let saved = Kept { steps: vec!["saved".to_owned()], ratio: 0.0 };
        let expected = [("success", &both), ("failure", &both), ("postpone", &both), ("result", &both), ("panic", &saved)];
        for (how, expected) in expected {
            let _ = keep::invoke(&runtime, how, how.to_owned()).await;
            let panel = keep::control_panel(&runtime, how).await.expect("it is there");
            assert_eq!(panel.scrapbook(), expected, "after {how}");
        }
    }

    /// An outcome that could not be read back is a failure that names the field.
    async fn what_cannot_be_stored_fails_and_says_why(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        let of = |what: &str, problem: &str| {
            format!(
                "a value of type `{what}` cannot be stored: {problem}, \
                which JSON cannot hold; store an `Option` or an enum instead"
            )
        };
        let kept = std::any::type_name::<Kept>();
        let expected = [
            ("result", of("f64", "it is NaN")),
            ("scrapbook", of(kept, "`ratio` is inf")),
            ("save", of(kept, "`ratio` is NaN")),
        ];
        for (how, text) in expected {
            let found = failure(keep::invoke(&runtime, how, how.to_owned()).await);
            assert_eq!(found.message, text, "{how}");
            assert_eq!(stored(&store, "Keep", how).await.status, Status::Failed);
        }
    }

    /// A number comes back as it was, to its last digit.
    async fn a_result_survives_its_way_through_the_store(store: TestStore) {
        let runtime = runtime(&store, &Probe::default()).await;
        assert!((keep::invoke(&runtime, "1", "success".to_owned()).await.expect("it succeeds") - 0.1).abs() < f64::EPSILON);
        assert_eq!(stored(&store, "Keep", "1").await.result, Some(json("0.1")));
    }

    /// Whoever has lost an instance, by an edit or a takeover elsewhere, learns it at the next save, and is stopped.
    async fn a_run_that_has_lost_its_instance_stops_at_its_save(store: TestStore) {
        let probe = Probe::default();
        let blind = builder(store.clone(), &probe).settings(quick().sweep(secs(3600))).register::<stubborn>();
        let blind = blind.start().await.expect("it starts");
        let other = runtime(&store, &probe).await;
        let caller = tokio::spawn({
            let blind = blind.clone();
            async move { stubborn::invoke(&blind, "1", ()).await }
        });
        probe.begun(1).await;
        let panel = stubborn::control_panel(&other, "1").await.expect("it is there");
        panel.fail(told_to_fail()).await.expect("a person may end a run");
        let row = stored(&store, "Stubborn", "1").await;
        probe.open();
        eventually(PATIENCE, async || blind.running() == 0).await;
        assert_eq!(probe.notes(), ["Err(true)"], "it learns it, and does nothing after the next await");
        assert_eq!(stored(&store, "Stubborn", "1").await, row, "it has written nothing");
        assert_eq!(failure(caller.await.expect("no caller panics")), told_to_fail(), "its caller gets the verdict");
    }

    /// A body that never saves is stopped as well: here at once, elsewhere by the next sweep.
    async fn a_run_that_was_ended_by_a_person_stops(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = (runtime(&store, &probe).await, runtime(&store, &probe).await);
        for (number, (id, person)) in [("here", &here), ("there", &there)].into_iter().enumerate() {
            let caller = tokio::spawn({
                let here = here.clone();
                async move { play::invoke(&here, id, vec![Act::Hang]).await }
            });
            probe.begun(number + 1).await;
            let panel = play::control_panel(person, id).await.expect("it is there");
            panel.succeed(vec![7]).await.expect("a person may end a run");
            assert_eq!(caller.await.expect("no caller panics").expect("that is the result"), [7]);
            eventually(PATIENCE, async || here.running() == 0).await;
        }
    }

    /// What has failed or succeeded runs again when somebody asks for it, and its new outcome replaces the old one.
    async fn a_completed_instance_is_run_again_on_demand(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        let acts = vec![Act::Fail, Act::Panic, Act::Return, Act::Return];
        assert_eq!(failure(play::invoke(&runtime, "1", acts).await), told_to_fail());
        assert_eq!(failure(play::reinvoke(&runtime, "1").await), Failure::new("panic", "told to panic"));
        assert_eq!(play::reinvoke(&runtime, "1").await.expect("it succeeds"), [1, 3], "a panic loses what was not saved");
        let row = stored(&store, "Play", "1").await;
        assert_eq!((row.status, row.failure, row.result), (Status::Succeeded, None, Some(json("[1,3]"))));
        assert_eq!(play::reinvoke(&runtime, "1").await.expect("it succeeds"), [1, 3, 4]);
        assert_eq!(play::invoke(&runtime, "1", Vec::new()).await.expect("it has succeeded"), [1, 3, 4]);
        assert_eq!(refusal(play::reinvoke(&runtime, "2").await), "there is no instance `Play/2`");
    }

    /// Nobody runs it twice at once.
    async fn what_executes_is_not_begun_again(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        play::schedule(&runtime, "1", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(1).await;
        let text = "`Play/1` is executing; wait for it, or postpone or fail it first";
        assert_eq!(refusal(play::reinvoke(&runtime, "1").await), text);
        assert_eq!(probe.runs(), 1);
    }
}
