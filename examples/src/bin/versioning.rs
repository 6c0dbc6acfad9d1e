//! **What becomes of orders that are under way when I deploy new code?**
//!
//! They go on in the new code. Two changes are shown, on orders that yesterday's code has begun:
//!
//! 1. The shop sells for more than one brand from now on. The order gets a field, and `From` says what the orders of
//!    yesterday have in it. Such a step is there for parameters, scrapbooks, messages and results.
//! 2. Another payment provider is used. The flow changes, so it becomes version 2 of the function beside version 1: what was
//!    reserved at the old provider is captured there.
//!
//! ```console
//! $ cargo run --bin versioning
//! yesterday: MK-1 waits for its goods
//! today: MK-1: Classic: the old provider reserves 100, the old provider captures 100
//! today: MK-2: Studio: the new provider reserves 200, the new provider captures 200
//! ```

use resilient::prelude::*;
use serde::{Deserialize, Serialize};

/// "The bill may be sent": what the orders of this sample wait for when the deployment comes.
#[derive(Serialize, Deserialize, Message)]
struct GoodsReceived;

/// The code of yesterday.
mod yesterday {
    use std::time::Duration;

    use resilient::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::GoodsReceived;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order {
        pub(super) total: u32,
    }

    // All functions of this sample are in one program, so each deployment says which are its own.
    #[resilient_fn(type_id = "OrderProcessor", register = false)]
    pub(super) async fn process_order(order: Order, context: &Context) -> resilient::Result<String> {
        let reserved = context.at_least_once("reserve", || old_provider("reserves", order.total)).await?;
        context.messages().next::<GoodsReceived>().await?;
        let captured = old_provider("captures", order.total).await?;
        Ok(format!("{reserved}, {captured}"))
    }

    pub(super) async fn old_provider(does: &str, amount: u32) -> resilient::Result<String> {
        tokio::time::sleep(Duration::from_millis(10)).await; // the network
        Ok(format!("the old provider {does} {amount}"))
    }
}

/// The code of today.
mod today {
    use std::time::Duration;

    use resilient::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::GoodsReceived;
    use super::yesterday::{self, old_provider};

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) enum Brand {
        Classic,
        Studio,
    }

    #[derive(Serialize, Deserialize, Versioned)]
    #[versioned(version = 2, v1 = yesterday::Order)]
    pub(super) struct Order {
        pub(super) total: u32,
        pub(super) brand: Brand,
    }

    /// There was one brand only.
    impl From<yesterday::Order> for Order {
        fn from(order: yesterday::Order) -> Self {
            Self { total: order.total, brand: Brand::Classic }
        }
    }

    /// Version 1 stays for the orders that it has begun, and can go when none of them is left.
    #[resilient_fn(type_id = "OrderProcessor", register = false)]
    pub(super) async fn process_order(order: Order, context: &Context) -> resilient::Result<String> {
        let reserved = context.at_least_once("reserve", || old_provider("reserves", order.total)).await?;
        context.messages().next::<GoodsReceived>().await?;
        let captured = old_provider("captures", order.total).await?;
        Ok(format!("{:?}: {reserved}, {captured}", order.brand))
    }

    #[resilient_fn(type_id = "OrderProcessor", version = 2, register = false)]
    pub(super) async fn process_order_2(order: Order, context: &Context) -> resilient::Result<String> {
        let reserved = context.at_least_once("reserve", || new_provider("reserves", order.total)).await?;
        context.messages().next::<GoodsReceived>().await?;
        let captured = new_provider("captures", order.total).await?;
        Ok(format!("{:?}: {reserved}, {captured}", order.brand))
    }

    async fn new_provider(does: &str, amount: u32) -> resilient::Result<String> {
        tokio::time::sleep(Duration::from_millis(10)).await; // the network
        Ok(format!("the new provider {does} {amount}"))
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let store = InMemoryStore::new();

    let runtime = Runtime::builder(store.clone()).register::<yesterday::process_order>().start().await?;
    match yesterday::process_order::invoke(&runtime, "MK-1", yesterday::Order { total: 100 }).await {
        Err(InvokeError::Suspended { .. }) => println!("yesterday: MK-1 waits for its goods"),
        ended => println!("yesterday: MK-1: {}", ended?),
    }
    runtime.shutdown().await?;

    let runtime = Runtime::builder(store)
        .register::<today::process_order>()
        .register::<today::process_order_2>()
        .start()
        .await?;
    let order = today::Order { total: 200, brand: today::Brand::Studio };
    today::process_order_2::schedule(&runtime, "MK-2", order).await?;
    today::process_order::send(&runtime, "MK-1", GoodsReceived).await?;
    today::process_order_2::send(&runtime, "MK-2", GoodsReceived).await?;
    println!("today: MK-1: {}", today::process_order::completion(&runtime, "MK-1").await?);
    println!("today: MK-2: {}", today::process_order_2::completion(&runtime, "MK-2").await?);

    runtime.shutdown().await?;
    Ok(())
}
