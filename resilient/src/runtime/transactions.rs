//! Instances and messages in transactions of the user's.

use std::any::Any;

use super::{Runtime, function_id};
use crate::calls;
use crate::id::InstanceId;
use crate::invoke_error::InvokeError;
use crate::message::Outgoing;
use crate::registry::ResilientFn;
use crate::transaction::UserTransaction;

impl Runtime {
    /// Like [`schedule`](Self::schedule), in a transaction of the user's own: the instance is stored exactly when that
    /// transaction is committed, together with the user's own rows.
    ///
    /// So what was decided in a transaction is also done, without an outbox of one's own. The first poll of any replica
    /// after the commit finds the instance: [`Settings::poll`](crate::Settings::poll). One that exists already stays as
    /// it is.
    ///
    /// `transaction` is what the store takes, for those of `resilient-sqlx` a `sqlx::Transaction<'static, _>` or, as
    /// `&mut *transaction`, the connection under it, of a pool of the user's on the same database. Commit soon: until then
    /// whoever starts or sends to an instance of this id, in any process, waits, and so does what it stores together with that.
    ///
    /// # Errors
    ///
    /// [`InvokeError::UnfitTransaction`] for anything else, and for a store that has no transactions. Bad input is refused
    /// before the transaction is touched. After [`InvokeError::Store`] the transaction is to be rolled back; when the
    /// [`StoreError`](crate::StoreError) is transient, for example a deadlock, the whole of it may be tried again.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the transaction is to be rolled back.
    pub async fn schedule_in<F: ResilientFn>(
        &self,
        transaction: &mut (impl Any + Send),
        id: impl Into<InstanceId>,
        param: F::Param,
    ) -> Result<(), InvokeError> {
        let instance = self.instance::<F>(id.into(), &param)?;
        calls::schedule_in(self.engine(), UserTransaction::new(transaction), instance).await
    }

    /// Like [`send`](Self::send), in a transaction of the user's own: the message is stored exactly when that transaction
    /// is committed, together with the user's own rows.
    ///
    /// What waits for it finds it after the commit, within a [`poll`](crate::Settings::poll) of any replica or, when it
    /// waits in memory, a [`wait_poll`](crate::Settings::wait_poll). Until the commit nothing else can be written to the
    /// instance, so commit soon.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] and [`InvokeError::Completed`] as for [`send`](Self::send); the transaction can go on then.
    /// Else those of [`schedule_in`](Self::schedule_in).
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the transaction is to be rolled back.
    pub async fn send_in<F: ResilientFn>(
        &self,
        transaction: &mut (impl Any + Send),
        id: impl Into<InstanceId>,
        message: impl Into<Outgoing>,
    ) -> Result<(), InvokeError> {
        let message = calls::message(message.into())?;
        let transaction = UserTransaction::new(transaction);
        calls::send_in(self.engine(), transaction, function_id::<F>(id), message).await
    }
}
