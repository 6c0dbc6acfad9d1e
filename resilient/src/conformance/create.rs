//! Creating instances, and creating them again.

use super::given::{self, DELAY, HOUR, created, delete, edit, finish, id, save, text};
use super::subject::Subject;
use crate::clock::{Due, Timestamp};
use crate::id::{FunctionId, ReplicaId};
use crate::status::Status;
use crate::store::{Create, Ending, Filter, Start, Transition, Write, Written};

/// "`Executing` under this replica, attempts 1", with all that was given and nothing else.
pub async fn a_running_function_is_stored_with_all_that_was_given(store: &Subject) {
    let start = Start::Running(store.live().await);
    let (scrapbook, parent) = (Some(text(5, "first")), Some(FunctionId::new("Cart", "b")));
    let create =
        Create { version: 3, param: text(4, "input"), scrapbook, parent, ..given::create("a", start) };
    assert_eq!(store.create(create.clone()).await, Written::Done);
    let row = store.row(&id("a")).await;
    assert_eq!(row, created(&create, &row));
}

/// "`Postponed` until this is due, attempts 0", with all that was given and nothing else.
pub async fn a_waiting_function_is_stored_with_all_that_was_given(store: &Subject) {
    let start = Start::Waiting(Due::After(HOUR));
    let (scrapbook, parent) = (Some(text(5, "first")), Some(FunctionId::new("Cart", "b")));
    let create =
        Create { version: 3, param: text(4, "input"), scrapbook, parent, ..given::create("a", start) };
    assert_eq!(store.create(create.clone()).await, Written::Done);
    let row = store.row(&id("a")).await;
    assert_eq!(row, created(&create, &row));
    assert!(row.due_at.is_some(), "it waits for a time");
}

/// "Its first progress, when there is any."
pub async fn a_function_without_a_scrapbook_has_none(store: &Subject) {
    let row = store.running("a", ReplicaId::random()).await;
    assert_eq!(row.scrapbook, None);
}

/// "The instance that has begun it as its child; it stays that": whatever becomes of the child, and in every answer.
pub async fn a_child_stays_that_of_its_parent(store: &Subject) {
    let parent = Some(FunctionId::new("Cart", "of Ann "));
    let create = given::create("a", Start::Waiting(Due::Now));
    assert_eq!(store.create(Create { parent: parent.clone(), ..create.clone() }).await, Written::Done);
    let claimed = store.claim_all(store.live().await).await;
    let [run] = <[_; 1]>::try_from(claimed).expect("only this was due");
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    assert_eq!(store.finish(finish(&run, Ending::Failed("{}".into()))).await, Written::Done);
    let failed = store.row(&id("a")).await;
    assert_eq!(store.edit(edit(&failed, Transition::Wait(Due::After(HOUR)))).await, Written::Done);
    let again = Create { parent: Some(FunctionId::new("Cart", "another")), ..create };
    let Written::Exists(found) = store.create(again).await else { panic!("the id is taken") };
    let listed = store.list(&Filter::default()).await.expect("the store is there").remove(0);
    let parents = [run.parent, failed.parent, found.parent, listed.parent];
    assert_eq!(parents, [parent.clone(), parent.clone(), parent.clone(), parent]);
}

/// Of many that are stored together, each has its own parent or none.
pub async fn children_of_several_parents_are_stored_together(store: &Subject) {
    let parent = |number: usize| {
        (!number.is_multiple_of(3)).then(|| FunctionId::new("Cart", (number % 5).to_string()))
    };
    let create = |number: usize| {
        let create = given::create(&format!("{number:02}"), Start::Waiting(Due::After(HOUR)));
        Write::Create(Create { parent: parent(number), ..create })
    };
    let batch: Vec<_> = (0..40).map(create).collect();
    assert_eq!(store.write(&batch).await.expect("the store is there"), vec![Written::Done; 40]);
    let rows = store.list(&Filter::default()).await.expect("the store is there");
    let parents: Vec<_> = rows.into_iter().map(|row| row.parent).collect();
    assert_eq!(parents, (0..40).map(parent).collect::<Vec<_>>());
}

/// "Answers `Done` or `Exists`."
pub async fn creating_the_same_function_twice_answers_exists(store: &Subject) {
    let row = store.waiting("a", Due::Now).await;
    let again = given::create("a", Start::Waiting(Due::Now));
    assert_eq!(store.create(again).await, Written::Exists(Box::new(row)));
}

/// "The id is taken, by this": the stored instance, not what was asked for.
pub async fn a_second_create_with_other_data_changes_nothing(store: &Subject) {
    let first = store.running("a", ReplicaId::random()).await;
    let start = Start::Waiting(Due::After(HOUR));
    let scrapbook = Some(text(9, "second"));
    let second = Create { version: 7, param: text(8, "second"), scrapbook, ..given::create("a", start) };
    assert_eq!(store.create(second).await, Written::Exists(Box::new(first.clone())));
    store.unchanged(&first).await;
}

/// "The id is taken, by this", wherever it stands: completed work is not started again.
pub async fn exists_answers_for_every_status(store: &Subject) {
    for status in Status::ALL {
        let row = store.in_status(&status.to_string(), status).await;
        let again = given::create(&status.to_string(), Start::Running(ReplicaId::random()));
        assert_eq!(store.create(again).await, Written::Exists(Box::new(row.clone())));
        store.unchanged(&row).await;
    }
}

/// "The id is taken, by this", with its latest progress.
pub async fn exists_shows_the_latest_save(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.save(save(&run, text(1, "progress"))).await, Written::Done);
    let Written::Exists(found) = store.create(given::create("a", Start::Waiting(Due::Now))).await else {
        panic!("the id is taken");
    };
    assert_eq!(found.scrapbook, Some(text(1, "progress")));
}

/// "The id is taken, by this", with its result: the second caller needs no second look.
pub async fn exists_shows_the_result(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let success = finish(&run, Ending::Succeeded(text(2, "result")));
    assert_eq!(store.finish(success).await, Written::Done);
    let Written::Exists(found) = store.create(given::create("a", Start::Running(ReplicaId::random()))).await
    else {
        panic!("the id is taken");
    };
    assert_eq!((found.status, found.result), (Status::Succeeded, Some(text(2, "result"))));
}

/// "A function type and an instance of it" are the identity, both together.
pub async fn the_same_instance_of_another_type_is_another_function(store: &Subject) {
    let order = store.waiting("a", Due::After(HOUR)).await;
    let other = FunctionId::new("Invoice", "a");
    let start = Start::Waiting(Due::After(HOUR));
    let create = Create { id: other.clone(), param: text(1, "invoice"), ..given::create("a", start) };
    assert_eq!(store.create(create.clone()).await, Written::Done);
    let row = store.row(&other).await;
    assert_eq!(row, created(&create, &row));
    store.unchanged(&order).await;
}

/// The identity is a pair: where one name ends and the other begins is part of it.
pub async fn ids_that_read_alike_when_joined_are_different(store: &Subject) {
    for (type_id, instance_id) in [("a/b", "c"), ("a", "b/c"), ("ab", "c"), ("a", "bc")] {
        let start = Start::Waiting(Due::After(HOUR));
        let create = Create { id: FunctionId::new(type_id, instance_id), ..given::create("", start) };
        assert_eq!(store.create(create).await, Written::Done, "{type_id} and {instance_id} are free");
    }
    assert_eq!(store.ids(&Filter::default()).await.len(), 4);
}

/// "`Executing` under this replica": whether that lives is asked later, when somebody looks for dead owners.
pub async fn a_replica_that_nobody_knows_can_own_a_new_function(store: &Subject) {
    let stranger = ReplicaId::random();
    let row = store.running("a", stranger).await;
    assert_eq!((row.status, row.owner), (Status::Executing, Some(stranger)));
}

/// "Creates an instance with epoch 0", also where another one was before.
pub async fn a_deleted_id_can_be_created_again_and_remembers_nothing(store: &Subject) {
    let old = store.in_status("a", Status::Failed).await;
    assert_eq!(store.delete(delete(&old)).await, Written::Done);
    let create = given::create("a", Start::Running(ReplicaId::random()));
    assert_eq!(store.create(create.clone()).await, Written::Done);
    let row = store.row(&id("a")).await;
    assert_eq!(row, created(&create, &row));
}

/// "When it was created", "when it was last written": now, on the store's clock.
pub async fn a_new_function_is_dated_by_the_stores_clock(store: &Subject) {
    let before = store.now().await;
    let row = store.running("a", ReplicaId::random()).await;
    let after = store.now().await;
    assert!((before..=after).contains(&row.created_at), "{before:?}, {row:?}, {after:?}");
    assert!((before..=after).contains(&row.updated_at), "{before:?}, {row:?}, {after:?}");
}

/// "Counted on the store's clock from the moment it is written."
pub async fn a_delay_counts_from_the_creation_on_the_stores_clock(store: &Subject) {
    let delay = DELAY;
    let before = store.now().await;
    let row = store.waiting("a", Due::After(delay)).await;
    let after = store.now().await;
    let due = row.due_at.expect("it waits");
    let range = before.saturating_add(delay)..=after.saturating_add(delay);
    assert!(range.contains(&due), "{due:?} in {range:?}");
}

/// "At this time of the store's clock", to the microsecond.
pub async fn a_start_time_is_kept_to_the_microsecond(store: &Subject) {
    let at = Timestamp::from_micros(4_102_444_800_123_456);
    let row = store.waiting("a", Due::At(at)).await;
    assert_eq!(row.due_at, Some(at));
}

/// One instance's create touches no other.
pub async fn a_create_leaves_other_functions_alone(store: &Subject) {
    let run = store.running("a", ReplicaId::random()).await;
    let wait = store.waiting("c", Due::After(HOUR)).await;
    store.running("b", ReplicaId::random()).await;
    store.unchanged(&run).await;
    store.unchanged(&wait).await;
}
