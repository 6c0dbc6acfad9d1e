//! Batches: one transaction, and an answer of its own for every write.

use super::given::{self, HOUR, TYPE, delete, edit, finish, id, save, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Create, Edit, Ending, Filter, Finish, Save, Start, Transition, Write, Written};

async fn write(store: &Subject, batch: &[Write]) -> Vec<Written> {
    store.write(batch).await.expect("the store is there")
}

fn creates(names: impl IntoIterator<Item = String>) -> Vec<Write> {
    let create = |name: String| Write::Create(given::create(&name, Start::Waiting(Due::After(HOUR))));
    names.into_iter().map(create).collect()
}

async fn runs(store: &Subject, count: usize) -> Vec<StoredFunction> {
    let owner = store.live().await;
    let name = |number: usize| format!("{number:03}");
    let start = |number| Write::Create(given::create(&name(number), Start::Running(owner)));
    let batch: Vec<_> = (0..count).map(start).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; count]);
    store.list(&Filter { limit: 10_000, ..Filter::default() }).await.expect("the store is there")
}

/// "Answers each of them": none.
pub async fn an_empty_batch_has_no_answers(store: &Subject) {
    assert_eq!(write(store, &[]).await, []);
}

/// "In the order of the batch", whatever the order of the ids.
pub async fn answers_come_in_the_order_of_the_batch(store: &Subject) {
    let taken = store.waiting("m", Due::After(HOUR)).await;
    let batch = creates(["z", "m", "a", "k"].map(String::from));
    let exists = Written::Exists(Box::new(taken));
    assert_eq!(write(store, &batch).await, [Written::Done, exists, Written::Done, Written::Done]);
    assert_eq!(store.ids(&Filter::default()).await, ["a", "k", "m", "z"].map(id));
}

/// Every kind of write in one batch, each with the answer it has alone.
pub async fn one_batch_holds_every_kind_of_write(store: &Subject) {
    let rows = runs(store, 4).await;
    let batch = [
        Write::Delete(delete(&rows[3])),
        Write::Save(save(&rows[1], text(1, "progress"))),
        Write::Create(given::create("new", Start::Waiting(Due::After(HOUR)))),
        Write::Edit(edit(&rows[2], Transition::Wait(Due::After(HOUR)))),
        Write::Finish(finish(&rows[0], Ending::Succeeded(text(1, "result")))),
    ];
    assert_eq!(write(store, &batch).await, vec![Written::Done; 5]);
    assert_eq!(store.row(&rows[0].id).await.result, Some(text(1, "result")));
    assert_eq!(store.row(&rows[1].id).await.scrapbook, Some(text(1, "progress")));
    assert_eq!(store.row(&rows[2].id).await.status, Status::Postponed);
    assert_eq!(store.find(&rows[3].id).await, None);
    assert_eq!(store.row(&id("new")).await.status, Status::Postponed);
}

/// "An operation whose guard does not hold changes nothing and does not hinder the others."
pub async fn a_failing_guard_in_the_middle_does_not_hinder_the_others(store: &Subject) {
    let rows = runs(store, 5).await;
    let mut batch: Vec<_> = rows.iter().map(|row| Write::Save(save(row, text(1, "progress")))).collect();
    batch[2] = Write::Save(Save { epoch: Epoch::new(7), ..save(&rows[2], text(1, "stale")) });
    let mut expected = vec![Written::Done; 5];
    expected[2] = Written::LostOwnership;
    assert_eq!(write(store, &batch).await, expected);
    store.unchanged(&rows[2]).await;
    for row in [&rows[0], &rows[1], &rows[3], &rows[4]] {
        let saved = |row: &mut StoredFunction| {
            row.scrapbook = Some(text(1, "progress"));
            row.saves = 1;
        };
        store.expect(row, saved).await;
    }
}

/// "Each operation of a batch has its own guard and its own answer": every answer there is, in one batch.
pub async fn every_answer_can_stand_in_one_batch(store: &Subject) {
    let rows = runs(store, 6).await;
    let stale = |row: &StoredFunction| StoredFunction { epoch: Epoch::new(9), ..row.clone() };
    let gone = StoredFunction { id: id("gone"), ..rows[0].clone() };
    let batch = [
        Write::Edit(edit(&gone, Transition::Keep)),
        Write::Delete(delete(&stale(&rows[1]))),
        Write::Finish(finish(&rows[2], Ending::Suspended { message_count: 5, due: None })),
        Write::Save(save(&stale(&rows[3]), text(1, "stale"))),
        Write::Create(given::create("004", Start::Waiting(Due::Now))),
        Write::Finish(finish(&rows[5], Ending::Lost)),
    ];
    let expected = [
        Written::NotFound,
        Written::Changed,
        Written::Changed,
        Written::LostOwnership,
        Written::Exists(Box::new(rows[4].clone())),
        Written::Done,
    ];
    assert_eq!(write(store, &batch).await, expected);
    for row in &rows[..5] {
        store.unchanged(row).await;
    }
    assert_eq!(store.row(&rows[5].id).await.crashes, 1);
}

/// A batch in which no guard holds is no error.
pub async fn a_batch_of_failing_guards_changes_nothing(store: &Subject) {
    let rows = runs(store, 3).await;
    let stale = |row: &StoredFunction| StoredFunction { epoch: Epoch::new(3), ..row.clone() };
    let end = Ending::Failed("{}".into());
    let batch = [
        Write::Save(save(&stale(&rows[0]), text(1, "stale"))),
        Write::Finish(finish(&stale(&rows[1]), end)),
        Write::Delete(delete(&stale(&rows[2]))),
    ];
    let expected = [Written::LostOwnership, Written::LostOwnership, Written::Changed];
    assert_eq!(write(store, &batch).await, expected);
    for row in &rows {
        store.unchanged(row).await;
    }
}

/// A batch of two is one.
pub async fn two_writes_are_answered_each(store: &Subject) {
    let batch = creates(["b", "a"].map(String::from));
    assert_eq!(write(store, &batch).await, [Written::Done, Written::Done]);
    let rows =
        [store.row(&id("b")).await, store.row(&id("a")).await].map(|row| Written::Exists(Box::new(row)));
    assert_eq!(write(store, &batch).await, rows);
}

/// A batch of 500 creates, every third of which is taken.
pub async fn hundreds_of_creates_are_answered_each(store: &Subject) {
    let name = |number: usize| format!("{number:03}");
    let taken = creates((0..500).filter(|number| number % 3 == 0).map(name));
    write(store, &taken).await;
    let answers = write(store, &creates((0..500).map(name))).await;
    assert_eq!(answers.len(), 500);
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Written::Exists(row) => assert_eq!((number % 3, &row.id), (0, &id(&name(number)))),
            answer => assert_eq!((answer, number % 3 == 0), (&Written::Done, false), "for {number}"),
        }
    }
}

/// A batch of 500 saves, every fifth of which is stale; each stores its own progress.
pub async fn hundreds_of_saves_store_each_its_own(store: &Subject) {
    let rows = runs(store, 500).await;
    let progress = |number: usize| text(1, &format!("progress {number}"));
    let one = |(number, row): (usize, &StoredFunction)| {
        let epoch = Epoch::new(i64::from(number % 5 == 0));
        Write::Save(Save { epoch, ..save(row, progress(number)) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(one).collect();
    let answers = write(store, &batch).await;
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let after = store.get(&ids).await.expect("the store is there");
    for (number, (answer, row)) in answers.iter().zip(after).enumerate() {
        let row = row.expect("it is stored");
        if number % 5 == 0 {
            assert_eq!((answer, &row), (&Written::LostOwnership, &rows[number]));
        } else {
            assert_eq!((answer, row.scrapbook), (&Written::Done, Some(progress(number))));
        }
    }
}

/// A batch of 70 endings of all sorts; each has its own.
pub async fn many_endings_come_each_to_its_own_end(store: &Subject) {
    let rows = runs(store, 70).await;
    let end = |(number, row): (usize, &StoredFunction)| {
        let scrapbook = (number % 2 == 0).then(|| text(1, &format!("last {number}")));
        Write::Finish(Finish { scrapbook, ..finish(row, given::endings()[number % 7].clone()) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(end).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; 70]);
    for (number, row) in rows.iter().enumerate() {
        let after = store.row(&row.id).await;
        let expected = [
            (Status::Succeeded, 1, 0),
            (Status::Failed, 1, 0),
            (Status::Postponed, 1, 0),
            (Status::Postponed, 0, 0),
            (Status::Suspended, 1, 0),
            (Status::Postponed, 0, 0),
            (Status::Postponed, 1, 1),
        ][number % 7];
        assert_eq!((after.status, after.attempts, after.crashes), expected, "ending {number}");
        let last = (number % 2 == 0).then(|| text(1, &format!("last {number}")));
        assert_eq!((after.scrapbook, after.epoch), (last, Epoch::new(1)), "ending {number}");
        assert_eq!((after.result.is_some(), after.failure.is_some()), (number % 7 == 0, number % 7 == 1));
    }
}

/// A batch of edits, each with its own transition, and each with data or without.
pub async fn many_edits_make_each_its_own_change(store: &Subject) {
    let rows = runs(store, 20).await;
    let live = store.live().await;
    let change = |(number, row): (usize, &StoredFunction)| {
        let param = (number % 2 == 0).then(|| text(2, &format!("input {number}")));
        Write::Edit(Edit { param, ..edit(row, given::transitions(live)[number % 5].clone()) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(change).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; 20]);
    for (number, row) in rows.iter().enumerate() {
        let after = store.row(&row.id).await;
        let status =
            [Status::Postponed, Status::Executing, Status::Postponed, Status::Succeeded, Status::Failed];
        let param = if number % 2 == 0 { text(2, &format!("input {number}")) } else { row.param.clone() };
        assert_eq!((after.status, after.param), (status[number % 5], param), "edit {number}");
    }
}

/// A batch of deletes takes what it names, and no more.
pub async fn many_deletes_remove_each_its_own(store: &Subject) {
    let rows = runs(store, 50).await;
    let batch: Vec<_> = rows.iter().step_by(2).map(|row| Write::Delete(delete(row))).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; 25]);
    let left: Vec<_> = rows.iter().skip(1).step_by(2).map(|row| row.id.clone()).collect();
    assert_eq!(store.ids(&Filter::default()).await, left);
}

/// 500 writes of five kinds, some of which fail, in one batch.
pub async fn hundreds_of_mixed_writes_are_answered_each(store: &Subject) {
    let rows = runs(store, 400).await;
    let mut batch = creates((400..500).map(|number| format!("{number:03}")));
    for (number, row) in rows.iter().enumerate() {
        let epoch = Epoch::new(i64::from(number % 8 >= 4));
        let row = StoredFunction { epoch, ..row.clone() };
        batch.push(match number % 4 {
            0 => Write::Save(save(&row, text(1, "progress"))),
            1 => Write::Finish(finish(&row, Ending::Released)),
            2 => Write::Edit(edit(&row, Transition::Fail("{}".into()))),
            _ => Write::Delete(delete(&row)),
        });
    }
    batch.rotate_left(237);
    let answers = write(store, &batch).await;
    assert_eq!(answers.len(), batch.len());
    for (answer, write) in answers.iter().zip(&batch) {
        let stale = match write {
            Write::Save(Save { epoch, .. }) | Write::Finish(Finish { epoch, .. }) if *epoch > Epoch::ZERO => {
                Written::LostOwnership
            }
            Write::Edit(edit) if edit.epoch > Epoch::ZERO => Written::Changed,
            Write::Delete(delete) if delete.epoch > Epoch::ZERO => Written::Changed,
            _ => Written::Done,
        };
        assert_eq!(*answer, stale, "the answer to {write:?}");
    }
    let left = store.ids(&Filter { limit: 1000, ..Filter::default() }).await.len();
    assert_eq!(left, 450, "one in eight of 400 was deleted");
}

/// Ids compare by their bytes, within a batch too.
pub async fn look_alikes_in_one_batch_are_told_apart(store: &Subject) {
    let names = ["a ", "A", "á", "a", "a\u{301}", " a", "b", "🍣", "🍺"];
    let batch = creates(names.map(String::from));
    assert_eq!(write(store, &batch).await, vec![Written::Done; names.len()]);
    let mut saves = Vec::new();
    for name in names {
        let row = store.row(&id(name)).await;
        saves.push(Write::Edit(Edit { param: Some(text(1, name)), ..edit(&row, Transition::Keep) }));
    }
    assert_eq!(write(store, &saves).await, vec![Written::Done; names.len()]);
    for name in names {
        assert_eq!(store.row(&id(name)).await.param, text(1, name));
    }
}

/// The same instance id of two types is two ids.
pub async fn one_batch_holds_the_same_instance_of_two_types(store: &Subject) {
    let create = |type_id: &str| {
        let create = given::create("", Start::Running(ReplicaId::random()));
        Write::Create(Create { id: FunctionId::new(type_id, "a"), param: text(1, type_id), ..create })
    };
    assert_eq!(write(store, &[create(TYPE), create("Invoice")]).await, [Written::Done, Written::Done]);
    for type_id in [TYPE, "Invoice"] {
        assert_eq!(store.row(&FunctionId::new(type_id, "a")).await.param, text(1, type_id));
    }
}

/// A batch with data of very different sizes, with and without a scrapbook.
pub async fn a_batch_of_uneven_creates_keeps_each_as_it_is(store: &Subject) {
    let owner = store.live().await;
    let one = |number: usize| {
        let start =
            if number.is_multiple_of(2) { Start::Running(owner) } else { Start::Waiting(Due::After(HOUR)) };
        let scrapbook = number.is_multiple_of(3).then(|| text(3, &"s".repeat(number * 100)));
        let create = given::create(&format!("{number:02}"), start);
        let param = text(u32::try_from(number).unwrap_or(0) + 1, &"p".repeat(number * number * 20));
        Create { param, scrapbook, ..create }
    };
    let creates: Vec<_> = (0..40).map(one).collect();
    let batch: Vec<_> = creates.iter().cloned().map(Write::Create).collect();
    assert_eq!(write(store, &batch).await, vec![Written::Done; 40]);
    for create in &creates {
        let row = store.row(&create.id).await;
        assert_eq!(row, given::created(create, &row));
    }
}
