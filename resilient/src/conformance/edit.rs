//! Changes by a person or a tool: every transition from every status, and the guard before them.

use super::given::{self, DELAY, HOUR, NOW, TYPE, delete, edit, finish, id, save, text, transitions};
use super::subject::Subject;
use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::StoredFunction;
use crate::status::Status;
use crate::store::{Edit, Ending, Replace, Transition, Write, Written};

/// "The epoch is one higher, the count of crashes starts again from 0", and this, whatever the status was.
async fn from_every_status(store: &Subject, to: Transition, change: impl Fn(&mut StoredFunction)) {
    for status in Status::ALL {
        let before = store.in_status(&status.to_string(), status).await;
        assert_eq!(store.edit(edit(&before, to.clone())).await, Written::Done, "from {status}");
        let expected = |row: &mut StoredFunction| {
            row.epoch = row.epoch.next();
            row.crashes = 0;
            change(row);
        };
        let after = store.expect(&before, expected).await;
        assert_eq!(store.delete(delete(&after)).await, Written::Done);
    }
}

/// "Every transition but `Keep` clears a result and a failure before it sets its own", and the reason why it waited goes.
fn cleared(row: &mut StoredFunction, status: Status) {
    row.status = status;
    row.owner = None;
    row.due_at = None;
    row.reason = None;
    row.result = None;
    row.failure = None;
    row.completed_at = None;
}

/// "The status stays, with result, failure and due time; what is `Executing` becomes `Postponed`, due at once."
pub async fn keep_leaves_everything_but_a_run(store: &Subject) {
    from_every_status(store, Transition::Keep, |row| {
        if row.status == Status::Executing {
            cleared(row, Status::Postponed);
            row.due_at = Some(NOW);
        }
    })
    .await;
}

/// "`Executing` under this replica if that is alive; attempts one higher."
pub async fn run_starts_from_every_status(store: &Subject) {
    let live = store.live().await;
    from_every_status(store, Transition::Run(live), |row| {
        cleared(row, Status::Executing);
        row.owner = Some(live);
        row.attempts += 1;
    })
    .await;
}

/// "`Postponed` until this is due."
pub async fn wait_puts_off_from_every_status(store: &Subject) {
    let at = Timestamp::from_micros(4_102_444_800_000_007);
    from_every_status(store, Transition::Wait(Due::At(at)), |row| {
        cleared(row, Status::Postponed);
        row.due_at = Some(at);
    })
    .await;
}

/// "`Succeeded` with this result."
pub async fn succeed_completes_from_every_status(store: &Subject) {
    from_every_status(store, Transition::Succeed(text(4, "result")), |row| {
        cleared(row, Status::Succeeded);
        row.result = Some(text(4, "result"));
        row.completed_at = Some(NOW);
    })
    .await;
}

/// "`Failed` with this failure, as JSON text."
pub async fn fail_completes_from_every_status(store: &Subject) {
    let failure = "{\"message\":\"given up\"}";
    from_every_status(store, Transition::Fail(failure.into()), |row| {
        cleared(row, Status::Failed);
        row.failure = Some(failure.into());
        row.completed_at = Some(NOW);
    })
    .await;
}

/// "A new input."
pub async fn an_edit_replaces_the_parameter(store: &Subject) {
    for status in Status::ALL {
        let before = store.in_status(&status.to_string(), status).await;
        let to = Edit { param: Some(text(3, "mended")), ..edit(&before, Transition::Wait(Due::After(HOUR))) };
        assert_eq!(store.edit(to).await, Written::Done);
        let after = store.row(&before.id).await;
        assert_eq!((after.param, after.scrapbook), (text(3, "mended"), before.scrapbook), "from {status}");
    }
}

/// "A new scrapbook."
pub async fn an_edit_replaces_the_scrapbook(store: &Subject) {
    for status in Status::ALL {
        let before = store.in_status(&status.to_string(), status).await;
        let wait = edit(&before, Transition::Wait(Due::After(HOUR)));
        assert_eq!(store.edit(Edit { scrapbook: Some(text(3, "mended")), ..wait }).await, Written::Done);
        let after = store.row(&before.id).await;
        assert_eq!((after.param, after.scrapbook), (before.param, Some(text(3, "mended"))), "from {status}");
    }
}

/// Data is stored with every transition, also with the one that keeps the status.
pub async fn every_transition_stores_new_data(store: &Subject) {
    let live = store.live().await;
    for (number, transition) in transitions(live).into_iter().enumerate() {
        let before = store.running(&number.to_string(), live).await;
        let data = Edit {
            param: Some(text(3, "input")),
            scrapbook: Some(text(5, "progress")),
            ..edit(&before, transition.clone())
        };
        assert_eq!(store.edit(data).await, Written::Done);
        let after = store.row(&before.id).await;
        let expected = (text(3, "input"), Some(text(5, "progress")));
        assert_eq!((after.param, after.scrapbook), expected, "with {transition:?}");
    }
}

/// An edit can give a scrapbook to an instance that has none.
pub async fn an_edit_gives_a_scrapbook_to_a_function_without_one(store: &Subject) {
    let before = store.waiting("a", Due::After(HOUR)).await;
    let to = Edit { scrapbook: Some(text(2, "given")), ..edit(&before, Transition::Keep) };
    assert_eq!(store.edit(to).await, Written::Done);
    store
        .expect(&before, |row| {
            row.epoch = row.epoch.next();
            row.scrapbook = Some(text(2, "given"));
        })
        .await;
}

/// "Guarded by its epoch alone": a person may go back to an older version.
pub async fn an_edit_may_lower_versions(store: &Subject) {
    let before = store.in_status("a", Status::Failed).await;
    let to = Edit { scrapbook: Some(text(1, "older")), ..edit(&before, Transition::Keep) };
    assert_eq!(store.edit(to).await, Written::Done);
    assert_eq!(store.row(&before.id).await.scrapbook, Some(text(1, "older")));
}

/// "The instance is at another epoch than expected": nothing is changed, by no transition, in no status.
pub async fn an_edit_at_another_epoch_changes_nothing(store: &Subject) {
    let live = store.live().await;
    for status in Status::ALL {
        let before = store.in_status(&status.to_string(), status).await;
        for transition in transitions(live) {
            for epoch in [before.epoch.as_i64() - 1, before.epoch.as_i64() + 1, i64::MAX, -1] {
                let data = Some(text(9, "stale"));
                let stale = Edit { epoch: Epoch::new(epoch), ..edit(&before, transition.clone()) };
                let stale = Edit { param: data.clone(), scrapbook: data, ..stale };
                store.refuses(Write::Edit(stale), Written::Changed, &before).await;
            }
        }
    }
}

/// "There is no such instance", and there is none afterwards.
pub async fn an_edit_of_what_does_not_exist_answers_not_found(store: &Subject) {
    let live = store.live().await;
    let row = store.waiting("a", Due::After(HOUR)).await;
    for transition in transitions(live) {
        let other = Edit { id: FunctionId::new(TYPE, "b"), ..edit(&row, transition) };
        assert_eq!(store.edit(other).await, Written::NotFound);
        assert_eq!(store.find(&id("b")).await, None);
    }
}

/// "For a replica that is not alive, `LostOwnership`": it never joined, it left, or its lease has ended.
pub async fn run_under_a_replica_that_is_not_alive_changes_nothing(store: &Subject) {
    let left = store.live().await;
    store.leave(left).await;
    let before = store.in_status("a", Status::Failed).await;
    for dead in [ReplicaId::random(), left, store.lapsed().await] {
        let data = Some(text(9, "stale"));
        let run = edit(&before, Transition::Run(dead));
        let run = Edit { param: data.clone(), scrapbook: data, ..run };
        store.refuses(Write::Edit(run), Written::LostOwnership, &before).await;
    }
}

/// "The epoch is one higher": of two people who read the same, one is told to look again.
pub async fn the_second_edit_from_the_same_view_is_refused(store: &Subject) {
    let view = store.in_status("a", Status::Failed).await;
    assert_eq!(store.edit(edit(&view, Transition::Wait(Due::After(HOUR)))).await, Written::Done);
    let edited = store.row(&view.id).await;
    let second = edit(&view, Transition::Succeed(text(1, "result")));
    store.refuses(Write::Edit(second), Written::Changed, &edited).await;
    assert_eq!(store.edit(edit(&edited, Transition::Keep)).await, Written::Done);
}

/// A save does not move the epoch, so it does not make a view old; an ending does.
pub async fn an_edit_is_refused_after_an_ending_and_not_after_a_save(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    assert_eq!(store.edit(edit(&run, Transition::Keep)).await, Written::Done);
    let other = store.running("b", ReplicaId::random()).await;
    let end = finish(&other, Ending::Failed("{}".into()));
    assert_eq!(store.finish(end).await, Written::Done);
    let failed = store.row(&other.id).await;
    let late = edit(&other, Transition::Wait(Due::Now));
    store.refuses(Write::Edit(late), Written::Changed, &failed).await;
}

/// "`Executing` under this replica": the run that an edit began saves and ends like any other.
pub async fn a_run_begun_by_an_edit_saves_and_ends(store: &Subject) {
    let failed = store.in_status("a", Status::Failed).await;
    let live = store.live().await;
    assert_eq!(store.edit(edit(&failed, Transition::Run(live))).await, Written::Done);
    let run = store.row(&failed.id).await;
    assert_eq!(store.save(save(&run, text(2, "progress"))).await, Written::Done);
    let end = finish(&run, Ending::Succeeded(text(1, "result")));
    assert_eq!(store.finish(end).await, Written::Done);
    assert_eq!(store.row(&run.id).await.status, Status::Succeeded);
}

/// "Counted on the store's clock from the moment it is written."
pub async fn an_edit_counts_its_delay_on_the_stores_clock(store: &Subject) {
    let row = store.in_status("a", Status::Failed).await;
    let before = store.now().await;
    assert_eq!(store.edit(edit(&row, Transition::Wait(Due::After(DELAY)))).await, Written::Done);
    let after = store.now().await;
    let due = store.row(&row.id).await.due_at.expect("it waits");
    let range = before.saturating_add(DELAY)..=after.saturating_add(DELAY);
    assert!(range.contains(&due), "{due:?} in {range:?}");
}

/// "The count of crashes starts again from 0", also for work that was put back after a crash.
pub async fn an_edit_forgets_the_crashes_of_waiting_work(store: &Subject) {
    let run = store.restarted("a").await;
    assert_eq!(store.finish(finish(&run, Ending::Lost)).await, Written::Done);
    let lost = store.row(&run.id).await;
    assert_eq!(lost.crashes, 2);
    assert_eq!(store.edit(edit(&lost, Transition::Keep)).await, Written::Done);
    store
        .expect(&lost, |row| {
            row.epoch = row.epoch.next();
            row.crashes = 0;
        })
        .await;
}

/// "Guarded by its epoch and its creation": whoever has a view of what was deleted changes nothing of what was created
/// after it, although that has the same epoch.
pub async fn an_edit_by_a_view_of_what_was_deleted_changes_nothing(store: &Subject) {
    let live = store.live().await;
    let view = store.waiting_with("a", &["1"]).await;
    let new = store.created_again(&view).await;
    for transition in transitions(live) {
        let late = Edit {
            param: Some(text(2, "late")),
            scrapbook: Some(text(2, "late")),
            ..edit(&view, transition)
        };
        store.refuses(Write::Edit(late), Written::Changed, &new).await;
    }
    let messages = Some(Replace { message_count: new.message_count, messages: given::messages(["late"]) });
    let late = Edit { messages, ..edit(&view, Transition::Keep) };
    store.refuses(Write::Edit(late), Written::Changed, &new).await;
    store.has_keys(&new.id, ["1"]).await;
    assert_eq!(store.edit(edit(&new, Transition::Keep)).await, Written::Done);
}

/// In a batch each edit is guarded by its own creation.
pub async fn edits_in_one_batch_are_guarded_each_by_its_creation(store: &Subject) {
    let mut batch = Vec::new();
    let mut rows = Vec::new();
    for number in 0..6 {
        let view = store.waiting_with(&number.to_string(), &["1"]).await;
        let new = if number % 2 == 0 { store.created_again(&view).await } else { view.clone() };
        batch.push(Write::Edit(edit(&view, Transition::Fail("{}".into()))));
        rows.push(new);
    }
    let answers = store.write(&batch).await.expect("the store is there");
    for (number, (answer, row)) in answers.into_iter().zip(rows).enumerate() {
        let is_same = number % 2 == 1;
        assert_eq!(answer, if is_same { Written::Done } else { Written::Changed });
        assert_eq!(store.row(&row.id).await.status == Status::Failed, is_same);
    }
}

/// An edit touches one instance.
pub async fn an_edit_leaves_other_functions_alone(store: &Subject) {
    let live = store.live().await;
    let others = [store.running("a", live).await, store.running("c", live).await];
    let row = store.waiting("b", Due::After(HOUR)).await;
    assert_eq!(store.edit(edit(&row, Transition::Fail("{}".into()))).await, Written::Done);
    for other in &others {
        store.unchanged(other).await;
    }
}
