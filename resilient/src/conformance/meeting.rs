//! Messages that meet each other, and whatever else is written at that moment.

use super::given::{self, HOUR, append, delete, edit, finish, id, message, save, text};
use super::subject::Subject;
use super::wait::{both, retry, together};
use crate::clock::Due;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Append, Edit, Ending, Replace, Transition, Write, Written};

/// How often two writes meet.
const ROUNDS: usize = 20;

/// Writes both at the same moment; answers both answers.
async fn meet(store: &Subject, a: Write, b: Write) -> (Written, Written) {
    let one = |write: Write| {
        let store = store.clone();
        async move { retry(|| store.write(std::slice::from_ref(&write))).await.pop().expect("one answer") }
    };
    both(one(a), one(b)).await
}

fn one_message(instance: &str) -> Write {
    Write::Append(append(instance, ["1"]))
}

/// "They get the positions that follow": of 16 who send 20 each, every message is stored, once, without a gap, and those
/// of one sender in their order.
pub async fn messages_of_many_senders_are_all_stored_once(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let send = |sender: usize| {
        let store = store.clone();
        async move {
            for number in 0..10 {
                let keys = [format!("{sender} {:02}", 2 * number), format!("{sender} {:02}", 2 * number + 1)];
                let batch = [Write::Append(append("a", keys))];
                assert_eq!(retry(|| store.write(&batch)).await, [Written::Done]);
            }
        }
    };
    together(16, send).await;
    let stored = store.messages_of(&row.id).await;
    let positions: Vec<_> = stored.iter().map(|message| message.position).collect();
    assert_eq!(positions, (1..=320).collect::<Vec<_>>());
    assert_eq!(store.row(&row.id).await.message_count, 320);
    for sender in 0..16 {
        let of_it = stored.iter().filter(|message| message.key.starts_with(&format!("{sender} ")));
        let expected = (0..20).map(|number| format!("{sender} {number:02}"));
        assert!(of_it.map(|message| message.key.clone()).eq(expected), "those of {sender}: {stored:?}");
    }
}

/// "An instance stores each key once", however many send it at once, and in whatever order.
pub async fn a_key_that_many_send_at_once_is_stored_once(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let keys: Vec<_> = (0..12).map(|key| key.to_string()).collect();
    let send = |sender: usize| {
        let (store, mut keys) = (store.clone(), keys.clone());
        keys.rotate_left(sender % 12);
        async move {
            for keys in keys.chunks(3) {
                let batch = [Write::Append(append("a", keys))];
                assert_eq!(retry(|| store.write(&batch)).await, [Written::Done]);
            }
        }
    };
    together(16, send).await;
    let mut stored = store.messages_of(&row.id).await;
    assert_eq!(store.row(&row.id).await.message_count, 12);
    let positions: Vec<_> = stored.iter().map(|message| message.position).collect();
    assert_eq!(positions, (1..=12).collect::<Vec<_>>());
    stored.sort_by_key(|message| message.key.parse::<i32>().expect("a number"));
    assert!(stored.iter().map(|message| &message.key).eq(&keys), "{stored:?}");
}

/// Batches of appends to the same instances, in different orders, do not wait for each other for ever.
pub async fn overlapping_batches_of_messages_come_to_an_end(store: &Subject) {
    let names: Vec<_> = (0..10).map(|number| format!("{number:02}")).collect();
    for name in &names {
        store.waiting(name, Due::After(HOUR)).await;
    }
    let send = |sender: usize| {
        let (store, names) = (store.clone(), names.clone());
        async move {
            for round in 0..8 {
                let keys = [format!("of all {round}"), format!("{sender} {round}")];
                let one = |name: &String| Write::Append(append(name, &keys));
                let mut batch: Vec<_> = names.iter().map(one).collect();
                batch.rotate_left(sender);
                if sender.is_multiple_of(2) {
                    batch.reverse();
                }
                assert_eq!(retry(|| store.write(&batch)).await, vec![Written::Done; 10]);
            }
        }
    };
    together(6, send).await;
    for name in &names {
        let stored = store.messages_of(&id(name)).await;
        let positions: Vec<_> = stored.iter().map(|message| message.position).collect();
        assert_eq!(positions, (1..=56).collect::<Vec<_>>(), "8 of all and 48 of six senders: {stored:?}");
    }
}

/// "If the stored count of messages is still this one": a run never sleeps over a message.
pub async fn a_suspension_and_a_message_do_not_miss_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let name = number.to_string();
        let run = store.running(&name, owner).await;
        let due = (number % 2 == 0).then_some(Due::After(HOUR));
        let suspend = Write::Finish(finish(&run, Ending::Suspended { message_count: 0, due }));
        let (suspended, sent) = meet(store, suspend, one_message(&name)).await;
        assert_eq!(sent, Written::Done);
        store.has_keys(&run.id, ["1"]).await;
        let claimed = store.claim_all(owner).await;
        let row = store.row(&run.id).await;
        match suspended {
            Written::Done => assert_eq!(claimed, [row], "the message made it due"),
            Written::Changed => {
                assert_eq!((claimed, row.status, row.epoch), (vec![], Status::Executing, run.epoch));
            }
            other => panic!("no answer to a suspension: {other:?}"),
        }
    }
}

/// Many messages meet one suspension: it is refused, or one of them wakes it.
pub async fn a_suspension_and_many_messages_do_not_miss_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS / 2 {
        let name = number.to_string();
        let run = store.running(&name, owner).await;
        let write = |at: usize| match at {
            3 => Write::Finish(finish(&run, Ending::Suspended { message_count: 0, due: None })),
            at => Write::Append(append(&name, [at.to_string()])),
        };
        let one = |at: usize| {
            let (store, batch) = (store.clone(), [write(at)]);
            async move { retry(|| store.write(&batch)).await.pop().expect("one answer") }
        };
        let answers = together(8, one).await;
        let row = store.row(&run.id).await;
        assert_eq!(row.message_count, 7, "{answers:?}");
        let expected = match answers[3] {
            Written::Done => (Status::Suspended, true),
            _ => (Status::Executing, false),
        };
        assert_eq!((row.status, row.due_at.is_some()), expected, "{answers:?}");
    }
}

/// "Appends messages to an instance that has not succeeded": it is stored before the end, or refused after it.
pub async fn a_success_and_a_message_do_not_overwrite_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let name = number.to_string();
        let run = store.running(&name, owner).await;
        let end = Write::Finish(finish(&run, Ending::Succeeded(text(1, "result"))));
        let (ended, sent) = meet(store, end, one_message(&name)).await;
        assert_eq!(ended, Written::Done);
        assert_eq!(store.row(&run.id).await.result, Some(text(1, "result")));
        match sent {
            Written::Done => store.has_keys(&run.id, ["1"]).await,
            Written::Completed => store.has_messages(&run.id, &[]).await,
            other => panic!("no answer to an append: {other:?}"),
        }
    }
}

/// "The epoch stays": a save and a message are both stored.
pub async fn a_save_and_a_message_are_both_done(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let name = number.to_string();
        let run = store.running(&name, owner).await;
        let progress = Write::Save(save(&run, text(1, "progress")));
        let answers = meet(store, progress, one_message(&name)).await;
        assert_eq!(answers, (Written::Done, Written::Done));
        let stored = |row: &mut StoredFunction| {
            row.scrapbook = Some(text(1, "progress"));
            row.saves = 1;
            row.message_count = 1;
        };
        store.expect(&run, stored).await;
    }
}

/// A claim and a message: the run knows of the message, or finds it when it looks; it is not made due again.
pub async fn a_claim_and_a_message_do_not_overwrite_each_other(store: &Subject) {
    let live = store.live().await;
    for number in 0..ROUNDS {
        let name = number.to_string();
        let run = store.running(&name, live).await;
        let due = Some(Due::Now);
        let end = finish(&run, Ending::Suspended { message_count: 0, due });
        assert_eq!(store.finish(end).await, Written::Done);
        let (one, other, batch) = (store.clone(), store.clone(), [one_message(&name)]);
        let kinds = [given::kind(given::TYPE)];
        let claim = async move { retry(|| one.claim(live, &kinds, 9)).await };
        let (claimed, sent) = both(claim, async move { retry(|| other.write(&batch)).await }).await;
        assert_eq!(sent, [Written::Done]);
        store.has_keys(&run.id, ["1"]).await;
        // A store may pass over what is being written at that moment.
        let claimed = if claimed.is_empty() { store.claim_all(live).await } else { claimed };
        let [claimed] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
        let row = store.row(&run.id).await;
        assert_eq!((row.status, row.epoch, row.due_at), (Status::Executing, claimed.epoch, None));
    }
}

/// "The edit answers `Changed` when it is another one by now": no message is thrown away that nobody has read.
pub async fn a_replacement_and_a_message_do_not_overwrite_each_other(store: &Subject) {
    for number in 0..ROUNDS {
        let name = number.to_string();
        let view = store.waiting(&name, Due::After(HOUR)).await;
        let messages = given::messages(["first", "second"]);
        let messages = Some(Replace { message_count: 0, messages });
        let replace = Write::Edit(Edit { messages, ..edit(&view, Transition::Keep) });
        let (replaced, sent) = meet(store, replace, one_message(&name)).await;
        assert_eq!(sent, Written::Done);
        match replaced {
            Written::Done => store.has_keys(&view.id, ["first", "second", "1"]).await,
            Written::Changed => store.has_keys(&view.id, ["1"]).await,
            other => panic!("no answer to an edit: {other:?}"),
        }
    }
}

/// "The removal of an instance and all that belongs to it": also of a message that comes at that moment.
pub async fn a_delete_and_a_message_leave_nothing_behind(store: &Subject) {
    for number in 0..ROUNDS {
        let name = number.to_string();
        let row = store.waiting(&name, Due::After(HOUR)).await;
        let (deleted, sent) = meet(store, Write::Delete(delete(&row)), one_message(&name)).await;
        assert_eq!(deleted, Written::Done);
        assert!([Written::Done, Written::NotFound].contains(&sent), "no answer to an append: {sent:?}");
        assert_eq!(store.messages_of(&row.id).await, []);
        store.waiting(&name, Due::After(HOUR)).await;
        store.has_messages(&row.id, &[]).await;
    }
}

/// Whoever reads the count and then the messages finds at least so many, and never a gap.
pub async fn a_reader_of_messages_never_sees_a_gap(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let (writer, reader, id) = (store.clone(), store.clone(), row.id.clone());
    let writing = async move {
        for number in 0..40 {
            let messages = (0..3).map(|part| message(&format!("{number} {part}"))).collect();
            let batch = [Write::Append(Append { id: given::id("a"), messages })];
            assert_eq!(retry(|| writer.write(&batch)).await, [Written::Done]);
        }
    };
    let reading = async move {
        let mut last = 0;
        while last < 120 {
            let count = reader.row(&id).await.message_count;
            let stored = reader.messages_of(&id).await;
            last = i64::try_from(stored.len()).expect("few");
            assert!(
                last >= count && last % 3 == 0,
                "{last} of {count}: an append is seen whole or not at all"
            );
            assert!(stored.iter().zip(1..).all(|(message, at)| message.position == at), "{stored:?}");
            tokio::task::yield_now().await;
        }
    };
    both(writing, reading).await;
}
