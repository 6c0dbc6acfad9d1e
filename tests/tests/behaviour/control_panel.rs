//! What a person sees of an instance, and what a person can do with it: each verb is one compare-and-set.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use resilient::prelude::*;
use resilient::{Failure, FunctionId, Payload, Store, StoredFunction, Timestamp};
use resilient_tests::{eventually, on_every_store};

use crate::common::{
    Act, PATIENCE, Played, Probe, assert_postponed, builder, by_a_person, fail_as_told, failure, gated, json,
    onlooker, play, quick, refusal, replica, secs, stored, told_to_fail, two_replicas,
};

type Panel = ControlPanel<play>;

/// What a person can do with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Save,
    Reinvoke,
    ScheduleReinvoke,
    PostponeFor,
    PostponeUntil,
    Fail,
    Succeed,
    Delete,
}

const VERBS: [Verb; 8] = [
    Verb::Save,
    Verb::Reinvoke,
    Verb::ScheduleReinvoke,
    Verb::PostponeFor,
    Verb::PostponeUntil,
    Verb::Fail,
    Verb::Succeed,
    Verb::Delete,
];

/// The year 2100.
const LATER: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

impl Verb {
    fn id(self) -> String {
        format!("{self:?}")
    }

    async fn apply(self, mut panel: Panel) -> Result<(), InvokeError> {
        match self {
            Self::Save => panel.save().await,
            Self::Reinvoke => panel.reinvoke().await.map(drop),
            Self::ScheduleReinvoke => panel.schedule_reinvoke().await,
            Self::PostponeFor => panel.postpone_for(secs(3600)).await,
            Self::PostponeUntil => panel.postpone_until(LATER.into()).await,
            Self::Fail => panel.fail(by_a_person()).await,
            Self::Succeed => panel.succeed(vec![7]).await,
            Self::Delete => panel.delete().await,
        }
    }
}

async fn open(runtime: &Runtime, id: &str) -> Panel {
    play::control_panel(runtime, id).await.expect("the instance is there")
}

async fn find(store: &impl Store, id: &str) -> Option<StoredFunction> {
    let row = store.get(&[FunctionId::new("Play", id)]).await.expect("the store is there");
    row.into_iter().next().flatten()
}

/// What every transition leaves, as far as it does not depend on the clock.
#[derive(Debug, PartialEq)]
struct State {
    status: Status,
    epochs: i64,
    attempts: u32,
    param: Payload,
    scrapbook: Option<Payload>,
    result: Option<Payload>,
    failure: Option<String>,
}

impl State {
    fn of(row: StoredFunction, since: &StoredFunction) -> Self {
        Self {
            status: row.status,
            epochs: row.epoch.as_i64() - since.epoch.as_i64(),
            attempts: row.attempts,
            param: row.param,
            scrapbook: row.scrapbook,
            result: row.result,
            failure: row.failure,
        }
    }
}

fn failure_json(failure: &Failure) -> String {
    serde_json::to_string(failure).expect("a failure is text")
}

on_every_store! {
    /// One instance in each status.
    async fn a_panel_shows_what_is_stored(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        let before = SystemTime::now() - secs(60);
        play::invoke(&runtime, "succeeded", Vec::new()).await.expect("it succeeds");
        fail_as_told(&runtime, "failed").await;
        assert_postponed(play::invoke(&runtime, "postponed", vec![Act::Postpone(3_600_000)]).await);
        play::schedule(&runtime, "executing", vec![Act::Hang]).await.expect("it is stored");
        probe.begun(4).await;

        let panel = open(&runtime, "succeeded").await;
        assert_eq!((panel.id(), panel.status()), (&FunctionId::new("Play", "succeeded"), Status::Succeeded));
        assert_eq!((panel.epoch().as_i64(), panel.attempts(), panel.owner()), (1, 1, None));
        assert_eq!(panel.result().expect("it can be read"), Some(vec![1]));
        assert_eq!((panel.failure(), panel.postponed_until()), (None, None));
        assert!(panel.created_at() > before && panel.created_at() < SystemTime::now() + secs(60));
        let panel = open(&runtime, "failed").await;
        assert_eq!((panel.status(), panel.failure()), (Status::Failed, Some(told_to_fail())));
        assert_eq!((panel.param(), panel.scrapbook()), (&vec![Act::Fail], &Played { attempts: vec![1] }));
        assert_eq!(panel.result().expect("there is none"), None);
        let panel = open(&runtime, "postponed").await;
        let due = stored(&store, "Play", "postponed").await.due_at.map(SystemTime::from);
        assert_eq!((panel.status(), panel.postponed_until()), (Status::Postponed, due));
        let panel = open(&runtime, "executing").await;
        assert_eq!((panel.status(), panel.owner()), (Status::Executing, runtime.replica_id()));
        assert_eq!(panel.scrapbook(), &Played::default(), "it has saved nothing");
    }

    /// With a parameter and a scrapbook that were edited before, in one step.
    async fn each_verb_stores_the_edits_with_its_transition(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        let param = json(r#"["Return",{"Postpone":5}]"#);
        let scrapbook = Some(json(r#"{"attempts":[5,6]}"#));
        for verb in VERBS {
            let id = verb.id();
            fail_as_told(&tool, &id).await;
            let before = stored(&store, "Play", &id).await;
            let mut panel = open(&tool, &id).await;
            *panel.param_mut() = vec![Act::Return, Act::Postpone(5)];
            panel.scrapbook_mut().attempts = vec![5, 6];
            let applied = verb.apply(panel).await;
            let (status, epochs, result, failure) = match verb {
                Verb::Save => (Status::Failed, 1, None, before.failure.clone()),
                Verb::Reinvoke => (Status::Postponed, 2, None, None),
                Verb::ScheduleReinvoke | Verb::PostponeFor | Verb::PostponeUntil => (Status::Postponed, 1, None, None),
                Verb::Fail => (Status::Failed, 1, None, Some(failure_json(&by_a_person()))),
                Verb::Succeed => (Status::Succeeded, 1, Some(json("[7]")), None),
                Verb::Delete => {
                    applied.expect("it can be deleted");
                    assert_eq!(find(&store, &id).await, None);
                    continue;
                }
            };
            let (scrapbook, attempts) = if verb == Verb::Reinvoke {
                assert_postponed(applied);
                (Some(json(r#"{"attempts":[5,6,2]}"#)), 2)
            } else {
                applied.expect("nobody else was there");
                (scrapbook.clone(), 1)
            };
            let expected = State { status, epochs, attempts, param: param.clone(), scrapbook, result, failure };
            let row = stored(&store, "Play", &id).await;
            let due = row.due_at;
            let updated = row.updated_at;
            assert_eq!(State::of(row, &before), expected, "after {verb:?}");
            match verb {
                Verb::ScheduleReinvoke => assert_eq!(due, Some(updated), "at once"),
                Verb::PostponeFor => assert_eq!(due, Some(updated.saturating_add(secs(3600)))),
                Verb::PostponeUntil => assert_eq!(due, Some(LATER)),
                _ => {}
            }
        }
    }

    /// Somebody else was faster: nothing happens, none of the edits is stored.
    async fn a_stale_panel_changes_nothing(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for verb in VERBS {
            let id = verb.id();
            fail_as_told(&tool, &id).await;
            let mut stale = open(&tool, &id).await;
            let mut faster = open(&tool, &id).await;
            *faster.param_mut() = vec![Act::Panic];
            faster.save().await.expect("it is the first");
            let row = stored(&store, "Play", &id).await;
            *stale.param_mut() = vec![Act::Return];
            stale.scrapbook_mut().attempts = vec![9];
            let text = format!("`Play/{id}` has changed since it was read; reload it and decide again");
            assert_eq!(refusal(verb.apply(stale).await), text);
            assert_eq!(stored(&store, "Play", &id).await, row, "after {verb:?}");
        }
        assert_eq!(probe.runs(), VERBS.len(), "none ran again");
    }

    /// What is gone is not there.
    async fn a_panel_of_a_deleted_instance_says_so(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for verb in VERBS {
            let id = verb.id();
            fail_as_told(&tool, &id).await;
            let (mut other, panel) = (open(&tool, &id).await, open(&tool, &id).await);
            open(&tool, &id).await.delete().await.expect("it can be deleted");
            let text = format!("there is no instance `Play/{id}`");
            assert_eq!(refusal(verb.apply(panel).await), text);
            assert_eq!(refusal(other.reload().await), text);
            assert_eq!(refusal(play::control_panel(&tool, id.as_str()).await), text);
            assert_eq!(find(&store, &id).await, None, "{verb:?} does not bring it back");
        }
    }

    /// A run saves without moving the epoch, so an edit could overwrite what was never read.
    async fn data_of_a_running_instance_is_not_edited(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        for (running, verb) in VERBS.into_iter().filter(|verb| *verb != Verb::Delete).enumerate() {
            let id = verb.id();
            play::schedule(&runtime, id.as_str(), vec![Act::Hang]).await.expect("it is stored");
            probe.begun(running + 1).await;
            let row = stored(&store, "Play", &id).await;
            let mut panel = open(&runtime, &id).await;
            panel.scrapbook_mut().attempts = vec![9];
            let text = format!("`Play/{id}` is executing; wait for it, or postpone or fail it first");
            assert_eq!(refusal(verb.apply(panel).await), text);
            assert_eq!(stored(&store, "Play", &id).await, row, "after {verb:?}");
        }
    }

    /// What is begun is not begun again; everything else takes the instance away from its run.
    async fn a_verb_on_a_running_instance_takes_it_from_its_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        let tool = onlooker(&store, &probe).await;
        for (running, verb) in VERBS.into_iter().enumerate() {
            let id = verb.id();
            play::schedule(&tool, id.as_str(), vec![Act::Hang]).await.expect("it is stored");
            probe.begun(running + 1).await;
            let applied = verb.apply(open(&tool, &id).await).await;
            let row = find(&store, &id).await.map(|row| (row.status, row.owner));
            let expected = match verb {
                Verb::Save | Verb::Reinvoke | Verb::ScheduleReinvoke => {
                    let text = format!("`Play/{id}` is executing; wait for it, or postpone or fail it first");
                    assert_eq!(refusal(applied), text);
                    Some((Status::Executing, runtime.replica_id()))
                }
                _ => {
                    applied.expect("a person decides");
                    match verb {
                        Verb::Fail => Some((Status::Failed, None)),
                        Verb::Succeed => Some((Status::Succeeded, None)),
                        Verb::Delete => None,
                        _ => Some((Status::Postponed, None)),
                    }
                }
            };
            assert_eq!(row, expected, "after {verb:?}");
        }
    }

    /// A panel that has saved knows the new epoch.
    async fn a_panel_can_save_again_and_again(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let mut panel = open(&tool, "1").await;
        panel.save().await.expect("nothing was edited, and that is stored");
        panel.scrapbook_mut().attempts.push(8);
        panel.save().await.expect("it knows its epoch");
        *panel.param_mut() = vec![Act::Fail, Act::Return];
        panel.save().await.expect("it knows its epoch");
        assert_eq!((panel.status(), panel.failure()), (Status::Failed, Some(told_to_fail())), "a save is no verdict");
        assert_eq!(panel.epoch(), stored(&store, "Play", "1").await.epoch);
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), [1, 8, 2]);
    }

    /// Edits are thrown away.
    async fn a_reload_shows_what_others_have_stored(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        fail_as_told(&tool, "1").await;
        let mut panel = open(&tool, "1").await;
        *panel.param_mut() = vec![Act::Panic];
        panel.scrapbook_mut().attempts = vec![9];
        let mut other = open(&tool, "1").await;
        other.scrapbook_mut().attempts = vec![4];
        other.save().await.expect("it is the first");
        panel.reload().await.expect("it is there");
        assert_eq!((panel.param(), panel.scrapbook()), (&vec![Act::Fail], &Played { attempts: vec![4] }));
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), [4, 2], "the edits of before are not stored later");
    }

    /// The body sees what was edited; the result is the new one, for all.
    async fn a_repaired_instance_runs_with_the_edits(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        fail_as_told(&here, "here").await;
        let mut panel = open(&there, "here").await;
        panel.scrapbook_mut().attempts = vec![5];
        assert_eq!(panel.reinvoke().await.expect("it succeeds"), [5, 2]);
        assert_eq!(play::invoke(&here, "here", Vec::new()).await.expect("it has succeeded"), [5, 2]);
        fail_as_told(&here, "there").await;
        let mut panel = open(&there, "there").await;
        *panel.param_mut() = vec![Act::Fail, Act::Postpone(1)];
        panel.schedule_reinvoke().await.expect("it is stored");
        assert_eq!(play::completion(&here, "there").await.expect("it succeeds"), [1, 2, 3]);
    }

    /// From any status to any other.
    async fn a_person_can_change_any_verdict(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        assert_postponed(play::invoke(&tool, "1", vec![Act::Postpone(3_600_000)]).await);
        open(&tool, "1").await.fail(by_a_person()).await.expect("what waits can be given up");
        assert_eq!(failure(play::invoke(&tool, "1", Vec::new()).await), by_a_person());
        open(&tool, "1").await.succeed(vec![7]).await.expect("what has failed can be called a success");
        assert_eq!(play::invoke(&tool, "1", Vec::new()).await.expect("it has succeeded"), [7]);
        open(&tool, "1").await.postpone_for(secs(3600)).await.expect("what has succeeded can be put off");
        assert_postponed(play::invoke(&tool, "1", Vec::new()).await);
        open(&tool, "1").await.succeed(vec![8]).await.expect("what waits can be called a success");
        open(&tool, "1").await.fail(told_to_fail()).await.expect("what has succeeded can be called a failure");
        let panel = open(&tool, "1").await;
        assert_eq!((panel.status(), panel.failure()), (Status::Failed, Some(told_to_fail())));
        assert_eq!(panel.result().expect("there is none"), None, "the old result is gone");
        assert_eq!(probe.runs(), 1);
    }

    /// A deleted id is free, and nothing of the old instance is left.
    async fn a_deleted_id_can_be_used_anew(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        fail_as_told(&runtime, "1").await;
        open(&runtime, "1").await.delete().await.expect("it can be deleted");
        assert_eq!(play::invoke(&runtime, "1", Vec::new()).await.expect("it succeeds"), [1]);
        open(&runtime, "1").await.delete().await.expect("it can be deleted");
        play::schedule(&runtime, "1", vec![Act::Postpone(1)]).await.expect("it is stored");
        assert_eq!(play::completion(&runtime, "1").await.expect("it succeeds"), [1, 2]);
    }

    /// Although it has the id, the owner and the epochs of the old one.
    async fn the_run_of_a_deleted_instance_does_not_end_the_new_one(store: TestStore) {
        let probe = Probe::default();
        let blind = builder(store.clone(), &probe).settings(quick().sweep(secs(3600)));
        let blind = blind.start().await.expect("it starts");
        let tool = onlooker(&store, &probe).await;
        let begun = tokio::spawn({
            let blind = blind.clone();
            async move { gated::invoke(&blind, "direct", 1).await }
        });
        gated::schedule(&tool, "claimed", 1).await.expect("it is stored");
        probe.begun(2).await;
        for id in ["direct", "claimed"] {
            let panel = gated::control_panel(&tool, id).await.expect("it is there");
            panel.delete().await.expect("it can be deleted");
            gated::schedule(&tool, id, 2).await.expect("its id is free");
        }
        probe.begun(4).await;
        probe.open();
        for id in ["direct", "claimed"] {
            assert_eq!(gated::completion(&tool, id).await.expect("it succeeds"), 2, "the result of the new `{id}`");
            assert_eq!(stored(&store, "Gated", id).await.param, json("2"));
        }
        assert_eq!(begun.await.expect("no caller panics").expect("it succeeds"), 2, "that is what is there now");
    }

    /// A verdict reaches those who wait for one, in every process.
    async fn a_verdict_wakes_those_who_wait(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        assert_postponed(play::invoke(&here, "1", vec![Act::Postpone(3_600_000)]).await);
        let waiting: Vec<_> = [here.clone(), there]
            .into_iter()
            .map(|runtime| tokio::spawn(async move { play::completion(&runtime, "1").await }))
            .collect();
        open(&here, "1").await.succeed(vec![7]).await.expect("a person decides");
        for waiter in waiting {
            assert_eq!(waiter.await.expect("no caller panics").expect("it has succeeded"), [7]);
        }
    }

    /// What cannot be stored is refused, and nothing else of the edit is stored.
    async fn edits_that_cannot_be_stored_are_refused(store: TestStore) {
        let probe = Probe::default();
        let tool = builder(store.clone(), &probe).settings(quick().max_payload(1_000)).take_no_work();
        let tool = tool.start().await.expect("it starts");
        fail_as_told(&tool, "1").await;
        let row = stored(&store, "Play", "1").await;
        let too_late = SystemTime::UNIX_EPOCH + secs(253_402_300_800);
        let text = "the time is after the year 9999; give an earlier one";
        assert_eq!(refusal(open(&tool, "1").await.postpone_until(too_late).await), text);
        let text = "the duration of 18446744073709551615 seconds is longer than 1,000 years; give a shorter one";
        assert_eq!(refusal(open(&tool, "1").await.postpone_for(Duration::MAX).await), text);
        let mut panel = open(&tool, "1").await;
        panel.scrapbook_mut().attempts = vec![1; 600];
        *panel.param_mut() = vec![Act::Return];
        let text = "the scrapbook has 1214 bytes; at most 1000 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(panel.save().await), text);
        let text = "the result has 1201 bytes; at most 1000 are kept, see `Settings::max_payload`";
        assert_eq!(refusal(panel.succeed(vec![1; 600]).await), text.replace("result", "scrapbook").replace("1201", "1214"));
        assert_eq!(refusal(open(&tool, "1").await.succeed(vec![1; 600]).await), text);
        assert_eq!(stored(&store, "Play", "1").await, row);
    }

    /// One of many wins.
    async fn of_people_who_repair_at_once_one_wins(store: TestStore) {
        let probe = Probe::default();
        let (here, there) = two_replicas(&store, &probe).await;
        fail_as_told(&here, "1").await;
        let mut panels = Vec::new();
        for number in 0..16 {
            panels.push(open(if number % 2 == 0 { &here } else { &there }, "1").await);
        }
        let repairs: Vec<_> = panels.into_iter().map(|panel| tokio::spawn(panel.reinvoke())).collect();
        let mut won = 0;
        for repair in repairs {
            match repair.await.expect("no repair panics") {
                Ok(attempts) => {
                    assert_eq!(attempts, [1, 2]);
                    won += 1;
                }
                Err(InvokeError::Changed { .. } | InvokeError::Executing { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((won, probe.runs()), (1, 2), "one repair, one run");
        eventually(PATIENCE, async || here.running() + there.running() == 0).await;
    }
}
