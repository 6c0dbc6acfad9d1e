//! What the view for people says.

use std::sync::Arc;
use std::time::Duration;

use resilient::store::{Cancel, Ending, Finish, Start, Write, Written};
use resilient::{
    Due, Epoch, Filter, FunctionId, Payload, Reads, Replica, ReplicaId, ReplicaType, Store, Timestamp,
};

use crate::place::Place;
use crate::{append, create, finish};

/// A replica that is alive for a while, runs version 1 of `Order`, and reads so much of it.
async fn join(store: &Arc<dyn Store>, reads: Option<Reads>) -> ReplicaId {
    let (id, lease) = (ReplicaId::random(), Duration::from_mins(10));
    let types = vec![ReplicaType { type_id: "Order".into(), version: 1, lease, reads }];
    let (host, app_version) = ("shop-1".to_owned(), "1".to_owned());
    let mut lifeline = store.lifeline().await.unwrap();
    lifeline.join(&Replica { id, lease, host, pid: 7, app_version, types }).await.unwrap();
    id
}

const READS: Option<Reads> = Some(Reads { param: 3, scrapbook: 0 });
const NOBODY: &str = "no live replica runs this type; start one that registers it and takes work";
const FREE_SLOT: &str = "is due, and waits for a replica with a free slot that reads parameter version 3";

/// An instance whose only run has ended, and what that has said.
async fn ended(store: &Arc<dyn Store>, instance: &str, ending: Ending, reason: Option<&str>) {
    let (id, owner) = (FunctionId::new("Order", instance), ReplicaId::random());
    store.write(&[create(instance, 1, Start::Running(owner))]).await.unwrap();
    let reason = reason.map(str::to_owned);
    let end = Finish { reason, ..Finish::without_progress(id, owner, Epoch::ZERO, ending) };
    assert_eq!(store.write(&[Write::Finish(end)]).await.unwrap(), [Written::Done]);
}

fn suspended(due: Option<Due>) -> Ending {
    Ending::Suspended { message_count: 0, due }
}

const HOUR: Due = Due::After(Duration::from_hours(1));

/// What the view says of all instances, and the runtime of the same rows; times are written as each likes, and are `2…`.
async fn say(place: &Place, store: &Arc<dyn Store>, expected: &[&str]) {
    let view = place.ask("select reason from #_overview order by instance_id").await;
    let live = store.replicas().await.unwrap();
    let rows = store.list(&Filter::default()).await.unwrap();
    let explained: Vec<_> = rows.iter().map(|row| row.explain(&live)).collect();
    for reasons in [view, explained] {
        assert_eq!(reasons.len(), expected.len(), "{place:?}");
        for (reason, expected) in reasons.iter().zip(expected) {
            let (before, after) = expected.split_once("2…").unwrap_or((expected, ""));
            let is_time = expected.contains('…')
                && reason.starts_with(&format!("{before}2"))
                && reason.ends_with(after);
            assert!(is_time || reason == expected, "{reason:?} should be {expected:?} on {place:?}");
        }
    }
}

#[tokio::test]
async fn the_overview_says_what_a_run_said_of_its_wait() {
    for place in Place::all() {
        let store = place.initialized().await;
        join(&store, READS).await;
        let reason = Some("waits for `paid`");
        let ends = [
            (suspended(None), None),
            (suspended(None), reason),
            (suspended(Some(HOUR)), None),
            (suspended(Some(HOUR)), reason),
            (Ending::Postponed(HOUR), None),
            (Ending::Postponed(HOUR), Some("try 2 of 5 failed: no")),
            (Ending::Postponed(Due::Now), Some("try 2 of 5 failed: no")),
        ];
        for (number, (ending, reason)) in ends.into_iter().enumerate() {
            ended(&store, &number.to_string(), ending, reason).await;
        }
        let due = format!("{FREE_SLOT}; try 2 of 5 failed: no");
        let expected = [
            "waits for a message",
            "waits for `paid`",
            "waits for a message until 2…",
            "waits for `paid`; due at 2…",
            "waits until 2…",
            "try 2 of 5 failed: no; due at 2…",
            &due,
        ];
        say(&place, &store, &expected).await;
    }
}

#[tokio::test]
async fn the_overview_says_that_nobody_could_go_on_with_what_waits() {
    for place in Place::all() {
        let store = place.initialized().await;
        ended(&store, "1", suspended(None), Some("waits for `paid`")).await;
        ended(&store, "2", suspended(Some(HOUR)), None).await;
        ended(&store, "3", Ending::Postponed(Due::Now), Some("try 2 of 5 failed: no")).await;
        let owner = ReplicaId::random();
        store.write(&[create("4", 1, Start::Running(owner))]).await.unwrap();
        let lost = format!("its owner {owner} is not known any more; ");
        let all = async |obstacle: &str| {
            let all = [
                format!("waits for `paid`; {obstacle}"),
                format!("waits for a message until 2…; {obstacle}"),
                format!("{obstacle}; try 2 of 5 failed: no"),
                format!("{lost}{obstacle}"),
            ];
            say(&place, &store, &all.each_ref().map(String::as_str)).await;
        };
        all(NOBODY).await;
        join(&store, None).await;
        all(NOBODY).await;
        join(&store, Some(Reads { param: 2, scrapbook: 0 })).await;
        all("no live replica reads parameter version 3 of this type").await;
    }
}

#[tokio::test]
async fn the_overview_does_not_say_any_more_for_what_was_waited() {
    for place in Place::all() {
        let store = place.initialized().await;
        for (instance, due) in [("1", None), ("2", Some(HOUR))] {
            ended(&store, instance, suspended(due), Some("waits for `paid`")).await;
            assert_eq!(store.write(&[append(instance, &["a"])]).await.unwrap(), [Written::Done]);
        }
        let past = Due::At(Timestamp::from_micros(1));
        ended(&store, "3", suspended(Some(past)), Some("sleeps until then")).await;
        let nobody = format!("{NOBODY}; a message came");
        say(&place, &store, &[&nobody, &nobody, NOBODY]).await;
        join(&store, READS).await;
        let woken = format!("{FREE_SLOT}; a message came");
        say(&place, &store, &[&woken, &woken, FREE_SLOT]).await;
    }
}

#[tokio::test]
async fn the_overview_says_why_an_instance_is_not_running() {
    for place in Place::all() {
        let store = place.initialized().await;
        let (me, nobody) = (join(&store, READS).await, ReplicaId::random());
        let running = [("1", me), ("2", nobody), ("3", me), ("4", me), ("5", me)];
        let mut batch = running.map(|(id, owner)| create(id, 1, Start::Running(owner))).to_vec();
        batch.push(create("6", 1, Start::Waiting(HOUR)));
        batch.push(create("7", 2, Start::Waiting(Due::Now)));
        batch.push(create("8", 1, Start::Waiting(Due::Now)));
        assert_eq!(store.write(&batch).await.unwrap(), vec![Written::Done; 8]);
        let failure = r#"{"type":"Refused","message":"the card was \"refused\"","sources":[]}"#;
        let ends = [
            finish("3", me, Ending::Succeeded(Payload::new(1, "1"))),
            finish("4", me, Ending::Failed(failure.to_owned())),
            finish("5", me, suspended(None)),
        ];
        assert_eq!(store.write(&ends).await.unwrap(), vec![Written::Done; 3]);
        let reasons = place.ask("select reason from #_overview order by instance_id").await;
        let expected = [
            format!("runs on replica {me} (7@shop-1)"),
            format!("its owner {nobody} is not known any more; it is taken over"),
            "succeeded".to_owned(),
            "failed: the card was ".to_owned(),
            "waits for a message".to_owned(),
            "waits until 2".to_owned(),
            "no live replica runs version 2 of this type".to_owned(),
            FREE_SLOT.to_owned(),
        ];
        assert_eq!(reasons.len(), expected.len(), "{place:?}");
        for (reason, expected) in reasons.iter().zip(expected) {
            assert!(reason.starts_with(&expected), "{reason:?} should be {expected:?} on {place:?}");
        }
        let repair = "repair it through the control panel";
        assert!(reasons[3].ends_with(repair), "{} on {place:?}", reasons[3]);
    }
}

#[tokio::test]
async fn the_overview_says_what_is_asked_to_end() {
    for place in Place::all() {
        let store = place.initialized().await;
        let owner = ReplicaId::random();
        for instance in ["1", "2", "3"] {
            store.write(&[create(instance, 1, Start::Running(owner))]).await.unwrap();
            let (id, failure) = (FunctionId::new("Order", instance), r#"{"message":"cancelled"}"#.to_owned());
            assert_eq!(store.write(&[Write::Cancel(Cancel { id, failure })]).await.unwrap(), [Written::Done]);
        }
        let ends = [
            finish("2", owner, Ending::Released),
            finish("3", owner, Ending::Succeeded(Payload::new(1, "1"))),
        ];
        assert_eq!(store.write(&ends).await.unwrap(), [Written::Done, Written::Done]);
        let reasons = place.ask("select reason from #_overview order by instance_id").await;
        let expected = [
            format!("its owner {owner} is not known any more; {NOBODY}; asked to end"),
            format!("{NOBODY}; asked to end"),
            "succeeded".to_owned(),
        ];
        assert_eq!(reasons, expected, "{place:?}");
    }
}
