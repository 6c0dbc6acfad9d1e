//! resilient-sqlx.
