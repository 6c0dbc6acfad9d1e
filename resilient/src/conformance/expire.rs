//! Results that are kept no longer.

use std::time::Duration;

use super::given::{self, HOUR, TYPE, append, cancel, delete, edit, finish, id, text};
use super::subject::Subject;
use super::wait::{both, retry, together};
use crate::clock::Due;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Create, Ending, Expiry, Filter, Finish, Start, Transition, Write, Written};

/// How often two calls meet.
const ROUNDS: usize = 12;

fn expiry(type_id: &str, after: Duration) -> Expiry {
    Expiry { type_id: type_id.into(), after }
}

/// Nothing of the ordinary type is kept.
fn at_once() -> [Expiry; 1] {
    [expiry(TYPE, Duration::ZERO)]
}

async fn expire(store: &Subject, expiries: &[Expiry], limit: u32) -> u64 {
    retry(|| store.expire(expiries, limit)).await
}

/// Instances of a type that have succeeded, before the time that the store's clock shows from now on; each has a message.
async fn succeeded(
    store: &Subject,
    type_id: &str,
    names: impl IntoIterator<Item = String>,
) -> Vec<FunctionId> {
    succeeded_of(store, type_id, None, names).await
}

async fn succeeded_of(
    store: &Subject,
    type_id: &str,
    parent: Option<&FunctionId>,
    names: impl IntoIterator<Item = String>,
) -> Vec<FunctionId> {
    let owner = ReplicaId::random();
    let (mut creates, mut ends, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let id = FunctionId::new(type_id, name.as_str());
        let parent = parent.cloned();
        let create = Create { id: id.clone(), parent, ..given::create("", Start::Running(owner)) };
        creates.push(Write::Create(Create { messages: given::messages(["1"]), ..create }));
        let ending = Ending::Succeeded(text(1, &name));
        let end = Finish::without_progress(id.clone(), owner, Epoch::ZERO, ending);
        ends.push(Write::Finish(end));
        ids.push(id);
    }
    for batch in [creates, ends] {
        let answers = store.write(&batch).await.expect("the store is there");
        assert_eq!(answers, vec![Written::Done; ids.len()]);
    }
    let last = ids.last().expect("there are some");
    store.later_than(store.row(last).await.updated_at).await;
    ids
}

async fn one(store: &Subject, name: &str) -> StoredFunction {
    let ids = succeeded(store, TYPE, [name.to_owned()]).await;
    store.row(&ids[0]).await
}

/// How many instances there are of a type.
async fn count(store: &Subject, type_id: &str) -> usize {
    let filter = Filter { type_id: Some(type_id.into()), limit: 10_000, ..Filter::default() };
    store.ids(&filter).await.len()
}

/// "Deletes instances that have `Succeeded` long enough ago … answers how many."
pub async fn what_succeeded_long_enough_ago_is_deleted(store: &Subject) {
    let row = one(store, "a").await;
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(store.find(&row.id).await, None);
    assert_eq!(expire(store, &at_once(), 10).await, 0);
}

/// "Long enough ago": what succeeded a moment ago is kept for an hour, as it is.
pub async fn what_succeeded_lately_is_kept(store: &Subject) {
    let row = one(store, "a").await;
    for after in [HOUR, Duration::from_secs(u64::from(u32::MAX)), Duration::MAX] {
        assert_eq!(expire(store, &[expiry(TYPE, after)], 10).await, 0, "after {after:?}");
        store.unchanged(&row).await;
    }
    store.has_keys(&row.id, ["1"]).await;
}

/// "How long after an instance has succeeded it is deleted": not before, by the store's clock, and then at once.
pub async fn a_result_is_kept_so_long_and_no_longer(store: &Subject) {
    let kept = Duration::from_millis(150);
    let row = one(store, "a").await;
    let ended = row.completed_at.expect("it has succeeded");
    loop {
        let before = store.now().await;
        let expired = expire(store, &[expiry(TYPE, kept)], 10).await;
        let after = store.now().await;
        if expired == 1 {
            assert!(after.saturating_since(ended) > kept, "deleted too early: {ended:?}, {after:?}");
            break;
        }
        assert!(before.saturating_since(ended) <= kept, "kept too long: {ended:?}, {before:?}");
        store.unchanged(&row).await;
    }
    assert_eq!(store.find(&row.id).await, None);
}

/// "`Succeeded`": what executes, waits or has failed stays, however long ago.
pub async fn only_what_has_succeeded_is_deleted(store: &Subject) {
    let mut rows = Vec::new();
    for status in Status::ALL {
        rows.push(store.in_status(&status.to_string(), status).await);
    }
    store.waiting("cancelled", Due::After(HOUR)).await;
    assert_eq!(store.cancel(cancel("cancelled")).await, Written::Done);
    rows.push(store.row(&id("cancelled")).await);
    store.later_than(store.row(&id("cancelled")).await.updated_at).await;
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    for row in rows {
        let left = if row.status == Status::Succeeded { None } else { Some(row.clone()) };
        assert_eq!(store.find(&row.id).await, left);
    }
}

/// What was edited counts as what it is by now: an edit that succeeds dates the success anew, and one that keeps the
/// status does not.
pub async fn what_was_edited_counts_as_it_is(store: &Subject) {
    let rows = [one(store, "again").await, one(store, "kept").await, one(store, "waits").await];
    let transitions =
        [Transition::Succeed(text(1, "new")), Transition::Keep, Transition::Wait(Due::After(HOUR))];
    for (row, transition) in rows.iter().zip(transitions) {
        assert_eq!(store.edit(edit(row, transition)).await, Written::Done);
    }
    let [again, kept] = [store.row(&rows[0].id).await, store.row(&rows[1].id).await];
    let dated_anew = [again.completed_at > rows[0].completed_at, kept.completed_at > rows[1].completed_at];
    assert_eq!(dated_anew, [true, false]);
    store.later_than(kept.updated_at).await;
    assert_eq!(expire(store, &at_once(), 10).await, 2);
    assert_eq!(store.row(&rows[2].id).await.status, Status::Postponed);
}

/// "Only types in `expiries` are touched": ids compare by their bytes.
pub async fn types_that_are_not_named_are_kept(store: &Subject) {
    let others = ["order", "Order ", " Order", "Orders", "Orde", "Örder", "Invoice", "%"];
    let mut rows = Vec::new();
    for type_id in others {
        rows.extend(succeeded(store, type_id, ["a".to_owned()]).await);
    }
    one(store, "a").await;
    assert_eq!(expire(store, &at_once(), 100).await, 1);
    assert_eq!(count(store, TYPE).await, 0);
    for id in &rows {
        assert_eq!(store.row(id).await.status, Status::Succeeded, "{id}");
        store.has_keys(id, ["1"]).await;
    }
}

/// Each type is kept for a time of its own.
pub async fn each_type_has_its_own_time(store: &Subject) {
    let names = || ["a".to_owned(), "b".to_owned()];
    for type_id in [TYPE, "Invoice", "Parcel"] {
        succeeded(store, type_id, names()).await;
    }
    let expiries = [expiry("Invoice", HOUR), expiry("Parcel", Duration::ZERO), expiry(TYPE, Duration::ZERO)];
    assert_eq!(expire(store, &expiries, 100).await, 4);
    assert_eq!(
        [count(store, TYPE).await, count(store, "Invoice").await, count(store, "Parcel").await],
        [0, 2, 0]
    );
}

/// "At most `limit` of them": the next call goes on.
pub async fn at_most_so_many_are_deleted(store: &Subject) {
    succeeded(store, TYPE, (0..5).map(|number| number.to_string())).await;
    for (expired, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        assert_eq!(expire(store, &at_once(), 2).await, expired);
        assert_eq!(count(store, TYPE).await, left);
    }
}

/// "At most `limit`", of all types together.
pub async fn the_limit_holds_for_all_types_together(store: &Subject) {
    let types = [TYPE, "Invoice", "Parcel"];
    for type_id in types {
        succeeded(store, type_id, (0..3).map(|number| number.to_string())).await;
    }
    let expiries = types.map(|type_id| expiry(type_id, Duration::ZERO));
    for expired in [4, 4, 1, 0] {
        assert_eq!(expire(store, &expiries, 4).await, expired);
    }
}

/// Nothing is deleted when nothing may be.
pub async fn without_types_or_with_a_limit_of_none_nothing_is_deleted(store: &Subject) {
    let row = one(store, "a").await;
    assert_eq!(expire(store, &[], 10).await, 0);
    assert_eq!(expire(store, &at_once(), 0).await, 0);
    assert_eq!(expire(store, &[expiry("Invoice", Duration::ZERO)], 10).await, 0);
    store.unchanged(&row).await;
}

/// Children of one parent that have succeeded, as [`succeeded`] does.
async fn children(
    store: &Subject,
    parent: &FunctionId,
    names: impl IntoIterator<Item = String>,
) -> Vec<FunctionId> {
    succeeded_of(store, TYPE, Some(parent), names).await
}

async fn child(store: &Subject, parent: &FunctionId, name: &str) -> StoredFunction {
    let ids = children(store, parent, [name.to_owned()]).await;
    store.row(&ids[0]).await
}

/// "A child is kept as long as its parent is stored and has not succeeded": also when that has failed.
pub async fn the_child_of_a_parent_that_has_not_succeeded_is_kept(store: &Subject) {
    let mut rows = Vec::new();
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Succeeded) {
        let parent = store.in_status(&status.to_string(), status).await;
        rows.push(child(store, &parent.id, &format!("child of {status}")).await);
        rows.push(parent);
    }
    assert_eq!(expire(store, &at_once(), 100).await, 0);
    for row in rows {
        store.unchanged(&row).await;
    }
}

/// "Has not succeeded": once it has, its child is a result like any other, with a time of its own.
pub async fn a_child_is_deleted_once_its_parent_has_succeeded(store: &Subject) {
    let parent = store.in_status("parent", Status::Failed).await;
    let row = child(store, &parent.id, "child").await;
    assert_eq!(expire(store, &at_once(), 10).await, 0);
    let repaired = edit(&parent, Transition::Succeed(text(1, "repaired")));
    assert_eq!(store.edit(repaired).await, Written::Done);
    store.later_than(store.row(&parent.id).await.updated_at).await;
    assert_eq!(expire(store, &[expiry(TYPE, HOUR)], 10).await, 0);
    assert_eq!(expire(store, &at_once(), 10).await, 2);
    assert_eq!(store.find(&row.id).await, None);
}

/// "Its parent": whether the parent of that has succeeded is another question, for it asks nobody but its own children.
pub async fn a_grandchild_is_deleted_before_the_child(store: &Subject) {
    let parent = store.in_status("parent", Status::Failed).await;
    let row = child(store, &parent.id, "child").await;
    let grandchild = child(store, &row.id, "grandchild").await;
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(store.find(&grandchild.id).await, None);
    store.unchanged(&row).await;
}

/// "Is stored": the child of one that was deleted, or never was there, is a result like any other.
pub async fn a_child_is_deleted_when_its_parent_is_gone(store: &Subject) {
    let parent = store.waiting("parent", Due::After(HOUR)).await;
    let row = child(store, &parent.id, "child").await;
    let stray = child(store, &id("nobody"), "stray").await;
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(store.find(&stray.id).await, None);
    assert_eq!(store.delete(delete(&parent)).await, Written::Done);
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(store.find(&row.id).await, None);
}

/// "Its parent": both halves of an id, by their bytes.
pub async fn a_parent_is_told_from_its_look_alikes(store: &Subject) {
    let later = Start::Waiting(Due::After(HOUR));
    for instance in ["Ann", "ann ", " ann", "an", "änn"] {
        assert_eq!(store.create(given::create(instance, later)).await, Written::Done);
    }
    let cart = FunctionId::new("Cart", "ann");
    let create = Create { id: cart.clone(), ..given::create("", later) };
    assert_eq!(store.create(create).await, Written::Done);
    let ids =
        [children(store, &id("ann"), ["1".to_owned()]).await, children(store, &cart, ["2".to_owned()]).await];
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(
        [store.find(&ids[0][0]).await.is_some(), store.find(&ids[1][0]).await.is_some()],
        [false, true]
    );
}

/// "Those that are kept hold up no others, however many they are": also when they are older than all others.
pub async fn children_that_are_kept_hold_up_no_others(store: &Subject) {
    let parent = store.waiting("parent", Due::After(HOUR)).await;
    let kept = children(store, &parent.id, (0..30).map(|number| format!("0 {number}"))).await;
    succeeded(store, TYPE, (0..5).map(|number| format!("1 {number}"))).await;
    for expired in [2, 2, 1, 0] {
        assert_eq!(expire(store, &at_once(), 2).await, expired);
    }
    for id in &kept {
        store.has_keys(id, ["1"]).await;
    }
}

/// A parent that has succeeded and its children do not wait for each other.
pub async fn parents_and_children_are_deleted_in_one_call(store: &Subject) {
    let parent = one(store, "parent").await;
    children(store, &parent.id, (0..20).map(|number| format!("{number}"))).await;
    assert_eq!(expire(store, &at_once(), 100).await, 21);
    assert_eq!(count(store, TYPE).await, 0);
}

/// "With all that belongs to them": a new instance of that id has no messages, and those of others stay.
pub async fn messages_are_deleted_with_their_instance(store: &Subject) {
    let row = one(store, "a").await;
    for name in ["A", "a ", "b"] {
        store.waiting_with(name, &[name]).await;
    }
    assert_eq!(expire(store, &at_once(), 10).await, 1);
    assert_eq!(store.messages_of(&row.id).await, []);
    store.waiting("a", Due::After(HOUR)).await;
    store.has_messages(&row.id, &[]).await;
    assert_eq!(store.append(append("a", ["1"])).await, Written::Done);
    store.has_keys(&row.id, ["1"]).await;
    for name in ["A", "a ", "b"] {
        store.has_keys(&id(name), [name]).await;
    }
}

/// Hundreds in one call, as many as may be.
pub async fn hundreds_are_deleted_in_one_call(store: &Subject) {
    succeeded(store, TYPE, (0..700).map(|number| format!("{number:03}"))).await;
    assert_eq!(expire(store, &at_once(), 600).await, 600);
    assert_eq!(count(store, TYPE).await, 100);
    assert_eq!(expire(store, &at_once(), u32::MAX).await, 100);
    assert_eq!(count(store, TYPE).await, 0);
}

/// Hundreds of types in one call.
pub async fn hundreds_of_types_are_looked_at_in_one_call(store: &Subject) {
    let mut expiries: Vec<_> =
        (0..900).map(|number| expiry(&format!("Type {number}"), Duration::ZERO)).collect();
    for number in [0, 399, 400, 401, 899] {
        succeeded(store, &format!("Type {number}"), ["a".to_owned()]).await;
    }
    expiries[401].after = HOUR;
    assert_eq!(expire(store, &expiries, 3).await, 3);
    assert_eq!(expire(store, &expiries, 3).await, 1);
    assert_eq!(count(store, "Type 401").await, 1);
}

/// An instance is deleted once, however many expire at once.
pub async fn expiries_at_once_delete_each_instance_once(store: &Subject) {
    succeeded(store, TYPE, (0..60).map(|number| format!("{number:02}"))).await;
    let call = |_| {
        let store = store.clone();
        async move {
            let mut expired = 0;
            while count(&store, TYPE).await > 0 {
                expired += expire(&store, &at_once(), 7).await;
            }
            expired
        }
    };
    let expired = together(6, call).await;
    assert_eq!(expired.iter().sum::<u64>(), 60, "{expired:?}");
}

/// Expires and writes this at the same moment; answers both answers.
async fn meet(store: &Subject, write: Write) -> (u64, Written) {
    let (expirer, writer) = (store.clone(), store.clone());
    let expiring = async move { expire(&expirer, &at_once(), 10).await };
    let writing = async move {
        let batch = [write];
        retry(|| writer.write(&batch)).await.pop().expect("one answer")
    };
    both(expiring, writing).await
}

/// "An instance that somebody writes at that very moment may be left": but not what it was is deleted.
pub async fn an_edit_and_an_expiry_do_not_overwrite_each_other(store: &Subject) {
    for number in 0..ROUNDS {
        let view = one(store, &number.to_string()).await;
        let (expired, edited) =
            meet(store, Write::Edit(edit(&view, Transition::Wait(Due::After(HOUR))))).await;
        let status = store.find(&view.id).await.map(|row| row.status);
        match edited {
            Written::Done => assert_eq!((expired, status), (0, Some(Status::Postponed))),
            Written::NotFound => assert_eq!((expired, status), (1, None)),
            other => panic!("{other:?} to an edit of what nobody else edits"),
        }
    }
}

/// What is deleted by hand and by its age is deleted once.
pub async fn a_delete_and_an_expiry_delete_once(store: &Subject) {
    for number in 0..ROUNDS {
        let view = one(store, &number.to_string()).await;
        let (expired, deleted) = meet(store, Write::Delete(delete(&view))).await;
        let expected = if expired == 1 { Written::NotFound } else { Written::Done };
        assert_eq!(deleted, expected);
        assert_eq!(store.find(&view.id).await, None);
    }
}

/// A create finds the old instance or makes a new one, of which nothing is deleted.
pub async fn a_create_and_an_expiry_do_not_overwrite_each_other(store: &Subject) {
    for number in 0..ROUNDS {
        let view = one(store, &number.to_string()).await;
        let create = given::create(&number.to_string(), Start::Waiting(Due::After(HOUR)));
        let create = Create { messages: given::messages(["2"]), ..create };
        let (expired, created) = meet(store, Write::Create(create)).await;
        if created == Written::Done {
            assert_eq!((expired, store.row(&view.id).await.status), (1, Status::Postponed));
            store.has_keys(&view.id, ["2"]).await;
        } else {
            assert_eq!(created, Written::Exists(Box::new(view)));
        }
        expire(store, &at_once(), 10).await;
    }
}

/// Whoever writes batches and whoever expires do not wait for each other for ever.
pub async fn expiries_among_batches_come_to_an_end(store: &Subject) {
    let work = |task: usize| {
        let store = store.clone();
        async move {
            for round in 0..6 {
                if task < 2 {
                    expire(&store, &at_once(), 5).await;
                    continue;
                }
                let run = store.running(&format!("{task} {round}"), ReplicaId::random()).await;
                let end = Write::Finish(finish(&run, Ending::Succeeded(text(1, "result"))));
                let mut batch = vec![end, Write::Append(append("common", [format!("{task} {round}")]))];
                batch.extend((0..4).map(|number| {
                    Write::Create(given::create(&format!("{number}"), Start::Running(ReplicaId::random())))
                }));
                batch.rotate_left(task);
                assert_eq!(retry(|| store.write(&batch)).await.len(), 6);
            }
        }
    };
    store.waiting("common", Due::After(HOUR)).await;
    together(6, work).await;
    store.later_than(store.now().await).await;
    expire(store, &at_once(), 100).await;
    assert_eq!(store.row(&id("common")).await.message_count, 24);
    assert_eq!(count(store, TYPE).await, 5);
}
