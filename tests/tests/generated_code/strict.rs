//! A public interface under strict lints.

use resilient::prelude::*;
use serde::{Deserialize, Serialize};

/// An order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub number: u32,
}

/// Progress, earlier.
#[derive(Debug, Serialize, Deserialize)]
struct ProgressV1 {
    steps: u8,
}

/// Progress.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 2, v1 = ProgressV1)]
pub struct Progress {
    /// How far.
    pub steps: u32,
}

impl From<ProgressV1> for Progress {
    fn from(progress: ProgressV1) -> Self {
        Self { steps: progress.steps.into() }
    }
}

/// The bank has the money, earlier.
#[derive(Debug, Serialize, Deserialize)]
struct ReservedV1 {
    amount: u8,
}

/// The bank has the money.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "generated.Reserved", version = 2, v1 = ReservedV1)]
pub struct Reserved {
    /// How much.
    pub amount: u32,
}

impl From<ReservedV1> for Reserved {
    fn from(reserved: ReservedV1) -> Self {
        Self { amount: reserved.amount.into() }
    }
}

/// The bank wants more: one message, whatever it says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, Message)]
pub enum Asked {
    /// For a name.
    Name,
    /// For a number.
    Number(u32),
}

/// What the bank can say.
#[derive(Debug, PartialEq, Eq, Messages)]
pub enum Reply {
    /// Yes.
    Reserved(Reserved),
    /// Perhaps.
    Asked(Asked),
}

/// A service.
pub trait Bank: Send + Sync {}

pub(super) fn is_transient(failure: &resilient::Failure) -> bool {
    failure.type_name.is_empty()
}

/// All kinds of arguments.
///
/// # Errors
///
/// None.
#[resilient_fn(
    type_id = "generated.Strict",
    version = 2,
    retry(first = "1s", factor = 2.5, max_delay = "1h", max_tries = 5, only_if = is_transient)
)]
pub async fn strict(
    order: Order,
    scrapbook: &mut Scrapbook<Progress>,
    context: &Context,
    bank: Dep<dyn Bank>,
    other: Option<Dep<String>>,
) -> resilient::Result<u32> {
    scrapbook.steps += context.attempt();
    scrapbook.save().await?;
    drop((bank, other));
    Ok(order.number)
}

/// Nothing in, nothing out.
#[resilient_fn(type_id = "generated.Unit")]
pub async fn unit((): ()) {}
