//! `initialize`, once, often and at once.

use super::given::{HOUR, save, text};
use super::subject::Subject;
use super::wait::{retry, together};
use crate::clock::Due;
use crate::store::{Write, Written};

/// "It can be called any number of times", and what is stored stays.
pub async fn initializing_again_keeps_what_is_stored(store: &Subject) {
    let live = store.live().await;
    let run = store.running("a", live).await;
    let waiting = store.waiting("b", Due::After(HOUR)).await;
    for _ in 0..5 {
        store.initialize().await.expect("the store is there");
    }
    store.unchanged(&run).await;
    store.unchanged(&waiting).await;
    assert!(store.beat(live).await, "replicas stay known");
}

/// "And by many replicas at once."
pub async fn many_can_initialize_at_once(store: &Subject) {
    let run = store.running("a", store.live().await).await;
    let again = |_| {
        let store = store.clone();
        async move { retry(|| store.initialize()).await }
    };
    together(16, again).await;
    store.unchanged(&run).await;
}

/// Replicas start while others work.
pub async fn initializing_does_not_disturb_those_who_work(store: &Subject) {
    let owner = store.live().await;
    let mut runs = Vec::new();
    for number in 0..12 {
        runs.push(store.running(&number.to_string(), owner).await);
    }
    let step = |number: usize| {
        let (store, run) = (store.clone(), runs[number].clone());
        async move {
            if number.is_multiple_of(2) {
                retry(|| store.initialize()).await;
                return Written::Done;
            }
            let batch = [Write::Save(save(&run, text(1, "progress")))];
            retry(|| store.write(&batch)).await.pop().expect("one answer")
        }
    };
    assert_eq!(together(12, step).await, vec![Written::Done; 12]);
    for run in runs.iter().skip(1).step_by(2) {
        assert_eq!(store.row(&run.id).await.scrapbook, Some(text(1, "progress")));
    }
}
