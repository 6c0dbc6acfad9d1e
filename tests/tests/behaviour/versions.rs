//! Old code and new code on the same data, as in every rolling deployment.

use resilient::prelude::*;
use resilient::{DecodeError, Payload};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{PATIENCE, Probe, builder, crash, double, failure, replica, secs, stored};

/// The code of yesterday.
mod yesterday {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Versioned)]
    #[versioned(version = 1)]
    pub(super) struct Order {
        pub(super) total: u32,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, Scrapbook)]
    #[scrapbook(version = 1)]
    pub(super) struct Book {
        pub(super) steps: u32,
    }

    #[resilient_fn(type_id = "Rolling", register = false)]
    pub(super) async fn process(
        order: Order,
        book: &mut Scrapbook<Book>,
        probe: Dep<Probe>,
    ) -> resilient::Result<String> {
        probe.note("old code");
        probe.begin();
        book.steps += 1;
        book.save().await?;
        probe.gate().await;
        Ok(format!("old {} in {}", order.total, book.steps))
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Receipt {
        pub(super) total: u32,
    }

    #[resilient_fn(type_id = "Receipt", register = false)]
    pub(super) async fn receipt(total: u32) -> Receipt {
        Receipt { total }
    }
}

/// The code of today: it reads what the code of yesterday wrote.
mod today {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = yesterday::Order)]
    pub(super) struct Order {
        pub(super) total: u64,
        pub(super) currency: String,
    }

    impl From<yesterday::Order> for Order {
        fn from(order: yesterday::Order) -> Self {
            Self { total: order.total.into(), currency: "EUR".to_owned() }
        }
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, Scrapbook)]
    #[scrapbook(version = 2, v1 = yesterday::Book)]
    pub(super) struct Book {
        pub(super) done: Vec<u32>,
    }

    impl From<yesterday::Book> for Book {
        fn from(book: yesterday::Book) -> Self {
            Self { done: (1..=book.steps).collect() }
        }
    }

    #[resilient_fn(type_id = "Rolling", register = false)]
    pub(super) async fn process(
        order: Order,
        book: &mut Scrapbook<Book>,
        probe: Dep<Probe>,
    ) -> resilient::Result<String> {
        probe.note("new code");
        probe.begin();
        book.done.push(100);
        book.save().await?;
        probe.gate().await;
        Ok(format!("new {} {} in {:?}", order.total, order.currency, book.done))
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = yesterday::Receipt)]
    pub(super) struct Receipt {
        pub(super) totals: Vec<u32>,
    }

    impl From<yesterday::Receipt> for Receipt {
        fn from(receipt: yesterday::Receipt) -> Self {
            Self { totals: vec![receipt.total] }
        }
    }

    #[resilient_fn(type_id = "Receipt", register = false)]
    pub(super) async fn receipt(total: u32) -> Receipt {
        Receipt { totals: vec![total, total] }
    }
}

async fn old(store: &TestStore, probe: &Probe) -> Runtime {
    let old = builder(store.another().await, probe)
        .register::<yesterday::process>()
        .register::<yesterday::receipt>();
    old.start().await.expect("it starts")
}

async fn new(store: &TestStore, probe: &Probe) -> Runtime {
    let new = builder(store.another().await, probe).register::<today::process>().register::<today::receipt>();
    new.start().await.expect("it starts")
}

fn order() -> today::Order {
    today::Order { total: 7, currency: "SEK".to_owned() }
}

fn assert_newer<T: std::fmt::Debug>(answer: Result<T, InvokeError>, expected: &'static str) {
    match answer {
        Err(InvokeError::Decode { field, source: DecodeError::Newer { stored: 2, newest: 1, .. } }) => {
            assert_eq!(field, expected);
        }
        other => panic!("newer data was expected: {other:?}"),
    }
}

on_every_store! {
    /// What old code began, new code ends.
    async fn new_code_goes_on_with_what_old_code_wrote(store: TestStore) {
        let probe = Probe::default();
        let before = old(&store, &probe).await;
        yesterday::process::schedule(&before, "1", yesterday::Order { total: 5 }).await.expect("it is stored");
        probe.begun(1).await;
        eventually(PATIENCE, async || stored(&store, "Rolling", "1").await.scrapbook.is_some()).await;
        crash(before, &store).await;
        let after = new(&store, &probe).await;
        probe.open();
        let answer = today::process::completion(&after, "1").await.expect("it succeeds");
        assert_eq!(answer, "new 5 EUR in [1, 100]");
        let row = stored(&store, "Rolling", "1").await;
        assert_eq!(row.param, Payload::new(1, r#"{"total":5}"#), "the parameter is as it was");
        assert_eq!(row.scrapbook, Some(Payload::new(2, r#"{"done":[1,100]}"#)));
        assert_eq!(probe.notes(), ["old code", "new code"]);
    }

    /// It is left to new code, not failed, not decoded, not run.
    async fn old_code_does_not_touch_a_newer_parameter(store: TestStore) {
        let probe = Probe::default();
        probe.open();
        let (before, after) = (old(&store, &probe).await, new(&store, &probe).await);
        let tool = builder(store.another().await, &probe).register::<today::process>().take_no_work();
        let tool = tool.start().await.expect("it starts");
        crash(after, &store).await;
        today::process::schedule(&tool, "1", order()).await.expect("it is stored");
        let row = stored(&store, "Rolling", "1").await;
        // Old code has something else to do, so that its claims can be seen.
        for number in 0..3 {
            let id = format!("n{number}");
            yesterday::process::schedule(&before, id.as_str(), yesterday::Order { total: number }).await.expect("stored");
            let answer = yesterday::process::completion(&before, id.as_str()).await.expect("it succeeds");
            assert_eq!(answer, format!("old {number} in 1"));
        }
        assert_eq!(stored(&store, "Rolling", "1").await, row, "old code has left it alone");
        assert_newer(yesterday::process::control_panel(&before, "1").await, "parameter");
        assert_newer(yesterday::process::reinvoke(&before, "1").await, "parameter");
        let raw = before.raw_control_panel("Rolling", "1").await.expect("a raw panel opens it");
        assert_eq!(raw.param(), &Payload::new(2, r#"{"total":7,"currency":"SEK"}"#));
        assert_eq!(stored(&store, "Rolling", "1").await, row, "looking changes nothing");
        let after = new(&store, &probe).await;
        assert_eq!(today::process::completion(&after, "1").await.expect("it succeeds"), "new 7 SEK in [100]");
    }

    /// A crash of new code does not hand its work to old code.
    async fn old_code_does_not_take_over_a_newer_scrapbook(store: TestStore) {
        let probe = Probe::default();
        let (before, after) = (old(&store, &probe).await, new(&store, &probe).await);
        let tool = builder(store.another().await, &probe).register::<yesterday::process>().take_no_work();
        let tool = tool.start().await.expect("it starts");
        before.shutdown().await.expect("it ends");
        yesterday::process::schedule(&tool, "1", yesterday::Order { total: 5 }).await.expect("it is stored");
        probe.begun(1).await;
        eventually(PATIENCE, async || stored(&store, "Rolling", "1").await.scrapbook.is_some()).await;
        let before = old(&store, &probe).await;
        crash(after, &store).await;
        probe.open();
        eventually(PATIENCE, async || {
            stored(&store, "Rolling", "1").await.status == Status::Postponed
        })
        .await;
        let released = stored(&store, "Rolling", "1").await;
        let other = yesterday::process::invoke(&before, "2", yesterday::Order { total: 1 }).await;
        assert_eq!(other.expect("old code has its own work"), "old 1 in 1");
        assert_eq!(stored(&store, "Rolling", "1").await, released, "it is due, and old code does not take it");
        assert_newer(yesterday::process::reinvoke(&before, "1").await, "scrapbook");
        assert_newer(yesterday::process::control_panel(&before, "1").await, "scrapbook");
        let after = new(&store, &probe).await;
        assert_eq!(today::process::completion(&after, "1").await.expect("it succeeds"), "new 5 EUR in [100, 100]");
    }

    /// It is stored once and read by both; what old code cannot read, it says so and leaves as it is.
    async fn a_result_gets_another_version(store: TestStore) {
        let probe = Probe::default();
        let (before, after) = (old(&store, &probe).await, new(&store, &probe).await);
        yesterday::receipt::invoke(&before, "1", 5).await.expect("it succeeds");
        let receipt = today::receipt::invoke(&after, "1", 5).await.expect("it is upgraded");
        assert_eq!(receipt, today::Receipt { totals: vec![5] });
        today::receipt::invoke(&after, "2", 5).await.expect("it succeeds");
        let row = stored(&store, "Receipt", "2").await;
        assert_newer(yesterday::receipt::invoke(&before, "2", 5).await, "result");
        assert_newer(yesterday::receipt::completion(&before, "2").await, "result");
        let panel = yesterday::receipt::control_panel(&before, "2").await.expect("it opens");
        assert_newer(panel.result(), "result");
        assert_eq!(stored(&store, "Receipt", "2").await, row);
    }

    /// Old code under a newer type id: an upgrade that refuses is a failure that says which step.
    async fn a_parameter_of_another_type_fails_the_instance_once(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        double::schedule_after(&runtime, "1", 1, secs(3600)).await.expect("it is stored");
        let mut raw = runtime.raw_control_panel("Double", "1").await.expect("it is there");
        raw.set_param(Payload::new(1, r#"{"not":"a number"}"#)).expect("it is JSON");
        raw.schedule_reinvoke().await.expect("nobody else was there");
        let found = failure(double::completion(&runtime, "1").await);
        let text = "version 1 of `u64` cannot be read: invalid type: map, expected u64 at line 1 column 0";
        assert_eq!((found.type_name.as_str(), found.message.as_str()), ("resilient::DecodeError", text));
        let row = stored(&store, "Double", "1").await;
        assert_eq!((row.status, row.attempts, probe.runs()), (Status::Failed, 1, 0), "once, and without its body");
    }
}
