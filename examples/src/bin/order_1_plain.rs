//! **Processing orders, 1: what is wrong with plain code?**
//!
//! Nothing, until the process dies between two lines. Here it dies when the parcel has left the house: nobody goes on with
//! the order, nobody takes the money, and nobody knows. When the order is placed again, all is done again.
//!
//! The samples 2 to 4 do the same step by step without these faults; compare their functions with this one.
//!
//! ```console
//! $ cargo run --bin order_1_plain
//! killed; what has happened, and nobody goes on with it:
//!   reserved 100 of Anna (transaction …)
//!   parcel 1 to Anna
//! placed again:
//!   reserved 100 of Anna (transaction …)
//!   parcel 1 to Anna
//!   reserved 100 of Anna (transaction …)
//!   parcel 2 to Anna
//!   captured (transaction …)
//!   mail to Anna
//! reservations: 2, parcels: 2
//! ```

use std::io;
use std::sync::Arc;

use resilient_examples::Stage;
use resilient_examples::shop::{Email, Logistics, Order, PaymentProvider};
use uuid::Uuid;

async fn process_order(
    order: Order,
    bank: &PaymentProvider,
    logistics: &Logistics,
    email: &Email,
) -> io::Result<()> {
    let transaction = Uuid::new_v4();
    bank.reserve(transaction, &order).await?;
    // `kill -9` comes here, when the parcel has left the house.
    logistics.ship(&order).await?;
    bank.capture(transaction).await?;
    email.confirm(&order).await
}

async fn place_order(stage: &Arc<Stage>) -> io::Result<()> {
    let (bank, logistics) = (PaymentProvider(Arc::clone(stage)), Logistics(Arc::clone(stage)));
    process_order(Order::sample(), &bank, &logistics, &Email(Arc::clone(stage))).await
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let stage = Arc::new(Stage::new()?);
    if stage.is_doomed() {
        return place_order(&stage).await;
    }
    stage.kill_a_process().await?;
    println!("killed; what has happened, and nobody goes on with it:");
    stage.print_ledger()?;

    // The shop has forgotten the order, so the customer places it again.
    place_order(&stage).await?;
    println!("placed again:");
    stage.print_ledger()?;
    println!("reservations: {}, parcels: {}", stage.count("reserved")?, stage.count("parcel")?);
    Ok(())
}
