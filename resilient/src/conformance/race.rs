//! Many at once on what belongs to one.

use super::given::{self, HOUR, TYPE, delete, edit, finish, id, numbered, text};
use super::subject::Subject;
use super::wait::{both, retry, together};
use crate::clock::Due;
use crate::id::ReplicaId;
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Create, Start, Transition, Write, Written};

/// Starts these writes at the same moment, each in a batch of its own, and answers their answers in their order.
async fn at_once(store: &Subject, writes: Vec<Write>) -> Vec<Written> {
    let one = |number: usize| {
        let (store, batch) = (store.clone(), [writes[number].clone()]);
        async move { retry(|| store.write(&batch)).await.pop().expect("one answer") }
    };
    together(writes.len(), one).await
}

fn count(answers: &[Written], of: &Written) -> usize {
    answers.iter().filter(|answer| *answer == of).count()
}

/// "Unless its id is taken": of 64 who create one instance at once, one does, and the others see what it made.
pub async fn of_many_creates_of_one_id_one_is_done(store: &Subject) {
    let create = |number: usize| {
        let create = given::create("a", Start::Running(ReplicaId::random()));
        Write::Create(Create { param: text(1, &number.to_string()), ..create })
    };
    let writes: Vec<_> = (0..64).map(create).collect();
    let answers = at_once(store, writes.clone()).await;
    assert_eq!(count(&answers, &Written::Done), 1, "{answers:?}");
    let row = store.row(&id("a")).await;
    assert_eq!(count(&answers, &Written::Exists(Box::new(row.clone()))), 63, "{answers:?}");
    let winner = answers.iter().position(|answer| *answer == Written::Done).expect("one is done");
    let Write::Create(create) = &writes[winner] else { panic!("only creates were written") };
    assert_eq!(row, given::created(create, &row));
}

/// Whoever creates something else is in nobody's way.
pub async fn creates_of_different_ids_are_all_done(store: &Subject) {
    let create =
        |number: usize| Write::Create(given::create(&number.to_string(), Start::Waiting(Due::After(HOUR))));
    let answers = at_once(store, (0..64).map(create).collect()).await;
    assert_eq!(answers, vec![Written::Done; 64]);
}

/// "The epoch is one higher": of many edits from one view, one is done.
pub async fn of_many_edits_from_one_view_one_is_done(store: &Subject) {
    let view = store.in_status("a", Status::Failed).await;
    let change = |number: usize| Write::Edit(edit(&view, Transition::Fail(format!("\"{number}\""))));
    let answers = at_once(store, (0..24).map(change).collect()).await;
    assert_eq!((count(&answers, &Written::Done), count(&answers, &Written::Changed)), (1, 23));
    let winner = answers.iter().position(|answer| *answer == Written::Done).expect("one is done");
    let row = store.row(&view.id).await;
    assert_eq!((row.failure, row.epoch), (Some(format!("\"{winner}\"")), view.epoch.next()));
}

/// "Two callers never get the same instance": of many who run it by an edit, one does.
pub async fn of_many_runs_from_one_view_one_begins(store: &Subject) {
    let view = store.in_status("a", Status::Postponed).await;
    let mut owners = Vec::new();
    for _ in 0..12 {
        owners.push(store.live().await);
    }
    let run = |owner: &ReplicaId| Write::Edit(edit(&view, Transition::Run(*owner)));
    let answers = at_once(store, owners.iter().map(run).collect()).await;
    assert_eq!((count(&answers, &Written::Done), count(&answers, &Written::Changed)), (1, 11));
    let winner = answers.iter().position(|answer| *answer == Written::Done).expect("one is done");
    assert_eq!(store.row(&view.id).await.owner, Some(owners[winner]));
}

/// A run has one end, however many tasks bring one.
pub async fn of_many_ends_of_one_run_one_is_done(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    let end = |number: usize| Write::Finish(finish(&run, given::endings()[number % 7].clone()));
    let answers = at_once(store, (0..24).map(end).collect()).await;
    assert_eq!((count(&answers, &Written::Done), count(&answers, &Written::LostOwnership)), (1, 23));
    assert_eq!(store.row(&run.id).await.epoch, run.epoch.next());
}

/// An instance is removed once.
pub async fn of_many_deletes_of_one_id_one_is_done(store: &Subject) {
    let row = store.waiting("a", Due::Now).await;
    let answers = at_once(store, vec![Write::Delete(delete(&row)); 16]).await;
    assert_eq!((count(&answers, &Written::Done), count(&answers, &Written::NotFound)), (1, 15));
    assert_eq!(store.find(&row.id).await, None);
}

/// "A save that was given up and lands late never overwrites one that came after it": the last number stands.
pub async fn of_many_saves_of_one_run_the_last_stands(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    let one = |number: i64| Write::Save(numbered(&run, number, text(1, &number.to_string())));
    let answers = at_once(store, (1..=16).map(one).collect()).await;
    assert_eq!(answers[15], Written::Done, "no number is above the last: {answers:?}");
    let known = [Written::Done, Written::LostOwnership];
    assert!(answers.iter().all(|answer| known.contains(answer)), "{answers:?}");
    let row = store.row(&run.id).await;
    assert_eq!((row.scrapbook, row.saves, row.epoch), (Some(text(1, "16")), 16, run.epoch));
}

/// Many join at once; each is known with its own types.
pub async fn many_replicas_join_at_once(store: &Subject) {
    let join = |_| {
        let store = store.clone();
        async move {
            let replica = given::replica(HOUR, &["Invoice", TYPE]);
            store.join(&replica).await;
            replica
        }
    };
    let mut replicas = together(12, join).await;
    replicas.sort_by_key(|replica| replica.id);
    let listed: Vec<_> = store.alive().await.into_iter().map(|live| live.replica).collect();
    assert_eq!(listed, replicas);
}

/// A reader sees a row before a write or after it, never half of each, and never an older one again.
pub async fn a_reader_never_sees_half_a_write(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    let (writer, reader, id) = (store.clone(), store.clone(), run.id.clone());
    let writing = async move {
        for version in 1..=60 {
            let batch = [Write::Save(numbered(&run, version.into(), text(version, &version.to_string())))];
            assert_eq!(retry(|| writer.write(&batch)).await, [Written::Done]);
        }
    };
    let reading = async move {
        let mut last = 0;
        for _ in 0..120 {
            if let Some(scrapbook) = reader.row(&id).await.scrapbook {
                assert_eq!(scrapbook, text(scrapbook.version, &scrapbook.version.to_string()));
                assert!(scrapbook.version >= last, "what was seen is not unseen");
                last = scrapbook.version;
            }
            tokio::task::yield_now().await;
        }
    };
    both(writing, reading).await;
    assert_eq!(store.row(&given::id("a")).await.scrapbook, Some(text(60, "60")));
}

/// How many tasks write overlapping batches.
const TASKS: usize = 6;

/// Saves of all these runs, numbered by round and task, and four creates, in an order of this task's own.
fn overlapping(runs: &[StoredFunction], task: usize, round: usize) -> Vec<Write> {
    let start = Start::Running(ReplicaId::random());
    let new = |number| Write::Create(given::create(&format!("{round} {number}"), start));
    let number = i64::try_from(round * TASKS + task + 1).expect("few");
    let one = |run| Write::Save(numbered(run, number, text(1, &number.to_string())));
    let saves = runs.iter().map(one);
    let mut batch: Vec<_> = saves.chain((0..4).map(new)).collect();
    batch.rotate_left(task * 3);
    if task.is_multiple_of(2) {
        batch.reverse();
    }
    batch
}

/// Batches that touch the same instances in different orders do not wait for each other for ever.
pub async fn overlapping_batches_in_any_order_come_to_an_end(store: &Subject) {
    let owner = store.live().await;
    let mut runs = Vec::new();
    for number in 0..12 {
        runs.push(store.running(&format!("run {number:02}"), owner).await);
    }
    let work = |task: usize| {
        let (store, runs) = (store.clone(), runs.clone());
        async move {
            let mut created = 0;
            for round in 0..8 {
                let batch = overlapping(&runs, task, round);
                let answers = retry(|| store.write(&batch)).await;
                for (write, answer) in batch.iter().zip(&answers) {
                    let save = matches!(write, Write::Save(_));
                    let known = [Written::Done, Written::LostOwnership].contains(answer);
                    assert!(!save || known, "{answer:?} to {write:?}");
                    created += usize::from(!save && *answer == Written::Done);
                }
                assert_eq!(answers.len(), batch.len());
            }
            created
        }
    };
    let created: Vec<usize> = together(TASKS, work).await;
    assert_eq!(created.iter().sum::<usize>(), 32, "each of 32 ids was created once: {created:?}");
    for run in runs {
        let row = store.row(&run.id).await;
        assert_eq!((row.scrapbook, row.saves), (Some(text(1, "48")), 48), "the last save stands");
    }
}
