//! Three processes and what becomes of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::prelude::*;
use resilient::{FunctionSettings, Retention};
use resilient_tests::orders::{Ledger, order};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::audit::Audit;
use super::brief::{brief, kept_for};
use super::errand::errand;
use super::family::{child, parent};
use super::firing::{each, some};
use super::gather::gather;
use super::link::{Link, Trouble};
use super::random::Random;

/// A process that runs, as its clients see it.
#[derive(Debug, Clone)]
pub(crate) struct Incarnation {
    pub(crate) runtime: Runtime,
    link: Link,
    ended: watch::Receiver<bool>,
}

impl Incarnation {
    /// Waits until the process has crashed: whoever holds its runtime has to let it go.
    async fn crashed(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Waits so long for an answer, and no longer than the process lives. A caller that goes away ends nothing.
    pub(crate) async fn ask<T>(
        &self,
        patience: Duration,
        attempt: impl Future<Output = Option<T>>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            () = self.crashed() => None,
            answer = timeout(patience, attempt) => answer.ok().flatten(),
        }
    }
}

/// Three processes.
#[derive(Debug, Clone)]
pub(crate) struct Processes {
    slots: Arc<Mutex<[Option<Incarnation>; 3]>>,
}

/// How long troubles go on.
pub(crate) const TROUBLES: Duration = Duration::from_secs(40);

impl Processes {
    /// Starts them, and troubles them until the time is over.
    pub(crate) fn start(seed: u64, recurs: bool, audit: &Audit, ledger: &Ledger) -> Self {
        let processes = Self { slots: Arc::default() };
        for process in 0..3 {
            let life = Life {
                process,
                audit: audit.clone(),
                ledger: ledger.clone(),
                lease: Random::new(seed, 7).millis(2_000, 8_000),
                kept_for: kept_for(seed),
                recurs,
                random: Random::new(seed, 100 + u64::try_from(process).expect("it fits")),
                slots: Arc::clone(&processes.slots),
            };
            tokio::spawn(life.run());
        }
        processes
    }

    /// One of those that run, if any does.
    pub(crate) fn any(&self, random: &mut Random) -> Option<Incarnation> {
        let slots = self.slots.lock().expect("nobody panics here");
        let running: Vec<_> = slots.iter().flatten().collect();
        if running.is_empty() { None } else { Some(running[random.below(running.len())].clone()) }
    }

    /// Asks whatever process is there, again and again, until there is an answer.
    pub(crate) async fn insist<T, F>(&self, random: &mut Random, ask: impl Fn(Runtime, usize) -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        loop {
            let (patience, choice) = (random.millis(200, 8_000), random.below(60));
            if let Some(process) = self.any(random) {
                let asked = ask(process.runtime.clone(), choice);
                if let Some(answer) = process.ask(patience, asked).await {
                    return answer;
                }
            }
            sleep(random.millis(1, 1_000)).await;
        }
    }
}

struct Life {
    process: usize,
    audit: Audit,
    ledger: Ledger,
    lease: Duration,
    kept_for: Duration,
    /// Whether it knows functions that recur.
    recurs: bool,
    random: Random,
    slots: Arc<Mutex<[Option<Incarnation>; 3]>>,
}

impl Life {
    async fn run(mut self) {
        let end = Instant::now() + TROUBLES;
        loop {
            let (incarnation, kill) = self.begin(end).await;
            while Instant::now() < end {
                let pause = self.random.millis(200, 6_000);
                sleep(pause).await;
                if self.random.percent(30) {
                    break;
                }
                self.trouble(&incarnation.link);
            }
            if Instant::now() >= end {
                incarnation.link.heal();
                // It runs on, and its kill switch with it.
                return std::future::pending().await;
            }
            self.end(incarnation, kill).await;
            let pause = self.random.millis(1, 5_000);
            sleep(pause).await;
        }
    }

    async fn begin(&mut self, end: Instant) -> (Incarnation, watch::Sender<bool>) {
        loop {
            let stream = u64::try_from(self.random.below(1 << 30)).expect("it fits");
            let link = Link::new(self.process, &self.audit, Random::new(stream, 5));
            if Instant::now() < end && self.random.percent(20) {
                self.trouble(&link);
            }
            let settings = Settings::default()
                .max_crashes(1_000)
                .max_running(5)
                .store_patience(Duration::from_secs(3))
                .stay_in_memory(self.random.millis(0, 3_000))
                .shutdown_grace(Duration::from_secs(1));
            let lease = FunctionSettings::default().lease(self.lease);
            let short = lease.clone().retention(Retention::For(self.kept_for));
            let builder = Runtime::builder(link.clone()).settings(settings);
            let builder = builder.dep(self.ledger.clone()).dep(self.audit.clone());
            let builder = builder.register::<order>().function_settings::<order>(lease.clone());
            let builder = builder.register::<gather>().function_settings::<gather>(lease.clone());
            let builder = builder.register::<parent>().function_settings::<parent>(lease.clone());
            let builder = builder.register::<child>().function_settings::<child>(short.clone());
            let builder = builder.register::<errand>().function_settings::<errand>(lease.clone());
            let builder = builder.register::<brief>().function_settings::<brief>(short);
            let builder = if self.recurs {
                let builder = builder.register::<each>().function_settings::<each>(lease.clone());
                builder.register::<some>().function_settings::<some>(lease)
            } else {
                builder
            };
            let started = builder.start().await;
            if let Ok(runtime) = started {
                self.audit.note(self.process, "started");
                let (kill, ended) = watch::channel(false);
                let incarnation = Incarnation { runtime, link, ended };
                self.slots.lock().expect("nobody panics here")[self.process] = Some(incarnation.clone());
                return (incarnation, kill);
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    fn trouble(&mut self, link: &Link) {
        let trouble = Trouble::ALL[self.random.below(Trouble::ALL.len())];
        let length = self.random.millis(50, 9_000);
        self.audit.note(self.process, (trouble, length));
        link.trouble(trouble, Instant::now() + length);
    }

    async fn end(&mut self, incarnation: Incarnation, kill: watch::Sender<bool>) {
        self.slots.lock().expect("nobody panics here")[self.process] = None;
        if self.random.percent(40) {
            self.audit.note(self.process, "shuts down");
            let _ = incarnation.runtime.shutdown().await;
            self.audit.note(self.process, "has shut down");
        } else {
            self.audit.note(self.process, "crashes");
        }
        incarnation.link.cut();
        kill.send_replace(true);
    }
}
