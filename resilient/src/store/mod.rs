//! The seam to databases: a small, object-safe trait whose writes come in batches.
//!
//! Every write on behalf of functions goes through [`Store::write`] as a batch, so group commit is written once,
//! in the runtime, for every store. Each operation of a batch has its own guard and its own [`Written`] answer;
//! an expected condition (somebody else was first, ownership was lost) is data, and [`StoreError`] is left for
//! a database that is away or broken.
//!
//! The suite behind the feature `conformance` proves an implementation, one named test per promise.

mod memory;
mod write;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::memory::InMemoryStore;
pub use self::write::{
    Append, Cancel, Create, Delete, Edit, Ending, Finish, Replace, Save, Start, Transition, Write, Written,
};
use crate::id::{FunctionId, ReplicaId, TypeId};
use crate::record::{LiveReplica, Replica, StoredFunction, StoredMessage};
use crate::status::Status;

/// Where instances live.
///
/// # Time
///
/// All times are the store's: PostgreSQL and MySQL stores use the database's clock in the statement itself, so
/// that replicas whose clocks differ agree.
///
/// # Liveness
///
/// An instance that is `Executing` has a *live owner* when the owner's replica row exists, names the instance's
/// type and version, and its last heartbeat is at most that type's lease ago. A store evaluates this as a predicate,
/// whenever it is asked; nothing depends on somebody having marked a replica as dead.
///
/// # Cancellation
///
/// The runtime runs the calls that write in tasks of their own, so that no caller who goes away drops one half-way. A
/// call that has not answered after 40 s is given up: its future is dropped, and a connection that it held must not be
/// used again. What became of it is then unknown, as after a transient error.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Creates or migrates what the store keeps its data in.
    ///
    /// It can be called any number of times, and by many replicas at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away, or holds a schema that is newer than this code.
    async fn initialize(&self) -> Result<(), StoreError>;

    /// Applies a batch of writes in one transaction and answers each of them, in the order of the batch.
    ///
    /// The ids of a batch are all different. An operation whose guard does not hold changes nothing and does not
    /// hinder the others. When this returns `Ok`, all that was applied is on disk.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken; what was applied is then unknown, and the caller reads
    /// before it writes again.
    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError>;

    /// Applies writes in a transaction of the user's own, and answers each of them as [`write`](Self::write) does.
    ///
    /// They become durable when that transaction is committed, and are undone with it when it is rolled back. Neither is
    /// done here. The ids all differ, and there are few of them. Until the transaction ends, nobody else can write these
    /// instances: whoever tries waits for its end.
    ///
    /// `transaction` is what the store's documentation says: for a database, a transaction or a connection of its driver.
    /// It belongs to a session with settings of the user's choice, so no answer may depend on those of the store's own.
    ///
    /// # Errors
    ///
    /// [`StoreError::unfit_transaction`] for a store that has no transactions, as by default, and for a `transaction` of
    /// another type or that was not begun: nothing was written then. Else when the database is away or broken, or cannot
    /// do it in this transaction; that is then to be rolled back.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the transaction is to be rolled back.
    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        let _ = (transaction, batch);
        Err(StoreError::unfit_transaction("it has no transactions that its user could share"))
    }

    /// Reads instances; the answer has the order and the length of `ids`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError>;

    /// Lists instances in the order of their ids, at most `filter.limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError>;

    /// Reads messages: for each instance those after a position, at most `limit` in all.
    ///
    /// The answer has the length of `wanted`, each part in the order of the positions. With fewer than `limit`
    /// messages nothing was left out; else whoever asks again goes on after the last positions. The ids all differ.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError>;

    /// Takes work that is due: it becomes `Executing` under `replica`, with its epoch and its attempts one higher.
    ///
    /// Work is due when it is `Postponed` or `Suspended` with a `due_at` that is not in the future. Only work that one
    /// of `kinds` describes is touched, at most `kind.limit` of each kind and `limit` in all, the longest due first. No
    /// two of `kinds` name the same type and version. Nothing is claimed for a replica that is not alive. Two callers
    /// never get the same instance at the same epoch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken; claimed instances may then belong to `replica` without
    /// its knowing, which its sweep puts right.
    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError>;

    /// Makes instances without a live owner due, and forgets replicas whose lease has ended.
    ///
    /// Each becomes `Postponed`, due at once, with its epoch and its crashes one higher. An instance that somebody writes at
    /// that very moment may be left to the next call. The number of statements
    /// does not depend on the number of instances. Answers how many instances were released.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn release_dead(&self) -> Result<u64, StoreError>;

    /// Deletes instances that have `Succeeded` long enough ago, with all that belongs to them, at most `limit` of them;
    /// answers how many.
    ///
    /// A child is kept as long as its [`parent`](StoredFunction::parent) is stored and has not succeeded: until then, that
    /// may run again and ask for the result. Those that are kept hold up no others, however many they are.
    ///
    /// Only types in `expiries` are touched, of which no two name the same one. An instance that somebody writes at that very
    /// moment may be left to the next call.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError>;

    /// The replicas that are alive.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError>;

    /// Opens a connection of its own for signs of life, so that a drained pool starves no heartbeat.
    ///
    /// It is called in the runtime, and on the thread, in which the lifeline is used.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError>;

    /// Whether this store's time is that of tokio's timers and may be virtual.
    ///
    /// The heartbeat then runs as a task beside the functions instead of on a thread of its own, which knows nothing
    /// of virtual time.
    fn virtual_time(&self) -> bool {
        false
    }
}

/// A connection that carries a replica's signs of life.
#[async_trait]
pub trait Lifeline: Send + fmt::Debug {
    /// Makes a replica known, alive from now on. An id that is known already is replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError>;

    /// Renews the lease, unless it has ended already or the replica is not known; answers whether it did.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError>;

    /// Forgets a replica; what it still owns has no live owner from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database is away or broken.
    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError>;
}

/// The messages of an instance after a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The instance.
    pub id: FunctionId,
    /// The last position that is known already; 0 for all messages.
    pub position: i64,
}

/// How long a function type's results are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The function type.
    pub type_id: TypeId,
    /// How long after an instance has succeeded it is deleted.
    pub after: Duration,
}

/// What a replica can run of one function: the claim's condition, evaluated by the store on columns.
///
/// Work that newer code wrote is not matched, so old code never claims, decodes or overwrites it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimable {
    /// The function type.
    pub type_id: TypeId,
    /// The version of the function, exactly.
    pub version: u32,
    /// The newest version of the parameter that it reads.
    pub param_version: u32,
    /// The newest version of the scrapbook that it reads, or that it has dropped; with 0 only work without one matches.
    pub scrapbook_version: u32,
    /// How many more of this kind can run.
    pub limit: u32,
}

/// What to list; all conditions that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only this function type.
    pub type_id: Option<TypeId>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only what this replica owns.
    pub owner: Option<ReplicaId>,
    /// Only what is due while no live replica can take it: none [reads](crate::Reads) its versions.
    pub stuck: bool,
    /// Only what comes after this id: the last one of the page before.
    pub after: Option<FunctionId>,
    /// At most so many.
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self { type_id: None, status: None, owner: None, stuck: false, after: None, limit: 100 }
    }
}

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transient,
    Permanent,
    UnfitTransaction,
}

/// The store is away or broken.
#[derive(Debug, Clone)]
pub struct StoreError {
    message: String,
    kind: Kind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// It may work later: no connection, a deadlock, a server that restarts.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::Transient, message.into())
    }

    /// It will not work without somebody's help: a missing table, a schema from the future, no permission.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Kind::Permanent, message.into())
    }

    /// The store cannot write in what it was given as a transaction: the message says why not, or what it takes. Nothing
    /// was written, and it will not work another time.
    pub fn unfit_transaction(message: impl Into<String>) -> Self {
        Self::new(Kind::UnfitTransaction, message.into())
    }

    fn new(kind: Kind, message: String) -> Self {
        Self { message, kind, source: None }
    }

    /// With the error of the driver, which may hold values and is therefore not part of the message.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Transient
    }

    /// Whether what was given as a transaction is none in which the store can write.
    pub fn is_unfit_transaction(&self) -> bool {
        self.kind == Kind::UnfitTransaction
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn initialize(&self) -> Result<(), StoreError> {
        (**self).initialize().await
    }
    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        (**self).write(batch).await
    }
    async fn write_in(
        &self,
        transaction: &mut (dyn Any + Send),
        batch: &[Write],
    ) -> Result<Vec<Written>, StoreError> {
        (**self).write_in(transaction, batch).await
    }
    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        (**self).get(ids).await
    }
    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        (**self).list(filter).await
    }
    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        (**self).messages(wanted, limit).await
    }
    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        (**self).claim(replica, kinds, limit).await
    }
    async fn release_dead(&self) -> Result<u64, StoreError> {
        (**self).release_dead().await
    }
    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        (**self).expire(expiries, limit).await
    }
    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        (**self).replicas().await
    }
    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        (**self).lifeline().await
    }
    fn virtual_time(&self) -> bool {
        (**self).virtual_time()
    }
}
