use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::*;
use crate::journal::DeadLetter;
use crate::outcome::{IntoFailure, RawOutcome};

#[derive(Debug, PartialEq, Serialize, Deserialize, crate::Message)]
#[message(crate = crate)]
struct Ratio(f64);

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_gives_its_name_back_and_its_timer_goes_on() {
    let (context, begun) = (Context::test(), Instant::now());
    for _ in 0..3 {
        assert!(timeout(DAY / 4, context.sleep("nap", DAY)).await.is_err());
    }
    context.sleep("nap", DAY).await.unwrap();
    assert_eq!(begun.elapsed(), DAY);
    let again = context.messages().next_within::<Ratio>("nap", DAY).await;
    assert!(matches!(again, Err(WaitError::NameTaken { name }) if name == "nap"));
}

#[tokio::test]
async fn messages_that_were_removed_by_hand_are_not_waited_for() {
    let context = Context::test();
    context.messages().next::<Ratio>().await.unwrap_err();
    assert_eq!(
        context.suspension(3).message_count,
        3,
        "as many as were counted, and not as many as are there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_suspension_is_found_in_any_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("the bank did not answer")]
    struct NoAnswer(#[from] WaitError);

    let error = Context::test().messages().next::<Ratio>().await.unwrap_err();
    assert_eq!(NoAnswer(error.clone()).into_outcome(), RawOutcome::Suspend);
    assert_eq!(crate::Error::from(error).into_outcome(), RawOutcome::Suspend);
}

#[tokio::test]
async fn what_cannot_be_read_is_noted_and_each_key_is_kept_once() {
    let good = || Outgoing::from(Ratio(0.5)).with_key("half");
    let context = Context::test().with_message(Ratio(f64::NAN)).with_message(good()).with_message(good());
    let inbox = context.messages();
    assert_eq!(inbox.try_next::<Ratio>().await.unwrap(), Some(Ratio(0.5)));
    assert_eq!(inbox.try_next::<Ratio>().await.unwrap(), None);
    let letters = context.notes.read(|journal| journal.dead_letters.clone());
    let (position, DeadLetter { name, reason }) = letters.first_key_value().unwrap();
    assert_eq!((letters.len(), *position), (1, 1));
    assert_eq!(name, "Ratio");
    assert!(reason.contains("cannot be read"), "{reason}");
}

#[tokio::test]
async fn a_run_that_gave_up_waits_suspends_with_what_they_have_seen() {
    let context = Context::test().with_message(Ratio(0.5));
    assert_eq!(context.suspension(7).message_count, 7, "nothing was looked at");
    let inbox = context.messages();
    inbox.next::<Ratio>().await.unwrap();
    assert_eq!(context.suspension(0).message_count, 1);
    assert_eq!(inbox.try_next::<Ratio>().await.unwrap(), None);
    // One more arrives that no wait has looked at.
    context.waits.log.send(Ratio(1.5).into());
    let suspension = context.suspension(7);
    assert_eq!((suspension.message_count, suspension.reason.as_str()), (1, "waits for a message"));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_wait() {
    let context = Context::test().with_shutdown();
    let slept = context.sleep("nap", DAY).await;
    assert!(matches!(slept, Err(WaitError::Suspended(_))));
    let heard = context.messages().next_within::<Ratio>("talk", DAY).await;
    assert!(matches!(heard, Err(WaitError::Suspended(_))));
    let suspension = context.suspension(0);
    assert_eq!((suspension.due.is_some(), suspension.rest), (true, Some(DAY)));
    assert!(suspension.reason.starts_with("sleeps until "), "{}", suspension.reason);
    assert!(suspension.reason.contains("; waits for message `Ratio` until "), "{}", suspension.reason);
}

#[test]
fn the_first_attempt_is_the_first_run() {
    assert_eq!(Context::test().mode(), Mode::FirstRun);
    assert_eq!(Context::test().with_attempt(2).mode(), Mode::Retry);
}

#[tokio::test]
async fn the_signal_is_seen_by_waiting_and_by_asking() {
    let (sender, receiver) = watch::channel(false);
    let context = Context::new(FunctionId::new("T", "1"), 1, receiver);
    assert!(!context.is_shutting_down());
    let waiting = tokio::spawn({
        let context = context.clone();
        async move { context.shutting_down().await }
    });
    sender.send(true).unwrap();
    waiting.await.unwrap();
    assert!(context.is_shutting_down());
}

#[tokio::test(start_paused = true)]
async fn a_detached_context_waits_for_ever() {
    let context = Context::test();
    let waited = timeout(Duration::from_hours(1), context.shutting_down()).await;
    assert!(waited.is_err());
    Context::test().with_shutdown().shutting_down().await;
}

#[tokio::test(start_paused = true)]
async fn every_wait_ends_with_a_cancellation_and_nothing_else_does() {
    let context = Context::test().with_message(Ratio(0.5)).with_message(Ratio(1.5)).with_cancel();
    assert!(context.is_cancelled());
    context.cancelled().await;
    let inbox = context.messages();
    let ended = [
        context.sleep("nap", Duration::ZERO).await.unwrap_err(),
        context.sleep_until("past", std::time::UNIX_EPOCH).await.unwrap_err(),
        inbox.next::<Ratio>().await.unwrap_err(),
        inbox.next_within::<Ratio>("talk", DAY).await.unwrap_err(),
    ];
    assert!(ended.iter().all(|error| matches!(error, WaitError::Cancelled(_))), "{ended:?}");
    assert_eq!(inbox.try_next::<Ratio>().await.unwrap(), Some(Ratio(0.5)), "the log is as it was");
    assert_eq!(context.once("refund", async || Ok::<_, String>(7)).await.unwrap(), 7);
    assert!(context.next_run().is_cancelled(), "it stays so until a person decides anew");
    assert!(!Context::test().is_cancelled());
    assert!(timeout(DAY, Context::test().cancelled()).await.is_err());
}

#[tokio::test]
async fn a_cancellation_is_found_in_any_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("the bank did not answer")]
    struct NoAnswer(#[from] WaitError);

    let error = Context::test().with_cancel().messages().next::<Ratio>().await.unwrap_err();
    let wait = error.to_string();
    let RawOutcome::Failed(failure) = NoAnswer(error.clone()).into_outcome() else { panic!("it failed") };
    assert!(failure.is_cancelled());
    assert_eq!(failure.message, "cancelled on request");
    assert_eq!(failure.sources, ["the bank did not answer", wait.as_str()]);
    // A person has to look at a call in doubt, whatever has ended it.
    let unpaid = Context::test().once("pay", async || Err::<(), _>(error)).await.unwrap_err();
    let RawOutcome::Failed(failure) = unpaid.into_outcome() else { panic!("it failed") };
    assert_eq!(failure.type_name, crate::UnknownOutcome::FAILURE);
}
