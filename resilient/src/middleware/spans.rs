//! A span around each run.

use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::correlation::HEADER;
use super::{Invocation, Middleware, Next};
use crate::outcome::RawOutcome;

/// Puts each run into a span `resilient_run` of level info, so that every event of the body says which run it belongs to.
///
/// The fields: `type_id`, `instance_id`, `attempt`, `epoch`, `version`, `correlation_id` when there is one, and at the
/// end `outcome`: `success`, `postpone`, `suspend` or `failed`. They never hold data of the function.
///
/// A run is begun by the runtime, so its span has no parent; the id of a [`Correlation`](super::Correlation) that was
/// added before this joins it with the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSpans;

impl Middleware for TracingSpans {
    async fn handle(&self, invocation: &Invocation, next: Next<'_>) -> RawOutcome {
        let span = span(invocation);
        let outcome = next.run().instrument(span.clone()).await;
        span.record("outcome", outcome.kind());
        outcome
    }
}

fn span(invocation: &Invocation) -> Span {
    let context = invocation.context();
    let span = info_span!(
        "resilient_run",
        type_id = %context.type_id(),
        instance_id = %context.instance_id(),
        attempt = context.attempt(),
        epoch = %invocation.epoch(),
        version = invocation.version(),
        correlation_id = Empty,
        outcome = Empty,
    );
    if let Some(id) = invocation.header(HEADER) {
        span.record("correlation_id", id);
    }
    span
}
