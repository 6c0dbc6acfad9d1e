//! What clients ask of a process, and what its answers mean to them.

use std::time::Duration;

use resilient::Failure;
use resilient::prelude::*;

/// How an instance has ended.
pub(crate) type End<T> = Result<T, Failure>;

/// Has an instance done, in one of four ways; `None` when it is not known how it has ended.
pub(crate) async fn have_done<F: ResilientFn>(
    runtime: &Runtime,
    id: &str,
    param: F::Param,
    choice: usize,
) -> Option<End<F::Output>> {
    let asked = match choice % 4 {
        0 => runtime.schedule::<F>(id, param).await.err(),
        1 => runtime.schedule_after::<F>(id, param, Duration::from_secs(1)).await.err(),
        2 => None,
        _ => match runtime.invoke::<F>(id, param).await {
            Ok(output) => return Some(Ok(output)),
            Err(InvokeError::Postponed { .. } | InvokeError::Suspended { .. }) => None,
            Err(error) => Some(error),
        },
    };
    let asked = match asked {
        None => runtime.completion::<F>(id).await,
        Some(error) => Err(error),
    };
    ended(asked)
}

/// What an answer says of the end of an instance.
fn ended<T>(answer: Result<T, InvokeError>) -> Option<End<T>> {
    match answer {
        Ok(output) => Some(Ok(output)),
        Err(InvokeError::Failed(failure)) => Some(Err(failure)),
        Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::NotFound { .. }) => None,
        Err(other) => panic!("whoever asks cannot go on after: {other:?}"),
    }
}

/// Lets an instance run again, if it still has failed in such a way; `None` when nothing has come of that yet.
pub(crate) async fn run_again<F: ResilientFn>(
    runtime: &Runtime,
    id: &str,
    choice: usize,
    failed: impl Fn(&Failure) -> bool,
) -> Option<End<F::Output>> {
    let panel = runtime.control_panel::<F>(id).await.ok()?;
    // Another attempt may have let it run again meanwhile, and it may have ended in another way.
    if !panel.failure().is_some_and(|failure| failed(&failure)) {
        return None;
    }
    if choice.is_multiple_of(2) {
        return panel.reinvoke().await.ok().map(Ok);
    }
    panel.schedule_reinvoke().await.ok()?;
    None
}

/// What became of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancellation {
    Stored,
    TooLate(Status),
}

/// Asks that an instance ends; `None` when it is not known whether that is stored.
pub(crate) async fn cancel<F: ResilientFn>(runtime: &Runtime, id: &str) -> Option<Cancellation> {
    match runtime.cancel::<F>(id).await {
        Ok(()) => Some(Cancellation::Stored),
        Err(InvokeError::Ended { status, .. }) => Some(Cancellation::TooLate(status)),
        // When it is not found, it is not there yet.
        Err(
            InvokeError::Store(_)
            | InvokeError::ShuttingDown
            | InvokeError::Changed { .. }
            | InvokeError::NotFound { .. },
        ) => None,
        Err(other) => panic!("whoever cancels cannot go on after: {other:?}"),
    }
}
