//! Runtimes over a store: one that processes orders, and those that only hand something in, look or mend.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use resilient::prelude::*;
use resilient::{Outgoing, Store};

use crate::flow::by_message::process_order_by_message;
use crate::services::by_message::Answers;
use crate::services::client::HttpServices;
use crate::services::{Commands, Email, Logistics, PaymentProvider};

/// An order that waits for a message gives its place to others at once: services take their time.
const STAY_IN_MEMORY: Duration = Duration::ZERO;
/// How soon an order goes on whose answer the process of the services has stored.
const POLL: Duration = Duration::from_millis(50);

/// A runtime that processes up to `concurrency` orders at once with these services.
pub(crate) async fn for_orders(
    store: Arc<dyn Store>,
    services: HttpServices,
    concurrency: NonZeroUsize,
) -> anyhow::Result<Runtime> {
    let services = Arc::new(services);
    let bank: Arc<dyn PaymentProvider> = Arc::<HttpServices>::clone(&services);
    let logistics: Arc<dyn Logistics> = Arc::<HttpServices>::clone(&services);
    let email: Arc<dyn Email> = Arc::<HttpServices>::clone(&services);
    let commands: Arc<dyn Commands> = services;
    let settings = Settings::default()
        .max_running(concurrency.get())
        .stay_in_memory(STAY_IN_MEMORY)
        .poll(POLL)
        .app_version(env!("CARGO_PKG_VERSION"));
    let builder = Runtime::builder(store).dep_arc(bank).dep_arc(logistics).dep_arc(email).dep_arc(commands);
    Ok(builder.settings(settings).discover().start().await?)
}

/// A runtime that looks and mends, and runs nothing: it needs no services.
pub(crate) async fn for_tools(store: Arc<dyn Store>) -> anyhow::Result<Runtime> {
    Ok(Runtime::builder(store).take_no_work().start().await?)
}

/// The messages of the orders, where the services leave their answers.
pub(crate) struct Mailboxes(pub(crate) Runtime);

#[async_trait]
impl Answers for Mailboxes {
    async fn answer(&self, order: &str, message: Outgoing) -> Result<(), InvokeError> {
        self.0.send::<process_order_by_message>(order, message).await
    }
}
