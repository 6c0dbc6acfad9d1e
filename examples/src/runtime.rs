//! Runtimes over a store: one that processes orders, and one for tools that only look and mend.

use std::num::NonZeroUsize;
use std::sync::Arc;

use resilient::Store;
use resilient::prelude::*;

use crate::services::client::HttpServices;
use crate::services::{Email, Logistics, PaymentProvider};

/// A runtime that processes up to `concurrency` orders at once with these services.
pub(crate) async fn for_orders(
    store: Arc<dyn Store>,
    services: HttpServices,
    concurrency: NonZeroUsize,
) -> anyhow::Result<Runtime> {
    let services = Arc::new(services);
    let bank: Arc<dyn PaymentProvider> = Arc::<HttpServices>::clone(&services);
    let logistics: Arc<dyn Logistics> = Arc::<HttpServices>::clone(&services);
    let email: Arc<dyn Email> = services;
    let settings = Settings::default().max_running(concurrency.get()).app_version(env!("CARGO_PKG_VERSION"));
    let builder = Runtime::builder(store).dep_arc(bank).dep_arc(logistics).dep_arc(email);
    Ok(builder.settings(settings).discover().start().await?)
}

/// A runtime that looks and mends, and runs nothing: it needs no services.
pub(crate) async fn for_tools(store: Arc<dyn Store>) -> anyhow::Result<Runtime> {
    Ok(Runtime::builder(store).take_no_work().start().await?)
}
