//! The runtime: what user code starts, calls and shuts down.

mod builder;
mod cancel;
mod messages;
mod shutdown;
mod transactions;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use self::builder::{Builder, StartError};
pub use self::shutdown::Shutdown;
use crate::calls::{self, Changes, Instance};
use crate::clock::{Due, Timestamp};
use crate::control_panel::{ControlPanel, RawControlPanel};
use crate::engine::{Engine, Stage};
use crate::id::{FunctionId, InstanceId, ReplicaId, TypeId};
use crate::invoke_error::InvokeError;
use crate::record::{LiveReplica, StoredFunction};
use crate::registry::ResilientFn;
use crate::store::{Filter, Store, StoreError};
use crate::watchdog::Heart;

/// Runs resilient functions to their end: one for each process, in reach of everything that invokes.
///
/// Clones share it. When the last one is dropped without a [`shutdown`](Self::shutdown), everything it ran stops at
/// once, nothing more is written, and other replicas take over when its lease has ended: exactly what a crash does, and
/// what a test of a crash needs.
///
/// ```
/// use resilient::prelude::*;
///
/// #[resilient_fn(type_id = "Greeting")]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
/// assert_eq!(greet::invoke(&runtime, "first", "you".to_owned()).await?, "hello you");
/// // The result is stored: the body does not run again, and the parameter of the first call stays.
/// assert_eq!(greet::invoke(&runtime, "first", "them".to_owned()).await?, "hello you");
/// runtime.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runtime {
    core: Arc<Core>,
}

/// What all clones of a runtime share; its end is the end of the runtime.
struct Core {
    engine: Arc<Engine>,
    heart: tokio::sync::Mutex<Option<Heart>>,
}

impl Drop for Core {
    fn drop(&mut self) {
        // Like a crash: runs end where they are, the lease runs out.
        if self.engine.stage() < Stage::Stopped {
            self.engine.stage.send_replace(Stage::Killed);
            self.engine.runs.close();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("engine", &self.core.engine).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Begins the description of a runtime on this store.
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(Arc::new(store))
    }

    fn new(engine: Arc<Engine>, heart: Heart) -> Self {
        Self { core: Arc::new(Core { engine, heart: tokio::sync::Mutex::new(Some(heart)) }) }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.core.engine
    }

    /// The function types this runtime runs, with their versions, sorted.
    pub fn registered(&self) -> Vec<(&'static str, u32)> {
        self.engine()
            .registry
            .iter()
            .map(|registration| (registration.type_id, registration.version))
            .collect()
    }

    /// Who this replica is at the moment; `None` while it has no lease.
    pub fn replica_id(&self) -> Option<ReplicaId> {
        self.engine().lease.holder()
    }

    /// How many functions run here at the moment.
    pub fn running(&self) -> usize {
        self.engine().runs.count()
    }

    /// Runs an instance to its end and returns its result; a second call with the same id, in any process, waits for
    /// and returns the first one's result, whatever its parameter.
    ///
    /// The instance is stored before the body begins. It costs two statements when nothing else goes on. A result is kept for
    /// the [`retention`](crate::Settings::retention) of its function type; after that the same id runs anew.
    ///
    /// It waits for one run. When that run is put away, by a retry, a longer sleep or a longer wait for a message, it
    /// answers [`Postponed`](InvokeError::Postponed) or [`Suspended`](InvokeError::Suspended), and the instance goes on
    /// without its caller. [`schedule`](Self::schedule) and then [`completion`](Self::completion) wait through that, and
    /// so does `completion` after such an answer.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Failed`], [`Postponed`](InvokeError::Postponed) and [`Suspended`](InvokeError::Suspended) are
    /// stored facts about the instance. [`InvokeError::Store`] means that the store is away: whether the instance was
    /// stored is unknown, and invoking again is safe. [`InvokeError::OtherVersion`]: another version of the function has
    /// begun the instance, and its result does not read as this version's. [`InvokeError::NotRegistered`] and bad input
    /// are refused before the store is touched, and [`InvokeError::ShuttingDown`] says that this runtime begins nothing
    /// more.
    ///
    /// # Cancellation
    ///
    /// The run goes on when this future is dropped.
    pub async fn invoke<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
    ) -> Result<F::Output, InvokeError> {
        self.invoke_with::<F>(id, param, []).await
    }

    /// Stores an instance that any replica runs at once; it returns when the instance is stored.
    ///
    /// An instance that exists already stays as it is. A runtime that [takes no work](Builder::take_no_work) starts functions
    /// that are not registered here as well, for the replicas that run them.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotRegistered`] and bad input, which are refused before the store is touched. [`InvokeError::Store`]
    /// means that it is away: whether the instance was stored is unknown, and asking again is safe.
    /// [`InvokeError::ShuttingDown`] after the end of this runtime.
    ///
    /// # Cancellation
    ///
    /// Once polled, the instance is stored even when this future is dropped.
    pub async fn schedule<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
    ) -> Result<(), InvokeError> {
        self.schedule_due::<F>(id.into(), &param, Due::Now).await
    }

    /// Stores an instance that any replica runs at this time of the store's clock; a time in the past means at once.
    ///
    /// # Errors
    ///
    /// Those of [`schedule`](Self::schedule), and [`InvokeError::Time`] for a time after the year 9999.
    pub async fn schedule_at<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
        time: SystemTime,
    ) -> Result<(), InvokeError> {
        self.schedule_due::<F>(id.into(), &param, Due::At(Timestamp::try_from(time)?)).await
    }

    /// Stores an instance that any replica runs after this long, counted on the store's clock.
    ///
    /// # Errors
    ///
    /// Those of [`schedule`](Self::schedule), and [`InvokeError::Time`] for more than 1,000 years.
    pub async fn schedule_after<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
        param: F::Param,
        delay: Duration,
    ) -> Result<(), InvokeError> {
        self.schedule_due::<F>(id.into(), &param, Due::After(delay)).await
    }

    /// Stores many instances that any replica runs at once, in few statements; answers how many are new.
    ///
    /// An instance that exists already stays as it is, and of several with one id the first counts. They are stored in
    /// the order of their ids, some thousands in one transaction.
    ///
    /// ```
    /// use resilient::prelude::*;
    ///
    /// #[resilient_fn(type_id = "Invoice")]
    /// async fn invoice(customer: u32) -> u32 {
    ///     customer
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    /// let customers = 0..1_000;
    /// let items = customers.map(|customer| (format!("2026-11/{customer}"), customer));
    /// assert_eq!(invoice::schedule_many(&runtime, items.clone()).await?, 1_000);
    /// // To ask again is safe.
    /// assert_eq!(runtime.schedule_many::<invoice>(items).await?, 0);
    /// assert_eq!(invoice::completion(&runtime, "2026-11/7").await?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvokeError::Refused`] names an instance that cannot be stored; then none of them is. [`InvokeError::Store`]:
    /// some may be stored, and to ask again is safe.
    ///
    /// # Cancellation
    ///
    /// Once polled, all are stored even when this future is dropped.
    pub async fn schedule_many<F: ResilientFn>(
        &self,
        items: impl IntoIterator<Item = (impl Into<InstanceId>, F::Param)>,
    ) -> Result<usize, InvokeError> {
        let instance = |(id, param): (_, F::Param)| {
            let id: InstanceId = Into::into(id);
            let refused =
                |problem| InvokeError::Refused { id: function_id::<F>(&id), problem: Box::new(problem) };
            self.instance::<F>(id.clone(), &param).map_err(refused)
        };
        let instances = items.into_iter().map(instance).collect::<Result<Vec<_>, _>>()?;
        calls::schedule_many(self.engine(), instances).await
    }

    async fn schedule_due<F: ResilientFn>(
        &self,
        id: InstanceId,
        param: &F::Param,
        due: Due,
    ) -> Result<(), InvokeError> {
        calls::schedule(self.engine(), self.instance::<F>(id, param)?, due).await
    }

    /// Waits for the result of an instance, through retries, sleeps and waits for messages, wherever it runs. The function
    /// need not be registered here.
    ///
    /// # Errors
    ///
    /// [`InvokeError::Failed`], [`InvokeError::NotFound`], [`InvokeError::ShuttingDown`] when this runtime stops first,
    /// [`InvokeError::OtherVersion`] as for [`invoke`](Self::invoke). A store that is away is waited for.
    ///
    /// # Cancellation
    ///
    /// Nothing happens to the instance.
    pub async fn completion<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
    ) -> Result<F::Output, InvokeError> {
        let id = function_id::<F>(id);
        calls::typed::<F>(
            self.engine().codecs.discretion(),
            &id,
            calls::completion(self.engine(), id.clone()).await?,
        )
    }

    /// Runs an existing instance again, here and at once, with its stored parameter and scrapbook.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`], [`InvokeError::Executing`] while it runs, [`InvokeError::Changed`] when somebody else
    /// was faster, [`InvokeError::OtherVersion`] when another version of the function has begun it, and those of
    /// [`invoke`](Self::invoke).
    ///
    /// # Cancellation
    ///
    /// The run goes on when this future is dropped.
    pub async fn reinvoke<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
    ) -> Result<F::Output, InvokeError> {
        let id = function_id::<F>(id);
        let row = calls::read(self.engine(), &id).await?;
        calls::check_version::<F>(&id, row.version)?;
        let registration = self.engine().registration(F::TYPE_ID, F::VERSION)?;
        calls::typed::<F>(
            self.engine().codecs.discretion(),
            &id,
            calls::reinvoke(self.engine(), registration, row, Changes::default()).await?,
        )
    }

    /// Opens a typed view on one instance.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`]; [`InvokeError::OtherVersion`] when another version of the function has begun the
    /// instance, and [`InvokeError::Decode`] when this code cannot read it: then
    /// [`raw_control_panel`](Self::raw_control_panel) can.
    pub async fn control_panel<F: ResilientFn>(
        &self,
        id: impl Into<InstanceId>,
    ) -> Result<ControlPanel<F>, InvokeError> {
        ControlPanel::open(self.engine(), &function_id::<F>(id)).await
    }

    /// Opens an untyped view on one instance, also when its data or its type is unknown to this program.
    ///
    /// # Errors
    ///
    /// [`InvokeError::NotFound`], [`InvokeError::Store`].
    pub async fn raw_control_panel(
        &self,
        type_id: impl Into<TypeId>,
        instance_id: impl Into<InstanceId>,
    ) -> Result<RawControlPanel, InvokeError> {
        RawControlPanel::open(self.engine(), &FunctionId::new(type_id, instance_id)).await
    }

    /// Lists instances, one page at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is away or broken.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.engine().store.list(filter).await
    }

    /// Why an instance stands where it stands, in words for people: who runs it, until when or for what it waits, or that
    /// no live replica runs its version or reads its data.
    ///
    /// ```
    /// use resilient::prelude::*;
    /// use resilient::Filter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::builder(InMemoryStore::new()).start().await?;
    /// // What waits for a deployment: due, and nobody who is alive can run it.
    /// for row in runtime.list(&Filter { stuck: true, ..Filter::default() }).await? {
    ///     println!("{}: {}", row.id, runtime.reason(&row).await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is away or broken.
    pub async fn reason(&self, row: &StoredFunction) -> Result<String, StoreError> {
        Ok(row.explain(&self.replicas().await?))
    }

    /// The replicas that are alive.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store is away or broken.
    pub async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.engine().store.replicas().await
    }

    /// Ends gracefully: takes no more work, tells the running functions, waits for them up to the
    /// [`shutdown_grace`](crate::Settings::shutdown_grace), hands the rest over so that other replicas go on at once,
    /// and leaves the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when what was left could not be handed over; it is taken over when the lease has ended.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, this runtime takes no more work, and what it runs goes on; call it again to end it.
    pub async fn shutdown(&self) -> Result<Shutdown, StoreError> {
        shutdown::shutdown(self.engine(), &self.core.heart).await
    }

    /// An instance without messages, about to be stored.
    fn instance<F: ResilientFn>(&self, id: InstanceId, param: &F::Param) -> Result<Instance, InvokeError> {
        let registration = self.engine().startable(F::registration())?;
        let param = self.engine().codecs.discretion().within(|| F::encode_param(param));
        let param = param.map_err(|source| InvokeError::Encode { field: "parameter", source })?;
        let id = function_id::<F>(id);
        let (parent, journal, messages) = (None, None, Vec::new());
        Ok(Instance { id, registration, param, parent, tells_parent: false, journal, messages })
    }
}

fn function_id<F: ResilientFn>(id: impl Into<InstanceId>) -> FunctionId {
    FunctionId::new(F::TYPE_ID, id)
}
