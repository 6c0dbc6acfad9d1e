//! What goes on in the background: group commit, and errors that come to light.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use resilient::StoreError;
use resilient::prelude::*;
use resilient::store::Write;
use resilient_tests::between::{Between, Passage};
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::common::{Act, PATIENCE, Probe, builder, double, ms, play, secs, stored};

type Heard = Arc<Mutex<Vec<(&'static str, String)>>>;

/// Fails one call, and answers what the handler heard when all has come to a good end.
async fn heard(call: Call, nth: u64, panics: bool) -> Vec<(&'static str, String)> {
    let (inner, probe, heard) = (InMemoryStore::new(), Probe::default(), Heard::default());
    let store = FaultyStore::failing(inner.clone(), nth, Fault::Before).counting_only(&[call]);
    let runtime = builder(store.clone(), &probe).settings(Settings::default().store_patience(Duration::ZERO));
    let runtime = runtime.on_error({
        let heard = Arc::clone(&heard);
        move |error| {
            heard.lock().expect("it is not held").push((error.activity, error.error.to_string()));
            assert!(!panics, "the handler panics");
        }
    });
    let runtime = runtime.start().await.expect("it starts");
    let tool = builder(inner.clone(), &probe).take_no_work().start().await.expect("it starts");
    play::schedule(&tool, "1", vec![Act::Postpone(10)]).await.expect("it is stored");
    assert_eq!(play::completion(&runtime, "1").await.expect("it succeeds"), [1, 2]);
    eventually(secs(60), async || store.fired()).await;
    play::schedule(&tool, "2", vec![Act::SaveAndHang]).await.expect("it is stored");
    eventually(secs(600), async || stored(&inner, "Play", "2").await.scrapbook.is_some()).await;
    let heard = heard.lock().expect("it is not held");
    heard.clone()
}

#[tokio::test(start_paused = true)]
async fn errors_in_the_background_reach_the_handler() {
    let activities = [
        (Call::Beat, 1, "heartbeat"),
        (Call::Claim, 1, "claim"),
        // One of the first four is the first look for stuck work; the next one comes much later.
        (Call::List, 5, "sweep"),
        (Call::ReleaseDead, 1, "take over"),
        (Call::Get, 1, "wait"),
        (Call::Write, 1, "finish"),
    ];
    for (call, nth, activity) in activities {
        let expected = [(activity, format!("fault: {call:?} was not applied"))];
        assert_eq!(heard(call, nth, false).await, expected);
        assert_eq!(heard(call, nth, true).await, expected, "a handler that panics ends nothing");
    }
}

/// Says how many writes came at once, and holds them until it is told to go on.
#[derive(Debug, Clone)]
struct Counted {
    batches: Arc<Mutex<Vec<usize>>>,
    in_flight: watch::Sender<usize>,
    most_in_flight: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Counted {
    fn new() -> Self {
        let (batches, most_in_flight) = Default::default();
        Self { batches, most_in_flight, in_flight: watch::Sender::new(0), open: watch::Sender::new(false) }
    }
}

#[async_trait]
impl Passage for Counted {
    fn sees(&self, batch: &[Write]) {
        self.batches.lock().expect("it is not held").push(batch.len());
    }

    async fn call<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if call != Call::Write {
            return operation.await;
        }
        self.in_flight.send_modify(|in_flight| *in_flight += 1);
        self.most_in_flight.fetch_max(*self.in_flight.borrow(), Ordering::SeqCst);
        self.open.subscribe().wait_for(|open| *open).await.expect("the sender is here");
        let written = operation.await;
        self.in_flight.send_modify(|in_flight| *in_flight -= 1);
        written
    }
}

/// Schedules this many at once, and answers the lengths of the batches and how many were on their way at once.
async fn written(count: usize, settings: Settings, in_flight: usize) -> (Vec<usize>, usize) {
    let store = Counted::new();
    let runtime = builder(Between::put(store.clone(), InMemoryStore::new()), &Probe::default())
        .settings(settings)
        .take_no_work();
    let runtime = runtime.start().await.expect("it starts");
    let callers: Vec<_> = (0..count)
        .map(|number| {
            let runtime = runtime.clone();
            tokio::spawn(async move { double::schedule(&runtime, format!("n{number}"), 1).await })
        })
        .collect();
    eventually(PATIENCE, async || *store.in_flight.borrow() == in_flight).await;
    // After half a second those that are on their way make way for others.
    sleep(ms(400)).await;
    store.open.send_replace(true);
    for caller in callers {
        caller.await.expect("no caller panics").expect("it is stored");
    }
    let batches = store.batches.lock().expect("it is not held").clone();
    (batches, store.most_in_flight.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn writes_are_grouped_and_groups_are_as_large_and_as_many_as_was_set() {
    let all_at_once = written(100, Settings::default(), 1).await;
    assert_eq!(all_at_once, (vec![100], 1), "what is there when the store is free goes at once");
    let (batches, most) = written(100, Settings::default().max_batch(7).batches_in_flight(3), 3).await;
    assert_eq!((batches.iter().sum::<usize>(), most), (100, 3), "{batches:?}");
    assert_eq!(batches.iter().max(), Some(&7), "{batches:?}");
    let (batches, most) = written(20, Settings::default().max_batch(1).batches_in_flight(1), 1).await;
    assert_eq!((batches, most), (vec![1; 20], 1));
}
