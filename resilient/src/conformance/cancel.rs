//! The wish that an instance ends, whoever runs it.

use super::given::{self, HOUR, NOW, TYPE, append, cancel, delete, edit, finish, id, save, text};
use super::subject::Subject;
use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Cancel, Create, Ending, Filter, Finish, Save, Start, Transition, Write, Written};

/// What a cancel makes of what waits.
fn fails(row: &mut StoredFunction) {
    row.status = Status::Failed;
    row.epoch = row.epoch.next();
    row.due_at = None;
    row.reason = None;
    row.failure = Some(given::CANCELLED.to_owned());
    row.completed_at = Some(NOW);
    row.cancel_requested = true;
}

/// An instance that runs, with a history, and is to end.
async fn marked(store: &Subject, instance: &str) -> StoredFunction {
    let run = store.restarted(instance).await;
    assert_eq!(store.cancel(cancel(instance)).await, Written::Done);
    store.row(&run.id).await
}

/// Endings that put a run away to wait.
fn waits() -> [Ending; 6] {
    [
        Ending::Postponed(Due::Now),
        Ending::Postponed(Due::After(HOUR)),
        Ending::Postponed(Due::At(Timestamp::MAX)),
        Ending::PutOff(Due::After(HOUR)),
        Ending::Suspended { message_count: 0, due: None },
        Ending::Suspended { message_count: 0, due: Some(Due::After(HOUR)) },
    ]
}

/// "What waits becomes `Failed` with this failure, its epoch one higher."
pub async fn a_cancel_fails_what_waits(store: &Subject) {
    for status in [Status::Postponed, Status::Suspended] {
        let name = status.to_string();
        let row = store.in_status(&name, status).await;
        assert_eq!(store.cancel(cancel(&name)).await, Written::Done, "from {status}");
        store.expect(&row, fails).await;
    }
}

/// "What waits", also what has never run, what waits for a time and a message, and what is due already.
pub async fn a_cancel_fails_whatever_it_waits_for(store: &Subject) {
    let mut rows = Vec::new();
    for (name, due) in [("now", Due::Now), ("later", Due::After(HOUR)), ("last", Due::At(Timestamp::MAX))] {
        let run = store.running_with(name, &["1"]).await;
        let suspended = Ending::Suspended { message_count: 1, due: Some(due) };
        assert_eq!(store.finish(finish(&run, suspended)).await, Written::Done);
        rows.push(store.row(&run.id).await);
        rows.push(store.waiting(&format!("{name} new"), due).await);
    }
    for row in rows {
        assert_eq!(store.cancel(cancel(row.id.instance_id.as_str())).await, Written::Done);
        store.expect(&row, fails).await;
    }
    let live = store.live().await;
    assert_eq!(store.claim_all(live).await, [], "what has failed is not due");
}

/// A cancel is no progress: what was lost again and again, and waits, has failed with its crashes.
pub async fn a_cancel_keeps_the_count_of_crashes(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.finish(finish(&run, Ending::Lost)).await, Written::Done);
    let lost = store.row(&run.id).await;
    assert_eq!(lost.crashes, 2);
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    store.expect(&lost, fails).await;
}

/// "With this failure": to the last byte.
pub async fn a_cancel_stores_its_failure_as_it_is(store: &Subject) {
    let failures = ["{\"message\":\"a\\\"b\\\\c\"}", "{\"message\":\"ä 🍣 ' % _ \\n\"}", "{ }"];
    for (name, failure) in ["a", "b", "c"].into_iter().zip(failures) {
        store.waiting(name, Due::After(HOUR)).await;
        let cancel = Cancel { failure: failure.into(), ..cancel(name) };
        assert_eq!(store.cancel(cancel).await, Written::Done);
        assert_eq!(store.row(&id(name)).await.failure.as_deref(), Some(failure));
    }
}

/// "What is `Executing` goes on as it is, and `cancel_requested` is set."
pub async fn a_cancel_marks_what_executes(store: &Subject) {
    let run = store.restarted("a").await;
    assert!(!run.cancel_requested);
    store.later_than(run.updated_at).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    let marked = store.expect(&run, |row| row.cancel_requested = true).await;
    assert!(marked.updated_at > run.updated_at, "a cancel is a write");
}

/// A wish can be said twice.
pub async fn a_second_cancel_of_what_executes_is_done(store: &Subject) {
    let run = marked(store, "a").await;
    let other = Cancel { failure: "{\"message\":\"other\"}".into(), ..cancel("a") };
    assert_eq!(store.cancel(other).await, Written::Done);
    store.expect(&run, |_| {}).await;
}

/// "When it has ended already, `Completed`": nothing is changed.
pub async fn a_cancel_of_what_has_ended_answers_completed(store: &Subject) {
    for status in [Status::Succeeded, Status::Failed] {
        let row = store.in_status(&status.to_string(), status).await;
        let cancel = Write::Cancel(cancel(&status.to_string()));
        store.refuses(cancel, Written::Completed, &row).await;
    }
}

/// What a cancel has failed has ended.
pub async fn a_second_cancel_of_what_waited_answers_completed(store: &Subject) {
    store.waiting("a", Due::After(HOUR)).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    let failed = store.row(&id("a")).await;
    let other = Cancel { failure: "{\"message\":\"other\"}".into(), ..cancel("a") };
    store.refuses(Write::Cancel(other), Written::Completed, &failed).await;
}

/// "There is no such instance": it never was, or was removed.
pub async fn a_cancel_of_what_does_not_exist_answers_not_found(store: &Subject) {
    assert_eq!(store.cancel(cancel("a")).await, Written::NotFound);
    let row = store.waiting("a", Due::Now).await;
    assert_eq!(store.delete(delete(&row)).await, Written::Done);
    assert_eq!(store.cancel(cancel("a")).await, Written::NotFound);
    assert_eq!(store.find(&row.id).await, None);
}

/// Ids compare by their bytes: a cancel ends what it names and no look-alike.
pub async fn a_cancel_leaves_look_alikes(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let owner = store.live().await;
    let mut others = Vec::new();
    for name in ["A", "a ", " a", "ab", "á", "%", "_"] {
        others.push(store.waiting(name, Due::After(HOUR)).await);
        others.push(store.running(&format!("{name}{name}"), owner).await);
    }
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    store.expect(&row, fails).await;
    for other in &others {
        store.unchanged(other).await;
    }
}

/// The same instance of another type is another one.
pub async fn a_cancel_leaves_other_types(store: &Subject) {
    store.waiting("a", Due::After(HOUR)).await;
    for type_id in ["order", "Order ", "Invoice"] {
        let id = FunctionId::new(type_id, "a");
        let create = given::create("", Start::Waiting(Due::After(HOUR)));
        assert_eq!(store.cancel(Cancel { id: id.clone(), ..cancel("a") }).await, Written::NotFound);
        assert_eq!(store.create(Create { id, ..create }).await, Written::Done);
    }
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    let filter = Filter { status: Some(Status::Failed), ..Filter::default() };
    assert_eq!(store.ids(&filter).await, [id("a")]);
}

/// "Neither it nor a later run can be put away to wait": nothing changes and the answer is `Changed`.
pub async fn what_is_to_end_cannot_be_put_away_to_wait(store: &Subject) {
    let run = marked(store, "a").await;
    for ending in waits() {
        let (scrapbook, note) = (Some(text(2, "late")), Some("\"late\"".to_owned()));
        let late = Finish { scrapbook, journal: note.clone(), reason: note, ..finish(&run, ending) };
        store.refuses(Write::Finish(late), Written::Changed, &run).await;
    }
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
}

/// "Guarded by epoch and owner": whoever does not own what is to end has lost it.
pub async fn what_is_to_end_is_put_away_by_its_owner_only(store: &Subject) {
    let run = marked(store, "a").await;
    let other = StoredFunction { owner: Some(ReplicaId::random()), ..run.clone() };
    let earlier = StoredFunction { epoch: Epoch::new(run.epoch.as_i64() - 1), ..run.clone() };
    for ending in waits() {
        for stale in [&other, &earlier] {
            let stale = Write::Finish(finish(stale, ending.clone()));
            store.refuses(stale, Written::LostOwnership, &run).await;
        }
        let behind = Finish { scrapbook: Some(text(1, "old")), ..finish(&run, ending) };
        store.refuses(Write::Finish(behind), Written::LostOwnership, &run).await;
    }
}

/// "Its run is told and decides": it may still succeed, or fail in its own way.
pub async fn what_is_to_end_ends_as_its_run_decides(store: &Subject) {
    let ends = [
        ("a", Ending::Succeeded(text(1, "result")), Status::Succeeded),
        ("b", Ending::Failed("{\"message\":\"own\"}".into()), Status::Failed),
    ];
    for (name, ending, status) in ends {
        let run = marked(store, name).await;
        assert_eq!(store.finish(finish(&run, ending.clone())).await, Written::Done);
        let ended = |row: &mut StoredFunction| {
            (row.status, row.epoch, row.owner, row.crashes) = (status, row.epoch.next(), None, 0);
            row.completed_at = Some(NOW);
            match ending {
                Ending::Succeeded(result) => row.result = Some(result),
                Ending::Failed(failure) => row.failure = Some(failure),
                _ => {}
            }
        };
        store.expect(&run, ended).await;
    }
}

/// "Neither it nor a later run": the wish outlives saves, hand-overs, losses, messages and claims.
pub async fn the_wish_stays_from_run_to_run(store: &Subject) {
    let mut run = marked(store, "a").await;
    let live = store.live().await;
    for ending in [Ending::Released, Ending::Lost] {
        let writes = [
            Write::Save(save(&run, text(2, "progress"))),
            Write::Append(append("a", [run.epoch.to_string()])),
            Write::Finish(finish(&run, ending)),
        ];
        for write in writes {
            assert_eq!(store.one(write).await, Written::Done);
        }
        let handed_over = store.row(&run.id).await;
        assert_eq!((handed_over.status, handed_over.cancel_requested), (Status::Postponed, true));
        run = store.claim_all(live).await.pop().expect("it is due");
        assert!(run.cancel_requested, "after a claim: {run:?}");
        let late = Write::Finish(finish(&run, Ending::Postponed(Due::Now)));
        store.refuses(late, Written::Changed, &store.row(&run.id).await).await;
    }
}

/// The wish outlives the death of its owner.
pub async fn the_wish_stays_when_its_owner_dies(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    assert_eq!(store.release_dead().await.expect("the store is there"), 1);
    let released = store.row(&run.id).await;
    assert_eq!((released.status, released.cancel_requested), (Status::Postponed, true));
    let live = store.live().await;
    assert!(store.claim_all(live).await.pop().expect("it is due").cancel_requested);
}

/// What was handed over while it was to end waits, so the next cancel ends it.
pub async fn a_cancel_fails_what_was_handed_over(store: &Subject) {
    let run = marked(store, "a").await;
    assert_eq!(store.finish(finish(&run, Ending::Released)).await, Written::Done);
    let waiting = store.row(&run.id).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    store.expect(&waiting, fails).await;
}

/// "Every transition but `Keep` clears … the wish to cancel it."
pub async fn an_edit_that_decides_anew_takes_the_wish_back(store: &Subject) {
    let live = store.live().await;
    for (number, transition) in given::transitions(live).into_iter().enumerate() {
        let name = number.to_string();
        let run = marked(store, &name).await;
        assert_eq!(store.edit(edit(&run, transition.clone())).await, Written::Done);
        let after = store.row(&run.id).await;
        assert_eq!(after.cancel_requested, transition == Transition::Keep, "{transition:?}");
        // Nothing else of this type may be due for the next one.
        assert_eq!(store.delete(delete(&after)).await, Written::Done);
    }
}

/// An edit of what a cancel has failed begins it again, and it may wait.
pub async fn what_was_cancelled_can_run_again(store: &Subject) {
    let live = store.live().await;
    store.waiting("a", Due::After(HOUR)).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    let failed = store.row(&id("a")).await;
    assert_eq!(store.edit(edit(&failed, Transition::Keep)).await, Written::Done);
    let kept = store.expect(&failed, |row| row.epoch = row.epoch.next()).await;
    assert_eq!(store.edit(edit(&kept, Transition::Run(live))).await, Written::Done);
    let run = store.row(&id("a")).await;
    assert_eq!((run.cancel_requested, run.failure.as_ref()), (false, None));
    assert_eq!(store.finish(finish(&run, Ending::Postponed(Due::After(HOUR)))).await, Written::Done);
}

/// "Its epoch one higher": whoever read it before a cancel has an old view. What executes keeps its epoch.
pub async fn a_cancel_makes_views_of_what_waits_old(store: &Subject) {
    let view = store.waiting("a", Due::After(HOUR)).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    let failed = store.row(&view.id).await;
    store.refuses(Write::Edit(edit(&view, Transition::Keep)), Written::Changed, &failed).await;
    store.refuses(Write::Delete(delete(&view)), Written::Changed, &failed).await;
    let run = store.running("b", ReplicaId::random()).await;
    assert_eq!(store.cancel(cancel("b")).await, Written::Done);
    assert_eq!(store.delete(delete(&run)).await, Written::Done);
}

/// What is to end takes messages while it runs, and its count is compared before anything else.
pub async fn what_is_to_end_takes_messages(store: &Subject) {
    let run = marked(store, "a").await;
    assert_eq!(store.append(append("a", ["1"])).await, Written::Done);
    store.expect(&run, |row| row.message_count = 1).await;
    let row = store.row(&run.id).await;
    for message_count in [0, 1] {
        let suspended = finish(&run, Ending::Suspended { message_count, due: None });
        store.refuses(Write::Finish(suspended), Written::Changed, &row).await;
    }
    store.has_keys(&run.id, ["1"]).await;
}

/// A deleted id that is created again is not to end.
pub async fn a_new_function_of_an_old_id_is_not_to_end(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.cancel(cancel("a")).await, Written::Done);
    assert_eq!(store.delete(delete(&run)).await, Written::Done);
    assert!(!store.running("a", ReplicaId::random()).await.cancel_requested);
    let filter = Filter { type_id: Some(TYPE.into()), ..Filter::default() };
    let listed = store.list(&filter).await.expect("the store is there");
    assert!(listed.iter().all(|row| !row.cancel_requested), "{listed:?}");
}

/// A save that is late does not take the wish back.
pub async fn a_late_save_leaves_the_wish(store: &Subject) {
    let run = marked(store, "a").await;
    let late = Save { number: run.saves, ..save(&run, text(2, "late")) };
    store.refuses(Write::Save(late), Written::LostOwnership, &run).await;
}
