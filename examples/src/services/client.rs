//! The services over HTTP, as the flow sees them.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::ledger::Call;
use super::server::Request;
use super::{CallError, Command, Commands, Email, Logistics, PaymentProvider};
use crate::orders::Order;

const TIMEOUT: Duration = Duration::from_secs(10);

/// All three services at one address.
#[derive(Clone, Debug)]
pub(crate) struct HttpServices {
    http: Client,
    address: SocketAddr,
}

impl HttpServices {
    pub(crate) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        // Never a second request behind our back: what may be repeated is the flow's decision.
        let http = Client::builder().timeout(TIMEOUT).retry(reqwest::retry::never()).no_proxy().build()?;
        Ok(Self { http, address })
    }

    async fn post(
        &self,
        service: &'static str,
        path: &str,
        request: &impl Serialize,
    ) -> Result<(), CallError> {
        let unknown = |err: reqwest::Error| CallError::Unknown { service, source: Box::new(err) };
        let sent = self.http.post(format!("http://{}{path}", self.address)).json(request).send().await;
        let reply = match sent {
            // Nothing was sent when there was nobody to send it to.
            Err(err) if err.is_connect() => {
                return Err(CallError::NotDone { service, reason: "cannot be reached".to_owned() });
            }
            reply => reply.map_err(unknown)?,
        };
        let status = reply.status();
        let body = reply.text().await;
        match status {
            // The answer has to arrive whole: a service that dies while answering has answered nothing.
            StatusCode::OK | StatusCode::ACCEPTED => body.map(drop).map_err(unknown),
            // Of all errors only this one promises that nothing was done.
            StatusCode::SERVICE_UNAVAILABLE => {
                Err(CallError::NotDone { service, reason: body.unwrap_or_else(|_| status.to_string()) })
            }
            status if status.is_client_error() => {
                Err(CallError::Rejected { service, reason: body.unwrap_or_else(|_| status.to_string()) })
            }
            status => Err(CallError::Unknown { service, source: status.to_string().into() }),
        }
    }
}

fn request(order: &Order) -> Request {
    Request { order: order.id.clone(), transaction: None, amount: None }
}

#[async_trait]
impl PaymentProvider for HttpServices {
    async fn reserve(&self, transaction: Uuid, order: &Order) -> Result<(), CallError> {
        let amount = Some(order.total());
        let request = Request { transaction: Some(transaction), amount, ..request(order) };
        self.post("the payment provider", "/payments/reserve", &request).await
    }

    async fn capture(&self, transaction: Uuid, order: &Order) -> Result<(), CallError> {
        let request = Request { transaction: Some(transaction), ..request(order) };
        self.post("the payment provider", "/payments/capture", &request).await
    }
}

#[async_trait]
impl Logistics for HttpServices {
    async fn ship(&self, order: &Order) -> Result<(), CallError> {
        self.post("logistics", "/shipments", &request(order)).await
    }
}

#[async_trait]
impl Email for HttpServices {
    async fn confirm(&self, order: &Order) -> Result<(), CallError> {
        self.post("the mail server", "/emails", &request(order)).await
    }
}

#[async_trait]
impl Commands for HttpServices {
    async fn send(&self, command: Command) -> Result<(), CallError> {
        let service = match command.call {
            Call::Reserve | Call::Capture => "the payment provider",
            Call::Ship => "logistics",
            Call::Confirm => "the mail server",
        };
        self.post(service, "/commands", &command).await
    }
}
