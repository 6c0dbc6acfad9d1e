//! A simulation of three processes on one store, in virtual time: a seed decides what is asked for, and what goes
//! wrong.
//!
//! `RESILIENT_MODEL_SEED=7` repeats one seed and prints all that happened; `RESILIENT_MODEL_SECONDS=600` tries more of
//! them.

#[path = "model/audit.rs"]
mod audit;
#[path = "model/gather.rs"]
mod gather;
#[path = "model/link.rs"]
mod link;
#[path = "model/process.rs"]
mod process;
#[path = "model/random.rs"]
mod random;

use std::time::{Duration, Instant as RealInstant};

use resilient::FunctionId;
use resilient::prelude::*;
use resilient_tests::orders::{Charge, Job, Ledger, Receipt, order};
use tokio::time::{sleep, timeout};

use self::audit::Audit;
use self::gather::{GATHERS, Gather};
use self::process::{Processes, TROUBLES};
use self::random::Random;

/// How many orders each seed has.
const ORDERS: u64 = 14;
/// What is not done so long after the last trouble is stuck.
const DRAIN: Duration = Duration::from_secs(40);

/// A client that wants one order done: it asks again until it has the receipt, at whatever process is there.
struct Client {
    id: String,
    job: Job,
    random: Random,
    processes: Processes,
}

impl Client {
    fn new(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut random = Random::new(seed, 1_000 + number);
        let mut job = Job::of(random.millis(1, 3_000));
        if random.percent(30) {
            job = job.postponed(random.millis(1, 3_000));
        }
        if random.percent(20) {
            job = job.broken();
        }
        job.panics = random.percent(10);
        Self { id: number.to_string(), job, random, processes: processes.clone() }
    }

    async fn run(mut self) -> Receipt {
        sleep(self.random.millis(0, 25_000)).await;
        loop {
            let Some(incarnation) = self.processes.any(&mut self.random) else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let patience = self.random.millis(200, 15_000);
            let attempt = self.attempt(&incarnation.runtime);
            if let Some(receipt) = incarnation.ask(patience, attempt).await {
                return receipt;
            }
            drop(incarnation);
            sleep(self.random.millis(1, 1_000)).await;
        }
    }

    async fn attempt(&mut self, runtime: &Runtime) -> Option<Receipt> {
        let id = self.id.as_str();
        let asked = match self.random.below(4) {
            0 => order::schedule(runtime, id, self.job).await.err(),
            1 => order::schedule_after(runtime, id, self.job, self.random.millis(1, 3_000)).await.err(),
            _ => match order::invoke(runtime, id, self.job).await {
                Ok(receipt) => return Some(receipt),
                Err(InvokeError::Postponed { .. }) => None,
                Err(error) => Some(error),
            },
        };
        let asked = match asked {
            None => order::completion(runtime, id).await,
            Some(error) => Err(error),
        };
        match asked {
            Ok(receipt) => Some(receipt),
            Err(InvokeError::Failed(_)) => self.repair(runtime).await,
            Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::NotFound { .. }) => None,
            Err(other) => panic!("a client cannot go on after: {other:?}"),
        }
    }

    async fn repair(&mut self, runtime: &Runtime) -> Option<Receipt> {
        let mut panel = order::control_panel(runtime, self.id.as_str()).await.ok()?;
        if panel.status() != Status::Failed {
            return None;
        }
        panel.scrapbook_mut().repaired = true;
        if self.random.percent(50) {
            return panel.reinvoke().await.ok();
        }
        panel.schedule_reinvoke().await.ok()?;
        order::completion(runtime, self.id.as_str()).await.ok()
    }
}

async fn simulate(seed: u64) -> (Audit, Ledger) {
    let (audit, ledger) = (Audit::new(), Ledger::default());
    let processes = Processes::start(seed, &audit, &ledger);
    let mut clients = Vec::new();
    for number in 0..ORDERS {
        // Some orders are asked for by two at once.
        let mut first = Client::new(seed, number, &processes);
        if first.random.percent(30) {
            let mut second = Client::new(seed, number, &processes);
            second.random = Random::new(seed, 2_000 + number);
            clients.push((number, tokio::spawn(second.run())));
        }
        clients.push((number, tokio::spawn(first.run())));
    }
    let gathers: Vec<_> = (0..GATHERS).map(|number| Gather::start(seed, number, &processes)).collect();
    sleep(TROUBLES).await;
    for gather in gathers {
        gather.expect_kept(&audit, &ledger, DRAIN).await;
    }
    for (number, mut client) in clients {
        match timeout(DRAIN, &mut client).await {
            Ok(Ok(receipt)) => expect_kept(&audit, &ledger, number, receipt).await,
            Ok(Err(error)) => audit.violation(format!("the client of {number} panicked: {error}")),
            Err(_) => audit.violation(format!("{number} is stuck")),
        }
    }
    expect_quiet(&audit, &ledger).await;
    (audit, ledger)
}

async fn expect_kept(audit: &Audit, ledger: &Ledger, number: u64, receipt: Receipt) {
    let rows = audit.all().await;
    let id = FunctionId::new("chaos.Order", number.to_string());
    let row = rows.iter().find(|row| row.id == id);
    let stored = row.and_then(|row| row.result.as_ref()).map(|result| result.body.clone());
    let expected = serde_json::to_string(&receipt).expect("a receipt is JSON");
    if stored.as_ref() != Some(&expected) {
        audit.violation(format!("{number} gave {expected} and has stored {stored:?}"));
    }
    let page = ledger.page(&number.to_string());
    let charged = match receipt.charge {
        Charge::Done => page.charges == 1,
        Charge::Unknown => page.charges <= 1 && page.begun > 1,
        Charge::Open | Charge::Begun => false,
    };
    if !charged {
        audit.violation(format!("{number} was charged {} times: {receipt:?}", page.charges));
    }
    if page.most_at_once > 1 {
        audit.violation(format!("{number} ran {} times at once", page.most_at_once));
    }
}

async fn expect_quiet(audit: &Audit, ledger: &Ledger) {
    for row in audit.all().await {
        if row.status != Status::Succeeded {
            audit.violation(format!("it is left: {row:?}"));
        }
    }
    if ledger.running() > 0 {
        audit.violation(format!("{} bodies still run", ledger.running()));
    }
}

/// Runs one seed and answers what happened.
fn run(seed: u64, verbose: bool) -> Vec<String> {
    resilient::__private::seed_chance(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (audit, _) = runtime.expect("a runtime can be built").block_on(simulate(seed));
    let violations = audit.violations();
    if verbose {
        for event in audit.events() {
            eprintln!("{event}");
        }
    }
    assert!(
        violations.is_empty(),
        "seed {seed} breaks a promise; RESILIENT_MODEL_SEED={seed} repeats it with all that happened: {violations:#?}"
    );
    audit.events()
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; give a number")))
}

#[test]
fn the_promises_hold_whatever_happens_to_three_processes() {
    if let Some(seed) = variable("RESILIENT_MODEL_SEED") {
        run(seed, true);
        return;
    }
    let limit = Duration::from_secs(variable("RESILIENT_MODEL_SECONDS").unwrap_or(8));
    let begun = RealInstant::now();
    let (mut seeds, mut events) = (0, 0);
    while begun.elapsed() < limit {
        seeds += 1;
        events += run(seeds, false).len();
    }
    println!("{seeds} seeds, {events} events");
    assert!(events > 100, "only {events} events");
}

#[test]
fn a_seed_repeats_all_that_happens() {
    let (first, second) = (run(27, false), run(27, false));
    let differ = first.iter().zip(&second).find(|(first, second)| first != second);
    assert_eq!(differ, None);
    assert_eq!(first.len(), second.len());
}
