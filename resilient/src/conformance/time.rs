//! Times near their limits, and what dates what.

use std::time::Duration;

use super::given::{self, HOUR, TYPE, edit, finish, kind, save, text};
use super::subject::Subject;
use super::wait::eventually;
use crate::clock::{Due, Timestamp};
use crate::id::ReplicaId;
use crate::record::StoredFunction;
use crate::store::{Claimable, Ending, Transition, Written};

/// "The latest time that every store can keep and show."
pub async fn the_latest_time_is_kept(store: &Subject) {
    let at = Due::At(Timestamp::MAX);
    assert_eq!(store.waiting("a", at).await.due_at, Some(Timestamp::MAX));
    let run = store.running("b", store.live().await).await;
    assert_eq!(store.finish(finish(&run, Ending::Postponed(at))).await, Written::Done);
    let row = store.row(&run.id).await;
    assert_eq!(row.due_at, Some(Timestamp::MAX));
    assert_eq!(store.edit(edit(&row, Transition::Wait(at))).await, Written::Done);
    assert_eq!(store.row(&run.id).await.due_at, Some(Timestamp::MAX));
}

/// "The longest time that something can be put off by at once: 1,000 years."
pub async fn the_longest_delay_is_kept(store: &Subject) {
    let before = store.now().await;
    let row = store.waiting("a", Due::After(Due::MAX_AFTER)).await;
    let after = store.now().await;
    let range = before.saturating_add(Due::MAX_AFTER)..=after.saturating_add(Due::MAX_AFTER);
    let due = row.due_at.expect("it waits");
    assert!(range.contains(&due), "{due:?} in {range:?}");
}

/// A delay of nothing is due at once, and one of a microsecond soon after.
pub async fn the_shortest_delays_are_due_at_once(store: &Subject) {
    let live = store.live().await;
    store.waiting("a", Due::After(Duration::ZERO)).await;
    store.waiting("b", Due::After(Duration::from_micros(1))).await;
    let mut claimed = Vec::new();
    eventually("due work", async || {
        claimed.extend(store.claimed(live, &[kind(TYPE)], 9).await);
        (claimed == ["a", "b"]).then_some(())
    })
    .await;
}

/// Times before 1970 are long ago, and nothing else.
pub async fn times_before_1970_are_due_at_once(store: &Subject) {
    let live = store.live().await;
    let kinds = [Claimable { limit: 1, ..kind(TYPE) }];
    for (name, micros) in [("3", 0), ("1", -62_135_596_800_000_000), ("2", -1)] {
        store.waiting(name, Due::At(Timestamp::from_micros(micros))).await;
    }
    for name in ["1", "2", "3"] {
        assert_eq!(store.claimed(live, &kinds, 1).await, [name], "the longest due first");
    }
}

/// "Two times of the store's clock" one microsecond apart are two.
pub async fn due_times_are_told_apart_by_a_microsecond(store: &Subject) {
    let live = store.live().await;
    let base = 1_600_000_000_000_000;
    for (name, micros) in [("c", 2), ("a", 0), ("d", 3), ("b", 1)] {
        store.waiting(name, Due::At(Timestamp::from_micros(base + micros))).await;
    }
    for name in ["a", "b", "c", "d"] {
        assert_eq!(store.claimed(live, &[kind(TYPE)], 1).await, [name]);
    }
}

/// "When it succeeded or failed", "when it was last written": on the store's clock.
pub async fn an_end_is_dated_by_the_stores_clock(store: &Subject) {
    let owner = store.live().await;
    for (name, ending) in ["a", "b"].into_iter().zip(given::endings()) {
        let run = store.running(name, owner).await;
        let before = store.now().await;
        assert_eq!(store.finish(finish(&run, ending)).await, Written::Done);
        let after = store.now().await;
        let row = store.row(&run.id).await;
        let at = row.completed_at.expect("it is completed");
        assert!((before..=after).contains(&at), "{before:?}, {row:?}, {after:?}");
        assert!((before..=after).contains(&row.updated_at), "{before:?}, {row:?}, {after:?}");
        assert_eq!(row.created_at, run.created_at);
    }
}

/// This was last written after that time; answers a time after it.
async fn written_since(store: &Subject, first: &StoredFunction, before: Timestamp) -> Timestamp {
    let row = store.row(&first.id).await;
    let after = store.now().await;
    assert!((before..=after).contains(&row.updated_at), "{before:?}, {row:?}, {after:?}");
    assert_eq!(row.created_at, first.created_at, "it was created once");
    after
}

/// "When it was last written": a save and an edit move it, and leave `created_at`.
pub async fn a_save_and_an_edit_move_the_time_of_the_last_write(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let begun = store.now().await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    let saved = written_since(store, &run, begun).await;
    assert_eq!(store.edit(edit(&run, Transition::Keep)).await, Written::Done);
    written_since(store, &run, saved).await;
}

/// "When it was last written": a release and a claim move it, and leave `created_at`.
pub async fn a_release_and_a_claim_move_the_time_of_the_last_write(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let begun = store.now().await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let released = written_since(store, &run, begun).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.len(), 1);
    written_since(store, &run, released).await;
}

/// "The status stays, with … due time": an edit that keeps the status does not begin a delay anew.
pub async fn a_kept_delay_is_not_counted_anew(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    assert_eq!(store.edit(edit(&row, Transition::Keep)).await, Written::Done);
    assert_eq!(store.row(&row.id).await.due_at, row.due_at);
}

/// Released work is due from its release on: later than what has waited longer.
pub async fn released_work_queues_behind_what_was_due_before(store: &Subject) {
    let live = store.live().await;
    store.running("a", ReplicaId::random()).await;
    store.waiting("b", Due::Now).await;
    store.now().await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    assert_eq!(store.claimed(live, &[kind(TYPE)], 1).await, ["b"]);
    assert_eq!(store.claimed(live, &[kind(TYPE)], 1).await, ["a"]);
}
