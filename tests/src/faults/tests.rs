use std::time::Duration;

use resilient::store::{Create, Start, Write, Written};
use resilient::{Due, FunctionId, InMemoryStore, Payload, ReplicaId};
use tokio::time::timeout;

use super::*;

fn id(instance: &str) -> FunctionId {
    FunctionId::new("Order", instance)
}

async fn create(store: &dyn Store, instance: &str) -> Result<Vec<Written>, StoreError> {
    let param = Payload { version: 1, body: "1".to_owned() };
    let start = Start::Waiting(Due::Now);
    store.write(&[Write::Create(Create::new(id(instance), start, 1, param))]).await
}

async fn exists(store: &dyn Store, instance: &str) -> bool {
    let found = store.get(&[id(instance)]).await.expect("the store works");
    found.iter().any(Option::is_some)
}

async fn frozen<T>(call: impl Future<Output = T>) -> bool {
    timeout(Duration::from_hours(1), call).await.is_err()
}

#[tokio::test]
async fn a_call_that_fails_before_is_not_applied() {
    let store = FaultyStore::failing(InMemoryStore::new(), 2, Fault::Before);
    create(&store, "a").await.expect("the first call works");
    let error = create(&store, "b").await.expect_err("the second call fails");
    assert!(error.is_transient());
    assert_eq!(error.to_string(), "fault: Write was not applied");
    create(&store, "c").await.expect("the third call works");
    let there = [exists(&store, "a").await, exists(&store, "b").await, exists(&store, "c").await];
    assert_eq!(there, [true, false, true]);
    assert!(store.fired());
}

#[tokio::test]
async fn a_call_that_fails_after_is_applied() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::After);
    let error = create(&store, "a").await.expect_err("the answer is lost");
    assert_eq!(error.to_string(), "fault: the answer to Write was lost");
    assert!(exists(&store, "a").await);
}

#[tokio::test]
async fn a_store_that_is_down_works_again_when_it_is_healed() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Down);
    create(&store, "a").await.expect_err("the store is down");
    create(&store, "b").await.expect_err("the store is still down");
    store.heal();
    create(&store, "c").await.expect("the store is up");
    assert!(!exists(&store, "b").await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_applied_from_a_crash_on() {
    let store = FaultyStore::failing(InMemoryStore::new(), 2, Fault::Crash);
    let mut lifeline = store.lifeline().await.expect("the first call works");
    assert!(frozen(create(&store, "a")).await);
    assert!(frozen(lifeline.beat(ReplicaId::random())).await, "a crashed process gives no sign of life");
    assert!(!exists(&**store.inner(), "a").await);
}

#[tokio::test(start_paused = true)]
async fn the_last_call_before_a_crash_may_be_applied() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::CrashAfter);
    assert!(frozen(create(&store, "a")).await);
    assert!(frozen(create(&store, "b")).await);
    assert!(exists(&**store.inner(), "a").await);
    assert!(!exists(&**store.inner(), "b").await);
}

#[tokio::test]
async fn only_the_chosen_calls_count() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Before).counting_only(&[Call::Write]);
    store.get(&[]).await.expect("a read does not count");
    store.initialize().await.expect("nor does this");
    create(&store, "a").await.expect_err("a write counts");
    assert_eq!(store.count(), 1);
    assert_eq!(store.calls(), [Call::Get, Call::Initialize, Call::Write]);
}

#[tokio::test]
async fn a_counting_store_never_fails() {
    let store = FaultyStore::counting(InMemoryStore::new());
    create(&store, "a").await.expect("it works");
    assert!(exists(&store, "a").await);
    assert_eq!((store.count(), store.fired()), (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_scenario_meets_each_fault_at_each_of_its_calls() {
    let scenario = async |store: FaultyStore| {
        let ended = timeout(Duration::from_secs(1), async {
            create(&store, "a").await?;
            create(&store, "b").await
        });
        let survived = matches!(ended.await, Ok(Ok(_)));
        assert_eq!(survived, !store.fired());
    };
    let runs = at_every_call(&Fault::ALL, async || InMemoryStore::new(), scenario).await;
    assert_eq!(runs, 15, "five faults at the first call, at the second and after the last");
}
