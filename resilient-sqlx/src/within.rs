//! Writes in a transaction of the user's.
//!
//! Its session has settings of the user's choice: whatever level of isolation, time zone, way of quoting and limits on
//! waiting. So the statements here quote in a way that every session understands, take the time in a form that no time
//! zone changes, and decide by rows that they lock, or by what they write, and not by what the transaction may have seen
//! long ago. Where a session cannot do that, at a higher level of isolation, the database itself refuses it.

use std::any::Any;
use std::ops::DerefMut;

use resilient::store::{Write, Written};
use resilient::{FunctionId, Store, StoreError, StoredFunction};
use sqlx::{Connection, Transaction};

use crate::backend::{Backend, settle};
use crate::store::{Answers, Plan, Way, write_by};

/// [`Store::write_in`].
pub(crate) async fn write_in<B: Backend + Store>(
    store: &B,
    transaction: &mut (dyn Any + Send),
    batch: &[Write],
) -> Result<Vec<Written>, StoreError> {
    let on = connection::<B>(transaction)?;
    let is_open = settle::<B, _>(B::PATIENCE, WRITE, B::is_open(on)).await?;
    if !is_open {
        return Err(ended());
    }
    write_by(store, &mut Within { store, on }, batch).await
}

/// What an error is reported of: also one that may pass is the end of the transaction.
const WRITE: &str = "a write in a transaction of the user's, which is to be rolled back";

fn ended() -> StoreError {
    StoreError::unfit_transaction(
        "the database has ended it after an error, or with a statement that ends it; roll it back and begin another one",
    )
}

/// The connection under whatever the user has given, if it is in a transaction.
fn connection<B: Backend>(transaction: &mut (dyn Any + Send)) -> Result<&mut B::Connection, StoreError> {
    let on = if transaction.is::<Transaction<'static, B::Driver>>() {
        transaction.downcast_mut::<Transaction<'static, B::Driver>>().map(DerefMut::deref_mut)
    } else {
        transaction.downcast_mut::<B::Connection>()
    };
    match on {
        Some(on) if on.is_in_transaction() => Ok(on),
        Some(_) => Err(StoreError::unfit_transaction(
            "the connection is not in a transaction that sqlx has begun; give what `pool.begin()` answers",
        )),
        None => Err(StoreError::unfit_transaction(format!(
            "{} takes {}, or `&mut *transaction` for the connection under it",
            B::NAME,
            B::TRANSACTION
        ))),
    }
}

/// Writes and reads on the user's connection, so that all of it sees what the transaction has written.
struct Within<'a, B: Backend> {
    store: &'a B,
    on: &'a mut B::Connection,
}

impl<B: Backend> Way for Within<'_, B> {
    async fn apply(&mut self, plan: &Plan<'_>) -> Result<Answers, StoreError> {
        let applied = async {
            let applied = self.store.apply_in(self.on, plan).await;
            applied.map_err(|trouble| if B::is_aborted(&trouble) { ended().into() } else { trouble })
        };
        settle::<B, _>(B::PATIENCE, WRITE, applied).await
    }

    async fn read(&mut self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, StoreError> {
        let read = self.store.read_in(self.on, ids);
        settle::<B, _>(B::PATIENCE, WRITE, read).await
    }
}
