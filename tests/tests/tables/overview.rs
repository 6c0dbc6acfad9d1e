//! What the view for people says.

use std::time::Duration;

use resilient::store::{Cancel, Ending, Finish, Start, Write, Written};
use resilient::{Due, Epoch, FunctionId, Payload, Reads, Replica, ReplicaId, ReplicaType};

use crate::place::Place;
use crate::{create, finish};

#[tokio::test]
async fn the_overview_says_what_a_run_said_of_its_wait() {
    for place in Place::all() {
        let store = place.initialized().await;
        let owner = ReplicaId::random();
        let hour = Due::After(Duration::from_hours(1));
        let suspended = |due| Ending::Suspended { message_count: 0, due };
        let reason = Some("waits for `paid`".to_owned());
        let ends = [
            (suspended(None), None),
            (suspended(None), reason.clone()),
            (suspended(Some(hour)), None),
            (suspended(Some(hour)), reason.clone()),
            (Ending::Postponed(hour), None),
            (Ending::Postponed(hour), Some("try 2 of 5 failed: no".to_owned())),
            (Ending::Postponed(Due::Now), reason),
        ];
        for (number, (ending, reason)) in ends.into_iter().enumerate() {
            let id = FunctionId::new("Order", number.to_string());
            store.write(&[create(&number.to_string(), 1, Start::Running(owner))]).await.unwrap();
            let end = Finish { reason, ..Finish::without_progress(id, owner, Epoch::ZERO, ending) };
            assert_eq!(store.write(&[Write::Finish(end)]).await.unwrap(), [Written::Done]);
        }
        let reasons = place.ask("select reason from #_overview order by instance_id").await;
        let expected = [
            "waits for a message",
            "waits for `paid`",
            "waits for a message until 2",
            "waits for `paid`; due at 2",
            "waits until 2",
            "try 2 of 5 failed: no; due at 2",
            "no live replica runs version 1 of this type; waits for `paid`",
        ];
        assert_eq!(reasons.len(), expected.len());
        for (reason, expected) in reasons.iter().zip(expected) {
            let is_time = expected.ends_with(" 2") && reason.starts_with(expected);
            assert!(is_time || reason == expected, "{reason:?} should be {expected:?} on {place:?}");
        }
    }
}

#[tokio::test]
async fn the_overview_says_why_an_instance_is_not_running() {
    for place in Place::all() {
        let store = place.initialized().await;
        let (me, nobody) = (ReplicaId::random(), ReplicaId::random());
        let lease = Duration::from_mins(10);
        let types = vec![ReplicaType {
            type_id: "Order".into(),
            version: 1,
            lease,
            reads: Some(Reads { param: 3, scrapbook: 0 }),
        }];
        let (host, app_version) = ("shop-1".to_owned(), "1".to_owned());
        let mut lifeline = store.lifeline().await.unwrap();
        lifeline.join(&Replica { id: me, lease, host, pid: 7, app_version, types }).await.unwrap();
        let running = [("1", me), ("2", nobody), ("3", me), ("4", me), ("5", me)];
        let mut batch = running.map(|(id, owner)| create(id, 1, Start::Running(owner))).to_vec();
        batch.push(create("6", 1, Start::Waiting(Due::After(Duration::from_hours(1)))));
        batch.push(create("7", 2, Start::Waiting(Due::Now)));
        batch.push(create("8", 1, Start::Waiting(Due::Now)));
        assert_eq!(store.write(&batch).await.unwrap(), vec![Written::Done; 8]);
        let failure = r#"{"type":"Refused","message":"the card was \"refused\"","sources":[]}"#;
        let ends = [
            finish("3", me, Ending::Succeeded(Payload::new(1, "1"))),
            finish("4", me, Ending::Failed(failure.to_owned())),
            finish("5", me, Ending::Suspended { message_count: 0, due: None }),
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
            "is due, and waits for a replica with a free slot that reads parameter version 3".to_owned(),
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
            format!("its owner {owner} is not known any more; it is taken over; asked to end"),
            "no live replica runs version 1 of this type; asked to end".to_owned(),
            "succeeded".to_owned(),
        ];
        assert_eq!(reasons, expected, "{place:?}");
    }
}
