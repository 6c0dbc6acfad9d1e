//! Claims, endings and the search for dead owners, all at the same moment.

use super::given::{self, HOUR, TYPE, delete, edit, finish, id, kind, save, text};
use super::subject::Subject;
use super::wait::{both, retry, together};
use crate::clock::Due;
use crate::id::{Epoch, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Ending, Filter, Start, Transition, Write, Written};

/// Claims until nothing is due any more, and answers everything that was claimed.
async fn drain(store: &Subject, replica: ReplicaId, limit: u32) -> Vec<StoredFunction> {
    let mut all = Vec::new();
    loop {
        let rows = retry(|| async { store.claim(replica, &[kind(TYPE)], limit).await }).await;
        if rows.is_empty() {
            return all;
        }
        all.extend(rows);
        assert!(all.len() <= 1000, "the same work is claimed again and again");
    }
}

/// "Two callers never get the same instance at the same epoch": many replicas share the work without overlap.
pub async fn claimers_never_share_an_instance(store: &Subject) {
    for number in 0..100 {
        store.waiting(&format!("{number:03}"), Due::Now).await;
    }
    let claim = |_| {
        let store = store.clone();
        async move {
            let live = store.live().await;
            let rows = drain(&store, live, 7).await;
            assert!(rows.iter().all(|row| row.owner == Some(live)), "claimed for somebody else: {rows:?}");
            rows
        }
    };
    let mut rows: Vec<_> = together(8, claim).await.into_iter().flatten().collect();
    // Under contention a claim may see nothing although something is due; who comes later takes it.
    rows.extend(drain(store, store.live().await, 100).await);
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let expected: Vec<_> = (0..100).map(|number| (id(&format!("{number:03}")), Epoch::new(1), 1)).collect();
    let claimed: Vec<_> = rows.iter().map(|row| (row.id.clone(), row.epoch, row.attempts)).collect();
    assert_eq!(claimed, expected);
    for row in &rows {
        store.unchanged(row).await;
    }
}

/// "Two callers" may be two tasks of one replica.
pub async fn one_replica_that_claims_twice_at_once_gets_nothing_twice(store: &Subject) {
    let live = store.live().await;
    for number in 0..40 {
        store.waiting(&format!("{number:02}"), Due::Now).await;
    }
    let claim = |_| {
        let store = store.clone();
        async move { drain(&store, live, 5).await }
    };
    let mut rows: Vec<_> = together(4, claim).await.into_iter().flatten().collect();
    rows.extend(drain(store, live, 100).await);
    let mut ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, (0..40).map(|number| id(&format!("{number:02}"))).collect::<Vec<_>>());
}

/// Work that is created while others claim is claimed once, and none is left behind.
pub async fn work_created_during_claims_is_claimed_once(store: &Subject) {
    let work = |task: usize| {
        let store = store.clone();
        async move {
            let live = store.live().await;
            let mut claimed = Vec::new();
            for number in 0..15 {
                let create = given::create(&format!("{task} {number:02}"), Start::Waiting(Due::Now));
                let batch = [Write::Create(create)];
                assert_eq!(retry(|| store.write(&batch)).await, [Written::Done]);
                claimed.extend(retry(|| async { store.claim(live, &[kind(TYPE)], 2).await }).await);
            }
            claimed
        }
    };
    let mut rows: Vec<_> = together(6, work).await.into_iter().flatten().collect();
    rows.extend(drain(store, store.live().await, 100).await);
    let mut ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    ids.sort();
    let created = (0..6).flat_map(|task| (0..15).map(move |number| id(&format!("{task} {number:02}"))));
    assert_eq!(ids, created.collect::<Vec<_>>());
}

/// Of a claim and an edit of the same view, one comes first, and the other sees it.
pub async fn a_claim_and_an_edit_do_not_overwrite_each_other(store: &Subject) {
    let live = store.live().await;
    for number in 0..20 {
        let view = store.waiting(&number.to_string(), Due::Now).await;
        let batch = [Write::Edit(edit(&view, Transition::Wait(Due::After(HOUR))))];
        let (one, other) = (store.clone(), store.clone());
        let claim = async move { retry(|| async { one.claim(live, &[kind(TYPE)], 9).await }).await };
        let (rows, answers) = both(claim, async move { retry(|| other.write(&batch)).await }).await;
        let row = store.row(&view.id).await;
        match answers[..] {
            [Written::Done] => {
                assert_eq!(rows, [], "it was put off first");
                assert_eq!((row.status, row.epoch), (Status::Postponed, Epoch::new(1)));
            }
            [Written::Changed] => assert_eq!(rows, [row], "it was claimed first"),
            _ => panic!("no answer to an edit: {answers:?}"),
        }
    }
}

/// Of a claim and a delete of the same view, one comes first, and the other sees it.
pub async fn a_claim_and_a_delete_do_not_overwrite_each_other(store: &Subject) {
    let live = store.live().await;
    for number in 0..20 {
        let view = store.waiting(&number.to_string(), Due::Now).await;
        let batch = [Write::Delete(delete(&view))];
        let (one, other) = (store.clone(), store.clone());
        let claim = async move { retry(|| async { one.claim(live, &[kind(TYPE)], 9).await }).await };
        let (rows, answers) = both(claim, async move { retry(|| other.write(&batch)).await }).await;
        let row = store.find(&view.id).await;
        match answers[..] {
            [Written::Done] => assert_eq!((rows, row), (vec![], None), "it was removed first"),
            [Written::Changed] => assert_eq!(rows, [row.expect("it was claimed first")]),
            _ => panic!("no answer to a delete: {answers:?}"),
        }
    }
}

/// A sweep may leave out what is being written at that moment; the next one finds it.
async fn again(store: &Subject) -> u64 {
    store.release_dead().await.expect("the store is there")
}

/// Of a save and a release, one comes first: a save that was answered `Done` is not lost by the release.
pub async fn a_save_and_a_release_do_not_overwrite_each_other(store: &Subject) {
    for number in 0..20 {
        let run = store.running(&number.to_string(), ReplicaId::random()).await;
        let batch = [Write::Save(save(&run, text(1, "progress")))];
        let (one, other) = (store.clone(), store.clone());
        let first = async move { retry(|| one.write(&batch)).await };
        let (saved, count) = both(first, async move { retry(|| other.release_dead()).await }).await;
        assert_eq!(count + again(store).await, 1, "its owner is dead in any case");
        let row = store.row(&run.id).await;
        assert_eq!((row.status, row.epoch, row.crashes), (Status::Postponed, Epoch::new(1), 1));
        match saved[..] {
            [Written::Done] => assert_eq!(row.scrapbook, Some(text(1, "progress"))),
            [Written::LostOwnership] => assert_eq!(row.scrapbook, None),
            _ => panic!("no answer to a save: {saved:?}"),
        }
    }
}

/// Of an end and a release, one comes first: a result is not made due again, and a released run has no result.
pub async fn an_end_and_a_release_do_not_overwrite_each_other(store: &Subject) {
    for number in 0..20 {
        let run = store.running(&number.to_string(), ReplicaId::random()).await;
        let batch = [Write::Finish(finish(&run, Ending::Succeeded(text(1, "result"))))];
        let (one, other) = (store.clone(), store.clone());
        let first = async move { retry(|| one.write(&batch)).await };
        let (ended, count) = both(first, async move { retry(|| other.release_dead()).await }).await;
        let count = count + again(store).await;
        let row = store.row(&run.id).await;
        assert_eq!(row.epoch, Epoch::new(1), "one of both");
        match ended[..] {
            [Written::Done] => assert_eq!((row.status, count), (Status::Succeeded, 0)),
            [Written::LostOwnership] => {
                assert_eq!((row.status, count, row.result), (Status::Postponed, 1, None));
            }
            _ => panic!("no answer to an end: {ended:?}"),
        }
    }
}

/// Many who look for dead owners at once release each instance once.
pub async fn releases_at_once_release_each_instance_once(store: &Subject) {
    for number in 0..50 {
        store.running(&format!("{number:02}"), ReplicaId::random()).await;
    }
    let sweep = |_| {
        let store = store.clone();
        async move { retry(|| store.release_dead()).await }
    };
    let counts: Vec<u64> = together(8, sweep).await;
    assert_eq!(counts.iter().sum::<u64>(), 50, "{counts:?}");
    for row in store.list(&Filter::default()).await.expect("the store is there") {
        assert_eq!((row.epoch, row.crashes), (Epoch::new(1), 1), "{row:?}");
    }
}

/// Work that is released while others claim is claimed once.
pub async fn released_work_is_claimed_once(store: &Subject) {
    for number in 0..60 {
        store.running(&format!("{number:02}"), ReplicaId::random()).await;
    }
    let take_over = |_| {
        let store = store.clone();
        async move {
            let live = store.live().await;
            retry(|| store.release_dead()).await;
            drain(&store, live, 9).await
        }
    };
    let mut rows: Vec<_> = together(6, take_over).await.into_iter().flatten().collect();
    rows.extend(drain(store, store.live().await, 100).await);
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let claimed: Vec<_> = rows.iter().map(|row| (row.id.clone(), row.epoch, row.crashes)).collect();
    let expected = (0..60).map(|number| (id(&format!("{number:02}")), Epoch::new(2), 1));
    assert_eq!(claimed, expected.collect::<Vec<_>>());
}

/// Signs of life and the search for the dead do not disturb each other.
pub async fn beats_and_releases_leave_the_living_alone(store: &Subject) {
    let owner = store.live().await;
    let run = store.running("a", owner).await;
    let step = |number: usize| {
        let store = store.clone();
        async move {
            if number.is_multiple_of(2) {
                return retry(|| store.release_dead()).await;
            }
            let mut lifeline = retry(|| store.lifeline()).await;
            for _ in 0..10 {
                assert!(
                    lifeline.beat(owner).await.expect("a beat waits for no sweep"),
                    "its lease is an hour"
                );
            }
            0
        }
    };
    assert_eq!(together(8, step).await, [0; 8]);
    store.unchanged(&run).await;
}

/// "Unless it has ended already": no beat brings a replica back while others forget it.
pub async fn a_beat_and_a_release_agree_on_the_dead(store: &Subject) {
    let lapsed = store.lapsed().await;
    let run = store.running("a", lapsed).await;
    let (one, other) = (store.clone(), store.clone());
    let (alive, released) =
        both(async move { one.beat(lapsed).await }, async move { retry(|| other.release_dead()).await })
            .await;
    assert_eq!((alive, released + again(store).await), (false, 1));
    assert!(!store.is_alive(lapsed).await);
    assert_eq!(store.row(&run.id).await.status, Status::Postponed);
}
