//! Work for tests of crashes: an order whose customer must be charged at most once, and what really happened to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use resilient::prelude::*;
use serde::{Deserialize, Serialize};

/// What an order goes through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How long each of its three steps takes.
    pub step: Duration,
    /// How long it puts itself off once, when it does.
    pub postponed: Option<Duration>,
    /// Whether it fails until somebody repairs it.
    pub broken: bool,
    /// Whether its second step panics once.
    pub panics: bool,
}

impl Job {
    /// One whose steps take so long.
    pub fn of(step: Duration) -> Self {
        Self { step, ..Self::default() }
    }

    /// The same, which puts itself off once.
    #[must_use]
    pub fn postponed(self, pause: Duration) -> Self {
        Self { postponed: Some(pause), ..self }
    }

    /// The same, which fails until it is repaired.
    #[must_use]
    pub fn broken(self) -> Self {
        Self { broken: true, ..self }
    }
}

/// How far the charge of an order has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charge {
    /// Nothing was asked for.
    #[default]
    Open,
    /// The next thing that happens is the charge.
    Begun,
    /// It happened.
    Done,
    /// A run ended between the marker and its confirmation.
    Unknown,
}

/// The progress of an order.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub struct Steps {
    /// The charge.
    pub charge: Charge,
    /// Whether it has put itself off.
    pub waited: bool,
    /// Whether somebody has repaired it.
    pub repaired: bool,
    /// Whether it has panicked.
    pub panicked: bool,
}

/// The result of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Different for every run that comes to its end.
    pub number: u64,
    /// How the charge went.
    pub charge: Charge,
}

/// Three steps with a save between them; the charge happens at most once, whatever crashes.
///
/// # Errors
///
/// When it puts itself off, is broken, or is not the owner any more.
#[resilient_fn(type_id = "chaos.Order", register = false)]
pub async fn order(
    job: Job,
    steps: &mut Scrapbook<Steps>,
    context: &Context,
    ledger: Dep<Ledger>,
) -> resilient::Result<Receipt> {
    let id = context.instance_id().as_str();
    let running = ledger.begin(id);
    tokio::time::sleep(job.step).await;
    match steps.charge {
        Charge::Open => {
            steps.charge = Charge::Begun;
            steps.save().await?;
            ledger.charge(id);
            steps.charge = Charge::Done;
        }
        Charge::Begun => steps.charge = Charge::Unknown,
        Charge::Done | Charge::Unknown => {}
    }
    if let Some(pause) = job.postponed.filter(|_| !steps.waited) {
        steps.waited = true;
        return Postpone::for_(pause).into_err();
    }
    if job.broken && !steps.repaired {
        return Err(resilient::Error::msg("the address is missing"));
    }
    steps.save().await?;
    tokio::time::sleep(job.step).await;
    if job.panics && !steps.panicked {
        steps.panicked = true;
        steps.save().await?;
        // Like a panic, without the message of one on the terminal.
        std::panic::resume_unwind(Box::new("the second step panics once"));
    }
    steps.save().await?;
    tokio::time::sleep(job.step).await;
    drop(running);
    Ok(Receipt { number: ledger.next(), charge: steps.charge })
}

/// What really happened, beside what the store says. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    receipts: u64,
    pages: BTreeMap<String, Page>,
}

/// What really happened to one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// How often its body was begun.
    pub begun: u32,
    /// How many of its bodies run now.
    pub running: u32,
    /// How many of its bodies ran at once.
    pub most_at_once: u32,
    /// How often its customer was charged.
    pub charges: u32,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, id: &str, change: impl FnOnce(&mut Page) -> T) -> T {
        change(self.lock().pages.entry(id.to_owned()).or_default())
    }

    /// Notes that a body was begun; it ends with the answer.
    #[must_use]
    pub fn begin(&self, id: &str) -> Running {
        self.write(id, |page| {
            page.begun += 1;
            page.running += 1;
            page.most_at_once = page.most_at_once.max(page.running);
        });
        Running { ledger: self.clone(), id: id.to_owned() }
    }

    /// Notes a charge.
    pub fn charge(&self, id: &str) {
        self.write(id, |page| page.charges += 1);
    }

    /// A number that was not given before.
    pub fn next(&self) -> u64 {
        let mut pages = self.lock();
        pages.receipts += 1;
        pages.receipts
    }

    /// What happened to this instance.
    pub fn page(&self, id: &str) -> Page {
        self.lock().pages.get(id).copied().unwrap_or_default()
    }

    /// How many bodies run now.
    pub fn running(&self) -> u32 {
        self.lock().pages.values().map(|page| page.running).sum()
    }

    /// How many instances were begun at all.
    pub fn begun(&self) -> usize {
        self.lock().pages.len()
    }
}

/// A body that runs, until it is dropped.
#[derive(Debug)]
pub struct Running {
    ledger: Ledger,
    id: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ledger.write(&self.id, |page| page.running -= 1);
    }
}
