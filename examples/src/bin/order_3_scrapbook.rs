//! **Processing orders, 3: how does the second run know what the first one did?**
//!
//! From the scrapbook. The id of the transaction is chosen and saved before the bank hears of it. Every run uses the same
//! one, and the bank does nothing twice under one id. That is the way for all calls that take an id of ours.
//!
//! The logistics company takes none, and sends a second parcel: see sample 4.
//!
//! ```console
//! $ cargo run --bin order_3_scrapbook
//! killed; another process takes over
//! completed; what has happened:
//!   reserved 100 of Anna (transaction …)
//!   parcel 1 to Anna
//!   parcel 2 to Anna
//!   captured (transaction …)
//!   mail to Anna
//! reservations: 1, parcels: 2
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
}

#[resilient_fn(type_id = "OrderProcessor")]
async fn process_order(
    order: Order,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    bank: Dep<PaymentProvider>,
    logistics: Dep<Logistics>,
    email: Dep<Email>,
) -> resilient::Result<()> {
    // After this save the id survives; a crash before it does no harm, since the bank has not heard of it.
    let transaction = *scrapbook.transaction_id.get_or_insert_with(Uuid::new_v4);
    scrapbook.save().await?;

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
        process_order::schedule(&runtime, "MK-4321", Order::sample()).await?;
    }
    process_order::completion(&runtime, "MK-4321").await?;

    println!("completed; what has happened:");
    stage.print_ledger()?;
    println!("reservations: {}, parcels: {}", stage.count("reserved")?, stage.count("parcel")?);
    runtime.shutdown().await?;
    Ok(())
}
