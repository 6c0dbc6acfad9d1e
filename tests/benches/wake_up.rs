//! How long a message takes from its sender to the function that waits for it.
//!
//! `cargo bench -p resilient-tests --bench wake_up` measures with the default settings: memory, SQLite in a temporary
//! file, and PostgreSQL and MySQL/MariaDB when `RESILIENT_TEST_POSTGRES` and `RESILIENT_TEST_MYSQL` name throw-away
//! servers. The time is that from the call of `send` to the moment at which the body has the message, so storing it is
//! part of it. Another process is stood for by another runtime with connections of its own.

use std::time::{Duration, Instant};

use resilient::prelude::*;
use resilient_tests::{Kind, TestStore, open};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// How many messages are sent in each case.
const MESSAGES: u32 = 40;

#[derive(Serialize, Deserialize, Message)]
struct Ping(u32);

/// Where a body tells what it got, and when.
struct Arrivals(mpsc::UnboundedSender<(u32, Instant)>);

#[resilient_fn(type_id = "Bench.Wait")]
async fn wait(messages: u32, context: &Context, arrivals: Dep<Arrivals>) -> resilient::Result<()> {
    for _ in 0..messages {
        let Ping(number) = context.messages().next().await?;
        let _ = arrivals.0.send((number, Instant::now()));
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    println!("{:<10} {:<14} {:<10} {:>10} {:>10} {:>10}", "store", "sender", "wait", "median", "p90", "most");
    for kind in [Kind::Memory, Kind::Sqlite, Kind::Postgres, Kind::MySql] {
        for (sender, is_other) in [("same process", false), ("other process", true)] {
            for (wait, stay) in [("in memory", Duration::from_mins(1)), ("suspended", Duration::ZERO)] {
                measure(kind, (sender, is_other), (wait, stay)).await;
            }
        }
    }
}

/// Prints one line, unless the store is missing.
async fn measure(kind: Kind, (sender, is_other): (&str, bool), (wait, stay): (&str, Duration)) {
    let Some(store) = open(kind).await else { return };
    let mut times = latencies(store, is_other, stay).await;
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    let (median, most, last) = (at(50), at(90), times.last().copied().unwrap_or_default());
    let name = format!("{kind:?}").to_lowercase();
    println!("{name:<10} {sender:<14} {wait:<10} {median:>10.2?} {most:>10.2?} {last:>10.2?}");
}

/// How long each message took.
async fn latencies(store: TestStore, is_other: bool, stay: Duration) -> Vec<Duration> {
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let other = Runtime::builder(store.another().await).take_no_work().start().await;
    let other = other.expect("the store is there");
    let settings = Settings::default().stay_in_memory(stay);
    let builder = Runtime::builder(store).register::<wait>().dep(Arrivals(arrivals)).settings(settings);
    let runtime = builder.start().await.expect("the store is there");
    wait::schedule(&runtime, "1", MESSAGES).await.expect("it is stored");
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        // Long enough for the run to wait again, and each time at another moment between two polls.
        tokio::time::sleep(Duration::from_millis(150 + u64::from(number) * 37 % 250)).await;
        let sent = Instant::now();
        let from = if is_other { &other } else { &runtime };
        from.send::<wait>("1", Ping(number)).await.expect("it is stored");
        loop {
            let (arrival, at) = arrived.recv().await.expect("the body is there");
            // A run that begins again gets the earlier ones again.
            if arrival == number {
                times.push(at.saturating_duration_since(sent));
                break;
            }
        }
    }
    runtime.shutdown().await.expect("the store is there");
    other.shutdown().await.expect("the store is there");
    times
}
