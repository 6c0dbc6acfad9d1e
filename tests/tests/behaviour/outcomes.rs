//! How runs end, what is stored of them, and how they begin again.

use resilient::prelude::*;
use resilient::{Failure, SaveError};
use resilient_tests::{TestStore, eventually, on_every_store};
use serde::{Deserialize, Serialize};

use crate::common::{
    Act, PATIENCE, Played, Probe, builder, failure, json, ms, play, quick, refusal, replica, secs, stored,
    told_to_fail,
};

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
    let builder = builder(store.clone(), probe).register::<keep>().register::<knows>().register::<stubborn>();
    builder.start().await.expect("a runtime starts")
}

on_every_store! {
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
