//! Taking work that is due: what is taken, and what is not.

use std::time::Duration;

use super::given::{self, HOUR, NOW, TYPE, edit, finish, id, kind, text};
use super::subject::{Subject, became};
use super::wait::eventually;
use crate::clock::{Due, Timestamp};
use crate::id::{FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Claimable, Create, Ending, Start, Transition, Written};

fn claimed_by(row: &mut StoredFunction, replica: ReplicaId) {
    row.status = Status::Executing;
    row.owner = Some(replica);
    row.epoch = row.epoch.next();
    row.attempts += 1;
    row.due_at = None;
    row.reason = None;
}

/// "It becomes `Executing` under `replica`, with its epoch and its attempts one higher."
pub async fn due_work_becomes_executing_under_the_claimer(store: &Subject) {
    let live = store.live().await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_all(live).await.len(), 1);
    store.expect(&waiting, |row| claimed_by(row, live)).await;
}

/// A claim answers the instances as they are stored from then on, whole.
pub async fn a_claim_answers_what_it_stored(store: &Subject) {
    let live = store.live().await;
    let start = Start::Waiting(Due::Now);
    let create = Create { scrapbook: Some(text(2, "first")), ..given::create("a", start) };
    assert_eq!(store.create(create).await, Written::Done);
    let claimed = store.claim_all(live).await;
    assert_eq!(claimed, [store.row(&id("a")).await]);
}

/// A claim leaves data, progress and the count of crashes as they are.
pub async fn a_claim_keeps_progress_and_crashes(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.finish(finish(&run, Ending::Lost)).await, Written::Done);
    let lost = store.row(&run.id).await;
    assert_eq!((lost.crashes, lost.scrapbook.clone()), (2, Some(text(2, "first"))));
    let live = store.live().await;
    let claimed = store.claim_all(live).await;
    let [after] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    became(&lost, after, |row| claimed_by(row, live));
}

/// "A `due_at` that is not in the future."
pub async fn work_that_is_due_later_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    let later = store.waiting("a", Due::After(HOUR)).await;
    let much_later = store.waiting("b", Due::At(Timestamp::MAX)).await;
    assert_eq!(store.claim_all(live).await, []);
    store.unchanged(&later).await;
    store.unchanged(&much_later).await;
}

/// "Work is due when it is `Postponed` or `Suspended` with a `due_at`": nothing else is.
pub async fn only_waiting_work_is_claimed(store: &Subject) {
    for status in [Status::Executing, Status::Suspended, Status::Succeeded, Status::Failed] {
        let row = store.in_status(&status.to_string(), status).await;
        let live = store.live().await;
        assert_eq!(store.claim_all(live).await, [], "{status} is not due");
        store.unchanged(&row).await;
    }
}

/// "Two callers never get the same instance at the same epoch": the second finds it `Executing`.
pub async fn claimed_work_is_not_claimed_again(store: &Subject) {
    let (first, second) = (store.live().await, store.live().await);
    store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_all(first).await.len(), 1);
    assert_eq!(store.claim_all(second).await, []);
    assert_eq!(store.claim_all(first).await, []);
    assert_eq!(store.row(&id("a")).await.owner, Some(first));
}

/// "Nothing is claimed for a replica that is not alive": it never joined.
pub async fn a_replica_that_nobody_knows_claims_nothing(store: &Subject) {
    store.live().await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_all(ReplicaId::random()).await, []);
    store.unchanged(&waiting).await;
}

/// "Nothing is claimed for a replica that is not alive": it left.
pub async fn a_replica_that_left_claims_nothing(store: &Subject) {
    let gone = store.live().await;
    store.leave(gone).await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_all(gone).await, []);
    store.unchanged(&waiting).await;
}

/// "Nothing is claimed for a replica that is not alive": its lease has ended.
pub async fn a_replica_whose_lease_has_ended_claims_nothing(store: &Subject) {
    let lapsed = store.lapsed().await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_all(lapsed).await, []);
    store.unchanged(&waiting).await;
}

/// "Each claim counts": a run that postpones and is claimed again begins another attempt.
pub async fn every_claim_counts_an_attempt(store: &Subject) {
    let live = store.live().await;
    store.waiting("a", Due::Now).await;
    for attempt in 1..=3 {
        let claimed = store.claim_all(live).await;
        let [run] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
        assert_eq!(run.attempts, attempt);
        assert_eq!(store.finish(finish(run, Ending::Postponed(Due::Now))).await, Written::Done);
    }
}

/// "Only work that one of `kinds` describes is touched": of these types.
pub async fn only_the_named_types_are_claimed(store: &Subject) {
    let live = store.live().await;
    store.waiting("a", Due::Now).await;
    let other = FunctionId::new("Invoice", "b");
    let create = Create { id: other.clone(), ..given::create("", Start::Waiting(Due::Now)) };
    assert_eq!(store.create(create).await, Written::Done);
    assert_eq!(store.claimed(live, &[kind("Invoice")], 9).await, ["b"]);
    assert_eq!(store.claimed(live, &[kind("Invoice"), kind(TYPE)], 9).await, ["a"]);
}

/// Ids compare by their bytes, in a claim too.
pub async fn a_type_is_told_from_its_look_alikes_in_a_claim(store: &Subject) {
    let live = store.live().await;
    let waiting = store.waiting("a", Due::Now).await;
    for other in ["order", "Order ", "Örder", "Ord%", "Orde_", "Orde"] {
        assert_eq!(store.claimed(live, &[kind(other)], 9).await, Vec::<String>::new(), "{other:?}");
    }
    store.unchanged(&waiting).await;
}

/// Without kinds there is nothing to claim.
pub async fn a_claim_of_no_kind_takes_nothing(store: &Subject) {
    let live = store.live().await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_of(live, &[], 9).await, []);
    store.unchanged(&waiting).await;
}

/// "`limit` in all": a limit of nothing takes nothing.
pub async fn a_limit_of_zero_takes_nothing(store: &Subject) {
    let live = store.live().await;
    let waiting = store.waiting("a", Due::Now).await;
    assert_eq!(store.claim_of(live, &[kind(TYPE)], 0).await, []);
    assert_eq!(store.claim_of(live, &[Claimable { limit: 0, ..kind(TYPE) }], 9).await, []);
    store.unchanged(&waiting).await;
}

/// "`limit` in all" is a number of 32 bits without a sign.
pub async fn the_largest_limit_takes_everything(store: &Subject) {
    let live = store.live().await;
    for instance in ["a", "b", "c"] {
        store.waiting(instance, Due::Now).await;
    }
    let all = [Claimable { limit: u32::MAX, ..kind(TYPE) }];
    assert_eq!(store.claimed(live, &all, u32::MAX).await, ["a", "b", "c"]);
}

/// "`limit` in all", "the longest due first".
pub async fn the_limit_in_all_takes_the_longest_due(store: &Subject) {
    let live = store.live().await;
    for (instance, minute) in [("a", 4), ("b", 2), ("c", 1), ("d", 3)] {
        store.waiting(instance, Due::At(Timestamp::from_micros(minute * 60_000_000))).await;
    }
    assert_eq!(store.claimed(live, &[kind(TYPE)], 1).await, ["c"]);
    assert_eq!(store.claimed(live, &[kind(TYPE)], 2).await, ["b", "d"]);
    assert_eq!(store.claimed(live, &[kind(TYPE)], 2).await, ["a"]);
}

/// "At most `kind.limit` of each kind", "the longest due first".
pub async fn the_limit_of_a_kind_takes_its_longest_due(store: &Subject) {
    let live = store.live().await;
    for (number, minute) in [("1", 3), ("2", 1), ("3", 2)] {
        for type_id in ["Order", "Invoice"] {
            let due = Due::At(Timestamp::from_micros(minute * 60_000_000));
            let id = FunctionId::new(type_id, format!("{type_id}{number}"));
            let create = Create { id, ..given::create("", Start::Waiting(due)) };
            assert_eq!(store.create(create).await, Written::Done);
        }
    }
    let kinds = [Claimable { limit: 1, ..kind("Order") }, Claimable { limit: 2, ..kind("Invoice") }];
    assert_eq!(store.claimed(live, &kinds, 9).await, ["Invoice2", "Invoice3", "Order2"]);
    assert_eq!(store.claimed(live, &kinds, 9).await, ["Invoice1", "Order3"]);
}

/// "`limit` in all, the longest due first": among all kinds, whatever their order in the call.
pub async fn kinds_share_the_limit_by_due_time(store: &Subject) {
    let live = store.live().await;
    for (type_id, minute) in [("Order", 4), ("Order", 2), ("Invoice", 3), ("Invoice", 1)] {
        let due = Due::At(Timestamp::from_micros(minute * 60_000_000));
        let id = FunctionId::new(type_id, minute.to_string());
        assert_eq!(
            store.create(Create { id, ..given::create("", Start::Waiting(due)) }).await,
            Written::Done
        );
    }
    let kinds = [kind("Order"), kind("Invoice")];
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(store.claimed(live, &kinds, 1).await);
    }
    assert_eq!(order, ["1", "2", "3", "4"]);
}

/// What cannot be claimed does not use up the limit of what can.
pub async fn work_that_is_not_described_does_not_use_up_the_limit(store: &Subject) {
    let live = store.live().await;
    for instance in ["a", "b", "c"] {
        let start = Start::Waiting(Due::At(Timestamp::UNIX_EPOCH));
        let create = Create { param: text(2, "newer"), ..given::create(instance, start) };
        assert_eq!(store.create(create).await, Written::Done);
    }
    store.waiting("d", Due::Now).await;
    assert_eq!(store.claimed(live, &[Claimable { limit: 1, ..kind(TYPE) }], 1).await, ["d"]);
}

/// A claim takes as much as it may at once.
pub async fn a_claim_takes_hundreds_at_once(store: &Subject) {
    let live = store.live().await;
    let names: Vec<_> = (0..300).map(|number| format!("{number:03}")).collect();
    for name in &names {
        store.waiting(name, Due::Now).await;
    }
    assert_eq!(store.claimed(live, &[kind(TYPE)], 300).await, names);
}

/// "Waits for its due time, then any replica runs it": not before, and then soon.
pub async fn postponed_work_is_claimed_when_its_time_has_come(store: &Subject) {
    let live = store.live().await;
    let waiting = store.waiting("a", Due::After(Duration::from_millis(150))).await;
    let run = eventually("due work", async || store.claim_all(live).await.pop()).await;
    assert!(Some(run.updated_at) >= waiting.due_at, "claimed before it was due: {waiting:?}, {run:?}");
}

/// "A time in the past means at once."
pub async fn work_due_in_the_past_is_claimed_at_once(store: &Subject) {
    let live = store.live().await;
    for (instance, micros) in [("a", -1), ("b", 0), ("c", 1), ("d", 1_000_000_000_000_000)] {
        store.waiting(instance, Due::At(Timestamp::from_micros(micros))).await;
    }
    assert_eq!(store.claimed(live, &[kind(TYPE)], 9).await, ["a", "b", "c", "d"]);
}

/// Work that another edit put off is not claimed at its old time.
pub async fn work_that_was_put_off_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    let due = store.waiting("a", Due::Now).await;
    let put_off = edit(&due, Transition::Wait(Due::After(HOUR)));
    assert_eq!(store.edit(put_off).await, Written::Done);
    assert_eq!(store.claim_all(live).await, []);
}

/// Whatever was handed over, lost or put back by an edit is due the same way as what was scheduled.
pub async fn every_way_of_waiting_is_claimed_the_same_way(store: &Subject) {
    let live = store.live().await;
    store.waiting("scheduled", Due::Now).await;
    let endings = [Ending::Postponed(Due::Now), Ending::Released, Ending::Lost];
    for (name, ending) in ["postponed", "released", "lost"].into_iter().zip(endings) {
        let run = store.running(name, live).await;
        assert_eq!(store.finish(finish(&run, ending)).await, Written::Done);
    }
    let edited = store.running("edited", live).await;
    assert_eq!(store.edit(edit(&edited, Transition::Wait(Due::Now))).await, Written::Done);
    store.running("released dead", ReplicaId::random()).await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let names = ["edited", "lost", "postponed", "released", "released dead", "scheduled"];
    assert_eq!(store.claimed(live, &[kind(TYPE)], 9).await, names);
}

/// A run that is handed over keeps no trace of its due time once it runs again.
pub async fn a_claim_clears_the_due_time(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.finish(finish(&run, Ending::Released)).await, Written::Done);
    let waiting = store.row(&run.id).await;
    became(&waiting, &waiting, |row| row.due_at = Some(NOW));
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.pop().and_then(|row| row.due_at), None);
    assert_eq!(store.row(&run.id).await.due_at, None);
}
