//! What a new instance has from the start: messages and notes.

use super::given::{self, HOUR, append, id, message, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::ReplicaId;
use crate::record::NewMessage;
use crate::status::Status;
use crate::store::{Create, Start, Write, Written};

const NOTES: &str = r#"{"headers":{"a":"1"}}"#;

fn with_messages(instance: &str, start: Start, keys: &[&str]) -> Create {
    let messages = given::messages(keys);
    Create { journal: Some(NOTES.into()), messages, ..given::create(instance, start) }
}

/// "Its first messages", "what the framework notes about it": with the instance, whether it runs or waits.
pub async fn a_new_function_has_its_messages_and_notes(store: &Subject) {
    let starts = [Start::Running(ReplicaId::random()), Start::Waiting(Due::After(HOUR))];
    for (name, start) in ["runs", "waits"].into_iter().zip(starts) {
        let create = with_messages(name, start, &["z", "a"]);
        let before = store.now().await;
        assert_eq!(store.create(create.clone()).await, Written::Done);
        let after = store.now().await;
        let row = store.row(&create.id).await;
        assert_eq!(row, given::created(&create, &row));
        store.has_keys(&create.id, ["z", "a"]).await;
        for message in store.messages_of(&create.id).await {
            assert!((before..=after).contains(&message.sent_at), "{before:?}, {message:?}, {after:?}");
        }
    }
}

/// "Of several with one key the first counts."
pub async fn of_first_messages_with_one_key_the_first_counts(store: &Subject) {
    let other = NewMessage { payload: text(9, "other"), ..message("1") };
    let create = given::create("a", Start::Waiting(Due::After(HOUR)));
    let messages = vec![message("1"), other.clone(), message("2"), other];
    assert_eq!(store.create(Create { messages, ..create }).await, Written::Done);
    store.has_keys(&id("a"), ["1", "2"]).await;
}

/// "A message whose key the instance has stored already is left out": also one that was there from the start.
pub async fn first_messages_come_before_later_ones(store: &Subject) {
    let row = store.waiting_with("a", &["1", "2"]).await;
    assert_eq!(store.append(append("a", ["2", "3", "1"])).await, Written::Done);
    store.has_keys(&row.id, ["1", "2", "3"]).await;
}

/// First messages are nothing that woke it: what waits for a time waits on.
pub async fn first_messages_wake_nothing(store: &Subject) {
    let row = store.waiting_with("a", &["1"]).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, []);
    store.unchanged(&row).await;
}

/// "The id is taken": what was asked for is not stored, neither its messages nor its notes, in whatever status.
pub async fn a_create_that_answers_exists_stores_no_message(store: &Subject) {
    for status in Status::ALL {
        let name = status.to_string();
        store.in_status(&name, status).await;
        store.append(append(&name, ["1"])).await;
        let row = store.row(&id(&name)).await;
        let again = with_messages(&name, Start::Waiting(Due::Now), &["1", "2", "3"]);
        let exists = Written::Exists(Box::new(row.clone()));
        store.refuses(Write::Create(again), exists, &row).await;
        let expected: &[&str] = if status == Status::Succeeded { &[] } else { &["1"] };
        store.has_keys(&row.id, expected).await;
        // The message made due what is suspended, which the next scene must not claim.
        assert_eq!(store.delete(given::delete(&row)).await, Written::Done);
    }
}

/// A batch of creates, with none to three messages each, every third of which is taken.
pub async fn many_creates_in_one_batch_store_each_its_own_messages(store: &Subject) {
    let name = |number: usize| format!("{number:03}");
    let keys = |number: usize| (0..number % 4).map(move |key| format!("{number} {key}"));
    for number in (0..200).filter(|number| number % 3 == 0) {
        store.waiting_with(&name(number), &["first"]).await;
    }
    let create = |number: usize| {
        let create = given::create(&name(number), Start::Waiting(Due::After(HOUR)));
        let journal = number.is_multiple_of(2).then(|| format!("\"{number}\""));
        Write::Create(Create { messages: given::messages(keys(number)), journal, ..create })
    };
    let batch: Vec<_> = (0..200).rev().map(create).collect();
    let answers = store.write(&batch).await.expect("the store is there");
    for (number, answer) in (0..200).rev().zip(answers) {
        let row = store.row(&id(&name(number))).await;
        if number % 3 == 0 {
            assert_eq!((answer, row.journal.clone()), (Written::Exists(Box::new(row.clone())), None));
            store.has_keys(&row.id, ["first"]).await;
        } else {
            let journal = number.is_multiple_of(2).then(|| format!("\"{number}\""));
            assert_eq!((answer, row.journal), (Written::Done, journal));
            store.has_keys(&row.id, keys(number)).await;
        }
    }
}

/// Hundreds of first messages keep their order.
pub async fn hundreds_of_first_messages_keep_their_order(store: &Subject) {
    let keys: Vec<_> = (0..400).map(|number| ((number * 7_919) % 400).to_string()).collect();
    let create = given::create("a", Start::Waiting(Due::After(HOUR)));
    let messages = given::messages(&keys);
    assert_eq!(store.create(Create { messages, ..create }).await, Written::Done);
    store.has_keys(&id("a"), &keys).await;
}
