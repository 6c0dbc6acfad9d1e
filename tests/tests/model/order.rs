//! Orders whose customers are charged at most once, and the clients who want them.

use std::time::Duration;

use resilient::FunctionId;
use resilient::prelude::*;
use resilient_tests::orders::{Charge, Job, Ledger, Receipt, order};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::audit::Audit;
use super::process::Processes;
use super::random::Random;

/// How many orders each seed has.
pub(crate) const ORDERS: u64 = 14;

/// One order with those who want it.
pub(crate) struct Order {
    number: u64,
    clients: Vec<JoinHandle<Receipt>>,
}

impl Order {
    /// Asks for it; some orders are asked for by two at once.
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut first = Client::new(seed, number, processes);
        let mut clients = Vec::new();
        if first.random.percent(30) {
            let random = Random::new(seed, 2_000 + number);
            let second = Client { random, ..Client::new(seed, number, processes) };
            clients.push(tokio::spawn(second.run()));
        }
        clients.push(tokio::spawn(first.run()));
        Self { number, clients }
    }

    /// Waits for its receipts; a violation when one does not come in time.
    pub(crate) async fn expect_kept(self, audit: &Audit, ledger: &Ledger, drain: Duration) {
        let Self { number, clients } = self;
        for mut client in clients {
            match timeout(drain, &mut client).await {
                Ok(Ok(receipt)) => expect_kept(audit, ledger, number, receipt).await,
                Ok(Err(error)) => audit.violation(format!("the client of {number} panicked: {error}")),
                Err(_) => audit.violation(format!("{number} is stuck")),
            }
        }
    }
}

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
