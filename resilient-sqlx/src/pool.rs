//! Connections for one store.
//!
//! A connection comes back only when its operation has ended well. Whatever was dropped half-way or met an error goes
//! together with its connection, so nobody ever continues inside somebody else's open transaction.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is done with each new connection before it is used.
pub(crate) type Greeting<C> =
    for<'c> fn(&'c mut C) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

/// At most so many connections, opened when they are needed, kept for ever.
pub(crate) struct Pool<C: Connection> {
    options: C::Options,
    greeting: Option<Greeting<C>>,
    idle: Mutex<Vec<C>>,
    permits: Semaphore,
}

impl<C: Connection> Pool<C> {
    pub(crate) fn new(options: C::Options, size: u32) -> Self {
        let size = usize::try_from(size.max(1)).unwrap_or(Semaphore::MAX_PERMITS);
        Self { options, greeting: None, idle: Mutex::default(), permits: Semaphore::new(size) }
    }

    /// With something to do with each new connection.
    #[cfg(feature = "mysql")]
    pub(crate) fn greeting(self, greeting: Greeting<C>) -> Self {
        Self { greeting: Some(greeting), ..self }
    }

    /// A connection for one operation.
    pub(crate) async fn acquire(&self) -> Result<Lease<'_, C>, sqlx::Error> {
        let permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lease { pool: self, connection, _permit: permit })
    }

    /// A connection that this pool does not count.
    pub(crate) async fn connect(&self) -> Result<C, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        if let Some(greeting) = self.greeting {
            greeting(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Forgets the idle connections: when one broke, the others most likely did too.
    pub(crate) fn forget_idle(&self) {
        self.idle().clear();
    }

    // Whoever panicked while it held the lock left a list of connections that are all fine.
    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// The options may hold a password.
impl<C: Connection> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

/// A connection in use; dropping it closes the connection, [`Lease::give_back`] keeps it.
pub(crate) struct Lease<'p, C: Connection> {
    pool: &'p Pool<C>,
    connection: C,
    _permit: SemaphorePermit<'p>,
}

impl<C: Connection> Lease<'_, C> {
    /// Ends an operation that went well.
    pub(crate) fn give_back(self) {
        self.pool.idle().push(self.connection);
    }
}

impl<C: Connection> Deref for Lease<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C: Connection> DerefMut for Lease<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}
