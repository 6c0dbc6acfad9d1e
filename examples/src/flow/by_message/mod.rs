//! The same order flow with services that answer by message: it sends a command, and waits for as long as it takes.
//!
//! An order that waits longer than a moment is put away: it uses no memory, and a message calls the flow again from its
//! top. So every command is sent again then, which does no harm, since the services know each by its order; and every
//! answer that was read is read again, since messages stay where they are until the order has ended.

#[cfg(test)]
mod tests;

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Either, Messages};
use uuid::Uuid;

use super::{OrderScrapbook, ShippingInDoubt, WorkStatus, patiently, transaction_id};
use crate::orders::Order;
use crate::services::by_message::{
    ConfirmationSent, FundsCaptured, FundsDeclined, FundsReserved, ProductsShipped,
};
use crate::services::ledger::Call;
use crate::services::{Command, Commands};

/// How long logistics has for an answer, also while nobody here runs.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often it is asked before a person has to find out.
const ASK_AT_MOST: u32 = 2;

/// What the payment provider may say to a reservation.
#[derive(Debug, Messages)]
enum PaymentReply {
    Reserved(FundsReserved),
    Declined(FundsDeclined),
}

/// The payment provider will not move the money, now or later.
#[derive(Debug, thiserror::Error)]
#[error("the payment provider has declined: {reason}")]
struct Declined {
    reason: String,
}

impl From<FundsDeclined> for Declined {
    fn from(FundsDeclined { reason }: FundsDeclined) -> Self {
        Self { reason }
    }
}

/// Processes one order to its end; the result is the id of its payment.
///
/// It is another version of the same function, so that an order is processed once, in whichever form it was begun.
#[resilient_fn(type_id = "OrderProcessor", version = 2)]
pub(crate) async fn process_order_by_message(
    order: Order,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    context: &Context,
    services: Dep<dyn Commands>,
) -> resilient::Result<Uuid> {
    let messages = context.messages();
    let transaction = transaction_id(scrapbook).await?;
    let command = |call| Command { call, order: order.id.clone(), transaction: None, amount: None };
    let payment = |call| Command { transaction: Some(transaction), ..command(call) };

    let reserve = Command { amount: Some(order.total()), ..payment(Call::Reserve) };
    patiently(|| services.send(reserve.clone())).await?;
    match messages.next::<PaymentReply>().await? {
        PaymentReply::Reserved(_) => {}
        PaymentReply::Declined(declined) => Err(Declined::from(declined))?,
    }
    if scrapbook.shipping != WorkStatus::Completed {
        ship(&command(Call::Ship), scrapbook, context, &*services).await?;
    }
    patiently(|| services.send(payment(Call::Capture))).await?;
    patiently(|| services.send(command(Call::Confirm))).await?;
    // Whichever of the two answers first: the other one is waited for.
    let captured = messages.next::<Either<FundsCaptured, FundsDeclined>>();
    let (captured, _) = tokio::try_join!(captured, messages.next::<ConfirmationSent>())?;
    match captured {
        Either::First(_) => Ok(transaction),
        Either::Second(declined) => Err(Declined::from(declined))?,
    }
}

/// Asks logistics for the parcel, and once more when no answer comes in time; after that a person has to find out.
async fn ship(
    command: &Command,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    context: &Context,
    services: &dyn Commands,
) -> resilient::Result<()> {
    // No save: what the scrapbook says here follows from the messages, and is stored when the run ends.
    scrapbook.shipping = WorkStatus::Started;
    loop {
        patiently(|| services.send(command.clone())).await?;
        // A deadline that has passed has passed for good, so the next one needs a name of its own.
        let deadline = format!("answer {} of logistics", scrapbook.unanswered + 1);
        let answer = context.messages().next_within::<ProductsShipped>(deadline, ANSWER_WITHIN).await?;
        if answer.is_some() {
            scrapbook.shipping = WorkStatus::Completed;
            return Ok(());
        }
        scrapbook.unanswered += 1;
        // Counted over all that persons have decided before: each of them gives logistics as many chances again.
        if scrapbook.unanswered.is_multiple_of(ASK_AT_MOST) {
            Err(ShippingInDoubt { order: command.order.clone(), source: None })?;
        }
    }
}
