//! **Processing orders, 5: what when the services answer by message?**
//!
//! Then the flow waits for messages, and still reads from top to bottom. It sends a command and waits for the answer; a
//! wait that takes longer is put away and uses no memory, and the answer calls the function again from its top, on any
//! replica. Commands are then sent again, under the same number, and messages that were read are there again.
//!
//! The same flow without resilient, for comparison: `order_6_handlers`.
//!
//! ```console
//! $ cargo run --bin order_5_messages
//! killed; another process takes over
//! completed: parcel 1; what has happened:
//!   ReserveFunds for MK-4321
//!   ShipProducts for MK-4321
//!   CaptureFunds for MK-4321
//!   SendConfirmation for MK-4321
//! ```

use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_examples::shop::Order;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize, Message)]
struct FundsReserved;
#[derive(Serialize, Deserialize, Message)]
struct FundsDeclined;
#[derive(Serialize, Deserialize, Message)]
struct ProductsShipped {
    parcel: String,
}
#[derive(Serialize, Deserialize, Message)]
struct FundsCaptured;
#[derive(Serialize, Deserialize, Message)]
struct ConfirmationSent;

#[derive(Messages)]
enum PaymentReply {
    Reserved(FundsReserved),
    Declined(FundsDeclined),
}

#[resilient_fn(type_id = "MessageOrder")]
async fn order_flow(order: Order, context: &Context, bus: Dep<Bus>) -> resilient::Result<String> {
    let inbox = context.messages();
    bus.send(Command::ReserveFunds, &order).await?;
    match inbox.next::<PaymentReply>().await? {
        PaymentReply::Reserved(FundsReserved) => {}
        PaymentReply::Declined(FundsDeclined) => {
            return Err(resilient::Error::msg("the payment was declined"));
        }
    }
    bus.send(Command::ShipProducts, &order).await?;
    // `kill -9` comes here, when the parcel has left the house.
    let ProductsShipped { parcel } = inbox.next().await?;
    bus.send(Command::CaptureFunds, &order).await?;
    bus.send(Command::SendConfirmation, &order).await?;
    // In whichever order they come.
    tokio::try_join!(inbox.next::<FundsCaptured>(), inbox.next::<ConfirmationSent>())?;
    Ok(parcel)
}

#[derive(Debug)]
enum Command {
    ReserveFunds,
    ShipProducts,
    CaptureFunds,
    SendConfirmation,
}

/// The message bus, and the services behind it. They know each command by its kind and its order, and do it once; they
/// answer each time, and an answer with the same key is stored once.
struct Bus {
    stage: Arc<Stage>,
    /// A runtime that runs nothing and only sends, as one in another process would.
    answers: Runtime,
}

impl Bus {
    async fn send(&self, command: Command, order: &Order) -> resilient::Result<()> {
        let is_new = self.stage.write_down_once(&format!("{command:?} for {}", order.id)).await?;
        let answer: Outgoing = match command {
            Command::ReserveFunds => FundsReserved.into(),
            Command::ShipProducts => ProductsShipped { parcel: "parcel 1".to_owned() }.into(),
            Command::CaptureFunds => FundsCaptured.into(),
            Command::SendConfirmation => ConfirmationSent.into(),
        };
        order_flow::send(&self.answers, order.id.as_str(), answer.with_key(format!("{command:?}"))).await?;
        if is_new && matches!(command, Command::ShipProducts) {
            self.stage.killed_here().await;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Arc::new(Stage::new()?);
    if !stage.is_doomed() {
        stage.kill_a_process().await?;
        println!("killed; another process takes over");
    }
    let store = SqliteStore::open(&stage.database()).await?;
    let answers = Runtime::builder(store.clone()).take_no_work().start().await?;
    let runtime = Runtime::builder(store)
        .dep(Bus { stage: Arc::clone(&stage), answers: answers.clone() })
        .settings(Settings::default().heartbeat(LEASE / 4).lease(LEASE))
        .discover()
        .start()
        .await?;

    if stage.is_doomed() {
        order_flow::schedule(&runtime, "MK-4321", Order::sample()).await?;
    }
    println!("completed: {}; what has happened:", order_flow::completion(&runtime, "MK-4321").await?);
    stage.print_ledger()?;

    runtime.shutdown().await?;
    answers.shutdown().await?;
    Ok(())
}
