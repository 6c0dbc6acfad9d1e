//! The future of every call is dropped at every poll, and nothing is half-done.
//!
//! A caller goes away in many ways: an HTTP client that hangs up, a `select!`, a timeout.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use resilient::prelude::*;
use resilient::{Filter, FunctionId};
use resilient_tests::{TestStore, eventually, on_every_store};

use crate::common::{
    Act, PATIENCE, Played, Probe, double, fail_as_told, failure, ms, onlooker, play, quick, replica, secs,
    stored, told_to_fail,
};

/// More polls than any call here needs.
const MOST: usize = 200;

/// Polls a future so often, and drops it; `None` when it had not ended by then.
async fn polled<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let poll = future.as_mut().poll(context).map(Some);
        if poll.is_pending() && left == 0 { Poll::Ready(None) } else { poll }
    })
    .await
}

/// Drops a call at its first poll, its second one, and so on, until it ends before; each time on another instance.
async fn at_every_poll<T>(call: impl AsyncFn(String, usize) -> Option<T>) {
    for polls in 0..MOST {
        if call(format!("dropped at {polls}"), polls).await.is_some() {
            assert!(polls > 0, "a future does nothing before it is polled");
            return;
        }
    }
    panic!("the call did not end within {MOST} polls");
}

/// What becomes of an instance when it is left alone: it is not there, or it comes to rest.
async fn rest(store: &TestStore, type_id: &str, id: &str) -> Option<resilient::StoredFunction> {
    let id = FunctionId::new(type_id, id);
    eventually(PATIENCE, async || {
        let row = store.get(std::slice::from_ref(&id)).await.expect("the store is there").remove(0);
        let rests = row.as_ref().is_none_or(|row| row.status.is_completed());
        rests.then_some(row)
    })
    .await
}

on_every_store! {
    /// It was stored and goes on, or it was not stored; asking again is safe.
    async fn a_dropped_invoke_is_done_or_was_not_begun(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        at_every_poll(async |id, polls| {
            let begun = probe.runs();
            let answer = polled(polls, double::invoke(&runtime, id.as_str(), 4)).await;
            if polls == 0 {
                assert_eq!(rest(&store, "Double", &id).await, None, "nothing was stored");
            }
            assert_eq!(double::invoke(&runtime, id.as_str(), 4).await.expect("asking again is safe"), 8);
            assert_eq!(probe.runs(), begun + 1, "it ran once");
            answer.map(|answer| answer.expect("it succeeds"))
        })
        .await;
        eventually(PATIENCE, async || runtime.running() == 0).await;
    }

    /// What was polled is stored, and runs.
    async fn a_dropped_schedule_is_stored_or_not(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        at_every_poll(async |id, polls| {
            let answer = polled(polls, double::schedule(&runtime, id.as_str(), 4)).await;
            if polls > 0 {
                eventually(PATIENCE, async || rest(&store, "Double", &id).await.is_some()).await;
            }
            double::schedule(&runtime, id.as_str(), 9).await.expect("asking again is safe");
            let expected = if polls == 0 { 18 } else { 8 };
            assert_eq!(double::completion(&runtime, id.as_str()).await.expect("it succeeds"), expected);
            answer.map(|answer| answer.expect("it is stored"))
        })
        .await;
    }

    /// Waiting changes nothing, and neither does to stop waiting.
    async fn a_dropped_completion_leaves_no_trace(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        at_every_poll(async |id, polls| {
            play::schedule(&runtime, id.as_str(), vec![Act::Postpone(1)]).await.expect("it is stored");
            let answer = polled(polls, play::completion(&runtime, id.as_str())).await;
            assert_eq!(play::completion(&runtime, id.as_str()).await.expect("it succeeds"), [1, 2]);
            answer.map(|answer| answer.expect("it succeeds"))
        })
        .await;
    }

    /// The instance is as it was, or it runs to its end.
    async fn a_dropped_reinvoke_is_done_or_was_not_begun(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        at_every_poll(async |id, polls| {
            fail_as_told(&runtime, &id).await;
            let answer = polled(polls, play::reinvoke(&runtime, id.as_str())).await;
            let again = eventually(PATIENCE, async || match play::reinvoke(&runtime, id.as_str()).await {
                Err(InvokeError::Executing { .. } | InvokeError::Changed { .. }) => None,
                other => Some(other.expect("it succeeds")),
            })
            .await;
            let runs = stored(&store, "Play", &id).await.attempts;
            assert_eq!(again, (1..=runs).collect::<Vec<_>>(), "each run is complete");
            answer.map(|answer| answer.expect("it succeeds"))
        })
        .await;
        eventually(PATIENCE, async || runtime.running() == 0).await;
    }

    /// The request is stored once it was polled, and asking again is safe.
    async fn a_dropped_cancel_is_done_or_was_not_begun(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        at_every_poll(async |id, polls| {
            double::schedule_after(&runtime, id.as_str(), 4, secs(3600)).await.expect("it is stored");
            let answer = polled(polls, double::cancel(&runtime, id.as_str())).await;
            if polls > 0 {
                eventually(PATIENCE, async || stored(&store, "Double", &id).await.status == Status::Failed).await;
            }
            double::cancel(&runtime, id.as_str()).await.expect("asking again is safe");
            assert!(failure(double::completion(&runtime, id.as_str()).await).is_cancelled());
            answer.map(|answer| answer.expect("it waits"))
        })
        .await;
    }

    /// Edits and transition are stored together or not at all.
    async fn a_dropped_verb_is_done_or_was_not_begun(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        for verb in ["save", "postpone", "fail", "succeed", "schedule", "delete", "reinvoke"] {
            at_every_poll(async |id, polls| {
                let id = format!("{verb} {id}");
                fail_as_told(&tool, &id).await;
                let before = stored(&store, "Play", &id).await;
                let mut panel = play::control_panel(&tool, id.as_str()).await.expect("it is there");
                panel.scrapbook_mut().attempts = vec![7];
                let answer = match verb {
                    "save" => polled(polls, panel.save()).await,
                    "postpone" => polled(polls, panel.postpone_for(secs(3600))).await,
                    "fail" => polled(polls, panel.fail(told_to_fail())).await,
                    "succeed" => polled(polls, panel.succeed(vec![3])).await,
                    "schedule" => polled(polls, panel.schedule_reinvoke()).await,
                    "delete" => polled(polls, panel.delete()).await,
                    _ => polled(polls, async { panel.reinvoke().await.map(drop) }).await,
                };
                // A write that was handed over is carried out: the next one on this instance waits for it.
                let settled = eventually(PATIENCE, async || {
                    match play::control_panel(&tool, id.as_str()).await {
                        Ok(mut panel) => panel.save().await.is_ok().then_some(Some(panel)),
                        Err(InvokeError::NotFound { .. }) => Some(None),
                        Err(other) => panic!("{other}"),
                    }
                })
                .await;
                match settled {
                    None => assert_eq!(verb, "delete"),
                    Some(panel) if panel.scrapbook() == &Played { attempts: vec![1] } => {
                        assert!(answer.is_none(), "{verb} has ended without its edit");
                        assert_eq!(panel.status(), before.status, "{verb} has stored half of it");
                    }
                    Some(panel) => {
                        let expected = match verb {
                            "save" | "fail" => Status::Failed,
                            "postpone" | "schedule" => Status::Postponed,
                            _ => Status::Succeeded,
                        };
                        assert_eq!(panel.status(), expected, "{verb} has stored half of it");
                    }
                }
                answer.map(|answer| answer.expect("nobody else was there"))
            })
            .await;
        }
    }

    /// A look at the store that was given up does not hold up the next one.
    async fn dropped_reads_leave_the_store_usable(store: TestStore) {
        let probe = Probe::default();
        let runtime = replica(store.another().await, &probe).await;
        double::invoke(&runtime, "1", 4).await.expect("it succeeds");
        at_every_poll(async |_, polls| polled(polls, runtime.list(&Filter::default())).await).await;
        at_every_poll(async |_, polls| polled(polls, runtime.replicas()).await).await;
        at_every_poll(async |_, polls| polled(polls, double::control_panel(&runtime, "1")).await).await;
        at_every_poll(async |_, polls| polled(polls, runtime.raw_control_panel("Double", "1")).await).await;
        let found = runtime.list(&Filter::default()).await.expect("the store works");
        assert_eq!(found, [stored(&store, "Double", "1").await]);
        assert_eq!(double::invoke(&runtime, "2", 4).await.expect("the store works"), 8);
    }

    /// A save that is given up is stored as a whole or not at all, and the run goes on.
    async fn a_dropped_save_does_not_harm_the_run(store: TestStore) {
        let probe = Probe::default();
        let runtime = Runtime::builder(store.another().await).dep(probe.clone()).settings(quick());
        let runtime = runtime.register::<hasty>().start().await.expect("it starts");
        for polls in 0..6 {
            let id = format!("{polls}");
            let answer = hasty::invoke(&runtime, id.as_str(), polls).await.expect("it succeeds");
            assert_eq!(answer, [1, 2, 3]);
            let scrapbook = stored(&store, "Hasty", &id).await.scrapbook.expect("it is stored").body;
            assert_eq!(scrapbook, r#"{"attempts":[1,2,3]}"#);
        }
    }

    /// Whoever starts a runtime and gives up has not started one, and the next one starts.
    async fn a_dropped_start_leaves_nobody(store: TestStore) {
        let probe = Probe::default();
        at_every_poll(async |id, polls| {
            let started = polled(polls, replica(store.another().await, &probe)).await?;
            assert_eq!(double::invoke(&started, id, 4).await.expect("it succeeds"), 8);
            Some(())
        })
        .await;
        let settled = Runtime::builder(store.another().await).settings(quick()).start().await.expect("it starts");
        let me = settled.replica_id();
        eventually(PATIENCE, async || {
            let others = settled.replicas().await.expect("the store is there");
            let since = others.iter().map(|live| live.heartbeat_at).max();
            // Only who goes on beating counts: a row that was left ends with its lease.
            others.iter().all(|live| Some(live.replica.id) == me || live.heartbeat_at.saturating_add(ms(300)) < since.unwrap_or(live.heartbeat_at))
        })
        .await;
    }
}

/// Saves, and gives up waiting for it.
#[resilient_fn(type_id = "Hasty", register = false)]
async fn hasty(polls: usize, played: &mut Scrapbook<Played>) -> resilient::Result<Vec<u32>> {
    for step in 1..=3 {
        played.attempts.push(step);
        let _ = polled(polls, played.save()).await;
    }
    Ok(played.attempts.clone())
}
