//! A fault at every single call of the store: an error before or after it, an outage, a crash.
//!
//! Each scenario is the program of a client that does what a client would do: it tries again. Whatever happens, the
//! order must end with one result, must not run twice at once, and must not charge its customer twice.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient::{Filter, FunctionId, Store, StoredFunction};
use resilient_tests::FaultyStore;
use resilient_tests::faults::{Call, Fault, at_every_call};
use resilient_tests::orders::{Charge, Job, Ledger, Receipt, order};
use tokio::time::{Instant, sleep, timeout};

const ID: &str = "1";
const STEP: Duration = Duration::from_millis(200);
/// Two sweeps, a lease, and the longest back-off of a loop, with the time that the work itself takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// An outage that no lease survives, and one that each survives.
const LONG: Duration = Duration::from_secs(12);
const SHORT: Duration = Duration::from_secs(1);

/// What a client does with a runtime, until it has its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Invoke,
    Schedule,
    Postpone,
    Repair,
    Shutdown,
}

impl Program {
    fn job(self) -> Job {
        match self {
            Self::Postpone => Job::of(STEP).postponed(Duration::from_secs(1)),
            Self::Repair => Job::of(STEP).broken(),
            Self::Invoke | Self::Schedule | Self::Shutdown => Job::of(STEP),
        }
    }

    async fn run(self, runtime: &Runtime) -> Receipt {
        loop {
            match self.attempt(runtime).await {
                Ok(receipt) => return receipt,
                Err(InvokeError::Store(_) | InvokeError::Changed { .. } | InvokeError::Executing { .. }) => {
                    sleep(Duration::from_millis(300)).await;
                }
                Err(other) => panic!("a client cannot go on after: {other:?}"),
            }
        }
    }

    async fn attempt(self, runtime: &Runtime) -> Result<Receipt, InvokeError> {
        if self == Self::Schedule {
            order::schedule(runtime, ID, self.job()).await?;
            return order::completion(runtime, ID).await;
        }
        match order::invoke(runtime, ID, self.job()).await {
            Err(InvokeError::Postponed { .. }) if self == Self::Postpone => {
                order::completion(runtime, ID).await
            }
            Err(InvokeError::Failed(failure)) if self == Self::Repair => {
                assert_eq!(failure.message, "the address is missing");
                let mut panel = order::control_panel(runtime, ID).await?;
                panel.scrapbook_mut().repaired = true;
                panel.reinvoke().await
            }
            other => other,
        }
    }
}

async fn start(store: impl Store, ledger: &Ledger) -> Result<Runtime, resilient::StartError> {
    let settings = Settings::default().shutdown_grace(Duration::from_millis(100));
    // Real time is dear.
    let lease = Duration::from_millis(1_500);
    let is_real = !store.virtual_time();
    let settings =
        if is_real { settings.heartbeat(lease / 5).lease(lease).sweep(lease / 3) } else { settings };
    Runtime::builder(store).register::<order>().dep(ledger.clone()).settings(settings).start().await
}

/// A process manager: it starts a program again until that works.
async fn started(store: &FaultyStore, ledger: &Ledger) -> Runtime {
    loop {
        match start(store.clone(), ledger).await {
            Ok(runtime) => return runtime,
            Err(_) => sleep(Duration::from_millis(300)).await,
        }
    }
}

/// The first process: it runs the program, and meets the fault.
async fn first(program: Program, store: &FaultyStore, ledger: &Ledger) -> Option<Receipt> {
    let runtime = started(store, ledger).await;
    if program != Program::Shutdown {
        return Some(program.run(&runtime).await);
    }
    let client = tokio::spawn({
        let runtime = runtime.clone();
        async move { program.attempt(&runtime).await }
    });
    sleep(STEP * 2).await;
    let before = Instant::now();
    // It errs when what was left could not be handed over; the successor then waits for the lease.
    let _ = runtime.shutdown().await;
    assert!(before.elapsed() < Duration::from_secs(14), "the shutdown took {:?}", before.elapsed());
    assert_eq!(ledger.running(), 0, "nothing runs after a shutdown");
    client.abort();
    None
}

/// Ends when the fault has happened and has had its effect.
async fn struck(store: &FaultyStore, after: Duration) {
    while !store.fired() {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(after).await;
}

async fn scenario(program: Program, fault: Fault, outage: Duration, store: FaultyStore) {
    let ledger = Ledger::default();
    let begun = Instant::now();
    let ended = timeout(PATIENCE * 2, async {
        let receipt = if Fault::CRASHES.contains(&fault) {
            tokio::select! {
                receipt = first(program, &store, &ledger) => receipt,
                () = struck(&store, Duration::from_millis(50)) => None,
            }
        } else {
            let heal = async {
                struck(&store, outage).await;
                store.heal();
                std::future::pending::<()>().await;
            };
            let receipt = first(program, &store, &ledger);
            tokio::select! {
                receipt = receipt => receipt,
                // While a store is away from one process, another one takes its work over.
                receipt = other(program, &store, &ledger), if outage == LONG => Some(receipt),
                () = heal => None,
            }
        };
        let second = start(Arc::clone(store.inner()), &ledger).await.expect("the inner store works");
        let again = program.run(&second).await;
        assert_eq!(receipt.unwrap_or(again), again, "one result for all");
        expect_settled(&store, &ledger, again).await;
    });
    assert!(ended.await.is_ok(), "it did not end: {:#?}", rows(&store).await);
    let limit = if fault == Fault::Down { PATIENCE + outage } else { PATIENCE };
    assert!(begun.elapsed() < limit, "it took {:?}: {:#?}", begun.elapsed(), rows(&store).await);
}

/// A second process, which begins when the store is away from the first.
async fn other(program: Program, store: &FaultyStore, ledger: &Ledger) -> Receipt {
    struck(store, Duration::ZERO).await;
    let runtime = start(Arc::clone(store.inner()), ledger).await.expect("the inner store works");
    program.run(&runtime).await
}

async fn rows(store: &FaultyStore) -> Vec<StoredFunction> {
    store.inner().list(&Filter::default()).await.expect("the inner store works")
}

async fn expect_settled(store: &FaultyStore, ledger: &Ledger, receipt: Receipt) {
    let row = store.inner().get(&[FunctionId::new("chaos.Order", ID)]).await.expect("the inner store works");
    let row = row.into_iter().flatten().next().expect("the order is there");
    assert_eq!((row.status, row.owner), (Status::Succeeded, None), "{row:#?}");
    let stored: Receipt = serde_json::from_str(&row.result.expect("a result").body).expect("a receipt");
    assert_eq!(stored, receipt);
    let page = ledger.page(ID);
    assert!(page.charges <= 1, "charged {} times", page.charges);
    assert!(page.most_at_once <= 1, "{} bodies at once", page.most_at_once);
    match receipt.charge {
        Charge::Done => assert_eq!(page.charges, 1),
        Charge::Unknown => assert!(store.fired(), "the charge is unknown without a fault"),
        other => panic!("the charge is {other:?}"),
    }
    if !store.fired() {
        assert_eq!((page.charges, row.crashes), (1, 0));
        assert!(page.begun <= 2, "begun {} times without a fault", page.begun);
    }
}

async fn at_every_call_of(program: Program) {
    let faults = [
        (Fault::Before, SHORT),
        (Fault::After, SHORT),
        (Fault::Down, SHORT),
        (Fault::Down, LONG),
        (Fault::Crash, SHORT),
        (Fault::CrashAfter, SHORT),
    ];
    let runs = Cell::new(0);
    for (fault, outage) in faults {
        let scenario = async |store| scenario(program, fault, outage, store).await;
        runs.set(runs.get() + at_every_call(&[fault], async || InMemoryStore::new(), scenario).await);
    }
    println!("{program:?}: {} runs", runs.get());
    assert!(runs.get() > 60, "only {} runs", runs.get());
}

#[tokio::test(start_paused = true)]
async fn an_invocation_survives_a_fault_at_every_call() {
    at_every_call_of(Program::Invoke).await;
}

#[tokio::test(start_paused = true)]
async fn scheduled_work_survives_a_fault_at_every_call() {
    at_every_call_of(Program::Schedule).await;
}

#[tokio::test(start_paused = true)]
async fn postponed_work_survives_a_fault_at_every_call() {
    at_every_call_of(Program::Postpone).await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_survives_a_fault_at_every_call() {
    at_every_call_of(Program::Repair).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_survives_a_fault_at_every_call() {
    at_every_call_of(Program::Shutdown).await;
}

#[tokio::test(start_paused = true)]
async fn a_save_that_was_stored_and_given_up_does_not_end_its_run() {
    let ledger = Ledger::default();
    // The first write begins the order, the second is its first save.
    let store = FaultyStore::failing(InMemoryStore::new(), 2, Fault::After).counting_only(&[Call::Write]);
    let settings = Settings::default().store_patience(Duration::ZERO);
    let runtime = Runtime::builder(store.clone()).register::<order>().dep(ledger.clone()).settings(settings);
    let runtime = runtime.start().await.expect("the store is there");
    let receipt = order::invoke(&runtime, ID, Job::of(STEP)).await.expect("it succeeds");
    assert!(store.fired(), "it saves");
    assert_eq!(
        (receipt.charge, ledger.page(ID).begun),
        (Charge::Done, 1),
        "one run from its begin to its end"
    );
}

/// In real time, on a file, at each write.
mod sqlite {
    use resilient_tests::{Kind, open};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_invocation_survives_a_fault_at_each_write() {
        let mut runs = Vec::new();
        for fault in [Fault::Before, Fault::After, Fault::Crash, Fault::CrashAfter] {
            for nth in 1..=4 {
                let inner = open(Kind::Sqlite).await.expect("a file is always there");
                let store = FaultyStore::failing(inner, nth, fault).counting_only(&[Call::Write]);
                runs.push((fault, nth, tokio::spawn(scenario(Program::Invoke, fault, SHORT, store))));
            }
        }
        for (fault, nth, run) in runs {
            assert!(run.await.is_ok(), "{fault:?} at write {nth}");
        }
    }
}
