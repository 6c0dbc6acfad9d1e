//! The three services an order needs, and what can go wrong with a call.
//!
//! They are real HTTP services in a process of their own (see `process`), which writes down every call in a ledger
//! that nothing of this demo's database goes into: what has been done can be checked without believing us.

pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod process;
mod server;
mod whims;

use async_trait::async_trait;
use uuid::Uuid;

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
