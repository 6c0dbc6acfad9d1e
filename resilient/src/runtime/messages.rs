//! Messages for instances, from any process.

use super::{Runtime, function_id};
use crate::calls::{self, Instance};
use crate::clock::Due;
use crate::id::InstanceId;
use crate::invoke_error::InvokeError;
use crate::message::Outgoing;
use crate::registry::ResilientFn;

impl Runtime {
    /// Stores a message for an instance, and wakes it when it waits for one; it returns when the message is stored.
    ///
    /// The function need not be registered here. With a key an instance stores the message once, however often it is
    /// sent: [`Outgoing::with_key`].
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] before the instance is started, [`InvokeError::Completed`] when it has succeeded; one
    /// that has failed keeps the message until a person lets it run again. [`InvokeError::Store`] means that the store
    /// is away: whether the message was stored is unknown, and sending it again is safe when it has a key. Bad input
    /// is refused before the store is touched.
    ///
    /// # Cancellation
    ///
    /// Once polled, the message is stored even when this future is dropped.
    pub async fn send<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        message: impl Into<Outgoing>,
    ) -> Result<(), InvokeError> {
        self.send_all::<F>(id, [message.into()]).await
    }

    /// Stores messages for an instance, all of them or none, in this order; of several with one key the first counts.
    ///
    /// To send none does nothing, also to an instance that is not there.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    ///
    /// # Cancellation
    ///
    /// Once polled, the messages are stored even when this future is dropped.
    pub async fn send_all<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<(), InvokeError> {
        calls::send(self.engine(), function_id::<F>(id), calls::messages(messages)?).await
    }

    /// Like [`invoke`](Self::invoke), with messages that are there when the instance begins.
    ///
    /// They are stored together with the instance. When it exists already they are not: send them then.
    ///
    /// # Errors
    ///
    /// Those of [`invoke`](Self::invoke).
    ///
    /// # Cancellation
    ///
    /// The run goes on when this future is dropped.
    pub async fn invoke_with<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<F::Output, InvokeError> {
        let instance = self.instance_with::<F>(id.into(), &param, messages)?;
        let id = instance.id.clone();
        calls::typed::<F>(&id, calls::invoke(self.engine(), instance).await?)
    }

    /// Like [`schedule`](Self::schedule), with messages that are there when the instance begins.
    ///
    /// They are stored together with the instance. When it exists already they are not: send them then.
    ///
    /// # Errors
    ///
    /// Those of [`schedule`](Self::schedule).
    ///
    /// # Cancellation
    ///
    /// Once polled, the instance is stored even when this future is dropped.
    pub async fn schedule_with<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<(), InvokeError> {
        let instance = self.instance_with::<F>(id.into(), &param, messages)?;
        calls::schedule(self.engine(), instance, Due::Now).await
    }

    fn instance_with<F: ResilientFn>(
        &self,
        id: InstanceId,
        param: &F::Param,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<Instance, InvokeError> {
        Ok(Instance { messages: calls::messages(messages)?, ..self.instance::<F>(id, param)? })
    }
}
