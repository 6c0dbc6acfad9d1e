//! Many instances that are stored in one call.

use std::error::Error as _;

use resilient::prelude::*;
use resilient::{Filter, InstanceId};
use resilient_tests::{TestStore, on_every_store};
use tokio::time::Instant;

use crate::common::{Probe, builder, double, onlooker, quick, refusal, replica, stored};

fn items(numbers: impl Iterator<Item = u64>) -> impl Iterator<Item = (String, u64)> {
    numbers.map(|number| (format!("number {number}"), number))
}

async fn count(store: &TestStore) -> usize {
    let all = Filter { limit: 20_000, ..Filter::default() };
    store.list(&all).await.expect("the store is there").len()
}

on_every_store! {
    /// They run as if each had been scheduled alone.
    async fn many_are_stored_in_one_call_and_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.clone(), &probe).await;
        assert_eq!(double::schedule_many(&runtime, items(0..300)).await.expect("they are stored"), 300);
        for number in [0, 77, 299] {
            let doubled = double::completion(&runtime, format!("number {number}")).await;
            assert_eq!(doubled.expect("it succeeds"), number * 2);
        }
        assert_eq!(double::schedule_many(&runtime, items(0..0)).await.expect("there is nothing to do"), 0);
    }

    /// What is there stays as it is, and of several with one id the first counts.
    async fn what_exists_stays_as_it_is(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        double::schedule(&tool, "number 1", 100).await.expect("it is stored");
        let twice = items(0..4).chain([("number 2".to_owned(), 200), ("number 1".to_owned(), 300)]);
        assert_eq!(tool.schedule_many::<double>(twice).await.expect("they are stored"), 3);
        assert_eq!(double::schedule_many(&tool, items(0..5)).await.expect("they are stored"), 1);
        let runtime = replica(store.clone(), &probe).await;
        for (number, result) in [(0, 0), (1, 200), (2, 4), (3, 6), (4, 8)] {
            let doubled = double::completion(&runtime, format!("number {number}")).await;
            assert_eq!(doubled.expect("it succeeds"), result, "number {number}");
        }
    }

    /// The error names it, and nothing is stored.
    async fn one_that_cannot_be_stored_is_named_and_none_is_stored(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for (id, problem) in [
            ("", "the instance id is empty; give at least one byte"),
            ("a\0b", "the instance id holds a NUL character at byte 1; remove it"),
        ] {
            let bad = items(0..50).chain([(id.to_owned(), 1)]).chain(items(50..60));
            let refused = double::schedule_many(&tool, bad).await.expect_err("one is refused");
            let text = format!("`Double/{id}` is refused, and with it all that were to be stored together");
            assert_eq!(refused.to_string(), text);
            assert_eq!(refused.source().expect("it says why").to_string(), problem);
        }
        let small = builder(store.another().await, &probe).settings(quick().max_payload(3)).take_no_work();
        let small = small.start().await.expect("it starts");
        let large = items(0..50).chain([("large".to_owned(), 1_000)]);
        let answer = double::schedule_many(&small, large).await;
        let Err(InvokeError::Refused { id, problem }) = answer else { panic!("{answer:?}") };
        assert_eq!(id.instance_id, InstanceId::from("large"));
        assert!(matches!(*problem, InvokeError::TooLarge { bytes: 4, limit: 3, .. }), "{problem}");
        assert_eq!(count(&store).await, 0, "all were checked before the first was stored");
        tool.shutdown().await.expect("the store is there");
        let answer = double::schedule_many(&tool, items(0..2)).await;
        assert_eq!(refusal(answer), "the runtime is shutting down");
    }

    /// In the time of a few statements, also when they exist already.
    async fn ten_thousand_are_stored_in_one_call(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        let mut took = Vec::new();
        for new in [10_000, 0] {
            let begun = Instant::now();
            assert_eq!(double::schedule_many(&tool, items(0..10_000)).await.expect("they are stored"), new);
            took.push(begun.elapsed());
        }
        println!("10,000 in one call on {:?}: {took:?} when they are new, and when they are not", store.kind());
        assert_eq!(count(&store).await, 10_000);
        assert_eq!(stored(&store, "Double", "number 9999").await.param, crate::common::json("9999"));
    }
}
