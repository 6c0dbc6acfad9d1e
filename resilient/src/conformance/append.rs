//! Messages for an instance: what an append stores, what it leaves out, and what it wakes.

use super::given::{self, HOUR, NOW, TYPE, append, finish, id, kind, message, save, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{FunctionId, ReplicaId};
use crate::record::{NewMessage, StoredFunction};
use crate::status::Status;
use crate::store::{Append, Create, Ending, Start, Transition, Write, Written};

async fn done(store: &Subject, append: Append) {
    assert_eq!(store.append(append.clone()).await, Written::Done, "the answer to {append:?}");
}

/// "They get the positions that follow `message_count`", in their order.
pub async fn an_append_stores_messages_in_their_order(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    done(store, append("a", ["z", "a", "m"])).await;
    store.has_keys(&row.id, ["z", "a", "m"]).await;
}

/// "Positions that follow": over many appends of different lengths, with messages between them that are left out.
pub async fn positions_go_on_without_gaps_over_appends(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    for keys in [&["1"][..], &["2", "3"], &["1"], &["4", "2", "5"], &[], &["5", "5", "6", "4"], &["7"]] {
        done(store, append("a", keys)).await;
    }
    store.has_keys(&row.id, ["1", "2", "3", "4", "5", "6", "7"]).await;
}

/// "In their order": not that of their keys, nor that in which a database likes to answer.
pub async fn an_append_of_hundreds_keeps_their_order(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let keys: Vec<_> = (0..500).map(|number| format!("{}", (number * 7_919) % 500)).collect();
    done(store, append("a", &keys)).await;
    done(store, append("a", ["last"])).await;
    store.has_keys(&row.id, keys.iter().map(String::as_str).chain(["last"])).await;
}

/// "`message_count` grows by their number", "the epoch stays", and nothing else changes for what runs or has failed.
pub async fn an_append_changes_nothing_but_the_count_of_what_does_not_wait(store: &Subject) {
    for status in [Status::Executing, Status::Failed] {
        let row = store.in_status(&status.to_string(), status).await;
        done(store, append(&status.to_string(), ["1", "2"])).await;
        store.expect(&row, |row| row.message_count = 2).await;
        store.has_keys(&row.id, ["1", "2"]).await;
    }
}

/// "What is `Suspended` becomes due at once", and only that: `Postponed` work keeps its time.
pub async fn an_append_leaves_the_due_time_of_what_is_postponed(store: &Subject) {
    let row = store.in_status("a", Status::Postponed).await;
    done(store, append("a", ["1"])).await;
    store.expect(&row, |row| row.message_count = 1).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, [], "it waits for its time, not for messages");
}

/// "What is `Suspended` becomes due at once": what waits for a message alone.
pub async fn an_append_makes_what_is_suspended_due_at_once(store: &Subject) {
    let row = store.in_status("a", Status::Suspended).await;
    done(store, append("a", ["1"])).await;
    let woken = |row: &mut StoredFunction| {
        row.message_count = 1;
        row.due_at = Some(NOW);
    };
    store.expect(&row, woken).await;
    let live = store.live().await;
    let claimed = store.claim_all(live).await;
    let [run] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    assert_eq!((&run.id, run.message_count), (&row.id, 1), "whoever claims it knows of the message");
}

/// "What is `Suspended` becomes due at once": what waits for a message or a time, whichever comes first.
pub async fn an_append_makes_what_is_suspended_until_later_due_at_once(store: &Subject) {
    let run = store.restarted("a").await;
    let until = Ending::Suspended { message_count: 0, due: Some(Due::After(HOUR)) };
    assert_eq!(store.finish(finish(&run, until)).await, Written::Done);
    let row = store.row(&run.id).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, []);
    done(store, append("a", ["1"])).await;
    let woken = |row: &mut StoredFunction| {
        row.message_count = 1;
        row.due_at = Some(NOW);
    };
    store.expect(&row, woken).await;
    assert_eq!(store.claimed(live, &[kind(TYPE)], 9).await, ["a"]);
}

/// "Of several with one key the first counts."
pub async fn a_key_counts_once_within_an_append(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let second = NewMessage { name: "Other".into(), payload: text(9, "other"), ..message("1") };
    let messages = vec![message("1"), second.clone(), message("2"), second, message("2"), message("3")];
    done(store, Append { id: row.id.clone(), messages }).await;
    store.has_keys(&row.id, ["1", "2", "3"]).await;
}

/// "A message whose key the instance has stored already is left out", whatever else it says.
pub async fn a_key_counts_once_over_appends(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    done(store, append("a", ["1"])).await;
    let again = NewMessage { name: "Other".into(), payload: text(9, "other"), ..message("1") };
    done(store, Append { id: row.id.clone(), messages: vec![again.clone()] }).await;
    done(store, Append { id: row.id.clone(), messages: vec![message("2"), again, message("3")] }).await;
    store.has_keys(&row.id, ["1", "2", "3"]).await;
}

/// "An instance stores each key once", for as long as it lives: over runs, claims and endings.
pub async fn a_key_is_remembered_over_runs(store: &Subject) {
    let live = store.live().await;
    let mut run = store.running("a", live).await;
    for number in 0..3 {
        done(store, append("a", ["1", &format!("of run {number}")])).await;
        let end = [Ending::Postponed(Due::Now), Ending::Lost, Ending::Released][number].clone();
        assert_eq!(store.finish(finish(&run, end)).await, Written::Done);
        run = store.claim_all(live).await.pop().expect("it is due");
        assert_eq!(run.message_count, i64::try_from(number).expect("small") + 2);
    }
    store.has_keys(&run.id, ["1", "of run 0", "of run 1", "of run 2"]).await;
}

/// "All of that happens, or nothing": known keys wake nothing and are no write.
pub async fn an_append_of_known_keys_changes_nothing(store: &Subject) {
    for status in [Status::Executing, Status::Postponed, Status::Failed] {
        let name = status.to_string();
        store.in_status(&name, status).await;
        done(store, append(&name, ["1", "2"])).await;
        let row = store.row(&id(&name)).await;
        for keys in [&["1"][..], &["2", "1"], &["2", "2"]] {
            let known = append(&name, keys);
            store.refuses(Write::Append(known), Written::Done, &row).await;
        }
        store.has_keys(&row.id, ["1", "2"]).await;
    }
}

/// "What is `Suspended` becomes due" if any message is left: not for one that it knows.
pub async fn an_append_of_known_keys_wakes_nothing(store: &Subject) {
    let run = store.restarted("a").await;
    done(store, append("a", ["1"])).await;
    let suspend = Ending::Suspended { message_count: 1, due: None };
    assert_eq!(store.finish(finish(&run, suspend)).await, Written::Done);
    let row = store.row(&run.id).await;
    store.refuses(Write::Append(append("a", ["1"])), Written::Done, &row).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, []);
}

/// Without messages there is nothing to store, in whatever status, and nothing to wake.
pub async fn an_append_of_nothing_changes_nothing(store: &Subject) {
    for status in Status::ALL {
        let row = store.in_status(&status.to_string(), status).await;
        let nothing = Append { id: row.id.clone(), messages: Vec::new() };
        store.refuses(Write::Append(nothing), Written::Done, &row).await;
    }
}

/// "There is no such instance", and the message does not wait for one to come.
pub async fn an_append_to_what_does_not_exist_answers_not_found(store: &Subject) {
    assert_eq!(store.append(append("a", ["1"])).await, Written::NotFound);
    let nothing = Append { id: id("a"), messages: Vec::new() };
    assert_eq!(store.append(nothing).await, Written::NotFound);
    assert_eq!(store.find(&id("a")).await, None);
    store.waiting("a", Due::After(HOUR)).await;
    store.has_messages(&id("a"), &[]).await;
}

/// "The instance has succeeded: it reads no more messages, and none was stored."
pub async fn an_append_to_what_has_succeeded_answers_completed(store: &Subject) {
    let row = store.in_status("a", Status::Succeeded).await;
    store.refuses(Write::Append(append("a", ["1", "2"])), Written::Completed, &row).await;
    store.has_messages(&row.id, &[]).await;
}

/// "When all keys are stored already, the answer is `Done`, whatever the status": who sends again learns that it arrived.
pub async fn an_append_of_known_keys_to_what_has_succeeded_is_done(store: &Subject) {
    let run = store.restarted("a").await;
    done(store, append("a", ["1", "2"])).await;
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
    let row = store.row(&run.id).await;
    for keys in [&["1"][..], &["2", "1"], &["1", "1"]] {
        store.refuses(Write::Append(append("a", keys)), Written::Done, &row).await;
    }
}

/// "None was stored": not the one known key decides, and not the one new message is stored.
pub async fn an_append_of_known_and_new_keys_to_what_has_succeeded_stores_none(store: &Subject) {
    let run = store.restarted("a").await;
    done(store, append("a", ["1"])).await;
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
    let row = store.row(&run.id).await;
    for keys in [["1", "2"], ["2", "1"]] {
        store.refuses(Write::Append(append("a", keys)), Written::Completed, &row).await;
    }
    store.has_keys(&row.id, ["1"]).await;
}

/// "The epoch stays": the run saves and ends as if nothing had come, unless it suspends.
pub async fn an_append_does_not_fence_the_run_off(store: &Subject) {
    let run = store.restarted("a").await;
    done(store, append("a", ["1"])).await;
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
    store.has_keys(&run.id, ["1"]).await;
}

/// "When it was stored", "when it was last written": now, on the store's clock.
pub async fn messages_are_dated_by_the_stores_clock(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let mut last = store.now().await;
    for keys in [&["1", "2"][..], &["3", "1"]] {
        done(store, append("a", keys)).await;
        let after = store.now().await;
        let written = store.row(&row.id).await;
        assert!((last..=after).contains(&written.updated_at), "{last:?}, {written:?}, {after:?}");
        assert_eq!(written.created_at, row.created_at);
        let stored = store.messages_of(&row.id).await.pop().expect("there are messages");
        assert!((last..=after).contains(&stored.sent_at), "{last:?}, {stored:?}, {after:?}");
        last = after;
    }
}

/// One instance's messages touch no other, also none of the same name.
pub async fn an_append_leaves_other_functions_alone(store: &Subject) {
    let other = Create {
        id: FunctionId::new("Invoice", "a"),
        messages: given::messages(["1"]),
        ..given::create("", Start::Waiting(Due::After(HOUR)))
    };
    assert_eq!(store.create(other.clone()).await, Written::Done);
    let invoice = store.row(&other.id).await;
    let suspended = store.in_status("b", Status::Suspended).await;
    store.waiting("a", Due::After(HOUR)).await;
    done(store, append("a", ["1", "2"])).await;
    store.has_keys(&id("a"), ["1", "2"]).await;
    store.unchanged(&invoice).await;
    store.has_keys(&invoice.id, ["1"]).await;
    store.unchanged(&suspended).await;
    store.has_messages(&suspended.id, &[]).await;
}

/// Where the name of an instance ends and a key begins is part of both.
pub async fn instances_and_keys_that_read_alike_when_joined_are_different(store: &Subject) {
    let pairs = [("a", "bc"), ("ab", "c"), ("a/b", "c"), ("a", "b/c"), ("a", "1"), ("a1", "1")];
    for name in ["a", "ab", "a/b", "a1"] {
        store.waiting(name, Due::After(HOUR)).await;
    }
    for (name, key) in pairs {
        done(store, append(name, [key])).await;
    }
    store.has_keys(&id("a"), ["bc", "b/c", "1"]).await;
    for (name, key) in [("ab", "c"), ("a/b", "c"), ("a1", "1")] {
        store.has_keys(&id(name), [key]).await;
    }
}

/// "Answers each of them": 300 instances in one batch, with none to three messages, some gone and some completed.
pub async fn appends_to_many_in_one_batch_are_answered_each(store: &Subject) {
    let name = |number: usize| format!("{number:03}");
    let start = |number: usize| {
        let owner = ReplicaId::random();
        Write::Create(given::create(&name(number), Start::Running(owner)))
    };
    let creates: Vec<_> = (0..300).filter(|number| number % 5 != 4).map(start).collect();
    store.write(&creates).await.expect("the store is there");
    for number in (0..300).filter(|number| number % 5 == 3) {
        let run = store.row(&id(&name(number))).await;
        let end = finish(&run, Ending::Succeeded(text(1, "result")));
        assert_eq!(store.finish(end).await, Written::Done);
    }
    let keys = |number: usize| (0..number % 4).map(move |key| format!("{number} {key}"));
    let mut batch: Vec<_> =
        (0..300).map(|number| Write::Append(append(&name(number), keys(number)))).collect();
    batch.rotate_left(117);
    let answers = store.write(&batch).await.expect("the store is there");
    assert_eq!(answers.len(), 300);
    for (at, answer) in answers.iter().enumerate() {
        let number = (at + 117) % 300;
        let expected = match (number % 5, number % 4) {
            (4, _) => Written::NotFound,
            (3, 1..) => Written::Completed,
            _ => Written::Done,
        };
        assert_eq!(*answer, expected, "the answer for {number}");
        let stored = if number % 5 > 2 { 0 } else { number % 4 };
        store.has_keys(&id(&name(number)), keys(number).take(stored)).await;
    }
}

/// Appends stand in one batch with every other write, each of another instance.
pub async fn one_batch_holds_appends_and_every_other_write(store: &Subject) {
    let mut rows = Vec::new();
    for name in ["0", "1", "2", "3", "4", "5"] {
        rows.push(store.running_with(name, &["first"]).await);
    }
    let suspend = Ending::Suspended { message_count: 1, due: None };
    assert_eq!(store.finish(finish(&rows[4], suspend.clone())).await, Written::Done);
    let new = given::create("new", Start::Waiting(Due::After(HOUR)));
    let batch = [
        Write::Append(append("5", ["first", "second"])),
        Write::Save(save(&rows[0], text(1, "progress"))),
        Write::Append(append("4", ["second"])),
        Write::Create(Create { messages: given::messages(["first"]), ..new }),
        Write::Finish(finish(&rows[1], suspend)),
        Write::Append(append("gone", ["first"])),
        Write::Edit(given::edit(&rows[2], Transition::Wait(Due::After(HOUR)))),
        Write::Delete(given::delete(&rows[3])),
    ];
    let mut expected = vec![Written::Done; 8];
    expected[5] = Written::NotFound;
    assert_eq!(store.write(&batch).await.expect("the store is there"), expected);
    for name in ["0", "1", "2", "new"] {
        store.has_keys(&id(name), ["first"]).await;
    }
    for name in ["4", "5"] {
        store.has_keys(&id(name), ["first", "second"]).await;
    }
    store.has_messages(&id("3"), &[]).await;
    let waits: Vec<_> = ["1", "4"].into_iter().map(id).collect();
    let rows = store.get(&waits).await.expect("the store is there");
    let due: Vec<_> = rows.into_iter().flatten().map(|row| (row.status, row.due_at.is_some())).collect();
    assert_eq!(due, [(Status::Suspended, false), (Status::Suspended, true)]);
}

/// A batch of which every append knows all its keys already.
pub async fn a_batch_of_known_keys_changes_nothing(store: &Subject) {
    let mut rows = Vec::new();
    for name in ["a", "b", "c"] {
        rows.push(store.waiting_with(name, &["1", "2"]).await);
    }
    let again: Vec<_> = ["a", "b", "c"].map(|name| Write::Append(append(name, ["2", "1"]))).into();
    assert_eq!(store.write(&again).await.expect("the store is there"), vec![Written::Done; 3]);
    for row in &rows {
        store.unchanged(row).await;
        store.has_keys(&row.id, ["1", "2"]).await;
    }
}
