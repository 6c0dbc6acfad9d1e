//! The three services an order needs, and what can go wrong with a call.
//!
//! They are real HTTP services in a process of their own (see `process`), which can also take commands and answer by
//! message (see `by_message`). Either way that process writes down every call in a ledger
//! that nothing of this demo's database goes into: what has been done can be checked without believing us.

pub(crate) mod by_message;
pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod process;
mod server;
mod whims;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::ledger::Call;
use crate::orders::Order;

/// Reserves and captures money. Idempotent: one transaction id is charged once, however often it is sent.
#[async_trait]
pub(crate) trait PaymentProvider: Send + Sync {
    async fn reserve(&self, transaction: Uuid, order: &Order) -> Result<(), CallError>;
    async fn capture(&self, transaction: Uuid, order: &Order) -> Result<(), CallError>;
}

/// Sends products. **Not** idempotent: two calls are two parcels.
#[async_trait]
pub(crate) trait Logistics: Send + Sync {
    async fn ship(&self, order: &Order) -> Result<(), CallError>;
}

/// Sends mail. Two calls are two mails, which is a pity, and no more than that.
#[async_trait]
pub(crate) trait Email: Send + Sync {
    async fn confirm(&self, order: &Order) -> Result<(), CallError>;
}

/// Something to be done by a service that answers by message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) call: Call,
    pub(crate) order: String,
    /// That of a payment.
    pub(crate) transaction: Option<Uuid>,
    /// That of a reservation, in cents.
    pub(crate) amount: Option<u64>,
}

/// Takes commands. Idempotent: a call for an order is made once, however often the command is sent.
#[async_trait]
pub(crate) trait Commands: Send + Sync {
    /// Hands a command over; it is on its way for good when this returns.
    async fn send(&self, command: Command) -> Result<(), CallError>;
}

/// Why a call did not succeed, told apart by what is known about its effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service was not reached, or said that it has done nothing: the call may be repeated.
    #[error("{service} has not done it: {reason}")]
    NotDone { service: &'static str, reason: String },

    /// The request left and no answer came back: it may have been done.
    #[error("{service} may have done it: no answer came back")]
    Unknown {
        service: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The service understood the request and will never do it.
    #[error("{service} will not do it: {reason}")]
    Rejected { service: &'static str, reason: String },
}

impl CallError {
    /// Whether the same call may well succeed in a moment.
    pub(crate) fn is_transient(&self) -> bool {
        !matches!(self, Self::Rejected { .. })
    }
}
