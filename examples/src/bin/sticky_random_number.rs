//! **What happens when a function is invoked twice with the same id?**
//!
//! It runs once. The result is stored under the id, and every later call gets it: in this process, after a restart, and
//! from any other replica. So the id is a name of the work, such as the number of an order.
//!
//! ```console
//! $ cargo run --bin sticky_random_number
//!   (the die rolls)
//! one process: DiceThrow#1 is …
//! one process: DiceThrow#1 is …
//!   (the die rolls)
//! one process: DiceThrow#2 is …
//! another one, later: DiceThrow#1 is …
//! another one, later: DiceThrow#1 is …
//! another one, later: DiceThrow#2 is …
//! ```

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct Interval {
    from: u128,
    to: u128,
}

#[resilient_fn(type_id = "StickyRandomNumber")]
async fn sticky_random_number(interval: Interval) -> u128 {
    println!("  (the die rolls)");
    // A random number without another crate.
    interval.from + Uuid::new_v4().as_u128() % (interval.to - interval.from)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Stage::new()?;
    for process in ["one process", "another one, later"] {
        // A file, so that what is stored outlives the runtime.
        let store = SqliteStore::open(&stage.database()).await?;
        let runtime = Runtime::builder(store).discover().start().await?;
        for throw in ["DiceThrow#1", "DiceThrow#1", "DiceThrow#2"] {
            let die = sticky_random_number::invoke(&runtime, throw, Interval { from: 1, to: 7 }).await?;
            println!("{process}: {throw} is {die}");
        }
        runtime.shutdown().await?;
    }
    Ok(())
}
