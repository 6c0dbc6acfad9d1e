//! Stored data that code cannot read: the instance fails, keeps what it has, and runs again after the next deployment.

use resilient::prelude::*;
use resilient::store::{Edit, Transition, Write, Written};
use resilient::{Due, Payload, StoredFunction};
use resilient_tests::{TestStore, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{Probe, builder, crash, failure, json, stored};

/// What was deployed first.
mod first {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) struct Order {
        pub(super) total: i64,
    }

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        pub(super) steps: u32,
    }

    #[resilient_fn(type_id = "Mended", register = false)]
    pub(super) async fn work(
        order: Order,
        book: &mut Scrapbook<Book>,
        probe: Dep<Probe>,
    ) -> resilient::Result<String> {
        book.steps += 1;
        book.save().await?;
        probe.begin();
        probe.gate().await;
        Ok(format!("{} in {} steps", order.total, book.steps))
    }
}

/// Fields were renamed and nobody gave them a version.
mod renamed {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) struct Order {
        pub(super) amount: i64,
    }

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        pub(super) done: u32,
    }

    /// The parameter does not read.
    #[resilient_fn(type_id = "Mended", register = false)]
    pub(super) async fn order(order: Order, book: &mut Scrapbook<first::Book>) -> String {
        format!("{} in {} steps", order.amount, book.steps)
    }

    /// The scrapbook does not read.
    #[resilient_fn(type_id = "Mended", register = false)]
    pub(super) async fn book(order: first::Order, book: &mut Scrapbook<Book>) -> String {
        format!("{} in {} steps", order.total, book.done)
    }
}

/// A version that refuses some of the earlier data, and one that does not know it.
mod strict {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = first::Order)]
    pub(super) struct Order {
        pub(super) total: u32,
    }

    impl TryFrom<first::Order> for Order {
        type Error = String;

        fn try_from(order: first::Order) -> Result<Self, String> {
            let total = u32::try_from(order.total).map_err(|_| format!("{} is negative", order.total))?;
            Ok(Self { total })
        }
    }

    #[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
    #[scrapbook(version = 2, oldest = 2)]
    pub(super) struct Book {
        pub(super) done: Vec<u32>,
    }

    /// It refuses the parameter.
    #[resilient_fn(type_id = "Mended", register = false)]
    pub(super) async fn order(order: Order, book: &mut Scrapbook<first::Book>) -> String {
        format!("{} in {} steps", order.total, book.steps)
    }

    /// It has forgotten the scrapbook.
    #[resilient_fn(type_id = "Mended", register = false)]
    pub(super) async fn book(order: first::Order, book: &mut Scrapbook<Book>) -> String {
        format!("{} in {:?}", order.total, book.done)
    }
}

async fn start<F: ResilientFn>(store: &TestStore, probe: &Probe) -> Runtime {
    let runtime = builder(store.another().await, probe).register::<F>().start();
    runtime.await.expect("it starts")
}

async fn row(store: &TestStore) -> StoredFunction {
    stored(store, "Mended", "1").await
}

/// Leaves an instance that the first deployment has begun and not ended.
async fn begun(store: &TestStore, probe: &Probe) {
    let runtime = start::<first::work>(store, probe).await;
    first::work::schedule(&runtime, "1", first::Order { total: -5 }).await.expect("it is stored");
    probe.begun(1).await;
    crash(runtime, store).await;
    probe.open();
}

/// Another deployment cannot read it: it fails once, with this text, and keeps its data; then it is rolled back.
async fn fails_in<F: ResilientFn<Output = String>>(store: &TestStore, probe: &Probe, text: &str) {
    let runtime = start::<F>(store, probe).await;
    let found = failure(runtime.completion::<F>("1").await);
    assert_eq!((found.type_name.as_str(), found.message.as_str()), ("resilient::DecodeError", text));
    let failed = row(store).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 2), "and it is not tried again by itself");
    assert_kept(&failed);
    // Trying it again with the same code ends in the same way.
    assert_eq!(failure(runtime.reinvoke::<F>("1").await), found);
    assert_kept(&row(store).await);
    let panel = runtime.control_panel::<F>("1").await;
    assert!(matches!(panel, Err(InvokeError::Decode { .. })), "the typed panel says why: {panel:?}");
    runtime.raw_control_panel("Mended", "1").await.expect("the raw one opens it");
    runtime.shutdown().await.expect("it ends");
}

#[track_caller]
fn assert_kept(row: &StoredFunction) {
    assert_eq!(row.param, json(r#"{"total":-5}"#));
    assert_eq!(row.scrapbook, Some(json(r#"{"steps":1}"#)));
}

/// The next deployment reads it again.
async fn is_mended(store: &TestStore, probe: &Probe) {
    let runtime = start::<first::work>(store, probe).await;
    assert_eq!(first::work::reinvoke(&runtime, "1").await.expect("it succeeds"), "-5 in 2 steps");
}

on_every_store! {
    async fn a_parameter_that_does_not_read_is_kept(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        let name = std::any::type_name::<renamed::Order>();
        let text = format!("version 1 of `{name}` cannot be read: missing field `amount` at line 1 column 12");
        fails_in::<renamed::order>(&store, &probe, &text).await;
        is_mended(&store, &probe).await;
    }

    async fn a_scrapbook_that_does_not_read_is_kept(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        let name = std::any::type_name::<renamed::Book>();
        let text = format!("version 1 of `{name}` cannot be read: missing field `done` at line 1 column 11");
        fails_in::<renamed::book>(&store, &probe, &text).await;
        is_mended(&store, &probe).await;
    }

    async fn what_an_upgrade_refuses_is_kept(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        let name = std::any::type_name::<strict::Order>();
        let text =
            format!("version 1 of `{name}` cannot be upgraded, the step to `{name}` failed: -5 is negative");
        fails_in::<strict::order>(&store, &probe, &text).await;
        is_mended(&store, &probe).await;
    }

    async fn what_is_too_old_is_kept(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        let name = std::any::type_name::<strict::Book>();
        let text = format!("`{name}` is stored in version 1; this code knows 2 and later, give it `v1`");
        fails_in::<strict::book>(&store, &probe, &text).await;
        is_mended(&store, &probe).await;
    }

    /// It is text, so a person can mend it; until then nothing of it is lost.
    async fn a_journal_that_does_not_read_is_kept(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        edit_journal(&store, "{\"headers\":7}", Transition::Wait(Due::Now)).await;
        let runtime = start::<first::work>(&store, &probe).await;
        let found = failure(first::work::completion(&runtime, "1").await);
        assert_eq!(found.type_name, "unreadable journal");
        assert!(found.message.starts_with("invalid type: integer `7`, expected a map"), "{found:?}");
        let failed = row(&store).await;
        assert_eq!((failed.status, failed.journal.as_deref()), (Status::Failed, Some("{\"headers\":7}")));
        assert_kept(&failed);
        assert_eq!(failure(first::work::reinvoke(&runtime, "1").await), found);
        edit_journal(&store, "{\"headers\":{\"correlation-id\":\"c-7\"}}", Transition::Keep).await;
        assert_eq!(first::work::reinvoke(&runtime, "1").await.expect("it succeeds"), "-5 in 2 steps");
    }

    /// A person mends the text, and the code stays.
    async fn what_does_not_read_can_be_mended_by_a_raw_panel(store: TestStore) {
        let probe = Probe::default();
        begun(&store, &probe).await;
        let runtime = start::<renamed::order>(&store, &probe).await;
        failure(renamed::order::completion(&runtime, "1").await);
        let mut raw = runtime.raw_control_panel("Mended", "1").await.expect("it is there");
        raw.set_param(Payload::new(1, r#"{"amount":5}"#)).expect("it is JSON");
        raw.save().await.expect("nobody else was there");
        let panel = renamed::order::control_panel(&runtime, "1").await.expect("now it reads");
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), "5 in 1 steps");
    }
}

async fn edit_journal(store: &TestStore, journal: &str, transition: Transition) {
    let row = row(store).await;
    let journal = Some(journal.to_owned());
    let edit = Edit { journal, ..Edit::of(&row, transition) };
    assert_eq!(store.write(&[Write::Edit(edit)]).await.expect("the store works"), [Written::Done]);
}
