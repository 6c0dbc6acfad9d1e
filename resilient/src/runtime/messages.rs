//! Messages for instances, from any process.

use std::pin::Pin;

use super::{Runtime, function_id};
use crate::calls::{self, Instance};
use crate::clock::Due;
use crate::id::InstanceId;
use crate::invoke_error::InvokeError;
use crate::message::Outgoing;
use crate::registry::ResilientFn;

/// A message on its way to the store. It has one type whatever is sent: of an `async fn` the compiler would say several times
/// what is no message.
type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send + 'a>>;

impl Runtime {
    /// Stores a message for an instance, and wakes it when it waits for one; it returns when the message is stored.
    ///
    /// With a key an instance stores the message once, however often it is sent: [`Outgoing::with_key`].
    ///
    /// It makes due whatever is suspended, also an instance that only sleeps: its run begins again from the top, and goes
    /// back to sleep until the same time. What is postponed stays so until it is due.
    ///
    /// The function need not be registered here. So a process that only schedules, sends, waits for results or repairs is
    /// started without [`discover`](crate::Builder::discover), and takes no work:
    ///
    /// ```
    /// # use resilient::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize, Message)]
    /// struct Paid(u32);
    ///
    /// #[resilient_fn(type_id = "Paid")]
    /// async fn payment(_: (), context: &Context) -> resilient::Result<u32> {
    ///     Ok(context.messages().next::<Paid>().await?.0)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = InMemoryStore::new();
    /// # let worker = Runtime::builder(store.clone()).discover().start().await?;
    /// let runtime = Runtime::builder(store).take_no_work().start().await?;
    /// payment::schedule(&runtime, "MK-4321", ()).await?; // the worker runs it
    /// payment::send(&runtime, "MK-4321", Outgoing::from(Paid(7)).with_key("bank-17")).await?;
    /// assert_eq!(payment::completion(&runtime, "MK-4321").await?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`] before the instance is started, [`InvokeError::Completed`] when it has succeeded, unless
    /// it has stored a message with this key before; one that has failed keeps the message until a person lets it run
    /// again. [`InvokeError::Store`] means that the store
    /// is away: whether the message was stored is unknown, and sending it again is safe when it has a key. Bad input
    /// is refused before the store is touched.
    ///
    /// # Cancellation
    ///
    /// Once polled, the message is stored even when this future is dropped.
    pub fn send<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        message: impl Into<Outgoing>,
    ) -> Sending<'_> {
        let (id, message) = (id.into(), message.into());
        Box::pin(self.send_all::<F>(id, [message]))
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
        // It runs here, so it is not enough that somebody else knows it.
        self.engine().registration(F::TYPE_ID, F::VERSION)?;
        let instance = self.instance_with::<F>(id.into(), &param, messages)?;
        let id = instance.id.clone();
        calls::typed::<F>(
            self.engine().codecs.discretion(),
            &id,
            calls::invoke(self.engine(), instance).await?,
        )
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
