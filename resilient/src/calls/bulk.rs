//! Many instances at once.

use std::sync::Arc;

use super::check_not_stopped;
use crate::engine::Engine;
use crate::invocation::{Instance, create_all};
use crate::invoke_error::InvokeError;

/// Stores instances that any replica runs at once, of several with one id the first; answers how many are new.
pub(crate) async fn schedule_many(
    engine: &Arc<Engine>,
    instances: Vec<Instance>,
) -> Result<usize, InvokeError> {
    check_not_stopped(engine)?;
    let ids: std::collections::HashSet<_> = instances.iter().map(|instance| instance.id.clone()).collect();
    let existing = create_all(engine, instances).await?;
    let new = ids.len().saturating_sub(existing.len());
    tracing::debug!(instances = new, "scheduled together");
    Ok(new)
}
