//! The control panel that opens everything, and the lists that lead to it.

use resilient::prelude::*;
use resilient::{Filter, FunctionId, StoredFunction, Timestamp};
use resilient_tests::on_every_store;

use crate::common::{
    Probe, by_a_person, double, fail_as_told, failure, json, ms, onlooker, play, refusal, replica, stored,
    told_to_fail,
};

/// The year 2100.
const LATER: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

on_every_store! {
    /// A type that this program does not know, and data that it cannot read.
    async fn a_raw_panel_opens_everything(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        fail_as_told(&runtime, "1").await;
        let stranger = Runtime::builder(store.another().await).start().await.expect("a tool knows no function");
        let mut raw = stranger.raw_control_panel("Play", "1").await.expect("it is there");
        assert_eq!((raw.id(), raw.status(), raw.attempts()), (&FunctionId::new("Play", "1"), Status::Failed, 1));
        assert_eq!((raw.failure(), raw.version(), raw.owner()), (Some(told_to_fail()), 1, None));
        assert_eq!((raw.param(), raw.result()), (&json(r#"["Fail"]"#), None));
        assert_eq!(raw.scrapbook(), Some(&json(r#"{"attempts":[1]}"#)));
        assert_eq!(raw.stored(), &stored(&store, "Play", "1").await);
        raw.set_param(json(r#"["What was this?"]"#)).expect("it is JSON");
        raw.set_scrapbook(json(r#"{"attempts":"many"}"#)).expect("it is JSON");
        raw.save().await.expect("nobody else was there");

        let unreadable = play::control_panel(&runtime, "1").await.expect_err("it cannot be read");
        let InvokeError::Decode { field, source } = unreadable else { panic!("{unreadable:?}") };
        assert_eq!(field, "parameter");
        assert!(source.to_string().contains("unknown variant `What was this?`"), "{source}");
        let found = failure(play::reinvoke(&runtime, "1").await);
        assert_eq!(found.type_name, "resilient::DecodeError", "it fails once, and does not spin");

        let mut raw = stranger.raw_control_panel("Play", "1").await.expect("it is there");
        raw.set_param(json("[]")).expect("it is JSON");
        raw.save().await.expect("nobody else was there");
        let unreadable = play::control_panel(&runtime, "1").await.expect_err("it cannot be read");
        assert!(matches!(unreadable, InvokeError::Decode { field: "scrapbook", .. }), "{unreadable:?}");
        let found = failure(play::reinvoke(&runtime, "1").await);
        assert!(found.message.contains("invalid type: string \"many\""), "{found}");

        let mut raw = stranger.raw_control_panel("Play", "1").await.expect("it is there");
        raw.set_scrapbook(json(r#"{"attempts":[3]}"#)).expect("it is JSON");
        raw.schedule_reinvoke().await.expect("nobody else was there");
        assert_eq!(play::completion(&runtime, "1").await.expect("it is repaired"), [3, 4]);
        assert_eq!(probe.runs(), 2, "a body does not run on what cannot be read");
    }

    /// The same verbs, by hand.
    async fn a_raw_panel_knows_all_verbs(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let raw = async || tool.raw_control_panel("Play", "1").await.expect("it is there");
        raw().await.succeed(json("[7]")).await.expect("a person decides");
        assert_eq!(play::completion(&tool, "1").await.expect("it has succeeded"), [7]);
        raw().await.fail(by_a_person()).await.expect("a person decides");
        assert_eq!(raw().await.failure(), Some(by_a_person()));
        raw().await.postpone_for(ms(3_600_000)).await.expect("a person decides");
        raw().await.postpone_until(LATER.into()).await.expect("a person decides");
        assert_eq!(raw().await.postponed_until(), Some(LATER.into()));
        let (stale, mut faster) = (raw().await, raw().await);
        faster.save().await.expect("it is the first");
        let text = "`Play/1` has changed since it was read; reload it and decide again";
        assert_eq!(refusal(stale.delete().await), text);
        raw().await.delete().await.expect("a person decides");
        assert_eq!(refusal(faster.reload().await), "there is no instance `Play/1`");
        assert_eq!(refusal(tool.raw_control_panel("None", "1").await), "there is no instance `None/1`");
    }

    /// A typing error of a person must not become data that no function can read.
    async fn a_raw_panel_takes_json_only(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let row = stored(&store, "Play", "1").await;
        let mut raw = tool.raw_control_panel("Play", "1").await.expect("it is there");
        let eof = "EOF while parsing a list at line 1 column 1";
        assert_eq!(refusal(raw.set_param(json("["))), format!("the parameter is not JSON: {eof}"));
        assert_eq!(refusal(raw.set_scrapbook(json("["))), format!("the scrapbook is not JSON: {eof}"));
        let long = format!("\"{}\"", "x".repeat(1024 * 1024));
        let text = "the parameter has 1048578 bytes; at most 1048576 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(raw.set_param(json(long))), text);
        assert_eq!(refusal(raw.succeed(json("["))
            .await), format!("the result is not JSON: {eof}"));
        assert_eq!(stored(&store, "Play", "1").await, row);
    }

    /// In pages, by type and by status.
    async fn instances_are_listed(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for id in ["a", "b", "c"] {
            fail_as_told(&tool, id).await;
            double::invoke(&tool, id, 1).await.expect("it succeeds");
        }
        let names = |rows: Vec<StoredFunction>| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
        let all = tool.list(&Filter::default()).await.expect("the store is there");
        assert_eq!(names(all), ["Double/a", "Double/b", "Double/c", "Play/a", "Play/b", "Play/c"]);
        let failed = Filter { status: Some(Status::Failed), limit: 2, ..Filter::default() };
        let page = tool.list(&failed).await.expect("the store is there");
        let after = page.last().map(|row| row.id.clone());
        assert_eq!(names(page), ["Play/a", "Play/b"]);
        let page = tool.list(&Filter { after, ..failed }).await.expect("the store is there");
        assert_eq!(names(page), ["Play/c"]);
        let doubles = Filter { type_id: Some("Double".into()), ..Filter::default() };
        assert_eq!(tool.list(&doubles).await.expect("the store is there").len(), 3);
    }
}
