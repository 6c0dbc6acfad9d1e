//! The end of a run: every ending, and the fence before it.

use super::given::{self, DELAY, NOW, delete, edit, endings, finish, id, text};
use super::subject::Subject;
use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Ending, Finish, Transition, Write, Written};

/// "The epoch is one higher, nobody owns it", and the crashes of a run that came to an end are forgotten.
fn ended(row: &mut StoredFunction, status: Status) {
    row.status = status;
    row.epoch = row.epoch.next();
    row.owner = None;
    row.crashes = 0;
}

async fn end(store: &Subject, run: &StoredFunction, ending: Ending) {
    assert_eq!(store.finish(finish(run, ending)).await, Written::Done);
}

/// "`Succeeded` with this result."
pub async fn a_success_stores_the_result(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Succeeded(text(4, "result"))).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Succeeded);
            row.result = Some(text(4, "result"));
            row.completed_at = Some(NOW);
        })
        .await;
}

/// "`Failed` with this failure, as JSON text."
pub async fn a_failure_stores_its_text(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Failed("{\"message\":\"no stock\"}".into())).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Failed);
            row.failure = Some("{\"message\":\"no stock\"}".into());
            row.completed_at = Some(NOW);
        })
        .await;
}

/// "`Postponed` until this is due": at a time.
pub async fn a_postponement_stores_its_time(store: &Subject) {
    let run = store.restarted("a").await;
    let at = Timestamp::from_micros(4_102_444_800_654_321);
    end(store, &run, Ending::Postponed(Due::At(at))).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Postponed);
            row.due_at = Some(at);
        })
        .await;
}

/// "Counted on the store's clock from the moment it is written."
pub async fn a_postponement_counts_its_delay_on_the_stores_clock(store: &Subject) {
    let run = store.restarted("a").await;
    let before = store.now().await;
    end(store, &run, Ending::Postponed(Due::After(DELAY))).await;
    let after = store.now().await;
    let due = store.row(&run.id).await.due_at.expect("it waits");
    let range = before.saturating_add(DELAY)..=after.saturating_add(DELAY);
    assert!(range.contains(&due), "{due:?} in {range:?}");
}

/// "At once."
pub async fn a_postponement_until_now_is_due_at_once(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Postponed(Due::Now)).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Postponed);
            row.due_at = Some(NOW);
        })
        .await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.len(), 1);
}

/// "A time in the past means at once."
pub async fn a_postponement_into_the_past_is_due_at_once(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Postponed(Due::At(Timestamp::from_micros(1)))).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.len(), 1);
}

/// "`Suspended`, if the stored count of messages is still this one."
pub async fn a_suspension_waits_without_a_time(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Suspended { message_count: 0, due: None }).await;
    store.expect(&run, |row| ended(row, Status::Suspended)).await;
}

/// "Else nothing changes and the answer is `Changed`": the run goes on, and may end otherwise.
pub async fn a_suspension_with_another_count_of_messages_changes_nothing(store: &Subject) {
    let run = store.restarted("a").await;
    for message_count in [1, -1, i64::MAX] {
        let suspend = finish(&run, Ending::Suspended { message_count, due: None });
        let with_scrapbook = Finish { scrapbook: Some(text(3, "last")), ..suspend.clone() };
        store.refuses(Write::Finish(suspend), Written::Changed, &run).await;
        store.refuses(Write::Finish(with_scrapbook), Written::Changed, &run).await;
    }
    end(store, &run, Ending::Suspended { message_count: 0, due: None }).await;
}

/// "A graceful hand-over: `Postponed`, due at once; the attempt is taken back", and crashes are neither counted nor forgotten.
pub async fn a_hand_over_takes_the_attempt_back(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Released).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Postponed);
            row.crashes = 1;
            row.attempts = 1;
            row.due_at = Some(NOW);
        })
        .await;
}

/// "As `Postponed`, of an instance that was claimed and not run: the attempt is taken back"; crashes are neither counted nor
/// forgotten.
pub async fn what_is_put_off_unrun_has_its_attempt_back(store: &Subject) {
    let run = store.restarted("a").await;
    let put_off =
        Finish { reason: Some("why".into()), ..finish(&run, Ending::PutOff(Due::At(Timestamp::MAX))) };
    assert_eq!(store.finish(put_off).await, Written::Done);
    store
        .expect(&run, |row| {
            ended(row, Status::Postponed);
            row.crashes = 1;
            row.attempts = 1;
            row.due_at = Some(Timestamp::MAX);
            row.reason = Some("why".into());
        })
        .await;
}

/// "The attempt is taken back": the next run has the number of the one that was handed over.
pub async fn the_run_after_a_hand_over_is_the_same_attempt(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    end(store, &run, Ending::Released).await;
    assert_eq!(store.row(&run.id).await.attempts, 0);
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await.pop().map(|run| run.attempts), Some(1));
}

/// "`Postponed`, due at once, crashes one higher."
pub async fn a_lost_run_counts_a_crash(store: &Subject) {
    let run = store.restarted("a").await;
    end(store, &run, Ending::Lost).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Postponed);
            row.crashes = 2;
            row.due_at = Some(NOW);
        })
        .await;
}

/// "The last progress" is stored with every ending.
pub async fn an_ending_stores_the_last_scrapbook(store: &Subject) {
    for (number, ending) in endings().into_iter().enumerate() {
        let run = store.restarted(&number.to_string()).await;
        let last = Finish { scrapbook: Some(text(3, "last")), ..finish(&run, ending.clone()) };
        assert_eq!(store.finish(last).await, Written::Done);
        let row = store.row(&run.id).await;
        assert_eq!(row.scrapbook, Some(text(3, "last")), "with {ending:?}");
        assert_eq!(row.epoch, run.epoch.next(), "with {ending:?}");
        assert_eq!(store.delete(delete(&row)).await, Written::Done);
    }
}

/// "`None` leaves what is stored", with every ending.
pub async fn an_ending_without_a_scrapbook_leaves_the_stored_one(store: &Subject) {
    for (number, ending) in endings().into_iter().enumerate() {
        let run = store.restarted(&number.to_string()).await;
        end(store, &run, ending.clone()).await;
        let row = store.row(&run.id).await;
        assert_eq!(row.scrapbook, run.scrapbook, "with {ending:?}");
        assert_eq!(store.delete(delete(&row)).await, Written::Done);
    }
}

/// "Guarded by epoch and owner": no ending is accepted at another epoch.
pub async fn an_ending_at_another_epoch_loses(store: &Subject) {
    let run = store.restarted("a").await;
    for ending in endings() {
        for epoch in [1, 3, i64::MAX] {
            let stale = Finish { epoch: Epoch::new(epoch), ..finish(&run, ending.clone()) };
            store.refuses(Write::Finish(stale), Written::LostOwnership, &run).await;
        }
    }
}

/// "Guarded by epoch and owner": no ending is accepted from another replica.
pub async fn an_ending_by_another_owner_loses(store: &Subject) {
    let run = store.restarted("a").await;
    let owner = store.live().await;
    for ending in endings() {
        let stale = Finish { owner, ..finish(&run, ending) };
        store.refuses(Write::Finish(stale), Written::LostOwnership, &run).await;
    }
}

/// What was refused stores no scrapbook either.
pub async fn a_refused_ending_stores_no_scrapbook(store: &Subject) {
    let run = store.restarted("a").await;
    for ending in endings() {
        let last = Finish { scrapbook: Some(text(3, "stale")), ..finish(&run, ending) };
        let stale = Finish { epoch: Epoch::new(1), ..last };
        store.refuses(Write::Finish(stale), Written::LostOwnership, &run).await;
    }
}

/// "Also when the instance is gone": never existed, or was deleted.
pub async fn an_ending_of_what_does_not_exist_loses(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.delete(delete(&run)).await, Written::Done);
    for ending in endings() {
        assert_eq!(store.finish(finish(&run, ending.clone())).await, Written::LostOwnership);
        let other = Finish { id: FunctionId::new("Nothing", "b"), ..finish(&run, ending) };
        assert_eq!(store.finish(other).await, Written::LostOwnership);
    }
    assert_eq!(store.find(&id("a")).await, None);
}

/// A run ends once: whatever comes after its end changes nothing.
pub async fn a_run_ends_once(store: &Subject) {
    let owner = store.live().await;
    for (number, first) in endings().into_iter().enumerate() {
        let run = store.running(&number.to_string(), owner).await;
        end(store, &run, first).await;
        let row = store.row(&run.id).await;
        for second in endings() {
            let late = finish(&run, second);
            let guess = Finish { epoch: row.epoch, ..late.clone() };
            store.refuses(Write::Finish(late), Written::LostOwnership, &row).await;
            store.refuses(Write::Finish(guess), Written::LostOwnership, &row).await;
        }
    }
}

/// "Whoever runs it loses ownership": no ending is accepted after an edit.
pub async fn an_ending_after_an_edit_loses(store: &Subject) {
    let owner = store.live().await;
    for (number, transition) in given::transitions(owner).into_iter().enumerate() {
        let run = store.running(&number.to_string(), owner).await;
        assert_eq!(store.edit(edit(&run, transition)).await, Written::Done);
        let edited = store.row(&run.id).await;
        let late = finish(&run, Ending::Succeeded(text(1, "late")));
        store.refuses(Write::Finish(late), Written::LostOwnership, &edited).await;
    }
}

/// "A write with an old one changes nothing": a zombie ends nothing after a takeover.
pub async fn an_ending_after_a_takeover_loses(store: &Subject) {
    let zombie = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let live = store.live().await;
    let claimed = store.claim_all(live).await;
    let [run] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    for ending in endings() {
        store.refuses(Write::Finish(finish(&zombie, ending)), Written::LostOwnership, run).await;
    }
    end(store, run, Ending::Succeeded(text(1, "result"))).await;
}

/// An ending touches one instance.
pub async fn an_ending_leaves_other_functions_alone(store: &Subject) {
    let owner = store.live().await;
    let others = [store.running("a", owner).await, store.running("c", owner).await];
    let run = store.running("b", owner).await;
    end(store, &run, Ending::Succeeded(text(1, "result"))).await;
    for other in &others {
        store.unchanged(other).await;
    }
}

/// A completed instance that an edit runs again has a new end of its own.
pub async fn a_second_run_replaces_the_end_of_the_first(store: &Subject) {
    let failed = store.in_status("a", Status::Failed).await;
    let live = store.live().await;
    assert_eq!(store.edit(edit(&failed, Transition::Run(live))).await, Written::Done);
    let run = store.row(&failed.id).await;
    end(store, &run, Ending::Succeeded(text(4, "result"))).await;
    store
        .expect(&run, |row| {
            ended(row, Status::Succeeded);
            row.result = Some(text(4, "result"));
            row.completed_at = Some(NOW);
        })
        .await;
}
