//! What is noted about an instance: notes, numbers of saves, and why it waits.

use super::given::{self, HOUR, NOW, edit, finish, id, note, numbered, save, text, transitions};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::ReplicaId;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Create, Edit, Ending, Finish, Save, Start, Transition, Write, Written};

/// "`None` leaves what is stored": notes alone leave the scrapbook, and pass the guard of its version.
pub async fn a_save_of_notes_leaves_the_scrapbook(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.save(note(&run, "\"noted\"")).await, Written::Done);
    let noted = |row: &mut StoredFunction| {
        row.journal = Some("\"noted\"".into());
        row.crashes = 0;
        row.saves += 1;
    };
    store.expect(&run, noted).await;
}

/// "`None` leaves what is stored": a scrapbook alone leaves the notes.
pub async fn a_save_of_a_scrapbook_leaves_the_notes(store: &Subject) {
    let run = store.restarted("a").await;
    assert!(run.journal.is_some());
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
    let saved = |row: &mut StoredFunction| {
        row.scrapbook = Some(text(2, "progress"));
        row.crashes = 0;
        row.saves += 1;
    };
    store.expect(&run, saved).await;
}

/// Both are stored together, also for the first time.
pub async fn a_save_stores_both(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let both = Save { journal: Some("\"noted\"".into()), ..save(&run, text(1, "progress")) };
    assert_eq!(store.save(both).await, Written::Done);
    let saved = |row: &mut StoredFunction| {
        row.scrapbook = Some(text(1, "progress"));
        row.journal = Some("\"noted\"".into());
        row.saves = 1;
    };
    store.expect(&run, saved).await;
}

/// A save of nothing is a save: its number counts, and crashes are forgotten.
pub async fn a_save_of_nothing_counts(store: &Subject) {
    let run = store.restarted("a").await;
    let nothing = Save { scrapbook: None, ..save(&run, text(1, "")) };
    assert_eq!(store.save(nothing).await, Written::Done);
    let saved = |row: &mut StoredFunction| {
        row.crashes = 0;
        row.saves += 1;
    };
    store.expect(&run, saved).await;
}

/// "A save that was given up and lands late never overwrites one that came after it."
pub async fn a_save_with_an_older_number_changes_nothing(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.save(numbered(&run, 9, text(2, "ninth"))).await, Written::Done);
    let row = store.row(&run.id).await;
    for number in [9, 8, 5, 1, 0, -1, i64::MIN] {
        let late = Save { journal: Some("\"late\"".into()), ..numbered(&run, number, text(2, "late")) };
        store.refuses(Write::Save(late.clone()), Written::LostOwnership, &row).await;
        let notes = Save { scrapbook: None, ..late };
        store.refuses(Write::Save(notes), Written::LostOwnership, &row).await;
    }
    assert_eq!(store.save(numbered(&run, 10, text(2, "tenth"))).await, Written::Done);
}

/// "It has to be above that": by how much does not matter.
pub async fn numbers_of_saves_may_leap(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    for number in [1, 7, 1 << 40, i64::MAX] {
        let word = number.to_string();
        assert_eq!(store.save(numbered(&run, number, text(1, &word))).await, Written::Done);
        let row = store.row(&run.id).await;
        assert_eq!((row.saves, row.scrapbook), (number, Some(text(1, &word))));
    }
}

/// "The number of its last save" is the instance's, not the run's: claims, endings, releases and edits keep it.
pub async fn the_number_counts_over_runs(store: &Subject) {
    let live = store.live().await;
    let mut run = store.running("a", live).await;
    let wait = Transition::Wait(Due::Now);
    for number in 1..=4 {
        assert_eq!(store.save(save(&run, text(1, &number.to_string()))).await, Written::Done);
        let step = match number {
            1 => Write::Finish(finish(&run, Ending::Lost)),
            2 => Write::Edit(edit(&run, wait.clone())),
            3 => Write::Edit(edit(&run, Transition::Run(live))),
            _ => Write::Finish(finish(&run, Ending::Failed("{}".into()))),
        };
        assert_eq!(store.one(step).await, Written::Done);
        let claimed = store.claim_all(live).await.pop();
        run = claimed.unwrap_or(store.row(&run.id).await);
        assert_eq!(run.saves, number);
    }
    assert_eq!(run.scrapbook, Some(text(1, "4")));
}

/// "The progress; `None` leaves what is stored": an ending without notes leaves them, one with notes replaces them.
pub async fn an_ending_keeps_or_replaces_the_notes(store: &Subject) {
    let owner = store.live().await;
    for (number, ending) in given::endings().into_iter().enumerate() {
        for journal in [None, Some("\"last\"".to_owned())] {
            let name = format!("{number} {}", journal.is_some());
            let start = Start::Running(owner);
            let first = Create { journal: Some("\"first\"".into()), ..given::create(&name, start) };
            assert_eq!(store.create(first).await, Written::Done);
            let run = store.row(&id(&name)).await;
            let end = Finish { journal: journal.clone(), ..finish(&run, ending.clone()) };
            assert_eq!(store.finish(end).await, Written::Done);
            let expected = journal.or(run.journal);
            assert_eq!(store.row(&run.id).await.journal, expected, "after {ending:?}");
        }
    }
}

/// "Why it waits from now on": of every ending after which it waits.
pub async fn an_ending_stores_why_it_waits(store: &Subject) {
    let owner = store.live().await;
    let message_count = 0;
    let waits = [
        Ending::Postponed(Due::After(HOUR)),
        Ending::Suspended { message_count, due: None },
        Ending::Suspended { message_count, due: Some(Due::After(HOUR)) },
        Ending::Released,
        Ending::Lost,
    ];
    for (number, ending) in waits.into_iter().enumerate() {
        for reason in [None, Some(format!("reason {number}"))] {
            let name = format!("{number} {}", reason.is_some());
            let run = store.running(&name, owner).await;
            let end = Finish { reason: reason.clone(), ..finish(&run, ending.clone()) };
            assert_eq!(store.finish(end).await, Written::Done);
            assert_eq!(store.row(&run.id).await.reason, reason, "after {ending:?}");
        }
    }
}

/// "Cleared by the next change of its status": what runs does not wait, and the next end says its own.
pub async fn a_claim_clears_why_it_waited(store: &Subject) {
    let live = store.live().await;
    let run = store.running("a", live).await;
    let end = Finish { reason: Some("a courier".into()), ..finish(&run, Ending::Postponed(Due::Now)) };
    assert_eq!(store.finish(end).await, Written::Done);
    let claimed = store.claim_all(live).await;
    let [again] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    assert_eq!(again.reason, None);
    assert_eq!(store.finish(finish(again, Ending::Postponed(Due::Now))).await, Written::Done);
    assert_eq!(store.row(&run.id).await.reason, None);
}

/// A refused ending stores neither notes nor a reason.
pub async fn a_refused_ending_stores_no_notes(store: &Subject) {
    let run = store.restarted("a").await;
    let stale = StoredFunction { epoch: run.epoch.next(), ..run.clone() };
    for ending in given::endings() {
        let (journal, reason) = (Some("\"late\"".to_owned()), Some("late".to_owned()));
        let end = Finish { journal, reason, ..finish(&stale, ending) };
        store.refuses(Write::Finish(end), Written::LostOwnership, &run).await;
    }
}

/// "What the framework notes; `None` leaves it": with every transition.
pub async fn an_edit_keeps_or_replaces_the_notes(store: &Subject) {
    let live = store.live().await;
    for (number, transition) in transitions(live).into_iter().enumerate() {
        let row = store.in_status(&number.to_string(), Status::Failed).await;
        assert!(row.journal.is_some());
        let step = edit(&row, transition.clone());
        assert_eq!(store.edit(step).await, Written::Done);
        let kept = store.row(&row.id).await;
        assert_eq!(kept.journal, row.journal, "with {transition:?}");
        let mended = Edit { journal: Some("\"mended\"".into()), ..edit(&kept, transition.clone()) };
        assert_eq!(store.edit(mended).await, Written::Done);
        let expected = (Some("\"mended\"".to_owned()), kept.saves, kept.scrapbook);
        let after = store.row(&row.id).await;
        assert_eq!((after.journal, after.saves, after.scrapbook), expected, "with {transition:?}");
    }
}

/// A release leaves notes and the number of the last save, for whoever goes on.
pub async fn a_release_keeps_the_notes(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let both = Save { journal: Some("\"noted\"".into()), ..save(&run, text(1, "progress")) };
    assert_eq!(store.save(both).await, Written::Done);
    let saved = store.row(&run.id).await;
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let released = |row: &mut StoredFunction| {
        row.status = Status::Postponed;
        row.epoch = row.epoch.next();
        row.owner = None;
        row.crashes = 1;
        row.due_at = Some(NOW);
    };
    store.expect(&saved, released).await;
}

/// Texts that come back as they were, or do not.
const WORDS: [&str; 6] =
    ["", " ", "{\"a\":\"\\u0000\"}", "👩\u{200d}🚀 é \u{10ffff}", "'; -- \" \\ % _ $1 ?", "\t\r\n"];

/// "JSON text" is kept as text, and an empty one is not the same as none.
pub async fn notes_are_kept_as_they_are(store: &Subject) {
    for (number, word) in WORDS.into_iter().enumerate() {
        let start = Start::Running(ReplicaId::random());
        let create = Create { journal: Some(word.into()), ..given::create(&number.to_string(), start) };
        assert_eq!(store.create(create).await, Written::Done);
        let run = store.row(&id(&number.to_string())).await;
        assert_eq!(run.journal.as_deref(), Some(word), "from a create");
        assert_eq!(store.save(note(&run, "\"other\"")).await, Written::Done);
        assert_eq!(store.save(Save { number: 2, ..note(&run, word) }).await, Written::Done);
        assert_eq!(store.row(&run.id).await.journal.as_deref(), Some(word), "from a save");
    }
}

/// What is said to people is kept as it is, and an empty text is not the same as none.
pub async fn reasons_are_kept_as_they_are(store: &Subject) {
    let owner = store.live().await;
    for (number, word) in WORDS.into_iter().enumerate() {
        let run = store.running(&number.to_string(), owner).await;
        let end = finish(&run, Ending::Postponed(Due::After(HOUR)));
        let end = Finish { reason: Some(word.into()), ..end };
        assert_eq!(store.finish(end).await, Written::Done);
        assert_eq!(store.row(&run.id).await.reason.as_deref(), Some(word));
    }
}

/// A batch of saves with a scrapbook, with notes, with both and with none; each changes what it names.
pub async fn saves_of_every_sort_in_one_batch_store_each_its_own(store: &Subject) {
    let mut rows = Vec::new();
    for number in 0..40 {
        let create = given::create(&format!("{number:02}"), Start::Running(ReplicaId::random()));
        let (scrapbook, journal) = (Some(text(1, "first")), Some("\"first\"".into()));
        assert_eq!(store.create(Create { scrapbook, journal, ..create }).await, Written::Done);
        rows.push(store.row(&id(&format!("{number:02}"))).await);
    }
    let sort = |number: usize| {
        let scrapbook = number.is_multiple_of(2).then(|| text(1, &format!("progress {number}")));
        let journal = (number % 4 < 2).then(|| format!("\"notes {number}\""));
        (scrapbook, journal)
    };
    let one = |(number, row): (usize, &StoredFunction)| {
        let (scrapbook, journal) = sort(number);
        let save_number = if number % 5 == 0 { 0 } else { i64::try_from(number).expect("small") };
        Write::Save(Save { number: save_number, scrapbook, journal, ..save(row, text(1, "")) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(one).collect();
    let answers = store.write(&batch).await.expect("the store is there");
    for (number, (row, answer)) in rows.iter().zip(answers).enumerate() {
        if number % 5 == 0 {
            assert_eq!(answer, Written::LostOwnership);
            store.unchanged(row).await;
            continue;
        }
        assert_eq!(answer, Written::Done);
        let (scrapbook, journal) = sort(number);
        let saved = |row: &mut StoredFunction| {
            row.saves = i64::try_from(number).expect("small");
            row.scrapbook = scrapbook.or(row.scrapbook.take());
            row.journal = journal.or(row.journal.take());
        };
        store.expect(row, saved).await;
    }
}

/// A batch of endings with notes, with a reason, with both and with none; each has its own.
pub async fn endings_of_every_sort_in_one_batch_store_each_its_own(store: &Subject) {
    let mut rows = Vec::new();
    for number in 0..24 {
        rows.push(store.running(&format!("{number:02}"), ReplicaId::random()).await);
    }
    let sort = |number: usize| {
        let journal = number.is_multiple_of(2).then(|| format!("\"notes {number}\""));
        (journal, (number % 4 < 2).then(|| format!("reason {number}")))
    };
    let one = |(number, row): (usize, &StoredFunction)| {
        let (journal, reason) = sort(number);
        Write::Finish(Finish { journal, reason, ..finish(row, Ending::Postponed(Due::After(HOUR))) })
    };
    let batch: Vec<_> = rows.iter().enumerate().map(one).collect();
    assert_eq!(store.write(&batch).await.expect("the store is there"), vec![Written::Done; 24]);
    for (number, row) in rows.iter().enumerate() {
        let after = store.row(&row.id).await;
        assert_eq!((after.journal, after.reason), sort(number), "ending {number}");
    }
}
