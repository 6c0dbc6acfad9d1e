//! Waiting for what a real database does in its own time, without sleeping longer than needed.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long to wait between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// What can be waited for.
pub trait Answer {
    /// What it answers when it has come.
    type Value;

    /// `None` when it has not come yet.
    fn come(self) -> Option<Self::Value>;
}

impl Answer for bool {
    type Value = ();

    fn come(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Value = T;

    fn come(self) -> Self {
        self
    }
}

/// Asks again and again until a condition holds, or until there is something to return.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use resilient_tests::eventually;
///
/// let mut asked = 0;
/// eventually(Duration::from_secs(5), async || {
///     asked += 1;
///     asked == 3
/// })
/// .await;
/// let answer = eventually(Duration::from_secs(5), async || Some("there")).await;
/// assert_eq!(answer, "there");
/// # }
/// ```
///
/// # Panics
///
/// When it has not come within `deadline`; the message names the place of this call.
#[track_caller]
pub fn eventually<A: Answer>(
    deadline: Duration,
    mut question: impl AsyncFnMut() -> A,
) -> impl Future<Output = A::Value> {
    let place = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut asked = 0_u32;
        loop {
            if let Some(value) = question().await.come() {
                return value;
            }
            asked += 1;
            assert!(
                Instant::now() < end,
                "what {place} waits for did not come within {deadline:?}, asked {asked} times"
            );
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_is_returned() {
        let mut asked = 0;
        let answer = eventually(Duration::from_secs(1), async || {
            asked += 1;
            (asked == 7).then_some("there")
        });
        assert_eq!(answer.await, "there");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_fails_with_its_place() {
        let task = tokio::spawn(eventually(Duration::from_secs(1), async || false));
        let panic = task.await.expect_err("the condition never holds").into_panic();
        let message = panic.downcast::<String>().expect("the message is formatted");
        assert!(message.starts_with("what tests/src/eventually.rs:"), "{message}");
        assert!(message.contains("did not come within 1s, asked 2"), "{message}");
    }
}
