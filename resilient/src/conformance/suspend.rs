//! Suspension: the end of a run that waits for messages, or for a time.

use std::time::Duration;

use super::given::{DELAY, HOUR, TYPE, append, finish, id, kind, save, text};
use super::subject::Subject;
use super::wait::eventually;
use crate::clock::{Due, Timestamp};
use crate::id::ReplicaId;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Ending, Finish, Write, Written};

fn suspended(message_count: i64, due: Option<Due>) -> Ending {
    Ending::Suspended { message_count, due }
}

async fn end(store: &Subject, run: &StoredFunction, ending: Ending) {
    assert_eq!(store.finish(finish(run, ending)).await, Written::Done);
}

/// "If the stored count of messages is still this one": however many they are.
pub async fn a_suspension_that_knows_all_messages_is_done(store: &Subject) {
    let run = store.running_with("a", &["1", "2", "3"]).await;
    end(store, &run, suspended(3, None)).await;
    let waits = |row: &mut StoredFunction| {
        row.status = Status::Suspended;
        row.epoch = row.epoch.next();
        row.owner = None;
    };
    store.expect(&run, waits).await;
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, [], "it waits for the fourth");
}

/// "Else nothing changes and the answer is `Changed`": a message came, so the run goes on, saves, and looks again.
pub async fn a_suspension_that_a_message_overtook_changes_nothing(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.append(append("a", ["1"])).await, Written::Done);
    let row = store.row(&run.id).await;
    for due in [None, Some(Due::Now), Some(Due::After(HOUR))] {
        let late = finish(&run, suspended(0, due));
        let (journal, reason) = (Some("\"late\"".into()), Some("late".into()));
        let late = Finish { scrapbook: Some(text(2, "late")), journal, reason, ..late };
        store.refuses(Write::Finish(late), Written::Changed, &row).await;
    }
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
    end(store, &run, suspended(1, None)).await;
}

/// "`LostOwnership` or … `Changed`": who does not own the run is told so, whatever the count.
pub async fn a_suspension_by_somebody_else_loses(store: &Subject) {
    let run = store.restarted("a").await;
    let other = StoredFunction { owner: Some(ReplicaId::random()), ..run.clone() };
    let earlier = StoredFunction { epoch: store.waiting("b", Due::After(HOUR)).await.epoch, ..run.clone() };
    for message_count in [0, 1] {
        for stale in [&other, &earlier] {
            let stale = finish(stale, suspended(message_count, None));
            store.refuses(Write::Finish(stale), Written::LostOwnership, &run).await;
        }
    }
}

/// A suspension stores the last scrapbook, the notes, and why it waits.
pub async fn a_suspension_stores_progress_notes_and_reason(store: &Subject) {
    let run = store.restarted("a").await;
    let at = Timestamp::from_micros(4_102_444_800_123_456);
    let finish = Finish {
        scrapbook: Some(text(3, "last")),
        journal: Some("{\"timers\":{}}".into()),
        reason: Some("no answer from the courier".into()),
        ..finish(&run, suspended(0, Some(Due::At(at))))
    };
    assert_eq!(store.finish(finish).await, Written::Done);
    let waits = |row: &mut StoredFunction| {
        row.status = Status::Suspended;
        row.epoch = row.epoch.next();
        row.owner = None;
        row.crashes = 0;
        row.due_at = Some(at);
        row.scrapbook = Some(text(3, "last"));
        row.journal = Some("{\"timers\":{}}".into());
        row.reason = Some("no answer from the courier".into());
    };
    store.expect(&run, waits).await;
}

/// "When it becomes due although no message has arrived": not before, and then soon.
pub async fn a_suspension_until_a_time_is_claimed_then_and_not_before(store: &Subject) {
    let live = store.live().await;
    let run = store.running("a", live).await;
    end(store, &run, suspended(0, Some(Due::After(Duration::from_millis(150))))).await;
    let waiting = store.row(&run.id).await;
    let again = eventually("due work", async || store.claim_all(live).await.pop()).await;
    assert!(Some(again.updated_at) >= waiting.due_at, "claimed before it was due: {waiting:?}, {again:?}");
    assert_eq!((again.status, again.due_at, again.attempts), (Status::Executing, None, run.attempts + 1));
}

/// "Work is due when it is … `Suspended` with a `due_at` that is not in the future."
pub async fn a_suspension_until_later_is_not_claimed(store: &Subject) {
    let live = store.live().await;
    for (name, due) in [("a", Due::After(HOUR)), ("b", Due::At(Timestamp::MAX))] {
        let run = store.running(name, live).await;
        end(store, &run, suspended(0, Some(due))).await;
    }
    assert_eq!(store.claim_all(live).await, []);
    assert_eq!(store.row(&id("b")).await.due_at, Some(Timestamp::MAX));
}

/// "A time in the past means at once", and among what is due the longest due comes first, however it waits.
pub async fn a_suspension_until_a_time_that_is_past_is_due_at_once(store: &Subject) {
    let live = store.live().await;
    for (name, micros) in [("1", 3), ("2", 1)] {
        let run = store.running(name, live).await;
        end(store, &run, suspended(0, Some(Due::At(Timestamp::from_micros(micros))))).await;
    }
    store.waiting("3", Due::At(Timestamp::from_micros(2))).await;
    for name in ["2", "3", "1"] {
        assert_eq!(store.claimed(live, &[kind(TYPE)], 1).await, [name]);
    }
}

/// "Counted on the store's clock from the moment it is written."
pub async fn a_suspension_counts_its_delay_on_the_stores_clock(store: &Subject) {
    let run = store.restarted("a").await;
    let before = store.now().await;
    end(store, &run, suspended(0, Some(Due::After(DELAY)))).await;
    let after = store.now().await;
    let due = store.row(&run.id).await.due_at.expect("it waits for a time");
    let range = before.saturating_add(DELAY)..=after.saturating_add(DELAY);
    assert!(range.contains(&due), "{due:?} in {range:?}");
}

/// A message counts once: the run that it woke knows it, and suspends again.
pub async fn a_woken_function_suspends_again(store: &Subject) {
    let live = store.live().await;
    let mut run = store.running("a", live).await;
    for number in 1..=3 {
        end(store, &run, suspended(number - 1, None)).await;
        assert_eq!(store.claim_all(live).await, []);
        assert_eq!(store.append(append("a", [number.to_string()])).await, Written::Done);
        run = store.claim_all(live).await.pop().expect("a message woke it");
        assert_eq!(run.message_count, number);
    }
}

/// Each suspension of a batch is compared with the count of its own instance.
pub async fn suspensions_in_one_batch_are_compared_each(store: &Subject) {
    let mut batch = Vec::new();
    let names = ["0", "1", "2", "3", "4", "5"];
    for (number, name) in names.into_iter().enumerate() {
        let run = store.running_with(name, &names[..number]).await;
        let due = (number % 2 == 0).then_some(Due::After(HOUR));
        batch.push(Write::Finish(finish(&run, suspended(3, due))));
    }
    let mut expected = vec![Written::Changed; 6];
    expected[3] = Written::Done;
    assert_eq!(store.write(&batch).await.expect("the store is there"), expected);
    for (number, name) in names.into_iter().enumerate() {
        let status = if number == 3 { Status::Suspended } else { Status::Executing };
        assert_eq!(store.row(&id(name)).await.status, status, "with {number} messages");
        store.has_keys(&id(name), &names[..number]).await;
    }
}
