use std::time::Duration;

use super::*;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::record::{Reads, Replica};

/// What stands at the end of a reason, and alone for what is due.
const NOBODY: &str = "no live replica runs this type; start one that registers it and takes work";
const NOW: Timestamp = Timestamp::from_micros(1_000_000);
const LATER: Timestamp = Timestamp::from_micros(5_000_000);

fn row(status: Status) -> StoredFunction {
    StoredFunction {
        id: FunctionId::new("Order", "1"),
        parent: None,
        status,
        epoch: Epoch::ZERO,
        owner: None,
        attempts: 1,
        cancel_requested: false,
        crashes: 0,
        due_at: None,
        version: 2,
        param: Payload::new(3, "1"),
        scrapbook: None,
        result: None,
        failure: None,
        journal: None,
        reason: None,
        saves: 0,
        message_count: 0,
        created_at: NOW,
        updated_at: NOW,
        completed_at: None,
    }
}

fn replica(version: u32, reads: Option<Reads>) -> LiveReplica {
    let lease = Duration::from_secs(1);
    let types = vec![ReplicaType { type_id: "Order".into(), version, lease, reads }];
    let (host, app_version) = ("host".to_owned(), String::new());
    let replica = Replica { id: ReplicaId::random(), lease, host, pid: 7, app_version, types };
    LiveReplica { replica, started_at: NOW, heartbeat_at: NOW }
}

fn taker(version: u32, param: u32, scrapbook: u32) -> LiveReplica {
    replica(version, Some(Reads { param, scrapbook }))
}

fn other_type() -> LiveReplica {
    let mut other = taker(2, 9, 9);
    other.replica.types[0].type_id = "Invoice".into();
    other
}

fn reason(row: &StoredFunction, live: &[LiveReplica]) -> String {
    row.explain(live)
}

fn due() -> StoredFunction {
    StoredFunction { due_at: Some(NOW), ..row(Status::Postponed) }
}

#[test]
fn what_is_due_names_what_no_live_replica_can() {
    let booked = StoredFunction { scrapbook: Some(Payload::new(4, "{}")), ..due() };
    let cases = [
        (vec![], NOBODY),
        (vec![other_type()], NOBODY),
        (vec![replica(2, None)], NOBODY),
        (vec![taker(1, 9, 9)], "no live replica runs version 2 of this type"),
        (vec![taker(1, 9, 9), replica(2, None)], "no live replica runs version 2 of this type"),
        (vec![taker(2, 2, 9)], "no live replica reads parameter version 3 of this type"),
        (vec![taker(2, 3, 3)], "no live replica reads scrapbook version 4 of this type"),
        (vec![taker(2, 2, 9), taker(2, 9, 0)], "no live replica reads scrapbook version 4 of this type"),
    ];
    for (live, expected) in cases {
        assert_eq!(obstacle(&booked, &live).as_deref(), Some(expected));
        assert_eq!(reason(&booked, &live), expected);
    }
    let live = [taker(2, 3, 4)];
    assert_eq!(obstacle(&booked, &live), None);
    let text = "is due, and waits for a replica with a free slot that reads parameter version 3";
    assert_eq!(reason(&booked, &live), format!("{text} and scrapbook version 4"));
    assert_eq!(reason(&due(), &live), text);
    let said = StoredFunction { reason: Some("waits for newer code".to_owned()), ..due() };
    assert_eq!(reason(&said, &live), format!("{text}; waits for newer code"));
}

#[test]
fn what_waits_says_for_what() {
    let live = [taker(2, 3, 0)];
    let suspended = row(Status::Suspended);
    assert_eq!(reason(&suspended, &live), "waits for a message");
    let until = StoredFunction { due_at: Some(LATER), ..suspended };
    assert_eq!(reason(&until, &live), "waits for a message until 1970-01-01T00:00:05.000000Z");
    let postponed = StoredFunction { status: Status::Postponed, ..until.clone() };
    assert_eq!(reason(&postponed, &live), "waits until 1970-01-01T00:00:05.000000Z");
    let said = StoredFunction { reason: Some("sleeps".to_owned()), ..until };
    assert_eq!(reason(&said, &live), "sleeps; due at 1970-01-01T00:00:05.000000Z");
    let mut beaten = taker(2, 3, 0);
    beaten.heartbeat_at = LATER;
    assert!(reason(&postponed, &[beaten]).starts_with("is due"), "the store's clock has gone on");
}

#[test]
fn what_waits_says_that_nobody_could_go_on() {
    let said =
        StoredFunction { reason: Some("waits for message `Paid`".to_owned()), ..row(Status::Suspended) };
    for live in [vec![], vec![other_type()], vec![replica(2, None)]] {
        assert_eq!(reason(&said, &live), format!("waits for message `Paid`; {NOBODY}"));
    }
    let until = StoredFunction { due_at: Some(LATER), ..row(Status::Postponed) };
    let text =
        "waits until 1970-01-01T00:00:05.000000Z; no live replica reads parameter version 3 of this type";
    assert_eq!(reason(&until, &[taker(2, 2, 0)]), text);
}

#[test]
fn what_was_woken_does_not_say_any_more_for_what_it_waited() {
    let live = [taker(2, 3, 0)];
    let free_slot = "is due, and waits for a replica with a free slot that reads parameter version 3";
    let said = Some("waits for message `Paid`".to_owned());
    let woken = StoredFunction { due_at: Some(NOW), reason: said, ..row(Status::Suspended) };
    assert_eq!(reason(&woken, &live), format!("{free_slot}; a message came"));
    assert_eq!(reason(&woken, &[]), format!("{NOBODY}; a message came"));
    let timed_out = StoredFunction { updated_at: Timestamp::from_micros(1), ..woken };
    assert_eq!(reason(&timed_out, &live), free_slot, "its time has come");
}

#[test]
fn what_runs_says_where_and_whether_its_owner_lives() {
    let mut live = taker(2, 3, 0);
    let id = live.replica.id;
    let run = StoredFunction { owner: Some(id), ..row(Status::Executing) };
    assert_eq!(reason(&run, std::slice::from_ref(&live)), format!("runs on replica {id} (7@host)"));
    let asked = StoredFunction { cancel_requested: true, ..run.clone() };
    let text = format!("runs on replica {id} (7@host); asked to end");
    assert_eq!(reason(&asked, std::slice::from_ref(&live)), text);
    assert_eq!(reason(&StoredFunction { status: Status::Succeeded, ..asked }, &[]), "succeeded");
    assert_eq!(reason(&run, &[]), format!("its owner {id} is not known any more; {NOBODY}"));
    let text = format!("its owner {id} is not known any more; it is taken over");
    assert_eq!(reason(&run, &[taker(2, 3, 0)]), text);
    let mut other = replica(1, None);
    other.heartbeat_at = LATER;
    let silent =
        format!("its owner {id} gave no sign of life since 1970-01-01T00:00:01.000000Z; it is taken over");
    assert_eq!(reason(&run, &[live.clone(), other]), silent);
    live.replica.types.clear();
    let does_not = format!("its owner {id} does not run version 2 of this type");
    let text = format!("{does_not}; it is taken over");
    assert_eq!(reason(&run, &[live.clone(), taker(2, 3, 0)]), text);
    assert_eq!(reason(&run, &[live]), format!("{does_not}; {NOBODY}"));
}

#[test]
fn what_is_completed_says_how() {
    assert_eq!(reason(&row(Status::Succeeded), &[]), "succeeded");
    let failure = crate::answer::failure_json(&Failure::new("io", "the bank is closed"));
    let failed = StoredFunction { failure: Some(failure), ..row(Status::Failed) };
    assert_eq!(reason(&failed, &[]), "failed: the bank is closed; repair it through the control panel");
    let mended = StoredFunction { failure: Some("no json".to_owned()), ..failed };
    assert_eq!(reason(&mended, &[]), "failed: no json; repair it through the control panel");
}
