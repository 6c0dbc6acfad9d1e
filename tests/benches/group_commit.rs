//! What group commit is worth: invocations per second with and without it, side by side in one run.
//!
//! `cargo bench -p resilient-tests` measures SQLite in a temporary file, and PostgreSQL and MySQL/MariaDB when
//! `RESILIENT_TEST_POSTGRES` and `RESILIENT_TEST_MYSQL` name throw-away servers. Compare the ratios: rates differ from
//! machine to machine and from minute to minute.

use std::time::{Duration, Instant};

use resilient::prelude::*;
use resilient_tests::{Kind, TestStore, open};

/// How long each measurement takes.
const TIME: Duration = Duration::from_secs(5);

#[resilient_fn(type_id = "Bench.Nothing")]
async fn nothing((): ()) {}

#[tokio::main]
async fn main() {
    println!("{:<10} {:>8} {:>14} {:>14} {:>7}", "store", "callers", "one by one/s", "grouped/s", "ratio");
    for kind in [Kind::Sqlite, Kind::Postgres, Kind::MySql] {
        for callers in [1, 64] {
            let (Some(single), Some(grouped)) = (open(kind).await, open(kind).await) else { continue };
            let alone = rate(single, callers, 1).await;
            let together = rate(grouped, callers, 500).await;
            let name = format!("{kind:?}").to_lowercase();
            println!("{name:<10} {callers:>8} {alone:>14.0} {together:>14.0} {:>6.1}x", together / alone);
        }
    }
}

/// Completed invocations per second.
async fn rate(store: TestStore, callers: usize, max_batch: usize) -> f64 {
    let settings =
        Settings::default().max_batch(max_batch).batches_in_flight(if max_batch == 1 { 8 } else { 2 });
    let started = Runtime::builder(store).register::<nothing>().settings(settings).start().await;
    let runtime = started.expect("the store is there");
    nothing::invoke(&runtime, "warm-up", ()).await.expect("it does nothing");
    let began = Instant::now();
    let tasks = (0..callers).map(|caller| tokio::spawn(call(runtime.clone(), caller, began)));
    let tasks: Vec<_> = tasks.collect();
    let mut calls = 0_u32;
    for task in tasks {
        calls += task.await.expect("it does not panic");
    }
    let rate = f64::from(calls) / began.elapsed().as_secs_f64();
    runtime.shutdown().await.expect("the store is there");
    rate
}

async fn call(runtime: Runtime, caller: usize, began: Instant) -> u32 {
    let mut calls = 0;
    while began.elapsed() < TIME {
        nothing::invoke(&runtime, format!("{caller}-{calls}"), ()).await.expect("it does nothing");
        calls += 1;
    }
    calls
}
