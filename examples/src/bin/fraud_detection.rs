//! **How do I have three functions work at once, and go on without the one that is late?**
//!
//! As children: functions of their own, each with retries of its own, that run on any replica and whose results are kept.
//! Each of them races a durable timer; one that is late goes on, but nobody waits for it any more.
//!
//! The same for services that answer by message: `loan_approval`.
//!
//! ```console
//! $ cargo run --bin fraud_detection
//! …
//!   the register of addresses is busy
//! …
//!   Ann has an address
//! payment 7: approved, with 2 answers of 3
//! the history: suspended
//! ```

use std::time::Duration;

use resilient::prelude::*;
use serde::{Deserialize, Serialize};

/// How long a detector has. In production: 30 s, or an hour.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

#[derive(Clone, Serialize, Deserialize)]
struct Payment {
    customer: String,
    amount: u32,
}

#[resilient_fn(type_id = "FraudDetection")]
async fn detect_fraud(payment: Payment, context: &Context) -> resilient::Result<String> {
    let (amount, address, history) = tokio::try_join!(
        in_time::<check_amount>(context, "amount", &payment),
        in_time::<check_address>(context, "address", &payment),
        in_time::<check_history>(context, "history", &payment),
    )?;
    // `None` is no answer in time.
    let opinions: Vec<bool> = [amount, address, history].into_iter().flatten().collect();
    let is_fine = opinions.len() >= 2 && opinions.iter().all(|is_fine| *is_fine);
    let decision = if is_fine { "approved" } else { "stopped" };
    Ok(format!("{decision}, with {} answers of 3", opinions.len()))
}

/// What the detector says; `None` when it is late.
async fn in_time<F>(context: &Context, name: &str, payment: &Payment) -> resilient::Result<Option<bool>>
where
    F: ResilientFn<Param = Payment, Output = bool>,
{
    let timer = format!("{name} is late");
    tokio::select! {
        biased;
        is_fine = context.invoke::<F>(name, payment.clone()) => Ok(Some(is_fine?)),
        slept = context.sleep(timer, ANSWER_WITHIN) => Ok(slept.map(|()| None)?),
    }
}

#[resilient_fn(type_id = "CheckAmount")]
async fn check_amount(payment: Payment) -> bool {
    println!("  {} is not much", payment.amount);
    payment.amount < 1_000
}

/// Its service is busy at first, which is its own business.
#[resilient_fn(type_id = "CheckAddress", retry(first = "100ms", factor = 2))]
async fn check_address(payment: Payment, context: &Context) -> resilient::Result<bool> {
    if context.attempt() == 1 {
        println!("  the register of addresses is busy");
        return Err(resilient::Error::msg("busy"));
    }
    println!("  {} has an address", payment.customer);
    Ok(true)
}

/// Somebody looks through the papers, and is on holiday.
#[resilient_fn(type_id = "CheckHistory")]
async fn check_history(_payment: Payment, context: &Context) -> resilient::Result<bool> {
    println!("  the papers have to be looked through");
    context.sleep("holiday", Duration::from_hours(24)).await?;
    Ok(true)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    // Nobody waits in memory: every wait puts the function away at once.
    let settings = Settings::default().stay_in_memory(Duration::ZERO);
    let runtime = Runtime::builder(InMemoryStore::new()).settings(settings).discover().start().await?;

    let payment = Payment { customer: "Ann".to_owned(), amount: 70 };
    detect_fraud::schedule(&runtime, "payment-7", payment).await?;
    println!("payment 7: {}", detect_fraud::completion(&runtime, "payment-7").await?);

    // The children are instances like all others.
    let late = check_history::control_panel(&runtime, "payment-7/history").await?;
    println!("the history: {}", late.status());
    runtime.shutdown().await?;
    Ok(())
}
