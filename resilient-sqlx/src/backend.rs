//! What a database has to be able to do, and the store that comes of it: written once for all databases.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use resilient::store::{After, Claimable, Expiry, Lifeline};
use resilient::{
    Filter, FunctionId, LiveReplica, Replica, ReplicaId, StoreError, StoredFunction, StoredMessage,
};
use sqlx::error::DatabaseError;
use sqlx::{Connection, Database, RawSql};

use crate::error::Trouble;
use crate::record::{Record, types_of};
use crate::schema::{Migration, missing};
use crate::sql::Sql;
use crate::statements::{Common, Versions};
use crate::store::{Answers, Plan};

/// What a replica asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) replica: ReplicaId,
    pub(crate) kinds: &'a [Claimable],
    pub(crate) limit: u32,
}

/// The statements behind signs of life.
#[derive(Debug)]
pub(crate) struct Signs<S> {
    pub(crate) join: S,
    pub(crate) join_types: S,
    pub(crate) beat: S,
    pub(crate) leave: S,
}

/// A database that keeps instances; [`implement_store!`] makes a [`Store`](resilient::Store) of it.
///
/// Its methods do what those of the store promise, and leave it to [`Backend::settle`] to say what went wrong.
pub(crate) trait Backend: Clone + fmt::Debug + Send + Sync + 'static {
    /// Its driver.
    type Driver: Database<Connection = Self::Connection>;
    /// A connection to it.
    type Connection: Connection<Database = Self::Driver>;
    /// A statement over rows.
    type Statement: Sync;

    /// What people call it.
    const NAME: &'static str;
    /// What it takes as a transaction of the user's.
    const TRANSACTION: &'static str;
    /// How a transaction that writes begins.
    const BEGIN: &'static str;
    /// The steps of its schema.
    const STEPS: &'static [Migration];
    /// After how long an operation is given up; the database itself gives up before.
    const PATIENCE: Option<Duration>;

    /// Whether an error of the database may pass.
    fn is_transient(error: &dyn DatabaseError) -> bool;

    /// Whether time may be virtual.
    fn is_virtual(&self) -> bool {
        false
    }

    /// Does not use the connections again that are not in use: when one broke, the others most likely did too.
    fn forget_idle(&self);

    /// Whether the tables have the newest version and are what the statements rely on.
    ///
    /// This only asks: it waits for nobody, and needs no right to change a schema that somebody else prepared.
    fn is_prepared(&self) -> impl Future<Output = Result<bool, Trouble>> + Send;

    /// Brings the tables to the newest version, and waits for others who do: all of it takes as long as it takes.
    ///
    /// Only a lock on a table is not waited for without end, because all others who want it wait behind.
    fn migrate(&self) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Applies a plan in one transaction and answers its appends, and the other writes whose guard held.
    fn apply(&self, plan: &Plan<'_>) -> impl Future<Output = Result<Answers, Trouble>> + Send;

    /// Whether a transaction of the user's that sqlx knows of is one for the database, too: an error may have ended it, and
    /// what is written then would be stored at once, and stay.
    fn is_open(on: &mut Self::Connection) -> impl Future<Output = Result<bool, Trouble>> + Send;

    /// Whether the database refuses whatever comes in a transaction, for an error has come before.
    fn is_aborted(_: &Trouble) -> bool {
        false
    }

    /// [`apply`](Self::apply) on a connection that is in a transaction of the user's, and leaves it to the user to end that.
    fn apply_in(
        &self,
        on: &mut Self::Connection,
        plan: &Plan<'_>,
    ) -> impl Future<Output = Result<Answers, Trouble>> + Send;

    /// [`read`](Self::read) on such a connection: what was committed last, or written by the transaction itself.
    fn read_in(
        &self,
        on: &mut Self::Connection,
        ids: &[FunctionId],
    ) -> impl Future<Output = Result<Vec<StoredFunction>, Trouble>> + Send;

    /// Reads those instances that are there, in any order.
    fn read(&self, ids: &[FunctionId]) -> impl Future<Output = Result<Vec<StoredFunction>, Trouble>> + Send;

    /// Reads messages: those of one instance in the order of their positions, and none of them is left out between others.
    ///
    /// It may read more than `limit` when it takes more than one statement.
    fn read_messages(
        &self,
        wanted: &[After],
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(FunctionId, StoredMessage)>, Trouble>> + Send;

    fn list(&self, filter: &Filter) -> impl Future<Output = Result<Vec<StoredFunction>, Trouble>> + Send;

    fn take(&self, claim: Claim<'_>) -> impl Future<Output = Result<Vec<StoredFunction>, Trouble>> + Send;

    fn release(&self) -> impl Future<Output = Result<u64, Trouble>> + Send;

    /// Deletes what has succeeded long enough ago.
    fn discard(&self, expiries: &[Expiry], limit: u32) -> impl Future<Output = Result<u64, Trouble>> + Send;

    fn live(&self) -> impl Future<Output = Result<Vec<LiveReplica>, Trouble>> + Send;

    /// The statements behind signs of life.
    fn signs(&self) -> &Signs<Self::Statement>;

    /// Opens a connection for signs of life, unless there is only one connection at all.
    fn separate(&self) -> impl Future<Output = Result<Option<Self::Connection>, Trouble>> + Send;

    /// Runs statements without values and answers.
    fn script(
        on: &mut Self::Connection,
        script: RawSql,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement without values whose answer is one number.
    fn number(on: &mut Self::Connection, sql: &Sql) -> impl Future<Output = Result<i64, sqlx::Error>> + Send;

    /// Runs a statement over rows and answers how many were written.
    fn run<R: Record + Sync>(
        &self,
        on: &mut Self::Connection,
        statement: &Self::Statement,
        records: &[R],
    ) -> impl Future<Output = Result<usize, Trouble>> + Send;

    /// Gives a sign of life and answers whether the replica was known.
    ///
    /// A connection that met an error may be in an open transaction and is not used again.
    fn give(
        &self,
        own: &mut Option<Self::Connection>,
        sign: &Sign<'_>,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send {
        async {
            let lost = || StoreError::transient("the connection for signs of life is lost");
            let mut on = match own.take() {
                Some(on) => on,
                None => self.separate().await?.ok_or_else(lost)?,
            };
            let known = sign.give(self, &mut on).await?;
            *own = Some(on);
            Ok(known)
        }
    }

    /// Waits for an operation, but not for ever: a network that swallows packets answers nothing at all.
    ///
    /// An operation that is given up goes together with its connection.
    fn settle<T: Send>(
        &self,
        doing: &'static str,
        operation: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.settle_within(Self::PATIENCE, doing, operation)
    }

    /// [`settle`](Self::settle), with another patience.
    fn settle_within<T: Send>(
        &self,
        patience: Option<Duration>,
        doing: &'static str,
        operation: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        async move {
            let result = settle::<Self, T>(patience, doing, operation).await;
            if result.as_ref().is_err_and(StoreError::is_transient) {
                self.forget_idle();
            }
            result
        }
    }
}

/// [`Backend::settle`], before there is a store.
pub(crate) async fn settle<B: Backend, T>(
    patience: Option<Duration>,
    doing: &'static str,
    operation: impl Future<Output = Result<T, Trouble>> + Send,
) -> Result<T, StoreError> {
    let result = match patience {
        None => operation.await,
        Some(patience) => tokio::time::timeout(patience, operation).await.unwrap_or_else(|_| {
            let (name, seconds) = (B::NAME, patience.as_secs());
            let message =
                format!("{name} did not answer {doing} within {seconds} seconds; it may work later");
            Err(StoreError::transient(message).into())
        }),
    };
    result.map_err(|trouble| trouble.while_doing(B::NAME, doing, B::is_transient))
}

/// What a replica has to say.
#[derive(Debug)]
pub(crate) enum Sign<'a> {
    Join(&'a Replica),
    Beat(ReplicaId),
    Leave(ReplicaId),
}

impl Sign<'_> {
    /// Gives the sign on a connection and answers whether the replica was known.
    pub(crate) async fn give<B: Backend>(&self, store: &B, on: &mut B::Connection) -> Result<bool, Trouble> {
        let signs = store.signs();
        let known = match self {
            Self::Beat(id) => store.run(on, &signs.beat, &[*id]).await?,
            Self::Leave(id) => store.run(on, &signs.leave, &[*id]).await?,
            Self::Join(replica) => {
                B::script(on, sqlx::raw_sql(B::BEGIN)).await?;
                store.run(on, &signs.leave, &[replica.id]).await?;
                let joined = store.run(on, &signs.join, &[*replica]).await?;
                store.run(on, &signs.join_types, &types_of(replica)).await?;
                B::script(on, sqlx::raw_sql("commit")).await?;
                joined
            }
        };
        Ok(known > 0)
    }
}

/// After how long a migration is given up, with the wait for another replica's.
///
/// No index takes that long to build, so a server is gone that has not answered by then.
const MIGRATION_PATIENCE: Duration = Duration::from_hours(24);

/// [`Store::initialize`](resilient::Store::initialize).
pub(crate) async fn initialize<B: Backend>(store: &B) -> Result<(), StoreError> {
    if store.settle("a look at its tables", store.is_prepared()).await? {
        return Ok(());
    }
    let patience = B::PATIENCE.map(|_| MIGRATION_PATIENCE);
    store.settle_within(patience, "the migration of its tables", store.migrate()).await
}

impl Versions {
    /// Whether the tables have the newest version.
    pub(crate) async fn are_newest<B: Backend>(&self, on: &mut B::Connection) -> Result<bool, Trouble> {
        Ok(B::number(on, &self.exists).await? > 0 && self.missing::<B>(on).await?.is_empty())
    }

    /// The steps that tables lack which are there.
    pub(crate) async fn missing<B: Backend>(
        &self,
        on: &mut B::Connection,
    ) -> Result<&'static [Migration], Trouble> {
        let found = B::number(on, &self.recorded).await?;
        Ok(missing(B::STEPS, &self.prefix, found)?)
    }
}

/// Brings the tables to the newest version, in a transaction that keeps others from doing the same.
pub(crate) async fn migrate<B: Backend>(
    store: &B,
    on: &mut B::Connection,
    all: &Common<B::Statement>,
) -> Result<(), Trouble> {
    B::script(on, all.schema.script()).await?;
    for (version, script) in all.versions.missing::<B>(on).await? {
        B::script(on, all.step(script).script()).await?;
        store.run(on, &all.record, &[*version]).await?;
    }
    Ok(())
}

/// A sign of life that takes longer is given up, so that there is time for another one before a lease ends.
const BEAT_PATIENCE: Duration = Duration::from_secs(2);

/// Signs of life, on a connection that no pool knows.
pub(crate) struct Line<B: Backend> {
    pub(crate) store: B,
    pub(crate) own: Option<B::Connection>,
}

impl<B: Backend> fmt::Debug for Line<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<B: Backend> Line<B> {
    async fn give(&mut self, doing: &'static str, sign: Sign<'_>) -> Result<bool, StoreError> {
        let patience = match sign {
            Sign::Beat(_) => B::PATIENCE.map(|patience| patience.min(BEAT_PATIENCE)),
            Sign::Join(_) | Sign::Leave(_) => B::PATIENCE,
        };
        settle::<B, _>(patience, doing, self.store.give(&mut self.own, &sign)).await
    }
}

#[async_trait]
impl<B: Backend> Lifeline for Line<B> {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        self.give("the joining of a replica", Sign::Join(replica)).await.map(drop)
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        self.give("a sign of life", Sign::Beat(replica)).await
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.give("the leaving of a replica", Sign::Leave(replica)).await.map(drop)
    }
}

/// Makes a [`Store`](resilient::Store) of a [`Backend`].
macro_rules! implement_store {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl resilient::Store for $store {
            async fn initialize(&self) -> Result<(), resilient::StoreError> {
                crate::backend::initialize(self).await
            }

            async fn write(
                &self,
                batch: &[resilient::store::Write],
            ) -> Result<Vec<resilient::store::Written>, resilient::StoreError> {
                crate::store::write(self, batch).await
            }

            async fn write_in(
                &self,
                transaction: &mut (dyn std::any::Any + Send),
                batch: &[resilient::store::Write],
            ) -> Result<Vec<resilient::store::Written>, resilient::StoreError> {
                crate::within::write_in(self, transaction, batch).await
            }

            async fn get(
                &self,
                ids: &[resilient::FunctionId],
            ) -> Result<Vec<Option<resilient::StoredFunction>>, resilient::StoreError> {
                let rows = self.settle("a read of instances", self.read(ids)).await?;
                Ok(crate::store::in_order(ids, rows))
            }

            async fn list(
                &self,
                filter: &resilient::Filter,
            ) -> Result<Vec<resilient::StoredFunction>, resilient::StoreError> {
                self.settle("a listing", crate::backend::Backend::list(self, filter)).await
            }

            async fn messages(
                &self,
                wanted: &[resilient::store::After],
                limit: u32,
            ) -> Result<Vec<Vec<resilient::StoredMessage>>, resilient::StoreError> {
                let messages = self.settle("a read of messages", self.read_messages(wanted, limit)).await?;
                Ok(crate::store::by_instance(wanted, messages, limit))
            }

            async fn claim(
                &self,
                replica: resilient::ReplicaId,
                kinds: &[resilient::store::Claimable],
                limit: u32,
            ) -> Result<Vec<resilient::StoredFunction>, resilient::StoreError> {
                self.settle("a claim", self.take(crate::backend::Claim { replica, kinds, limit })).await
            }

            async fn release_dead(&self) -> Result<u64, resilient::StoreError> {
                self.settle("the release of what dead replicas ran", self.release()).await
            }

            async fn expire(
                &self,
                expiries: &[resilient::store::Expiry],
                limit: u32,
            ) -> Result<u64, resilient::StoreError> {
                self.settle("the removal of old results", self.discard(expiries, limit)).await
            }

            async fn replicas(&self) -> Result<Vec<resilient::LiveReplica>, resilient::StoreError> {
                self.settle("a read of the replicas", self.live()).await
            }

            async fn lifeline(&self) -> Result<Box<dyn resilient::store::Lifeline>, resilient::StoreError> {
                let own = self.settle("a connection for signs of life", self.separate()).await?;
                Ok(Box::new(crate::backend::Line { store: self.clone(), own }))
            }

            fn virtual_time(&self) -> bool {
                self.is_virtual()
            }
        }
    };
}
pub(crate) use implement_store;
