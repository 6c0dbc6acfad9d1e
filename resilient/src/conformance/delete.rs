//! Removing instances.

use super::given::{self, HOUR, append, delete, edit, id, save, text};
use super::subject::Subject;
use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::status::Status;
use crate::store::{Create, Delete, Ending, Filter, Start, Transition, Write, Written};

/// "Removes an instance", in whatever status it is.
pub async fn a_delete_removes_from_every_status(store: &Subject) {
    for status in Status::ALL {
        let row = store.in_status(&status.to_string(), status).await;
        assert_eq!(store.delete(delete(&row)).await, Written::Done, "from {status}");
        assert_eq!(store.find(&row.id).await, None, "from {status}");
    }
    assert_eq!(store.ids(&Filter::default()).await, []);
}

/// "Guarded by its epoch": whoever has an old view removes nothing.
pub async fn a_delete_at_another_epoch_changes_nothing(store: &Subject) {
    for status in Status::ALL {
        let row = store.in_status(&status.to_string(), status).await;
        for epoch in [0, row.epoch.as_i64() - 1, row.epoch.as_i64() + 1, -1, i64::MAX] {
            let stale = Delete { epoch: Epoch::new(epoch), ..delete(&row) };
            store.refuses(Write::Delete(stale), Written::Changed, &row).await;
        }
    }
}

/// "The epoch that was read": after an edit it is another one.
pub async fn a_delete_after_an_edit_is_refused(store: &Subject) {
    let view = store.in_status("a", Status::Failed).await;
    assert_eq!(store.edit(edit(&view, Transition::Keep)).await, Written::Done);
    let edited = store.row(&view.id).await;
    store.refuses(Write::Delete(delete(&view)), Written::Changed, &edited).await;
    assert_eq!(store.delete(delete(&edited)).await, Written::Done);
}

/// "There is no such instance": it never was.
pub async fn a_delete_of_what_does_not_exist_answers_not_found(store: &Subject) {
    let nothing = Delete { id: id("a"), epoch: Epoch::ZERO, created_at: Timestamp::from_micros(0) };
    assert_eq!(store.delete(nothing).await, Written::NotFound);
}

/// "There is no such instance": it was removed already.
pub async fn a_second_delete_answers_not_found(store: &Subject) {
    let row = store.waiting("a", Due::Now).await;
    assert_eq!(store.delete(delete(&row)).await, Written::Done);
    assert_eq!(store.delete(delete(&row)).await, Written::NotFound);
    assert_eq!(store.edit(edit(&row, Transition::Keep)).await, Written::NotFound);
}

/// Ids compare by their bytes: a delete takes what it names and no look-alike.
pub async fn a_delete_leaves_look_alikes(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let mut others = Vec::new();
    for name in ["A", "a ", " a", "ab", "á", "%", "_"] {
        others.push(store.waiting(name, Due::After(HOUR)).await);
    }
    let other_type = FunctionId::new("Invoice", "a");
    let nothing = Delete { id: other_type, ..delete(&row) };
    assert_eq!(store.delete(nothing).await, Written::NotFound);
    assert_eq!(store.delete(delete(&row)).await, Written::Done);
    for other in &others {
        store.unchanged(other).await;
    }
}

/// What was removed is not due any more.
pub async fn deleted_work_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    let row = store.waiting("a", Due::Now).await;
    assert_eq!(store.delete(delete(&row)).await, Written::Done);
    assert_eq!(store.claim_all(live).await, []);
}

/// What was removed has no owner that could be dead.
pub async fn deleted_work_is_not_released(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.delete(delete(&run)).await, Written::Done);
    assert_eq!(store.release_dead().await.expect("the store is there"), 0);
    assert_eq!(store.find(&run.id).await, None);
}

/// The next instance of an id does not take over the fence of the one before: the guard is epoch and owner.
pub async fn a_run_of_a_deleted_function_cannot_write_to_its_successor(store: &Subject) {
    let old = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.delete(delete(&old)).await, Written::Done);
    let new = store.running("a", store.live().await).await;
    assert_eq!(old.epoch, new.epoch);
    store.refuses(Write::Save(save(&old, text(9, "late"))), Written::LostOwnership, &new).await;
    let late = given::finish(&old, Ending::Lost);
    store.refuses(Write::Finish(late), Written::LostOwnership, &new).await;
}

/// "All that belongs to it": a new instance of that id has no messages, starts at position 1 and knows no key.
pub async fn a_delete_removes_the_messages(store: &Subject) {
    for status in Status::ALL {
        let name = status.to_string();
        let old = store.in_status(&name, status).await;
        store.append(append(&name, ["1", "2"])).await;
        assert_eq!(store.delete(delete(&old)).await, Written::Done, "from {status}");
        assert_eq!(store.messages_of(&old.id).await, []);
        store.waiting(&name, Due::After(HOUR)).await;
        store.has_messages(&old.id, &[]).await;
        assert_eq!(store.append(append(&name, ["2", "3"])).await, Written::Done);
        store.has_keys(&old.id, ["2", "3"]).await;
    }
}

/// "Guarded by its epoch and its creation": whoever has a view of what was deleted does not remove what was created after
/// it, although that has the same epoch.
pub async fn a_delete_by_a_view_of_what_was_deleted_removes_nothing(store: &Subject) {
    let view = store.waiting_with("a", &["1"]).await;
    let new = store.created_again(&view).await;
    store.refuses(Write::Delete(delete(&view)), Written::Changed, &new).await;
    store.has_keys(&new.id, ["1"]).await;
    let batch = [Write::Delete(delete(&view)), Write::Delete(Delete { id: id("b"), ..delete(&view) })];
    let answers = store.write(&batch).await.expect("the store is there");
    assert_eq!(answers, [Written::Changed, Written::NotFound]);
    store.unchanged(&new).await;
    assert_eq!(store.delete(delete(&new)).await, Written::Done);
}

/// In a batch each delete is guarded by its own creation.
pub async fn deletes_in_one_batch_are_guarded_each_by_its_creation(store: &Subject) {
    let mut batch = Vec::new();
    let mut kept = Vec::new();
    for number in 0..6 {
        let view = store.waiting_with(&number.to_string(), &["1"]).await;
        if number % 2 == 0 {
            kept.push(store.created_again(&view).await);
        }
        batch.push(Write::Delete(delete(&view)));
    }
    let answers = store.write(&batch).await.expect("the store is there");
    let pair = [Written::Changed, Written::Done];
    assert_eq!(answers, [pair.clone(), pair.clone(), pair].concat());
    for row in &kept {
        store.unchanged(row).await;
        store.has_keys(&row.id, ["1"]).await;
    }
    assert_eq!(store.find(&id("1")).await, None);
}

/// "The epoch that was read": a delete that is refused removes no message; a message does not make a view old.
pub async fn a_refused_delete_keeps_the_messages(store: &Subject) {
    let view = store.waiting_with("a", &["1"]).await;
    assert_eq!(store.append(append("a", ["2"])).await, Written::Done);
    let row = store.row(&view.id).await;
    let stale = Delete { epoch: row.epoch.next(), ..delete(&row) };
    store.refuses(Write::Delete(stale), Written::Changed, &row).await;
    store.has_keys(&row.id, ["1", "2"]).await;
    assert_eq!(store.delete(delete(&view)).await, Written::Done);
}

/// Ids compare by their bytes: the messages of look-alikes, of other types and of others in the batch stay.
pub async fn a_delete_leaves_the_messages_of_others(store: &Subject) {
    let names = ["A", "a ", " a", "ab", "á", "%", "_"];
    for name in names {
        store.waiting_with(name, &[name]).await;
    }
    let other = FunctionId::new("order", "a");
    let messages = given::messages(["of another type"]);
    let create = given::create("", Start::Waiting(Due::After(HOUR)));
    let create = Create { id: other.clone(), messages, ..create };
    assert_eq!(store.create(create).await, Written::Done);
    let rows = [store.waiting_with("a", &["1"]).await, store.waiting_with("b", &["1"]).await];
    let batch = rows.each_ref().map(|row| Write::Delete(delete(row)));
    assert_eq!(store.write(&batch).await.expect("the store is there"), [Written::Done, Written::Done]);
    for row in &rows {
        assert_eq!(store.messages_of(&row.id).await, []);
    }
    for name in names {
        store.has_keys(&id(name), [name]).await;
    }
    store.has_keys(&other, ["of another type"]).await;
}
