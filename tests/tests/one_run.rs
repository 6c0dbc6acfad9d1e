//! One run of a function, as the generated code makes it: decode, call, encode, and everything that can go wrong
//! on the way. There is no runtime and no store here.
#![allow(clippy::unused_async, reason = "the functions have nothing to wait for")]

use std::sync::Arc;
use std::time::Duration;

use resilient::__private::{Env, Finished};
use resilient::prelude::*;
use resilient::registry::Dependencies;
use resilient::{Due, Failure, Payload, RawOutcome, ResilientFn};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 2, oldest = 2)]
struct Steps {
    done: u32,
    ratio: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Versioned)]
#[versioned(version = 3, oldest = 3)]
struct Receipt {
    number: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Way {
    Succeed,
    Postpone,
    Fail,
    BreakTheScrapbook,
}

#[resilient_fn(type_id = "one_run.Walk", register = false)]
async fn walk(
    way: Way,
    context: &Context,
    steps: &mut Scrapbook<Steps>,
    factor: Dep<u32>,
    missing: Option<Dep<String>>,
) -> resilient::Result<Receipt> {
    steps.done += *factor;
    match way {
        Way::Succeed => {}
        Way::Postpone => Err(Postpone::for_(Duration::from_mins(1)))?,
        Way::Fail => return Err(resilient::Error::msg("no way")),
        Way::BreakTheScrapbook => steps.ratio = f64::NAN,
    }
    assert!(missing.is_none());
    Ok(Receipt { number: context.attempt() })
}

fn env(param: Payload, scrapbook: Option<Payload>) -> Env {
    let mut dependencies = Dependencies::default();
    dependencies.insert(Arc::new(7_u32));
    let context = Context::test().with_attempt(5);
    Env { param, scrapbook, saver: None, context, dependencies: Arc::new(dependencies) }
}

async fn run<F: ResilientFn>(env: Env) -> Finished {
    (F::registration().run)(env).await
}

async fn walked(way: Way) -> Finished {
    run::<walk>(env(walk::encode_param(&way).unwrap(), None)).await
}

fn failure(finished: &Finished) -> &Failure {
    match &finished.outcome {
        RawOutcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn steps(done: u32) -> Payload {
    Payload::new(2, format!("{{\"done\":{done},\"ratio\":0.0}}"))
}

#[tokio::test]
async fn a_result_is_stored_with_its_version_and_the_scrapbook_with_its_own() {
    let finished = walked(Way::Succeed).await;
    assert_eq!(finished.outcome, RawOutcome::Success(Payload::new(3, "{\"number\":5}")));
    assert_eq!(finished.scrapbook, Some(steps(7)));
    assert_eq!(walk::decode_output(&Payload::new(3, "{\"number\":5}")), Ok(Receipt { number: 5 }));
}

#[tokio::test]
async fn the_scrapbook_is_stored_with_every_other_outcome_too() {
    let postponed = walked(Way::Postpone).await;
    assert_eq!(postponed.outcome, RawOutcome::Postpone(Due::After(Duration::from_mins(1))));
    assert_eq!(postponed.scrapbook, Some(steps(7)));
    let failed = walked(Way::Fail).await;
    assert_eq!(failure(&failed).message, "no way");
    assert_eq!(failed.scrapbook, Some(steps(7)));
}

#[tokio::test]
async fn the_stored_scrapbook_is_where_the_run_goes_on() {
    let param = walk::encode_param(&Way::Succeed).unwrap();
    assert_eq!(run::<walk>(env(param, Some(steps(100)))).await.scrapbook, Some(steps(107)));
}

#[tokio::test]
async fn a_scrapbook_that_cannot_be_stored_fails_the_run_and_leaves_the_stored_one() {
    let finished = walked(Way::BreakTheScrapbook).await;
    assert_eq!(failure(&finished).type_name, "resilient::EncodeError");
    assert!(failure(&finished).message.contains("`ratio` is NaN"), "{}", failure(&finished));
    assert_eq!(finished.scrapbook, None);
}

#[tokio::test]
async fn data_that_cannot_be_read_fails_before_the_body_runs() {
    let finished = run::<walk>(env(Payload::new(1, "\"Fly\""), Some(steps(1)))).await;
    assert_eq!(failure(&finished).type_name, "resilient::DecodeError");
    assert!(failure(&finished).message.contains("unknown variant `Fly`"), "{}", failure(&finished));
    assert_eq!(finished.scrapbook, None);

    let param = walk::encode_param(&Way::Succeed).unwrap();
    let finished = run::<walk>(env(param, Some(Payload::new(3, "{}")))).await;
    assert!(failure(&finished).message.contains("is stored in version 3"), "{}", failure(&finished));
    assert_eq!(finished.scrapbook, None);
}

#[resilient_fn(type_id = "one_run.Needy", register = false)]
async fn needy((): (), service: Dep<String>) -> usize {
    service.len()
}

#[tokio::test]
async fn a_missing_dependency_is_named_even_without_the_check_at_start_up() {
    let finished = run::<needy>(env(Payload::new(1, "null"), None)).await;
    let message = "no dependency of type `alloc::string::String` was given to the runtime";
    assert_eq!(failure(&finished).message, message);
}

/// Could be stored as a whole, `Err` included: it must not be.
type Answer = Result<f64, String>;

#[resilient_fn(type_id = "one_run.Aliased", register = false)]
async fn aliased(number: f64) -> Answer {
    if number < 0.0 { Err("negative".to_owned()) } else { Ok(number.sqrt()) }
}

#[resilient_fn(type_id = "one_run.Functional", register = false)]
async fn functional(number: u32) -> Outcome<u32> {
    match number {
        0 => Outcome::postpone_until(std::time::SystemTime::UNIX_EPOCH),
        1 => Outcome::fail("x".parse::<u32>().unwrap_err()),
        2 => Outcome::postpone_for(Duration::MAX),
        number => Outcome::Success(number),
    }
}

#[resilient_fn(type_id = "one_run.Anyhow", register = false)]
async fn with_anyhow((): ()) -> anyhow::Result<()> {
    Err(Postpone::for_(Duration::ZERO))?;
    Ok(())
}

#[tokio::test]
async fn returned_types_are_told_apart_by_type() {
    let answer = |number: f64| run::<aliased>(env(aliased::encode_param(&number).unwrap(), None));
    assert_eq!(failure(&answer(-1.0).await).message, "negative");
    assert_eq!(answer(4.0).await.outcome, RawOutcome::Success(Payload::new(1, "2.0")));
    let infinite = Payload::new(1, "1.7976931348623157e308");
    assert!(matches!(run::<aliased>(env(infinite, None)).await.outcome, RawOutcome::Success(_)));

    let outcome = |number: u32| run::<functional>(env(Payload::new(1, number.to_string()), None));
    assert_eq!(outcome(0).await.outcome, RawOutcome::Postpone(Due::At(resilient::Timestamp::UNIX_EPOCH)));
    assert_eq!(failure(&outcome(1).await).type_name, "core::num::error::ParseIntError");
    assert!(failure(&outcome(2).await).message.contains("longer than 1,000 years"));
    assert_eq!(outcome(3).await.outcome, RawOutcome::Success(Payload::new(1, "3")));

    let bare = run::<with_anyhow>(env(Payload::new(1, "null"), None)).await;
    assert_eq!(bare.outcome, RawOutcome::Postpone(Due::After(Duration::ZERO)));
}

#[resilient_fn(type_id = "one_run.Unstorable", register = false)]
async fn unstorable((): ()) -> Vec<f64> {
    vec![1.0, f64::INFINITY]
}

#[tokio::test]
async fn a_result_that_could_not_be_read_back_fails_by_its_field() {
    let finished = run::<unstorable>(env(Payload::new(1, "null"), None)).await;
    assert!(failure(&finished).message.contains("`[1]` is inf, which JSON cannot hold"), "{finished:?}");
}
