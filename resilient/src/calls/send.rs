//! Messages on their way to an instance.

use std::sync::Arc;

use super::{check_not_stopped, unexpected};
use crate::chance;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invocation::check_messages;
use crate::invoke_error::InvokeError;
use crate::message::Outgoing;
use crate::record::NewMessage;
use crate::store::{Append, Write, Written};

/// The messages in the form in which they are stored; one without a key gets a random one, so that an append whose
/// answer was lost can be issued again.
pub(crate) fn messages(outgoing: impl IntoIterator<Item = Outgoing>) -> Result<Vec<NewMessage>, InvokeError> {
    outgoing.into_iter().map(message).collect()
}

/// One message in the form in which it is stored.
pub(crate) fn message(outgoing: Outgoing) -> Result<NewMessage, InvokeError> {
    let Outgoing { name, payload, key } = outgoing;
    let payload = payload.map_err(|source| InvokeError::Encode { field: "message", source })?;
    let key = key.unwrap_or_else(|| chance::unique().to_string());
    Ok(NewMessage { name: name.to_owned(), payload, key })
}

/// Stores messages for an instance, and wakes it.
pub(crate) async fn send(
    engine: &Arc<Engine>,
    id: FunctionId,
    messages: Vec<NewMessage>,
) -> Result<(), InvokeError> {
    check_not_stopped(engine)?;
    id.check()?;
    check_messages(engine, &id, &messages)?;
    if messages.is_empty() {
        return Ok(());
    }
    let append = Append { id: id.clone(), messages };
    match engine.writer.write(Write::Append(append)).await? {
        Written::Done => {
            let FunctionId { type_id, instance_id } = &id;
            tracing::debug!(%type_id, %instance_id, "message stored");
            // What waits here is executing, so there is nothing to claim.
            if !engine.inboxes.hint(&id) {
                engine.wakes.now();
            }
            Ok(())
        }
        Written::NotFound => Err(InvokeError::NotFound { id }),
        Written::Completed => Err(InvokeError::Completed { id }),
        other => Err(unexpected("an append", &other)),
    }
}
