//! What the stores on servers share: how a server is reached, and how long it is waited for.

use std::error::Error as StdError;
use std::str::FromStr;
use std::time::Duration;

use resilient::StoreError;
use sqlx::Connection;

use crate::error::{IsTransient, Trouble};
use crate::pool::Pool;

/// After how long an operation is given up; the servers give up statements before.
const PATIENCE: Duration = Duration::from_secs(40);

/// A kind of server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// A URL, for messages.
    pub(crate) example: &'static str,
    /// Which of its errors may pass.
    pub(crate) is_transient: IsTransient,
}

impl Server {
    /// Reads the URL of a database. It is no part of the error, for it may hold a password.
    pub(crate) fn parse<O: FromStr>(&self, url: &str) -> Result<O, StoreError>
    where
        O::Err: StdError + Send + Sync + 'static,
    {
        url.parse().map_err(|error| {
            let message = format!("the URL of {} makes no sense; give {}", self.name, self.example);
            StoreError::permanent(message).with_source(error)
        })
    }

    /// Waits for an operation, but not for ever: a network that swallows packets answers nothing at all.
    ///
    /// An operation that is given up goes together with its connection.
    pub(crate) async fn settle<T>(
        &self,
        doing: &'static str,
        operation: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(PATIENCE, operation).await {
            Ok(result) => result.map_err(|trouble| trouble.while_doing(self.name, doing, self.is_transient)),
            Err(_) => Err(StoreError::transient(format!(
                "{} did not answer {doing} within {} seconds; it may work later",
                self.name,
                PATIENCE.as_secs()
            ))),
        }
    }

    /// The same for an operation on the connections of a pool.
    pub(crate) async fn settle_on<C: Connection, T>(
        &self,
        pool: &Pool<C>,
        doing: &'static str,
        operation: impl Future<Output = Result<T, Trouble>> + Send,
    ) -> Result<T, StoreError> {
        self.settle(doing, operation).await.inspect_err(|error| {
            // A server that restarted took all connections with it; each would cost one more failure.
            if error.is_transient() {
                pool.forget_idle();
            }
        })
    }
}

/// The options of a store on a server, all but how they connect.
macro_rules! server_options {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone)]
        #[must_use = "nothing is connected before `connect` is called"]
        pub struct $name {
            url: String,
            prefix: String,
            max_connections: u32,
        }

        impl $name {
            /// A database on a server, by its URL.
            pub fn new(url: impl Into<String>) -> Self {
                Self { url: url.into(), prefix: crate::schema::Prefix::DEFAULT.to_owned(), max_connections: 8 }
            }

            /// What the names of all tables begin with, instead of `resilient`: a lower-case letter, then at most 30 of
            /// `a-z`, `0-9` and `_`.
            pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
                self.prefix = prefix.into();
                self
            }

            /// How many connections are opened at most, beside the one for signs of life; 8 unless something else is
            /// said.
            pub fn max_connections(mut self, connections: u32) -> Self {
                self.max_connections = connections;
                self
            }
        }

        // The URL may hold a password.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("prefix", &self.prefix)
                    .field("max_connections", &self.max_connections)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use server_options;
