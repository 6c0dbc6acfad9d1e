//! From a URL to a store.

use std::sync::Arc;

use resilient::{Store, StoreError};

/// Opens the store that a URL names: `sqlite:`, `postgres:` (or `postgresql:`), `mysql:` (or `mariadb:`).
///
/// # Errors
///
/// [`StoreError`] when the scheme is unknown, when its feature is not compiled in, or when the database cannot be
/// reached. The URL is never part of the error, for it may hold a password.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(crate::SqliteStore::open(url).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(crate::PostgresStore::connect(url).await?)),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Arc::new(crate::MySqlStore::connect(url).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(not_compiled("sqlite")),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(not_compiled("postgres")),
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(not_compiled("mysql")),
        _ => Err(StoreError::permanent(
            "the database URL has an unknown scheme; give one that begins with sqlite:, postgres: or mysql:",
        )),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "mysql")))]
fn not_compiled(feature: &str) -> StoreError {
    StoreError::permanent(format!(
        "this program was built without the store for `{feature}`; add the feature `{feature}` of resilient-sqlx"
    ))
}
