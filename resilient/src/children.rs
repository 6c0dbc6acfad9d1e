//! What a body does with other resilient functions: typed, beside the context that knows nothing of functions.

use crate::answer::Answer;
use crate::calls;
use crate::codec::EncodeError;
use crate::context::{Child, Context};
use crate::id::FunctionId;
use crate::invoke_error::InvokeError;
use crate::outcome::Failure;
use crate::registry::ResilientFn;

impl Context {
    /// Runs another resilient function as a *child* of this instance, and waits for its result: in this run and, without
    /// running the child again, in every later one.
    ///
    /// The child is the instance `PARENT/NAME`, where `PARENT` is the id of this instance, so that each run of this one
    /// finds the same child. It is stored with its parameter before it begins, as by
    /// [`Runtime::invoke`](crate::Runtime::invoke), and runs here at once, whatever else runs here. Children run side by side in
    /// `tokio::try_join!`.
    ///
    /// A child that takes longer than [`stay_in_memory`](crate::Settings::stay_in_memory), sleeps or waits is waited for
    /// without memory: the run of its parent ends as suspended, and the end of the child, which is stored together with
    /// the message that tells its parent, begins the next one on any replica. So leave the body with `?`. What runs
    /// beside such a wait is dropped with the run, as for [`messages`](Self::messages).
    ///
    /// A child goes on when its parent fails, is put off or is to be cancelled. One that somebody else has started
    /// under that id is waited for, too: its parent then looks again every ten seconds. The child of another parent is
    /// refused, for it may have been given other work: [`InvokeError::ChildOfAnother`]. The result of a child is kept
    /// until its parent has succeeded: before that no [`Retention`](crate::Retention) deletes it, also when the parent
    /// has failed and waits for a person. One that somebody has deleted is begun anew.
    ///
    /// ```
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Charge")]
    /// async fn charge(amount: u32) -> resilient::Result<String> {
    ///     Ok(format!("{amount} charged"))
    /// }
    ///
    /// #[resilient_fn(type_id = "Ship to")]
    /// async fn ship(address: String) -> resilient::Result<String> {
    ///     Ok(format!("on its way to {address}"))
    /// }
    ///
    /// #[resilient_fn(type_id = "Order with children")]
    /// async fn order(amount: u32, context: &Context) -> resilient::Result<String> {
    ///     let (charged, shipped) = tokio::try_join!(
    ///         context.invoke::<charge>("card", amount),
    ///         context.invoke::<ship>("parcel", "Elm Street 7".to_owned()),
    ///     )?;
    ///     Ok(format!("{charged}, {shipped}"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> resilient::Result<()> {
    /// let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// let done = order::invoke(&runtime, "MK-4321", 100).await?;
    /// assert_eq!(done, "100 charged, on its way to Elm Street 7");
    /// // The child is an instance like any other.
    /// assert_eq!(charge::completion(&runtime, "MK-4321/card").await?, "100 charged");
    ///
    /// // In a unit test nothing runs but the parent: the test says how the children end.
    /// let context = Context::test()
    ///     .with_child::<charge>("card", Ok("charged".to_owned()))
    ///     .with_child::<ship>("parcel", Ok("shipped".to_owned()));
    /// assert_eq!(order(100, &context).await?, "charged, shipped");
    /// # runtime.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvokeError::Failed`] when the child has failed, [`InvokeError::Waiting`] when it has not ended; both leave the
    /// body with `?`. [`InvokeError::Id`] when the id of the child is longer than [`MAX_ID_BYTES`](crate::MAX_ID_BYTES),
    /// [`InvokeError::NotRegistered`], and whatever else is wrong with the input. A store that is away is waited for.
    ///
    /// # Cancellation
    ///
    /// A child that was begun goes on when the future is dropped; to invoke it again waits for it again.
    pub async fn invoke<F: ResilientFn>(
        &self,
        name: impl AsRef<str>,
        param: F::Param,
    ) -> Result<F::Output, InvokeError> {
        let child = child::<F>(self, name.as_ref(), &param)?;
        let id = child.id.clone();
        // Boxed, so that the future of a body that waits for several children side by side stays small.
        calls::typed::<F>(self.discretion(), &id, Box::pin(self.child(child)).await?)
    }

    /// Runs another resilient function many times, as children that all replicas share, and waits for their results,
    /// which have the order of the names.
    ///
    /// Those that do not exist are stored together, as by [`Runtime::schedule_many`](crate::Runtime::schedule_many), and any
    /// replica runs them. While their ends come one soon after the other, this run stays in memory; later ends begin
    /// another one. All else is as for [`invoke`](Self::invoke).
    ///
    /// ```
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Resize")]
    /// async fn resize(picture: String) -> usize {
    ///     picture.len()
    /// }
    ///
    /// #[resilient_fn(type_id = "Album")]
    /// async fn album(pictures: Vec<String>, context: &Context) -> resilient::Result<usize> {
    ///     let children = pictures.into_iter().map(|picture| (picture.clone(), picture));
    ///     Ok(context.invoke_all::<resize>(children).await?.into_iter().sum())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// let pictures = ["sea", "dune"].map(str::to_owned).to_vec();
    /// assert_eq!(album::invoke(&runtime, "summer", pictures).await?, 7);
    /// # runtime.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`invoke`](Self::invoke). When a child fails, its failure is answered at once, and the others go on
    /// without being waited for. [`InvokeError::Refused`] names a child that cannot be stored; then none of them is.
    ///
    /// # Cancellation
    ///
    /// Children that were stored go on when the future is dropped.
    pub async fn invoke_all<F: ResilientFn>(
        &self,
        children: impl IntoIterator<Item = (impl AsRef<str>, F::Param)>,
    ) -> Result<Vec<F::Output>, InvokeError> {
        let children = children.into_iter().map(|(name, param)| child::<F>(self, name.as_ref(), &param));
        let children = children.collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<FunctionId> = children.iter().map(|child| child.id.clone()).collect();
        let ended = self.children(children).await?;
        let failed = ids.iter().find_map(|id| ended.get(id).filter(|answer| answer.is_failed()));
        if let Some(Answer::Failed(failure)) = failed {
            return Err(InvokeError::Failed(failure.clone()));
        }
        let output = |id: FunctionId| match ended.get(&id) {
            Some(answer) => calls::typed::<F>(self.discretion(), &id, answer.clone()),
            None => Err(InvokeError::NotFound { id }),
        };
        ids.into_iter().map(output).collect()
    }

    /// Stores another resilient function, to be run by any replica; nobody waits for it.
    ///
    /// It is the instance `PARENT/NAME`, as for [`invoke`](Self::invoke), and kept as long, so that later runs do not start
    /// it twice. It does not wake this instance when it ends: whoever wants its result invokes it from the beginning.
    ///
    /// # Errors
    ///
    /// Bad input, which is refused before the store is touched. A store that is away is waited for.
    ///
    /// # Cancellation
    ///
    /// Once polled, it is stored even when the future is dropped.
    pub async fn schedule<F: ResilientFn>(
        &self,
        name: impl AsRef<str>,
        param: F::Param,
    ) -> Result<(), InvokeError> {
        self.leave_to_others(child::<F>(self, name.as_ref(), &param)?).await
    }

    /// For unit tests: how the child of this name ends when it is invoked, [as shown](Self::invoke).
    ///
    /// Without it, invoking the child answers [`InvokeError::NoSuchChild`]. What is only
    /// [scheduled](Self::schedule) needs none.
    #[must_use]
    pub fn with_child<F: ResilientFn>(self, name: impl AsRef<str>, end: Result<F::Output, Failure>) -> Self {
        let answer = match end.map(|output| F::encode_output(&output)) {
            Ok(Ok(result)) => Answer::Succeeded { version: F::VERSION, result },
            Ok(Err(error)) => Answer::Failed(unstorable(&error)),
            Err(failure) => Answer::Failed(failure),
        };
        self.given(F::TYPE_ID, name.as_ref(), answer)
    }
}

fn unstorable(error: &EncodeError) -> Failure {
    Failure::of("resilient::EncodeError", error)
}

fn child<F: ResilientFn>(context: &Context, name: &str, param: &F::Param) -> Result<Child, InvokeError> {
    let id = context.child_id(F::TYPE_ID, name)?;
    let param = context.discretion().within(|| F::encode_param(param));
    let param = param.map_err(|source| InvokeError::Encode { field: "parameter", source })?;
    Ok(Child { id, name: name.to_owned(), version: F::VERSION, param })
}
