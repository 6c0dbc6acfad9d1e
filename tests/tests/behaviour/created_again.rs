//! An id that was freed and taken again: what was read of the instance before is a view of another one.

use resilient::prelude::*;
use resilient_tests::on_every_store;

use crate::common::{
    Probe, builder, by_a_person, double, fail_as_told, json, ms, onlooker, play, refusal, secs, stored,
};

/// Deletes the instance and lets another one fail under its id, with the same epoch and at a later time.
async fn create_again(tool: &Runtime, store: &impl resilient::Store) {
    let old = stored(store, "Play", "1").await;
    open(tool).await.delete().await.expect("it can be deleted");
    // Virtual time moves only while somebody waits.
    tokio::time::sleep(ms(1)).await;
    fail_as_told(tool, "1").await;
    let new = stored(store, "Play", "1").await;
    assert_eq!(new.epoch, old.epoch);
    assert_ne!(new.created_at, old.created_at, "only this tells them apart");
}

async fn open(tool: &Runtime) -> ControlPanel<play> {
    play::control_panel(tool, "1").await.expect("the instance is there")
}

const STALE: &str = "`Play/1` has changed since it was read; reload it and decide again";

on_every_store! {
    /// Each verb, by a panel that was opened before.
    async fn a_panel_of_a_deleted_instance_leaves_the_next_one_alone(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let mut stale = Vec::new();
        for _ in 0..7 {
            stale.push(open(&tool).await);
        }
        let mut next = || stale.pop().expect("there are enough");
        create_again(&tool, &store).await;
        let row = stored(&store, "Play", "1").await;

        assert_eq!(refusal(next().save().await), STALE);
        assert_eq!(refusal(next().reinvoke().await), STALE);
        assert_eq!(refusal(next().schedule_reinvoke().await), STALE);
        assert_eq!(refusal(next().postpone_for(secs(1)).await), STALE);
        assert_eq!(refusal(next().fail(by_a_person()).await), STALE);
        assert_eq!(refusal(next().succeed(vec![7]).await), STALE);
        assert_eq!(refusal(next().delete().await), STALE);

        assert_eq!(stored(&store, "Play", "1").await, row, "nothing was changed");
        assert_eq!(probe.runs(), 2, "nothing ran again");
    }

    /// Its run may not have left this process when its caller has the answer.
    async fn what_is_deleted_and_invoked_at_once_runs_again(store: TestStore) {
        let probe = Probe::default();
        let runtime = builder(store.clone(), &probe).start().await.expect("a runtime starts");
        for round in 0..100 {
            assert_eq!(double::invoke(&runtime, "1", round).await.expect("it succeeds"), round * 2);
            let panel = double::control_panel(&runtime, "1").await.expect("it is stored");
            panel.delete().await.expect("it is there");
        }
        assert_eq!(probe.runs(), 100);
    }

    /// The same by a panel that knows no type, and with one that is reloaded.
    async fn a_reloaded_panel_is_one_of_the_next_instance(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let mut panel = open(&tool).await;
        let raw = async || tool.raw_control_panel("Play", "1").await.expect("it is there");
        let (first, second) = (raw().await, raw().await);
        create_again(&tool, &store).await;
        let row = stored(&store, "Play", "1").await;

        assert_eq!(refusal(first.succeed(json("[7]")).await), STALE);
        assert_eq!(refusal(second.delete().await), STALE);
        assert_eq!(stored(&store, "Play", "1").await, row, "nothing was changed");

        panel.reload().await.expect("it is there");
        panel.succeed(vec![7]).await.expect("it was read again");
        assert_eq!(stored(&store, "Play", "1").await.result, Some(json("[7]")));
    }
}
