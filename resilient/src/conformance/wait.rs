//! Waiting for what takes time, and starting things at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};

use crate::store::StoreError;

/// How long a case may wait for one thing, and a store may answer with transient errors.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
pub(super) async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = check().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Repeats a call that a race may end with a transient error, such as a deadlock that the database resolved.
pub(super) async fn retry<T, F>(mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(error.is_transient(), "a race is no reason for a permanent error: {error:?}");
                assert!(Instant::now() < deadline, "still failing after {PATIENCE:?}: {error:?}");
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Starts tasks at the same moment and answers what they answer, in their order.
pub(super) async fn together<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let start = |number| {
        let (barrier, task) = (Arc::clone(&barrier), task(number));
        tokio::spawn(async move {
            barrier.wait().await;
            task.await
        })
    };
    let tasks: Vec<_> = (0..count).map(start).collect();
    let mut answers = Vec::with_capacity(count);
    for task in tasks {
        answers.push(task.await.expect("a racing task panicked"));
    }
    answers
}

/// Starts two different tasks at the same moment.
pub(super) async fn both<A, B>(
    a: impl Future<Output = A> + Send + 'static,
    b: impl Future<Output = B> + Send + 'static,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let other = Arc::clone(&barrier);
    let task = tokio::spawn(async move {
        other.wait().await;
        b.await
    });
    let first = tokio::spawn(async move {
        barrier.wait().await;
        a.await
    });
    (first.await.expect("a racing task panicked"), task.await.expect("a racing task panicked"))
}

/// Fails a case that hangs, as two writers that wait for each other do.
///
/// # Panics
///
/// When it takes longer than two minutes.
pub async fn in_time(case: impl Future<Output = ()>) {
    let limit = Duration::from_mins(2);
    let ended = tokio::time::timeout(limit, case).await;
    assert!(ended.is_ok(), "the case did not end within {limit:?}");
}
