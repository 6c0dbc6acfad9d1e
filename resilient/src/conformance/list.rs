//! Reading: instances by their ids, and pages of them.

use super::given::{self, HOUR, TYPE, id, text};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{FunctionId, ReplicaId};
use crate::status::Status;
use crate::store::{Create, Ending, Filter, Start, Written};

async fn add(store: &Subject, type_id: &str, instance_id: &str) -> FunctionId {
    let id = FunctionId::new(type_id, instance_id);
    let create = Create { id: id.clone(), ..given::create("", Start::Waiting(Due::After(HOUR))) };
    assert_eq!(store.create(create).await, Written::Done, "{id} is free");
    id
}

fn of_type(type_id: &str) -> Filter {
    Filter { type_id: Some(type_id.into()), ..Filter::default() }
}

/// What is not stored is `None`.
pub async fn an_unknown_function_is_not_found(store: &Subject) {
    assert_eq!(store.find(&id("a")).await, None);
    store.waiting("a", Due::Now).await;
    assert_eq!(store.find(&id("b")).await, None);
    assert_eq!(store.find(&FunctionId::new("Invoice", "a")).await, None);
}

/// "The answer has the order and the length of `ids`."
pub async fn a_read_answers_in_the_order_of_the_question(store: &Subject) {
    let a = store.waiting("a", Due::After(HOUR)).await;
    let b = store.running("b", ReplicaId::random()).await;
    let c = store.in_status("c", Status::Failed).await;
    let rows = store.get(&[id("c"), id("x"), id("a"), id("b"), id("y")]).await;
    assert_eq!(rows.expect("the store is there"), [Some(c), None, Some(a), Some(b), None]);
}

/// "The length of `ids`": whoever asks twice is answered twice.
pub async fn a_read_answers_a_repeated_id_each_time(store: &Subject) {
    let a = store.waiting("a", Due::Now).await;
    let rows = store.get(&[id("a"), id("b"), id("a")]).await.expect("the store is there");
    assert_eq!(rows, [Some(a.clone()), None, Some(a)]);
}

/// "The length of `ids`": none.
pub async fn a_read_of_nothing_answers_nothing(store: &Subject) {
    store.waiting("a", Due::Now).await;
    assert_eq!(store.get(&[]).await.expect("the store is there"), []);
}

/// Many waiters share one read.
pub async fn a_read_of_hundreds_answers_all(store: &Subject) {
    let mut ids = Vec::new();
    for number in 0..150 {
        ids.push(add(store, TYPE, &format!("{number:03}")).await);
        ids.push(id(&format!("{number:03} is not there")));
    }
    ids.reverse();
    let rows = store.get(&ids).await.expect("the store is there");
    let found: Vec<_> = rows.into_iter().map(|row| row.map(|row| row.id)).collect();
    let there = |id: FunctionId| (!id.instance_id.as_str().ends_with("there")).then_some(id);
    assert_eq!(found, ids.into_iter().map(there).collect::<Vec<_>>());
}

/// A fresh store is empty.
pub async fn an_empty_store_lists_nothing(store: &Subject) {
    assert_eq!(store.list(&Filter::default()).await.expect("the store is there"), []);
}

/// "Lists instances", whole.
pub async fn a_list_shows_what_a_read_shows(store: &Subject) {
    let mut rows = Vec::new();
    for status in Status::ALL {
        rows.push(store.in_status(&status.to_string(), status).await);
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(store.list(&Filter::default()).await.expect("the store is there"), rows);
}

/// "In the order of their ids", type before instance, by bytes.
pub async fn a_list_is_in_the_order_of_the_bytes_of_the_ids(store: &Subject) {
    let names =
        ["b", "a", "B", "A", "a ", "a!", "aa", "a-b", "_", "~", "10", "9", "é", "e\u{301}", "～", "🍣"];
    let mut ids = Vec::new();
    for type_id in ["b", "B", "a b", "a"] {
        for name in names {
            ids.push(add(store, type_id, name).await);
        }
    }
    ids.sort();
    assert_eq!(store.ids(&Filter::default()).await, ids);
}

/// "Only this function type."
pub async fn a_list_of_a_type_shows_only_that(store: &Subject) {
    let mut orders = Vec::new();
    for name in ["a", "b"] {
        add(store, "Invoice", name).await;
        orders.push(add(store, "Order", name).await);
    }
    for other in ["order", "Order ", "Orders", "Ord", "Örder"] {
        add(store, other, "a").await;
    }
    assert_eq!(store.ids(&of_type("Order")).await, orders);
    assert_eq!(store.ids(&of_type("Nothing")).await, []);
}

/// "Only this function type": what it is called, and no pattern.
pub async fn a_type_filter_is_no_pattern(store: &Subject) {
    add(store, "Order", "a").await;
    for pattern in ["%", "Ord%", "Orde_", "O*", "", "Order' or '1'='1"] {
        assert_eq!(store.ids(&of_type(pattern)).await, [], "{pattern:?} is the name of no type");
    }
    let percent = add(store, "%", "a").await;
    assert_eq!(store.ids(&of_type("%")).await, [percent]);
}

/// "Only this status."
pub async fn a_list_of_a_status_shows_only_that(store: &Subject) {
    let mut rows = Vec::new();
    for status in Status::ALL {
        rows.push(store.in_status(&status.to_string(), status).await);
    }
    for row in rows {
        let filter = Filter { status: Some(row.status), ..Filter::default() };
        assert_eq!(store.list(&filter).await.expect("the store is there"), [row]);
    }
}

/// "Only what this replica owns": not what it once ran.
pub async fn a_list_of_an_owner_shows_only_what_it_runs(store: &Subject) {
    let (mine, other) = (store.live().await, store.live().await);
    let runs = [store.running("a", mine).await, store.running("c", mine).await];
    store.running("b", other).await;
    let ended = store.running("d", mine).await;
    let lost = given::finish(&ended, Ending::Lost);
    assert_eq!(store.finish(lost).await, Written::Done);
    let owned = |owner| Filter { owner: Some(owner), ..Filter::default() };
    assert_eq!(store.list(&owned(mine)).await.expect("the store is there"), runs);
    assert_eq!(store.ids(&owned(ReplicaId::random())).await, []);
}

/// "All conditions that are given must hold."
pub async fn the_conditions_of_a_list_hold_together(store: &Subject) {
    let (mine, other) = (store.live().await, store.live().await);
    let mut expected = Vec::new();
    for (type_id, instance_id, owner) in
        [("Order", "1", mine), ("Order", "2", other), ("Invoice", "3", mine), ("Order", "4", mine)]
    {
        let id = FunctionId::new(type_id, instance_id);
        let create = Create { id: id.clone(), ..given::create("", Start::Running(owner)) };
        assert_eq!(store.create(create).await, Written::Done);
        expected.push(id);
    }
    let filter = Filter { status: Some(Status::Executing), owner: Some(mine), ..of_type("Order") };
    assert_eq!(store.ids(&filter).await, [id("1"), id("4")]);
    let rest = Filter { after: Some(id("1")), ..filter.clone() };
    assert_eq!(store.ids(&rest).await, [id("4")]);
    assert_eq!(store.ids(&Filter { limit: 1, ..filter.clone() }).await, [id("1")]);
    assert_eq!(store.ids(&Filter { status: Some(Status::Failed), ..filter }).await, []);
}

/// "At most so many", the first ones.
pub async fn a_list_stops_at_its_limit(store: &Subject) {
    for name in ["c", "a", "d", "b"] {
        add(store, TYPE, name).await;
    }
    let limit = |limit| Filter { limit, ..Filter::default() };
    assert_eq!(store.ids(&limit(0)).await, []);
    assert_eq!(store.ids(&limit(1)).await, [id("a")]);
    assert_eq!(store.ids(&limit(3)).await, [id("a"), id("b"), id("c")]);
    assert_eq!(store.ids(&limit(u32::MAX)).await.len(), 4);
}

/// "Only what comes after this id": the next page begins where the last one ended, in whatever type that is.
pub async fn pages_show_everything_once(store: &Subject) {
    let mut ids = Vec::new();
    for type_id in ["B", "a", "A"] {
        for number in 0..7 {
            ids.push(add(store, type_id, &number.to_string()).await);
        }
    }
    ids.sort();
    for limit in [1, 4, 7, 20, 21] {
        let mut seen: Vec<FunctionId> = Vec::new();
        loop {
            let page = store.ids(&Filter { after: seen.last().cloned(), limit, ..Filter::default() }).await;
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            assert!(seen.len() <= ids.len(), "pages of {limit} repeat something: {seen:?}");
        }
        assert_eq!(seen, ids, "in pages of {limit}");
    }
}

/// "Only what comes after this id", which need not exist (any more).
pub async fn a_page_can_begin_after_an_id_that_does_not_exist(store: &Subject) {
    let a = add(store, "Order", "a").await;
    let c = add(store, "Order", "c").await;
    let after = |type_id, instance_id| Filter {
        after: Some(FunctionId::new(type_id, instance_id)),
        ..Filter::default()
    };
    assert_eq!(store.ids(&after("Invoice", "z")).await, [a, c.clone()]);
    assert_eq!(store.ids(&after("Order", "b")).await, [c]);
    assert_eq!(store.ids(&after("Order", "c")).await, []);
    assert_eq!(store.ids(&after("Zebra", "a")).await, []);
}

/// "Only what comes after this id", by bytes: look-alikes are neighbours, and no page skips one.
pub async fn pages_of_look_alikes_lose_none(store: &Subject) {
    let mut ids = Vec::new();
    for name in ["a", "A", "a ", "a  ", "á", "a\u{301}", "aa", "a\t"] {
        ids.push(add(store, TYPE, name).await);
    }
    ids.sort();
    for (index, after) in ids.iter().enumerate() {
        let filter = Filter { after: Some(after.clone()), ..Filter::default() };
        assert_eq!(store.ids(&filter).await, ids[index + 1..], "after {after:?}");
    }
}

/// The usual page has 100 instances.
pub async fn a_list_is_never_unbounded(store: &Subject) {
    for number in 0..101 {
        add(store, TYPE, &format!("{number:03}")).await;
    }
    let page = store.list(&Filter::default()).await.expect("the store is there");
    assert_eq!(page.len(), 100);
    assert_eq!(page[0].param, text(1, "param"));
}
