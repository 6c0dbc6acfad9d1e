//! **Processing orders, 2: what does the attribute alone change?**
//!
//! The order comes to its end. It is stored before the function runs, so another process finds it and calls the function
//! again, from its top. What was done before the crash is done again: that is what the scrapbook is for, in sample 3.
//!
//! ```console
//! $ cargo run --bin order_2_resilient
//! killed; another process takes over
//! completed; what has happened:
//!   reserved 100 of Anna (transaction …)
//!   parcel 1 to Anna
//!   reserved 100 of Anna (transaction …)
//!   parcel 2 to Anna
//!   captured (transaction …)
//!   mail to Anna
//! reservations: 2, parcels: 2
//! ```

use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_examples::shop::{Email, Logistics, Order, PaymentProvider};
use resilient_sqlx::SqliteStore;
use uuid::Uuid;

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);

#[resilient_fn(type_id = "OrderProcessor")]
async fn process_order(
    order: Order,
    bank: Dep<PaymentProvider>,
    logistics: Dep<Logistics>,
    email: Dep<Email>,
) -> resilient::Result<()> {
    let transaction = Uuid::new_v4();
    bank.reserve(transaction, &order).await?;
    // `kill -9` comes here, when the parcel has left the house.
    logistics.ship(&order).await?;
    bank.capture(transaction).await?;
    email.confirm(&order).await?;
    Ok(())
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
        // The customer orders once, and this is the process that is told.
        process_order::schedule(&runtime, "MK-4321", Order::sample()).await?;
    }
    process_order::completion(&runtime, "MK-4321").await?;

    println!("completed; what has happened:");
    stage.print_ledger()?;
    println!("reservations: {}, parcels: {}", stage.count("reserved")?, stage.count("parcel")?);
    runtime.shutdown().await?;
    Ok(())
}
