//! What callers do in transactions of their own, past the writer: nobody here knows when they are committed.

use std::sync::Arc;

use super::{Instance, check_not_stopped, unexpected};
use crate::clock::Due;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invocation::check_messages;
use crate::invoke_error::InvokeError;
use crate::record::NewMessage;
use crate::store::{Append, Start, Write, Written};
use crate::transaction::UserTransaction;

/// Stores an instance in a transaction of the caller's; one that exists already stays as it is.
pub(crate) async fn schedule_in(
    engine: &Arc<Engine>,
    transaction: UserTransaction<'_>,
    instance: Instance,
) -> Result<(), InvokeError> {
    check_not_stopped(engine)?;
    instance.check(engine)?;
    let instance = instance.noted(engine)?;
    let FunctionId { type_id, instance_id } = instance.id.clone();
    let create = Write::Create(instance.create(Start::Waiting(Due::Now)));
    match write(engine, transaction, create).await? {
        Written::Exists(_) => Ok(()),
        Written::Done => {
            tracing::debug!(%type_id, %instance_id, "scheduled in a transaction");
            Ok(())
        }
        other => Err(unexpected("a create", &other)),
    }
}

/// Stores a message for an instance in a transaction of the caller's.
pub(crate) async fn send_in(
    engine: &Arc<Engine>,
    transaction: UserTransaction<'_>,
    id: FunctionId,
    message: NewMessage,
) -> Result<(), InvokeError> {
    check_not_stopped(engine)?;
    id.check()?;
    let messages = vec![message];
    check_messages(engine, &id, &messages)?;
    match write(engine, transaction, Write::Append(Append { id: id.clone(), messages })).await? {
        Written::Done => {
            let FunctionId { type_id, instance_id } = &id;
            tracing::debug!(%type_id, %instance_id, "message stored in a transaction");
            Ok(())
        }
        Written::NotFound => Err(InvokeError::NotFound { id }),
        Written::Completed => Err(InvokeError::Completed { id }),
        other => Err(unexpected("an append", &other)),
    }
}

async fn write(
    engine: &Engine,
    transaction: UserTransaction<'_>,
    write: Write,
) -> Result<Written, InvokeError> {
    let given = transaction.type_name;
    match engine.write_in(transaction, write).await {
        Err(error) if error.is_unfit_transaction() => {
            Err(InvokeError::UnfitTransaction { given, problem: error.to_string() })
        }
        written => Ok(written?),
    }
}
