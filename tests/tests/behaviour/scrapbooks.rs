//! A function gets a scrapbook, and does without it again, while instances of it are stored.

use resilient::prelude::*;
use resilient::{DecodeError, Payload, StoredFunction};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{PATIENCE, Probe, builder, crash, json, refusal, secs, stored};

/// As it was written first.
mod without {
    use super::*;

    #[resilient_fn(type_id = "Grown", register = false)]
    pub(super) async fn work(number: u32, probe: Dep<Probe>) -> String {
        probe.note(format!("{number} without"));
        probe.begin();
        probe.gate().await;
        format!("{number} without")
    }
}

/// With a scrapbook.
mod with {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, Scrapbook)]
    pub(super) struct Book {
        pub(super) runs: u32,
    }

    #[resilient_fn(type_id = "Grown", register = false)]
    pub(super) async fn work(
        number: u32,
        book: &mut Scrapbook<Book>,
        probe: Dep<Probe>,
    ) -> resilient::Result<String> {
        probe.note(format!("{number} with"));
        book.runs += 1;
        book.save().await?;
        probe.begin();
        probe.gate().await;
        Ok(format!("{number} in {} runs", book.runs))
    }
}

/// Without one again, and says so.
mod dropped {
    use super::*;

    #[resilient_fn(type_id = "Grown", dropped_scrapbook = 1, register = false)]
    pub(super) async fn work(number: u32, probe: Dep<Probe>) -> String {
        probe.note(format!("{number} dropped"));
        probe.begin();
        probe.gate().await;
        format!("{number} done without")
    }
}

async fn start<F: ResilientFn>(store: &TestStore, probe: &Probe) -> Runtime {
    let runtime = builder(store.another().await, probe).register::<F>().start();
    runtime.await.expect("it starts")
}

async fn row(store: &TestStore, id: &str) -> StoredFunction {
    stored(store, "Grown", id).await
}

/// Leaves an instance that code with a scrapbook has begun, due for whoever can run it.
async fn begun_with_a_scrapbook(store: &TestStore, probe: &Probe) {
    let runtime = start::<with::work>(store, probe).await;
    with::work::schedule(&runtime, "1", 7).await.expect("it is stored");
    probe.begun(1).await;
    crash(runtime, store).await;
    let keeper = builder(store.another().await, probe).start().await.expect("it starts");
    eventually(PATIENCE, async || row(store, "1").await.status == Status::Postponed).await;
    drop(keeper);
    probe.open();
}

/// A run elsewhere: so it is seen that this code looks for work, and what it leaves alone.
async fn does_other_work<F: ResilientFn<Param = u32, Output = String>>(runtime: &Runtime) -> String {
    runtime.schedule::<F>("other", 0).await.expect("it is stored");
    runtime.completion::<F>("other").await.expect("it succeeds")
}

on_every_store! {
    /// What has none begins with the default.
    async fn a_new_scrapbook_begins_empty(store: TestStore) {
        let probe = Probe::default();
        let before = start::<without::work>(&store, &probe).await;
        without::work::schedule(&before, "1", 7).await.expect("it is stored");
        without::work::schedule_after(&before, "2", 8, secs(3600)).await.expect("it is stored");
        probe.begun(1).await;
        crash(before, &store).await;
        probe.open();
        let after = start::<with::work>(&store, &probe).await;
        assert_eq!(with::work::completion(&after, "1").await.expect("it succeeds"), "7 in 1 runs");
        let mut panel = with::work::control_panel(&after, "2").await.expect("it is there");
        assert_eq!(panel.scrapbook(), &with::Book::default());
        panel.save().await.expect("nobody else was there");
        assert_eq!(row(&store, "2").await.scrapbook, None, "it was not edited");
        panel.scrapbook_mut().runs = 10;
        panel.schedule_reinvoke().await.expect("nobody else was there");
        assert_eq!(with::work::completion(&after, "2").await.expect("it succeeds"), "8 in 11 runs");
        assert_eq!(probe.notes(), ["7 without", "7 with", "8 with"]);
    }

    /// It would forget what the scrapbook says has been done.
    async fn code_without_a_scrapbook_never_runs_what_was_begun_with_one(store: TestStore) {
        let probe = Probe::default();
        begun_with_a_scrapbook(&store, &probe).await;
        let due = row(&store, "1").await;
        let before = start::<without::work>(&store, &probe).await;
        assert_eq!(does_other_work::<without::work>(&before).await, "0 without");
        let text = "the stored scrapbook cannot be read";
        assert_eq!(refusal(without::work::reinvoke(&before, "1").await), text);
        match without::work::control_panel(&before, "1").await {
            Err(InvokeError::Decode { field: "scrapbook", source }) => {
                assert_eq!(source, DecodeError::NoScrapbook { stored: 1 });
                let text = "a scrapbook is stored in version 1 and the function takes none; deploy the code that takes it, \
                    or say `dropped_scrapbook = 1` when nothing needs it any more";
                assert_eq!(source.to_string(), text);
            }
            other => panic!("the scrapbook was to be refused: {other:?}"),
        }
        let raw = before.raw_control_panel("Grown", "1").await.expect("a raw panel opens it");
        assert_eq!(raw.scrapbook(), Some(&json(r#"{"runs":1}"#)));
        assert_eq!(row(&store, "1").await, due, "it is due, and left alone");
        let after = start::<with::work>(&store, &probe).await;
        assert_eq!(with::work::completion(&after, "1").await.expect("it succeeds"), "7 in 2 runs");
    }

    /// Code that was deployed to do without it runs everything, and throws nothing away.
    async fn a_dropped_scrapbook_is_kept_and_ignored(store: TestStore) {
        let probe = Probe::default();
        begun_with_a_scrapbook(&store, &probe).await;
        let after = start::<dropped::work>(&store, &probe).await;
        assert_eq!(dropped::work::completion(&after, "1").await.expect("it succeeds"), "7 done without");
        let kept = Some(json(r#"{"runs":1}"#));
        assert_eq!(row(&store, "1").await.scrapbook, kept);
        let mut panel = dropped::work::control_panel(&after, "1").await.expect("it opens");
        *panel.scrapbook_mut() = resilient::NoScrapbook {};
        *panel.param_mut() = 9;
        panel.save().await.expect("nobody else was there");
        assert_eq!(row(&store, "1").await.scrapbook, kept, "a panel has nothing to put there");
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), "9 done without");
        assert_eq!(dropped::work::reinvoke(&after, "1").await.expect("it succeeds"), "9 done without");
        // Rolled back, the code with the scrapbook finds it as it left it.
        after.shutdown().await.expect("it ends");
        let back = start::<with::work>(&store, &probe).await;
        assert_eq!(with::work::reinvoke(&back, "1").await.expect("it succeeds"), "9 in 2 runs");
    }

    /// Saying that version 1 was dropped says nothing about version 2.
    async fn a_scrapbook_newer_than_the_dropped_one_is_left_alone(store: TestStore) {
        let probe = Probe::default();
        begun_with_a_scrapbook(&store, &probe).await;
        let tool = builder(store.another().await, &probe).take_no_work().start().await.expect("it starts");
        let mut raw = tool.raw_control_panel("Grown", "1").await.expect("it is there");
        raw.set_scrapbook(Payload::new(2, r#"{"of":"newer code"}"#)).expect("it is JSON");
        raw.schedule_reinvoke().await.expect("nobody else was there");
        let due = row(&store, "1").await;
        let after = start::<dropped::work>(&store, &probe).await;
        assert_eq!(does_other_work::<dropped::work>(&after).await, "0 done without");
        let refused = dropped::work::reinvoke(&after, "1").await;
        let expected = DecodeError::NoScrapbook { stored: 2 };
        assert!(matches!(&refused, Err(InvokeError::Decode { source, .. }) if *source == expected), "{refused:?}");
        assert_eq!(row(&store, "1").await, due);
    }
}
