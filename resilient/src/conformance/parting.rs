//! Cancels in batches, and cancels that meet whatever else is written at that moment.

use super::given::{self, HOUR, cancel, delete, edit, finish, id, save, text};
use super::subject::Subject;
use super::wait::{both, retry, together};
use crate::clock::Due;
use crate::id::ReplicaId;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Ending, Start, Transition, Write, Written};

/// How often two writes meet.
const ROUNDS: usize = 20;

async fn write(store: &Subject, batch: &[Write]) -> Vec<Written> {
    store.write(batch).await.expect("the store is there")
}

/// Cancels the instance, again when the database resolved a deadlock.
async fn end(store: Subject, instance: String) -> Written {
    let batch = [Write::Cancel(cancel(&instance))];
    retry(|| store.write(&batch)).await.pop().expect("one answer")
}

/// Writes this and a cancel of the same instance at the same moment; answers both answers.
async fn meet(store: &Subject, other: Write) -> (Written, Written) {
    let (instance, writer) = (other.id().instance_id.to_string(), store.clone());
    let other = async move {
        let batch = [other];
        retry(|| writer.write(&batch)).await.pop().expect("one answer")
    };
    both(other, end(store.clone(), instance)).await
}

/// A name for each number, in the order of the numbers.
fn name(number: usize) -> String {
    format!("{number:03}")
}

/// "Each operation of a batch has its own guard and its own answer": a cancel of every status, in one batch.
pub async fn cancels_in_one_batch_are_answered_each(store: &Subject) {
    let mut rows = Vec::new();
    for status in Status::ALL {
        rows.push(store.in_status(&status.to_string(), status).await);
    }
    let mut batch: Vec<_> = Status::ALL.map(|status| Write::Cancel(cancel(&status.to_string()))).into();
    batch.insert(1, Write::Cancel(cancel("nothing")));
    batch.reverse();
    let mut expected: Vec<_> = rows.iter().map(|row| answer(row.status)).collect();
    expected.insert(1, Written::NotFound);
    expected.reverse();
    assert_eq!(write(store, &batch).await, expected);
    for row in &rows {
        let after = store.row(&row.id).await;
        let expected = match row.status {
            Status::Executing => (Status::Executing, row.epoch, true),
            Status::Postponed | Status::Suspended => (Status::Failed, row.epoch.next(), true),
            Status::Succeeded | Status::Failed => (row.status, row.epoch, false),
        };
        assert_eq!((after.status, after.epoch, after.cancel_requested), expected, "from {}", row.status);
    }
}

fn answer(status: Status) -> Written {
    if matches!(status, Status::Succeeded | Status::Failed) { Written::Completed } else { Written::Done }
}

/// A batch of cancels that all hold stores for each its own failure.
pub async fn cancels_in_one_batch_store_each_its_own_failure(store: &Subject) {
    let names = ["a ", "A", "á", "a", "a\u{301}", " a", "b", "🍣", "🍺"];
    let mut batch = Vec::new();
    for name in names {
        store.waiting(name, Due::After(HOUR)).await;
        let mut cancel = cancel(name);
        cancel.failure = format!("\"{name}\"");
        batch.push(Write::Cancel(cancel));
    }
    assert_eq!(write(store, &batch).await, vec![Written::Done; names.len()]);
    for name in names {
        let row = store.row(&id(name)).await;
        assert_eq!((row.status, row.failure), (Status::Failed, Some(format!("\"{name}\""))));
    }
}

/// 300 writes of six kinds, among them cancels, some of which fail, in one batch.
pub async fn cancels_among_hundreds_of_writes_are_answered_each(store: &Subject) {
    let owner = store.live().await;
    let start = |number| {
        let start = if number % 2 == 0 { Start::Running(owner) } else { Start::Waiting(Due::After(HOUR)) };
        Write::Create(given::create(&name(number), start))
    };
    let batch: Vec<_> = (0..240).map(start).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; 240]);
    let mut batch = Vec::new();
    let mut expected = Vec::new();
    for number in 0..300 {
        let Some(row) = store.find(&id(&name(number))).await else {
            let is_new = number % 2 == 0;
            let create = Write::Create(given::create(&name(number), Start::Waiting(Due::After(HOUR))));
            batch.push(if is_new { create } else { Write::Cancel(cancel(&name(number))) });
            expected.push(if is_new { Written::Done } else { Written::NotFound });
            continue;
        };
        batch.push(match number % 6 {
            0 | 1 | 3 => Write::Cancel(cancel(&name(number))),
            2 => Write::Save(save(&row, text(1, "progress"))),
            4 => Write::Finish(finish(&row, Ending::Postponed(Due::After(HOUR)))),
            _ => Write::Delete(delete(&row)),
        });
        expected.push(Written::Done);
    }
    batch.rotate_left(137);
    expected.rotate_left(137);
    assert_eq!(write(store, &batch).await, expected);
    for number in 0..240 {
        let expected = [
            Some((Status::Executing, true)),
            Some((Status::Failed, true)),
            Some((Status::Executing, false)),
            Some((Status::Failed, true)),
            Some((Status::Postponed, false)),
            None,
        ][number % 6];
        let row = store.find(&id(&name(number))).await;
        assert_eq!(row.map(|row| (row.status, row.cancel_requested)), expected, "of {number}");
    }
}

/// Many runs end in one batch: of those that are to be put away, only what is to end stays.
pub async fn endings_in_one_batch_look_each_at_its_own_wish(store: &Subject) {
    let owner = store.live().await;
    let mut batch = Vec::new();
    let mut expected = Vec::new();
    for number in 0..28 {
        let run = store.running(&name(number), owner).await;
        let is_marked = number % 4 == 1;
        if is_marked {
            assert_eq!(store.cancel(cancel(&name(number))).await, Written::Done);
        }
        let ending = given::endings()[number % 7].clone();
        let waits = matches!(ending, Ending::Postponed(_) | Ending::PutOff(_) | Ending::Suspended { .. });
        batch.push(Write::Finish(finish(&run, ending)));
        expected.push(if is_marked && waits { Written::Changed } else { Written::Done });
    }
    assert_eq!(expected.iter().filter(|answer| **answer == Written::Changed).count(), 3);
    assert_eq!(write(store, &batch).await, expected);
}

/// An instance ends once: of many who cancel what waits at once, one does.
pub async fn of_many_cancels_of_what_waits_one_is_done(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let answers = together(16, |_| end(store.clone(), "a".into())).await;
    let count = |of| answers.iter().filter(|answer| **answer == of).count();
    assert_eq!((count(Written::Done), count(Written::Completed)), (1, 15), "{answers:?}");
    assert_eq!(store.row(&row.id).await.epoch, row.epoch.next());
}

/// A cancel and a success: whichever comes first, the success stands, and nobody is told what is not so.
pub async fn a_success_and_a_cancel_do_not_overwrite_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let run = store.running(&name(number), owner).await;
        let end = Write::Finish(finish(&run, Ending::Succeeded(text(1, "result"))));
        let (ended, cancelled) = meet(store, end).await;
        assert_eq!(ended, Written::Done);
        let row = store.row(&run.id).await;
        assert_eq!((row.status, row.epoch), (Status::Succeeded, run.epoch.next()));
        let expected = if row.cancel_requested { Written::Done } else { Written::Completed };
        assert_eq!(cancelled, expected, "{row:?}");
    }
}

/// "Neither it nor a later run can be put away to wait": a cancel is never slept over.
pub async fn a_wait_and_a_cancel_do_not_miss_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let run = store.running(&name(number), owner).await;
        let ending = if number % 2 == 0 {
            Ending::Postponed(Due::After(HOUR))
        } else {
            Ending::Suspended { message_count: 0, due: None }
        };
        let (waits, cancelled) = meet(store, Write::Finish(finish(&run, ending))).await;
        assert_eq!(cancelled, Written::Done);
        let row = store.row(&run.id).await;
        let expected = match waits {
            Written::Done => (Status::Failed, run.epoch.as_i64() + 2),
            Written::Changed => (Status::Executing, run.epoch.as_i64()),
            other => panic!("{other:?} to a run that nobody took"),
        };
        assert_eq!((row.status, row.epoch.as_i64(), row.cancel_requested), (expected.0, expected.1, true));
    }
}

/// A save and a cancel are both there.
pub async fn a_save_and_a_cancel_are_both_done(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let run = store.running(&name(number), owner).await;
        let answers = meet(store, Write::Save(save(&run, text(1, "progress")))).await;
        assert_eq!(answers, (Written::Done, Written::Done));
        let row = store.row(&run.id).await;
        assert_eq!((row.scrapbook, row.cancel_requested), (Some(text(1, "progress")), true));
    }
}

/// What is claimed while it is cancelled has failed, or its run is told.
pub async fn a_claim_and_a_cancel_do_not_miss_each_other(store: &Subject) {
    let live = store.live().await;
    for number in 0..ROUNDS {
        let row = store.waiting(&name(number), Due::Now).await;
        let (claimer, kinds) = (store.clone(), [given::kind(given::TYPE)]);
        let claiming = async move { retry(|| claimer.claim(live, &kinds, 9)).await };
        let (taken, ended) = both(claiming, end(store.clone(), name(number))).await;
        assert_eq!(ended, Written::Done);
        let after = store.row(&row.id).await;
        assert!(after.cancel_requested);
        let status = if taken.is_empty() { Status::Failed } else { Status::Executing };
        assert_eq!((after.status, after.epoch), (status, row.epoch.next()), "claimed: {taken:?}");
    }
}

/// An edit and a cancel: the edit takes back a wish that came before it, and is refused by what has failed.
pub async fn an_edit_and_a_cancel_do_not_overwrite_each_other(store: &Subject) {
    let live = store.live().await;
    for number in 0..ROUNDS {
        let view = store.waiting(&name(number), Due::After(HOUR)).await;
        let (edited, cancelled) = meet(store, Write::Edit(edit(&view, Transition::Run(live)))).await;
        assert_eq!(cancelled, Written::Done);
        let row = store.row(&view.id).await;
        let status = match edited {
            Written::Done => Status::Executing,
            Written::Changed => Status::Failed,
            other => panic!("{other:?} to an edit of what is there"),
        };
        assert_eq!((row.status, row.epoch, row.cancel_requested), (status, view.epoch.next(), true));
    }
}

/// A create and a cancel: it was not there yet, or is to end.
pub async fn a_create_and_a_cancel_do_not_miss_each_other(store: &Subject) {
    let owner = store.live().await;
    for number in 0..ROUNDS {
        let create = Write::Create(given::create(&name(number), Start::Running(owner)));
        let (created, cancelled) = meet(store, create).await;
        assert_eq!(created, Written::Done);
        let row = store.row(&id(&name(number))).await;
        let expected = if row.cancel_requested { Written::Done } else { Written::NotFound };
        assert_eq!((row.status, cancelled), (Status::Executing, expected));
    }
}

/// Cancels and saves of the same instances in this task's own order.
fn overlapping(runs: &[StoredFunction], task: usize) -> Vec<Write> {
    let number = i64::try_from(task + 1).expect("few");
    let one = |(place, run): (usize, &StoredFunction)| match (place + task) % 3 {
        0 => Write::Cancel(cancel(run.id.instance_id.as_str())),
        1 => Write::Save(given::numbered(run, number, text(1, &number.to_string()))),
        _ => Write::Finish(finish(run, Ending::Postponed(Due::After(HOUR)))),
    };
    let mut batch: Vec<_> = runs.iter().enumerate().map(one).collect();
    batch.rotate_left(task * 2);
    if task.is_multiple_of(2) {
        batch.reverse();
    }
    batch
}

/// Batches that cancel, save and end the same instances in different orders do not wait for each other for ever.
pub async fn overlapping_batches_of_cancels_come_to_an_end(store: &Subject) {
    let mut runs = Vec::new();
    for number in 0..12 {
        runs.push(store.running(&name(number), ReplicaId::random()).await);
    }
    let work = |task: usize| {
        let (store, batch) = (store.clone(), overlapping(&runs, task));
        async move {
            for _ in 0..6 {
                assert_eq!(retry(|| store.write(&batch)).await.len(), batch.len());
            }
        }
    };
    together(6, work).await;
    for run in runs {
        let row = store.row(&run.id).await;
        assert!(row.cancel_requested, "it was cancelled at least once: {row:?}");
        assert!(matches!(row.status, Status::Executing | Status::Failed), "it cannot wait: {row:?}");
    }
}
