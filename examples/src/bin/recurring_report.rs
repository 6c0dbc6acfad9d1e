//! **How does something run every night, once, however many replicas there are?**
//!
//! With `every` or `cron` in its attribute. Each firing is an instance whose id is its time, so it is there once for all
//! replicas, and it is stored ahead of its time, so a crash loses none. Two replicas share the work here.
//!
//! ```console
//! $ cargo run --bin recurring_report
//! 4 reports for 4 seconds
//! all that was sold until …Z
//! next nightly report: …T…:30:00Z, waits until …
//! ```

use std::collections::BTreeSet;

use resilient::Filter;
use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use tokio::sync::mpsc;

/// In production: `every = "1h"`.
#[resilient_fn(type_id = "SalesReport", every = "1s")]
async fn sales_report(tick: Tick, desk: Dep<mpsc::Sender<Tick>>) -> resilient::Result<String> {
    desk.send(tick).await?;
    Ok(format!("all that was sold until {tick}"))
}

/// Half past two on the clock of the wall in Copenhagen, also when that is changed for the summer. After a weekend in which
/// nobody was there, it makes up for every night.
#[resilient_fn(
    type_id = "NightlyReport",
    cron = "30 2 * * *",
    timezone = "Europe/Copenhagen",
    missed = "every"
)]
async fn nightly_report(_tick: Tick) {}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Stage::new()?;
    let (desk, mut reports) = mpsc::channel::<Tick>(16);
    let start = async || {
        let store = SqliteStore::open(&stage.database()).await?;
        Ok::<_, resilient::Error>(Runtime::builder(store).dep(desk.clone()).discover().start().await?)
    };
    // Both begin by themselves; nobody schedules anything.
    let (one, other) = (start().await?, start().await?);

    let mut ticks = Vec::new();
    while ticks.len() < 4 {
        ticks.extend(reports.recv().await);
    }
    let seconds: BTreeSet<_> = ticks.iter().collect();
    println!("{} reports for {} seconds", ticks.len(), seconds.len());
    // Its result is kept as any other.
    for tick in seconds.into_iter().take(1) {
        println!("{}", sales_report::completion(&one, tick.to_string()).await?);
    }
    let nightly = Filter { type_id: Some(nightly_report::TYPE_ID.into()), ..Filter::default() };
    for next in one.list(&nightly).await? {
        println!("next nightly report: {}, {}", next.id.instance_id, one.reason(&next).await?);
    }

    one.shutdown().await?;
    other.shutdown().await?;
    Ok(())
}
