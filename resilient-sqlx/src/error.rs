//! From the errors of the drivers to [`StoreError`].

use resilient::StoreError;
use sqlx::error::DatabaseError;

/// What can go wrong inside a store operation.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The driver or the database said no.
    Driver(sqlx::Error),
    /// What was read makes no sense, or this code refuses to go on.
    Refused(StoreError),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// How one kind of database tells that an error may pass.
pub(crate) type IsTransient = fn(&dyn DatabaseError) -> bool;

impl Trouble {
    /// The error for the caller. The text of the driver may hold values and stays behind `source()`.
    pub(crate) fn while_doing(self, database: &str, doing: &str, is_transient: IsTransient) -> StoreError {
        let error = match self {
            Self::Refused(error) => return error,
            Self::Driver(error) => error,
        };
        let transient = match &error {
            sqlx::Error::Database(database) => is_transient(&**database),
            // `Protocol` is half an answer: the connection broke, and is gone with this error.
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::Protocol(_) => true,
            _ => false,
        };
        let code = error.as_database_error().and_then(DatabaseError::code);
        let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
        let store_error = if transient {
            StoreError::transient(format!("{database} failed during {doing}{code}; it may work later"))
        } else {
            StoreError::permanent(format!(
                "{database} refused {doing}{code}; its own words are in the source"
            ))
        };
        store_error.with_source(error)
    }
}
