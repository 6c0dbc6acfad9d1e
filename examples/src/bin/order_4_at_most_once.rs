//! **Processing orders, 4: what about a call that must not happen twice?**
//!
//! It is guarded: a marker is saved before the call, and its result after it. Here the process is killed between the two.
//! No code can know whether the parcel has left the house, so the order fails and waits for a person. The person rings up
//! the logistics company, says through the control panel what has happened, and the order goes on from there.
//!
//! ```console
//! $ cargo run --bin order_4_at_most_once
//! killed; another process takes over
//! failed, for a person: the outcome of `shipping` is unknown: …
//! repaired, and completed: parcel 1
//! what has happened:
//!   reserved 100 of Anna (transaction …)
//!   parcel 1 to Anna
//!   captured (transaction …)
//!   mail to Anna
//! reservations: 1, parcels: 1
//! ```

use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_examples::shop::{Email, Logistics, Order, PaymentProvider};
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct OrderScrapbook {
    transaction_id: Option<Uuid>,
    shipping: AtMostOnce<String>,
}

#[resilient_fn(type_id = "OrderProcessor")]
async fn process_order(
    order: Order,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    bank: Dep<PaymentProvider>,
    logistics: Dep<Logistics>,
    email: Dep<Email>,
) -> resilient::Result<String> {
    let transaction = *scrapbook.transaction_id.get_or_insert_with(Uuid::new_v4);
    scrapbook.save().await?;

    bank.reserve(transaction, &order).await?;
    // `kill -9` comes here, when the parcel has left the house.
    let parcel = scrapbook.at_most_once(|state| &mut state.shipping, || logistics.ship(&order)).await?;
    bank.capture(transaction).await?;
    email.confirm(&order).await?;
    Ok(parcel)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Arc::new(Stage::new()?);
    if !stage.is_doomed() {
        stage.kill_a_process().await?;
        println!("killed; another process takes over");
    }
    let store = SqliteStore::open(&stage.database()).await?;
    let runtime = Runtime::builder(store)
        .dep(PaymentProvider(Arc::clone(&stage)))
        .dep(Logistics(Arc::clone(&stage)))
        .dep(Email(Arc::clone(&stage)))
        .settings(Settings::default().heartbeat(LEASE / 4).lease(LEASE))
        .discover()
        .start()
        .await?;

    if stage.is_doomed() {
        process_order::schedule(&runtime, "MK-4321", Order::sample()).await?;
    }
    match process_order::completion(&runtime, "MK-4321").await {
        Err(InvokeError::Failed(failure)) if failure.type_name == UnknownOutcome::FAILURE => {
            println!("failed, for a person: {}", failure.message);
            repair(&runtime, &stage).await?;
        }
        completed => println!("completed: {}", completed?),
    }

    println!("what has happened:");
    stage.print_ledger()?;
    println!("reservations: {}, parcels: {}", stage.count("reserved")?, stage.count("parcel")?);
    runtime.shutdown().await?;
    Ok(())
}

/// What a person does, who has found out. In production this is a page of a back office, or a command.
async fn repair(runtime: &Runtime, stage: &Stage) -> resilient::Result<()> {
    let mut panel = process_order::control_panel(runtime, "MK-4321").await?;
    match stage.count("parcel")? {
        0 => panel.resolve(|state| &mut state.shipping)?.try_once_more(),
        _ => panel.resolve(|state| &mut state.shipping)?.done("parcel 1".to_owned()),
    }
    println!("repaired, and completed: {}", panel.reinvoke().await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash at every point is a unit test, without a database and without a runtime.
    #[tokio::test]
    async fn wherever_it_crashes_one_parcel_is_sent_at_most() -> resilient::Result<()> {
        for crash_at_save in 1..=3 {
            let stage = Arc::new(Stage::new()?);
            let run = async |scrapbook: &mut Scrapbook<OrderScrapbook>| {
                let bank = Dep::new(PaymentProvider(Arc::clone(&stage)));
                let logistics = Dep::new(Logistics(Arc::clone(&stage)));
                process_order(
                    Order::sample(),
                    scrapbook,
                    bank,
                    logistics,
                    Dep::new(Email(Arc::clone(&stage))),
                )
                .await
            };
            let mut scrapbook = Scrapbook::<OrderScrapbook>::default().failing_at_save(crash_at_save);
            assert!(run(&mut scrapbook).await.is_err());
            let second = run(&mut scrapbook.after_crash()).await;

            // Only between the marker and the result nobody can know.
            assert_eq!(second.is_ok(), crash_at_save < 3);
            assert_eq!(stage.count("parcel")?, 1);
        }
        Ok(())
    }
}
