//! Functions that recur: one firing for each tick, over all processes, never early, and soon when nothing is wrong.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Filter, FunctionId, Store, StoredFunction, Timestamp};
use resilient_tests::orders::Ledger;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::audit::Audit;
use super::process::{Processes, TROUBLES};
use super::random::Random;

/// Their types, and every how many seconds they recur.
const EACH: (&str, u64) = ("model.Each", 5);
const SOME: (&str, u64) = ("model.Some", 3);

/// How long after the last trouble, and after its tick, a firing may come.
const SOON: Duration = Duration::from_secs(20);

/// Makes up for all ticks that were missed.
#[resilient_fn(type_id = "model.Each", every = "5s", missed = "every", register = false)]
pub(crate) async fn each(
    tick: Tick,
    context: &Context,
    ledger: Dep<Ledger>,
    audit: Dep<Audit>,
) -> resilient::Result<()> {
    fire(EACH, tick, context, &ledger, &audit).await
}

/// Makes up for one of those that were missed.
#[resilient_fn(type_id = "model.Some", every = "3s", register = false)]
pub(crate) async fn some(
    tick: Tick,
    context: &Context,
    ledger: Dep<Ledger>,
    audit: Dep<Audit>,
) -> resilient::Result<()> {
    fire(SOME, tick, context, &ledger, &audit).await
}

/// Some firings sleep, and some fail: the function goes on recurring.
async fn fire(
    (type_id, interval): (&str, u64),
    tick: Tick,
    context: &Context,
    ledger: &Ledger,
    audit: &Audit,
) -> resilient::Result<()> {
    let id = context.instance_id().as_str();
    let running = ledger.begin(&name(type_id, id));
    let due = time_of(tick);
    audit.expect(tick.to_string() == id && audit.now() >= due, || format!("{type_id} {tick} fires as {id}"));
    let number = seconds(due) / interval;
    audit.expect(number * interval == seconds(due), || format!("{type_id} fires at {tick}"));
    sleep(Duration::from_millis(number % 5 * 300)).await;
    if number % 4 == 1 {
        context.sleep("nap", Duration::from_secs(1)).await?;
    }
    drop(running);
    if number % 6 == 2 { Err(resilient::Error::msg("it is broken")) } else { Ok(()) }
}

fn time_of(tick: Tick) -> Timestamp {
    Timestamp::try_from(tick.due()).expect("it can be stored")
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_micros() / 1_000_000).expect("it is after 1970")
}

/// Its name in the ledger, which it shares with others.
fn name(type_id: &str, instance: &str) -> String {
    format!("{type_id} {instance}")
}

/// The firings of a seed, and whoever cancels and deletes some of them.
pub(crate) struct Firings {
    quiet_from: Instant,
    vandal: JoinHandle<()>,
}

impl Firings {
    pub(crate) fn start(seed: u64, processes: &Processes, audit: &Audit) -> Self {
        let vandal = disturb(processes.clone(), audit.clone(), Random::new(seed, 50_000));
        Self { quiet_from: Instant::now() + TROUBLES + SOON, vandal: tokio::spawn(vandal) }
    }

    /// Waits until it has been quiet for a while; from then on every tick has fired.
    pub(crate) async fn expect_kept(self, audit: &Audit, ledger: &Ledger) {
        let quiet_from = audit.now();
        sleep_until(self.quiet_from).await;
        let quiet_from = quiet_from.max(audit.now());
        sleep(2 * SOON).await;
        if !self.vandal.is_finished() {
            audit.violation("whoever cancels firings is stuck".to_owned());
        }
        for (type_id, interval) in [EACH, SOME] {
            let fired = rows(audit, type_id).await;
            expect_all(audit, (type_id, interval), quiet_from, &fired);
            for row in &fired {
                let page = ledger.page(&name(type_id, row.id.instance_id.as_str()));
                audit.expect(page.most_at_once <= 1, || format!("{} fired beside itself", row.id));
            }
            let ahead = fired.iter().filter(|row| tick_of(row) > audit.now()).count();
            let goes_on = fired.last().is_some_and(|row| is_ahead(row, audit.now()));
            audit.expect(ahead <= 1 && goes_on, || {
                format!("{ahead} firings of {type_id} are ahead of {}: {fired:?}", audit.now())
            });
        }
    }
}

/// Whether each tick has fired: from the first one on, or, when missed ones are left out, as long as it was quiet.
fn expect_all(
    audit: &Audit,
    (type_id, interval): (&str, u64),
    quiet_from: Timestamp,
    fired: &[StoredFunction],
) {
    let until = seconds(audit.now()) - SOON.as_secs();
    let first = fired.first().map(|row| seconds(tick_of(row)));
    let Some(first) = first.filter(|first| *first < until) else {
        return audit.violation(format!("{type_id} has not fired: {fired:?}"));
    };
    let from = if type_id == EACH.0 { first } else { seconds(quiet_from).next_multiple_of(interval) };
    for second in (from..until).step_by(usize::try_from(interval).expect("it is short")) {
        let tick = Timestamp::UNIX_EPOCH.saturating_add(Duration::from_secs(second));
        let row = fired.iter().find(|row| tick_of(row) == tick);
        let is_over = row.is_some_and(|row| row.status.is_completed());
        // What was deleted when it was due had been followed by another one, perhaps, and stays away.
        let id = FunctionId::new(type_id, Tick::at(tick.into()));
        audit.expect(is_over || audit.was_deleted_when_due(&id), || {
            format!("{type_id} has not fired at {tick}: {row:?}")
        });
    }
}

/// The firings of a type, in the order of their ticks.
async fn rows(audit: &Audit, type_id: &str) -> Vec<StoredFunction> {
    let filter = Filter { type_id: Some(type_id.into()), limit: u32::MAX, ..Filter::default() };
    audit.store().list(&filter).await.expect("memory works")
}

/// Whether it waits for its tick, or for the end of what it does at it.
pub(crate) fn is_ahead(row: &StoredFunction, now: Timestamp) -> bool {
    now.saturating_since(tick_of(row)) < SOON
}

fn tick_of(row: &StoredFunction) -> Timestamp {
    time_of(row.id.instance_id.as_str().parse().expect("its id is a tick"))
}

/// Cancels and deletes firings that have not run.
async fn disturb(processes: Processes, audit: Audit, mut random: Random) {
    for _ in 0..random.count(6) {
        sleep(random.millis(500, 6_000)).await;
        let (type_id, _) = if random.percent(50) { EACH } else { SOME };
        let (patience, deletes) = (random.millis(100, 3_000), random.percent(50));
        // Without the first one, the chain would begin anew, and nobody could say where.
        let mut others = rows(&audit, type_id).await.into_iter().skip(1);
        let ahead = others.find(|row| row.epoch.as_i64() == 0);
        if let Some((process, row)) = processes.any(&mut random).zip(ahead) {
            process.ask(patience, end(process.runtime.clone(), row.id, deletes)).await;
        }
    }
}

async fn end(runtime: Runtime, id: FunctionId, deletes: bool) -> Option<()> {
    let panel = runtime.raw_control_panel(id.type_id, id.instance_id).await.ok()?;
    match panel.epoch().as_i64() {
        0 if deletes => panel.delete().await.ok(),
        _ => panel.cancel().await.ok(),
    }
}
