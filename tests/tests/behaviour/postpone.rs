//! Putting itself off: every form in which a function says so, and the limits of time.

use std::error::Error;
use std::time::SystemTime;

use resilient::prelude::*;
use resilient_tests::{TestStore, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{Probe, assert_postponed, builder, failed, failure, ms, quick, secs};

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

async fn runtime(store: &TestStore) -> Runtime {
    let builder = builder(store.clone(), &Probe::default())
        .register::<by_question>()
        .register::<by_value>()
        .register::<by_into_err>()
        .register::<by_from>()
        .register::<by_source>()
        .register::<by_box>()
        .register::<by_anyhow>()
        .register::<by_context>()
        .register::<by_outcome>()
        .register::<by_constructor>();
    builder.start().await.expect("a runtime starts")
}

async fn is_run_twice<F: ResilientFn<Param = When, Output = u32>>(runtime: &Runtime) {
    assert_postponed(runtime.invoke::<F>("1", SOON).await);
    assert_eq!(runtime.completion::<F>("1").await.expect("it succeeds"), 2, "{}", F::TYPE_ID);
}

on_every_store! {
    /// By `?`, by value, through a user's errors, boxes and `anyhow`.
    async fn a_postponement_is_found_in_every_error(store: TestStore) {
        let runtime = runtime(&store).await;
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
        let runtime = runtime(&store).await;
        assert_postponed(by_constructor::invoke(&runtime, "1", SOON).await);
        let four = failed("message", "four is too much", &[]);
        assert_eq!(failure(by_constructor::completion(&runtime, "1").await), four);
        assert_eq!(by_constructor::reinvoke(&runtime, "1").await.expect("it succeeds"), 5);
    }

    /// Zero and the past mean at once; what no calendar holds is a failure that says so.
    async fn the_limits_of_a_postponement_are_kept(store: TestStore) {
        let runtime = runtime(&store).await;
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

    /// Without a poll in between, where it was put off.
    async fn a_short_postponement_is_over_here_at_once(store: TestStore) {
        let runtime = builder(store, &Probe::default()).settings(quick().poll(secs(3600))).register::<by_value>();
        let runtime = runtime.start().await.expect("a runtime starts");
        for (id, when) in [("now", When::In(0)), ("soon", When::In(20))] {
            assert_postponed(by_value::invoke(&runtime, id, when).await);
            assert_eq!(by_value::completion(&runtime, id).await.expect("it succeeds"), 2, "{id}");
        }
    }
}
