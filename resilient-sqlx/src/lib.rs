//! SQLite, PostgreSQL and MySQL/MariaDB stores for `resilient`.
//!
//! Each store is a feature, and only the driver of a chosen one is compiled: `sqlite` (default), `postgres`, `mysql`;
//! `tls` adds encrypted connections to the last two.
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use resilient::Runtime;
//! use resilient_sqlx::SqliteStore;
//!
//! // In a program: `SqliteStore::open("orders.db")`, which makes the file; starting makes the tables.
//! let store = SqliteStore::in_memory().await?;
//! let runtime = Runtime::builder(store).start().await?;
//! # runtime.shutdown().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! # }
//! ```
//!
//! [`connect`] opens the store that a URL names. PostgreSQL 12, MariaDB 10.6 and MySQL 8.0 are the oldest that are
//! supported; every release is tested on PostgreSQL 15 and MariaDB 10.11.
//!
//! # What is promised
//!
//! An acknowledged write is on disk: SQLite runs in WAL mode with `synchronous=FULL`, PostgreSQL with
//! `synchronous_commit=on`, MySQL and MariaDB with `innodb_flush_log_at_trx_commit=1`, which is their default. Ids
//! compare by their bytes. Times are whole microseconds of UTC, taken from the database's clock (from the injected
//! [`Clock`](resilient::Clock) on SQLite). The tables can be read by people:
//! the view `resilient_overview` shows each instance with the reason why it is not running.

#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, unused_macros, reason = "no store uses all of what they have in common")
)]

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod backend;
mod connect;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod error;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod options;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod pool;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod record;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod row;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod schema;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod statements;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod store;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod within;

#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod append;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod batch;

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use self::connect::connect;
#[cfg(feature = "mysql")]
pub use self::mysql::{MySqlOptions, MySqlStore};
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore};
