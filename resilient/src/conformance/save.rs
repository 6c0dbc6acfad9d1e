//! Storing the progress of a run, and the fence that keeps others from it.

use super::given::{self, HOUR, TYPE, delete, edit, finish, numbered, save, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Ending, Save, Transition, Write, Written};

/// "The epoch stays; the count of crashes starts again from 0."
pub async fn a_save_stores_the_scrapbook_and_resets_the_crashes(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
    store
        .expect(&run, |row| {
            row.scrapbook = Some(text(2, "progress"));
            row.crashes = 0;
            row.saves += 1;
        })
        .await;
}

/// The first save of a run gives it a scrapbook.
pub async fn a_save_gives_a_scrapbook_to_a_run_without_one(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    store
        .expect(&run, |row| {
            row.scrapbook = Some(text(1, "progress"));
            row.saves = 1;
        })
        .await;
}

/// "The epoch stays", so a run saves as often as it likes and the last save stands.
pub async fn the_last_of_many_saves_stands(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    for number in 1..=20 {
        let answer = store.save(numbered(&run, number, text(1, &number.to_string()))).await;
        assert_eq!(answer, Written::Done, "save {number}");
    }
    store
        .expect(&run, |row| {
            row.scrapbook = Some(text(1, "20"));
            row.saves = 20;
        })
        .await;
}

/// Saving what is stored already is a save like any other.
pub async fn a_save_without_a_change_is_done(store: &Subject) {
    let run = store.restarted("a").await;
    for number in [run.saves + 1, run.saves + 2] {
        assert_eq!(store.save(numbered(&run, number, text(2, "first"))).await, Written::Done);
    }
    store
        .expect(&run, |row| {
            row.crashes = 0;
            row.saves += 2;
        })
        .await;
}

/// "Guarded by epoch and owner": the epoch of an earlier run, a later one and none at all.
pub async fn a_save_at_another_epoch_loses(store: &Subject) {
    let run = store.restarted("a").await;
    for epoch in [0, 1, 3, -1, i64::MAX, i64::MIN] {
        let stale = Save { epoch: Epoch::new(epoch), ..save(&run, text(9, "stale")) };
        store.refuses(Write::Save(stale), Written::LostOwnership, &run).await;
    }
}

/// "Guarded by epoch and owner": another replica, at the right epoch.
pub async fn a_save_by_another_owner_loses(store: &Subject) {
    let run = store.restarted("a").await;
    let live = store.live().await;
    for owner in [live, ReplicaId::random()] {
        let stale = Save { owner, ..save(&run, text(9, "stale")) };
        store.refuses(Write::Save(stale), Written::LostOwnership, &run).await;
    }
}

/// "Also when the instance is gone."
pub async fn a_save_of_what_does_not_exist_loses(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let other = Save { id: FunctionId::new(TYPE, "b"), ..save(&run, text(1, "stale")) };
    assert_eq!(store.save(other).await, Written::LostOwnership);
    assert_eq!(store.find(&FunctionId::new(TYPE, "b")).await, None);
    store.unchanged(&run).await;
}

/// "Also when the instance is gone": nothing comes back by a save.
pub async fn a_save_after_a_delete_loses(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.delete(delete(&run)).await, Written::Done);
    assert_eq!(store.save(save(&run, text(1, "stale"))).await, Written::LostOwnership);
    assert_eq!(store.find(&run.id).await, None);
}

/// What nobody runs has no owner whose save could be meant, at whatever epoch.
pub async fn a_save_on_what_does_not_run_loses(store: &Subject) {
    for status in [Status::Postponed, Status::Suspended, Status::Succeeded, Status::Failed] {
        let row = store.in_status(&status.to_string(), status).await;
        let owner = store.live().await;
        let stray = save(&StoredFunction { owner: Some(owner), ..row.clone() }, text(9, "stray"));
        store.refuses(Write::Save(stray), Written::LostOwnership, &row).await;
    }
}

/// The replica that ran it saves too late, after every ending.
pub async fn a_save_after_the_end_of_the_run_loses(store: &Subject) {
    let owner = store.live().await;
    for (number, ending) in given::endings().into_iter().enumerate() {
        let run = store.running(&number.to_string(), owner).await;
        assert_eq!(store.finish(finish(&run, ending)).await, Written::Done);
        let ended = store.row(&run.id).await;
        let late = save(&run, text(9, "late"));
        store.refuses(Write::Save(late.clone()), Written::LostOwnership, &ended).await;
        let guess = Save { epoch: ended.epoch, ..late };
        store.refuses(Write::Save(guess), Written::LostOwnership, &ended).await;
    }
}

/// "A write with an old one changes nothing": the owner before a takeover is fenced off.
pub async fn a_save_after_a_takeover_loses(store: &Subject) {
    let zombie = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let released = store.row(&zombie.id).await;
    store.refuses(Write::Save(save(&zombie, text(9, "late"))), Written::LostOwnership, &released).await;
    let live = store.live().await;
    let claimed = store.claim_all(live).await;
    let [run] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    store.refuses(Write::Save(save(&zombie, text(9, "late"))), Written::LostOwnership, run).await;
    assert_eq!(store.save(save(run, text(1, "progress"))).await, Written::Done);
}

/// The fence is the epoch: a replica that claims its own work again is fenced off from its first run.
pub async fn an_earlier_run_of_the_same_replica_is_fenced_off(store: &Subject) {
    let live = store.live().await;
    let first = store.running("a", live).await;
    assert_eq!(store.finish(finish(&first, Ending::Postponed(Due::Now))).await, Written::Done);
    let claimed = store.claim_all(live).await;
    let [second] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    assert_eq!(second.owner, first.owner);
    store.refuses(Write::Save(save(&first, text(9, "late"))), Written::LostOwnership, second).await;
    let late = finish(&first, Ending::Succeeded(text(1, "late")));
    store.refuses(Write::Finish(late), Written::LostOwnership, second).await;
}

/// "Whoever runs it loses ownership": every edit ends the run.
pub async fn a_save_after_an_edit_loses(store: &Subject) {
    let owner = store.live().await;
    for (number, transition) in given::transitions(owner).into_iter().enumerate() {
        let run = store.running(&number.to_string(), owner).await;
        assert_eq!(store.edit(edit(&run, transition)).await, Written::Done);
        let edited = store.row(&run.id).await;
        store.refuses(Write::Save(save(&run, text(9, "late"))), Written::LostOwnership, &edited).await;
    }
}

/// A save asks for the run, not for the replica's life: the runtime fences itself.
pub async fn a_save_by_a_silent_owner_is_done_until_somebody_releases_it(store: &Subject) {
    let lapsed = store.lapsed().await;
    let run = store.running("a", lapsed).await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    store
        .expect(&run, |row| {
            row.scrapbook = Some(text(1, "progress"));
            row.saves = 1;
        })
        .await;
}

/// A save touches one instance.
pub async fn a_save_leaves_other_functions_alone(store: &Subject) {
    let owner = store.live().await;
    let run = store.running("b", owner).await;
    let others = [store.running("a", owner).await, store.running("c", owner).await];
    let waiting = store.waiting("d", Due::After(HOUR)).await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    for other in others.iter().chain([&waiting]) {
        store.unchanged(other).await;
    }
}

/// "When it was last written": a save is a write.
pub async fn a_save_moves_the_time_of_the_last_write(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let before = store.now().await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    let saved = store.row(&run.id).await;
    assert!(saved.updated_at >= before, "{before:?}, {saved:?}");
    assert_eq!(store.edit(edit(&saved, Transition::Keep)).await, Written::Done);
}
