//! Edits of messages: all of them are replaced, or none.

use super::given::{self, HOUR, NOW, append, edit, finish, id, message, save, text, transitions};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::Epoch;
use crate::record::{NewMessage, StoredFunction};
use crate::status::Status;
use crate::store::{Edit, Ending, Replace, Transition, Write, Written};

/// An edit by somebody who has read this row and its messages.
fn replace(row: &StoredFunction, keys: &[&str], transition: Transition) -> Edit {
    let messages = Replace { message_count: row.message_count, messages: given::messages(keys) };
    Edit { messages: Some(messages), ..edit(row, transition) }
}

/// An instance in this status with messages that have these keys.
async fn with_messages(store: &Subject, status: Status, keys: &[&str]) -> StoredFunction {
    let name = status.to_string();
    let run = store.restarted(&name).await;
    assert_eq!(store.append(append(&name, keys)).await, Written::Done);
    let message_count = i64::try_from(keys.len()).expect("few");
    let ending = match status {
        Status::Executing => return store.row(&run.id).await,
        Status::Postponed => Ending::Postponed(Due::After(HOUR)),
        Status::Suspended => Ending::Suspended { message_count, due: None },
        Status::Succeeded => Ending::Succeeded(text(1, "result")),
        Status::Failed => Ending::Failed("{}".into()),
    };
    assert_eq!(store.finish(finish(&run, ending)).await, Written::Done);
    store.row(&run.id).await
}

/// "Other messages instead of all that there are": "they get the positions from 1 on, and their number becomes the count."
pub async fn a_replacement_takes_the_place_of_all_messages(store: &Subject) {
    for status in Status::ALL {
        let row = with_messages(store, status, &["1", "2", "3"]).await;
        let other = replace(&row, &["z", "a"], Transition::Wait(Due::After(HOUR)));
        assert_eq!(store.edit(other).await, Written::Done, "from {status}");
        store.has_keys(&row.id, ["z", "a"]).await;
        assert_eq!(store.row(&row.id).await.epoch, row.epoch.next());
    }
}

/// Messages that stay, change their place, are new or say something else: what counts is what was given.
pub async fn a_replacement_may_repeat_what_was_there(store: &Subject) {
    let row = store.waiting_with("a", &["1", "2", "3"]).await;
    let mended = NewMessage { payload: text(2, "mended"), ..message("2") };
    let messages = vec![message("3"), mended, message("4"), message("1")];
    let replaced = Replace { message_count: 3, messages: messages.clone() };
    let step = Edit { messages: Some(replaced), ..edit(&row, Transition::Keep) };
    assert_eq!(store.edit(step).await, Written::Done);
    store.has_messages(&row.id, &messages).await;
}

/// "An instance stores each key once": also in a replacement.
pub async fn a_key_counts_once_within_a_replacement(store: &Subject) {
    let row = store.waiting_with("a", &["1"]).await;
    let step = replace(&row, &["2", "3", "2", "1", "3"], Transition::Keep);
    assert_eq!(store.edit(step).await, Written::Done);
    store.has_keys(&row.id, ["2", "3", "1"]).await;
}

/// "Their number becomes the count": none is a number.
pub async fn a_replacement_by_nothing_removes_all_messages(store: &Subject) {
    let row = store.waiting_with("a", &["1", "2"]).await;
    assert_eq!(store.edit(replace(&row, &[], Transition::Keep)).await, Written::Done);
    store.has_messages(&row.id, &[]).await;
    assert_eq!(store.append(append("a", ["2", "3"])).await, Written::Done);
    store.has_keys(&row.id, ["2", "3"]).await;
}

/// A replacement gives messages to what has none.
pub async fn a_replacement_gives_messages_to_what_has_none(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    assert_eq!(store.edit(replace(&row, &["1", "2"], Transition::Keep)).await, Written::Done);
    let edited = |row: &mut StoredFunction| {
        row.epoch = row.epoch.next();
        row.message_count = 2;
    };
    store.expect(&row, edited).await;
    store.has_keys(&row.id, ["1", "2"]).await;
}

/// "The edit answers `Changed` when it is another one by now", and changes nothing.
pub async fn a_replacement_at_another_count_changes_nothing(store: &Subject) {
    let live = store.live().await;
    for status in Status::ALL {
        let row = with_messages(store, status, &["1", "2"]).await;
        for transition in transitions(live) {
            for message_count in [1, 3, 0, -2, i64::MAX] {
                let stale = StoredFunction { message_count, ..row.clone() };
                let stale = replace(&stale, &["9"], transition.clone());
                let stale =
                    Edit { param: Some(text(9, "stale")), journal: Some("\"stale\"".into()), ..stale };
                store.refuses(Write::Edit(stale), Written::Changed, &row).await;
            }
        }
        store.has_keys(&row.id, ["1", "2"]).await;
    }
}

/// "The instance is at another epoch than expected": its messages stay.
pub async fn a_replacement_at_another_epoch_changes_nothing(store: &Subject) {
    let row = store.waiting_with("a", &["1", "2"]).await;
    let stale = StoredFunction { epoch: Epoch::new(7), ..row.clone() };
    let stale = replace(&stale, &["9"], Transition::Keep);
    store.refuses(Write::Edit(stale.clone()), Written::Changed, &row).await;
    store.has_keys(&row.id, ["1", "2"]).await;
    let gone = Edit { id: id("gone"), ..stale };
    assert_eq!(store.edit(gone).await, Written::NotFound);
    assert_eq!(store.messages_of(&id("gone")).await, []);
}

/// "The count of messages that was read": a message that came since is not thrown away.
pub async fn a_replacement_that_a_message_overtook_changes_nothing(store: &Subject) {
    let view = store.waiting_with("a", &["1"]).await;
    assert_eq!(store.append(append("a", ["2"])).await, Written::Done);
    let row = store.row(&view.id).await;
    store.refuses(Write::Edit(replace(&view, &[], Transition::Keep)), Written::Changed, &row).await;
    store.has_keys(&view.id, ["1", "2"]).await;
}

/// "`None` leaves them", and a message that came since is no hindrance: the epoch alone guards.
pub async fn an_edit_without_messages_keeps_them_and_those_that_came(store: &Subject) {
    let live = store.live().await;
    for (number, transition) in transitions(live).into_iter().enumerate() {
        let view = store.running_with(&number.to_string(), &["1"]).await;
        assert_eq!(store.append(append(&number.to_string(), ["2"])).await, Written::Done);
        let step = Edit { param: Some(text(3, "mended")), ..edit(&view, transition.clone()) };
        assert_eq!(store.edit(step).await, Written::Done, "with {transition:?}");
        store.has_keys(&view.id, ["1", "2"]).await;
        assert_eq!(store.row(&view.id).await.param, text(3, "mended"));
    }
}

/// "Which makes due what is `Suspended` from then on."
pub async fn a_replacement_wakes_what_stays_suspended(store: &Subject) {
    for keys in [&["9"][..], &["1", "2"], &[]] {
        let row = with_messages(store, Status::Suspended, &["1"]).await;
        assert_eq!(store.edit(replace(&row, keys, Transition::Keep)).await, Written::Done);
        let woken = |row: &mut StoredFunction| {
            row.epoch = row.epoch.next();
            row.message_count = i64::try_from(keys.len()).expect("few");
            row.due_at = Some(NOW);
        };
        let woken = store.expect(&row, woken).await;
        assert_eq!(store.delete(given::delete(&woken)).await, Written::Done);
    }
}

/// "What is `Suspended` from then on": what waits for a time, has ended or runs is not made due.
pub async fn a_replacement_with_a_transition_keeps_to_that(store: &Subject) {
    let live = store.live().await;
    let expected = [
        (Transition::Run(live), Status::Executing),
        (Transition::Wait(Due::After(HOUR)), Status::Postponed),
        (Transition::Succeed(text(1, "result")), Status::Succeeded),
        (Transition::Fail("{}".into()), Status::Failed),
    ];
    for (transition, status) in expected {
        let row = with_messages(store, Status::Suspended, &["1"]).await;
        assert_eq!(store.edit(replace(&row, &["9"], transition)).await, Written::Done);
        store.has_keys(&row.id, ["9"]).await;
        let after = store.row(&row.id).await;
        assert_eq!((after.status, after.due_at.is_some()), (status, status == Status::Postponed));
        assert_eq!(store.claim_all(live).await, [], "{status} is not due");
        assert_eq!(store.delete(given::delete(&after)).await, Written::Done);
    }
}

/// "Whoever runs it loses ownership": a run whose messages were replaced cannot suspend on the old count.
pub async fn a_run_whose_messages_were_replaced_is_fenced_off(store: &Subject) {
    let run = store.running_with("a", &["1"]).await;
    assert_eq!(store.edit(replace(&run, &["2"], Transition::Keep)).await, Written::Done);
    let edited = store.row(&run.id).await;
    let suspend = finish(&run, Ending::Suspended { message_count: 1, due: None });
    store.refuses(Write::Finish(suspend), Written::LostOwnership, &edited).await;
    store.refuses(Write::Save(save(&run, text(1, "late"))), Written::LostOwnership, &edited).await;
}

/// Keys that a replacement took away can come again; keys that it gave cannot.
pub async fn keys_are_known_as_the_replacement_left_them(store: &Subject) {
    let row = store.waiting_with("a", &["1", "2"]).await;
    assert_eq!(store.edit(replace(&row, &["2", "3"], Transition::Keep)).await, Written::Done);
    assert_eq!(store.append(append("a", ["1", "2", "3", "4"])).await, Written::Done);
    store.has_keys(&row.id, ["2", "3", "1", "4"]).await;
}

/// A batch of edits, some with other messages, some without, some overtaken; each does its own.
pub async fn many_edits_in_one_batch_replace_each_its_own_messages(store: &Subject) {
    let mut rows = Vec::new();
    for number in 0..30 {
        rows.push(store.waiting_with(&format!("{number:02}"), &["1", "2"]).await);
    }
    let keys = |number: usize| (0..number % 4).map(move |key| format!("{number} {key}")).collect::<Vec<_>>();
    let change = |(number, row): (usize, &StoredFunction)| {
        let message_count = if number % 5 == 0 { 1 } else { 2 };
        let messages = Replace { message_count, messages: given::messages(keys(number)) };
        let messages = (number % 3 > 0).then_some(messages);
        let param = Some(text(2, &number.to_string()));
        Write::Edit(Edit { param, messages, ..edit(row, Transition::Keep) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(change).rev().collect();
    let answers = store.write(&batch).await.expect("the store is there");
    for (number, answer) in (0..30).rev().zip(answers) {
        let row = &rows[number];
        if number % 3 > 0 && number % 5 == 0 {
            assert_eq!(answer, Written::Changed, "the answer for {number}");
            store.unchanged(row).await;
        } else {
            assert_eq!(answer, Written::Done, "the answer for {number}");
            assert_eq!(store.row(&row.id).await.param, text(2, &number.to_string()));
        }
        if number % 3 > 0 && number % 5 > 0 {
            store.has_keys(&row.id, keys(number)).await;
        } else {
            store.has_keys(&row.id, ["1", "2"]).await;
        }
    }
}
