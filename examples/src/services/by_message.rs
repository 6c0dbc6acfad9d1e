//! The services as they are in an exchange of messages: a command is accepted at once and carried out later, and the
//! answer is a message to the order that it was about.
//!
//! Commands are instances of the three functions here: stored when they are accepted, carried out in the process of the
//! services, and taken up again after a crash. An instance is known by its order and its call, so a command that is
//! sent twice is carried out once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use resilient::prelude::*;
use resilient::{Message, Outgoing, Store};
use serde::{Deserialize, Serialize};

use super::Command;
use super::ledger::{Call, Effect, Entry, Reply};
use super::server::{Manner, Request, Services};

/// After this time a service that was busy looks at a command again.
const BUSY: Duration = Duration::from_millis(100);
/// How soon the services go on with the commands of services that crashed.
const LEASE: Duration = Duration::from_secs(2);

/// The money is reserved.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
#[message(name = "FundsReserved")]
pub(crate) struct FundsReserved {}

/// The payment provider will not move the money, now or later.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
#[message(name = "FundsDeclined")]
pub(crate) struct FundsDeclined {
    pub(crate) reason: String,
}

/// The parcel is on its way.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
#[message(name = "ProductsShipped")]
pub(crate) struct ProductsShipped {}

/// The money is ours.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
#[message(name = "FundsCaptured")]
pub(crate) struct FundsCaptured {}

/// The customer has been told.
#[derive(Clone, Debug, Serialize, Deserialize, Message)]
#[message(name = "ConfirmationSent")]
pub(crate) struct ConfirmationSent {}

/// Where answers go.
#[async_trait]
pub(crate) trait Answers: Send + Sync {
    /// Stores a message for the order; one whose key it has already is stored once.
    async fn answer(&self, order: &str, message: Outgoing) -> Result<(), InvokeError>;
}

/// Reserves and captures money.
#[resilient_fn(type_id = "Payment", register = false)]
async fn payment(command: Command, desk: Dep<Desk>) -> resilient::Result<()> {
    desk.carry_out(&command).await
}

/// Sends parcels, and now and then forgets to say so.
#[resilient_fn(type_id = "Logistics", register = false)]
async fn logistics(command: Command, desk: Dep<Desk>) -> resilient::Result<()> {
    desk.carry_out(&command).await
}

/// Sends mail.
#[resilient_fn(type_id = "Email", register = false)]
async fn email(command: Command, desk: Dep<Desk>) -> resilient::Result<()> {
    desk.carry_out(&command).await
}

/// Where commands are carried out.
pub(super) struct Desk {
    services: Arc<Services>,
    answers: Arc<dyn Answers>,
}

impl Desk {
    async fn carry_out(&self, command: &Command) -> resilient::Result<()> {
        let Command { call, order, transaction, amount } = command.clone();
        let request = Request { order, transaction, amount };
        let entry = self.services.perform(Manner::Command, call, &request).await?;
        if entry.effect == Effect::Refused {
            Err(Postpone::for_(BUSY))?;
        }
        let Some(message) = answer_to(&entry) else { return Ok(()) };
        // The command may be carried out again after a crash just here: the key keeps its second answer out.
        let message = message.with_key(format!("answer to {call}"));
        match self.answers.answer(&entry.order, message).await {
            // An order that has ended or was deleted has nobody left who would want to know.
            Ok(()) | Err(InvokeError::Completed { .. } | InvokeError::NotFound { .. }) => Ok(()),
            Err(InvokeError::Store(_)) => Err(Postpone::for_(BUSY))?,
            Err(err) => Err(err)?,
        }
    }
}

/// What the order gets to hear; nothing when the answer is lost.
fn answer_to(entry: &Entry) -> Option<Outgoing> {
    if entry.reply == Reply::Lost {
        return None;
    }
    Some(match (entry.effect, entry.call) {
        (Effect::Rejected, _) => {
            FundsDeclined { reason: "the transaction belongs to another order or amount".to_owned() }.into()
        }
        (_, Call::Reserve) => FundsReserved {}.into(),
        (_, Call::Capture) => FundsCaptured {}.into(),
        (_, Call::Ship) => ProductsShipped {}.into(),
        (_, Call::Confirm) => ConfirmationSent {}.into(),
    })
}

/// The runtime in which the services carry commands out.
pub(super) async fn start(
    store: Arc<dyn Store>,
    services: Arc<Services>,
    answers: Arc<dyn Answers>,
) -> anyhow::Result<Runtime> {
    let settings = Settings::default()
        .poll(Duration::from_millis(50))
        .heartbeat(LEASE / 8)
        .lease(LEASE)
        .shutdown_grace(Duration::from_secs(1));
    let builder = Runtime::builder(store).settings(settings).dep(Desk { services, answers });
    Ok(builder.register::<payment>().register::<logistics>().register::<email>().start().await?)
}

/// Where commands are accepted: what was answered with `202 Accepted` is stored, and will be carried out.
pub(super) fn router(runtime: Runtime) -> Router {
    Router::new().route("/commands", post(accept)).with_state(runtime)
}

async fn accept(State(runtime): State<Runtime>, Json(command): Json<Command>) -> Response {
    let id = format!("{}/{}", command.order, command.call);
    let stored = match command.call {
        Call::Reserve | Call::Capture => payment::schedule(&runtime, id, command).await,
        Call::Ship => logistics::schedule(&runtime, id, command).await,
        Call::Confirm => email::schedule(&runtime, id, command).await,
    };
    match stored {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(InvokeError::Store(err)) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
        Err(err) => (StatusCode::CONFLICT, err.to_string()).into_response(),
    }
}
