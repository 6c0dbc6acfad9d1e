//! Errors and panics: what a person finds who has to repair an instance.

use std::error::Error;
use std::fmt::Debug;

use resilient::prelude::*;
use resilient::{Failure, MAX_FAILURE_TEXT};
use resilient_tests::{TestStore, on_every_store};

use crate::common::{Probe, builder, failed, failure, json, stored};

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

async fn runtime(store: &TestStore) -> Runtime {
    let builder = builder(store.clone(), &Probe::default())
        .register::<panics>()
        .register::<chain>()
        .register::<question>()
        .register::<text>()
        .register::<constant>()
        .register::<boxed>()
        .register::<with_anyhow>()
        .register::<aliased>();
    builder.start().await.expect("a runtime starts")
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
        let runtime = runtime(&store).await;
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
        let runtime = runtime(&store).await;
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
        let runtime = runtime(&store).await;
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
        let runtime = runtime(&store).await;
        assert_eq!(aliased::invoke(&runtime, "7", 7).await.expect("it succeeds"), 7);
        assert_eq!(failure(aliased::invoke(&runtime, "0", 0).await), failed("alloc::string::String", "zero", &[]));
        assert_eq!(stored(&store, "Aliased", "7").await.result, Some(json("7")));
    }
}
