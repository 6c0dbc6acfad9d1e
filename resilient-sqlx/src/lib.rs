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
//!
//! # In a transaction of your own
//!
//! `schedule_in`, `send_in` and [`Scrapbook::save_in`](resilient::Scrapbook::save_in) write in a transaction of yours, on the
//! same database and through your own pool: what they write is stored exactly when your rows are.
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use resilient::prelude::*;
//! use resilient_sqlx::SqliteStore;
//! use serde::{Deserialize, Serialize};
//! use sqlx::SqlitePool;
//!
//! #[derive(Serialize, Deserialize, Message)]
//! struct Paid(i64);
//!
//! #[derive(Default, Serialize, Deserialize, Scrapbook)]
//! struct Progress {
//!     booked: bool,
//! }
//!
//! #[resilient_fn(type_id = "Order")]
//! async fn order(
//!     number: i64,
//!     progress: &mut Scrapbook<Progress>,
//!     context: &Context,
//!     pool: Dep<SqlitePool>,
//! ) -> resilient::Result<i64> {
//!     let paid = context.messages().next::<Paid>().await?.0;
//!     // The row and the progress that says so become durable together: however often this runs, there is one row.
//!     if !progress.booked {
//!         let mut transaction = pool.begin().await?;
//!         let insert = sqlx::query("insert into bookings (number, paid) values (?, ?)");
//!         insert.bind(number).bind(paid).execute(&mut *transaction).await?;
//!         progress.booked = true;
//!         progress.save_in(&mut transaction).await?;
//!         transaction.commit().await?;
//!     }
//!     Ok(paid)
//! }
//!
//! # let directory = std::env::temp_dir().join(format!("resilient-sqlx-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let file = directory.join("orders.db").display().to_string();
//! let store = SqliteStore::open(&file).await?;
//! let pool = SqlitePool::connect(&file).await?;
//! # sqlx::raw_sql("create table orders (number); create table bookings (number, paid)").execute(&pool).await?;
//! let runtime = Runtime::builder(store).dep(pool.clone()).discover().start().await?;
//!
//! // An order that is stored is processed, and one that is not stored is not.
//! let mut transaction = pool.begin().await?;
//! sqlx::query("insert into orders (number) values (7)").execute(&mut *transaction).await?;
//! order::schedule_in(&runtime, &mut transaction, "7", 7).await?;
//! order::send_in(&runtime, &mut transaction, "7", Paid(120)).await?;
//! transaction.commit().await?;
//!
//! assert_eq!(order::completion(&runtime, "7").await?, 120);
//! let booked: i64 = sqlx::query_scalar("select paid from bookings").fetch_one(&pool).await?;
//! assert_eq!(booked, 120);
//! # runtime.shutdown().await?;
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! # }
//! ```
//!
//! A transaction is what `pool.begin()` answers: `&mut transaction` for a `sqlx::Transaction<'static, _>`. For a savepoint
//! in it, or behind a reference of a shorter life, give the connection under it: `&mut *transaction`, or
//! `&mut **transaction`. Anything else is refused with a typed error, and so is a connection that sqlx knows to be in no
//! transaction.
//!
//! Your sessions keep their own settings. These matter:
//!
//! - The tables are found by their plain names, so the session has to be in the same database, on PostgreSQL with the same
//!   `search_path`, and needs the same rights on them. An SQLite database in memory is not shared: use a file.
//! - At `read committed` every verb sees what is committed by then. At a higher level, which is the default of MariaDB and
//!   MySQL (`repeatable read`) and of a transaction that has read on SQLite, the database may refuse a write to an instance
//!   that has changed since the transaction began, with a transient error, and `send_in` may not find an instance that was
//!   started since. Nothing wrong is stored; try the whole transaction again. On SQLite
//!   `pool.begin_with("begin immediate")` avoids it.
//! - MySQL and MariaDB read text in the character set of the session, which has to be `utf8mb4`, the default of sqlx.
//! - Limits on waiting are those of your session. PostgreSQL waits for a locked instance for ever unless `lock_timeout` is set;
//!   a call is given up after 40 seconds in any case.
//! - A transaction whose process hangs holds its instance: `idle_in_transaction_session_timeout` (PostgreSQL) and
//!   `idle_write_transaction_timeout` (MariaDB) end it.
//!
//! Keep such transactions short. Until the end, whoever else writes the same instance waits, and what is written
//! together with it waits some seconds. On SQLite a transaction that has written holds the whole file: nobody writes
//! anything meanwhile, and no replica gives a sign of life, so one that lasts as long as a lease costs the replicas
//! theirs. After an error of the database roll back: what the server has undone already cannot be committed. A
//! transaction that the database has ended, as a deadlock does on MySQL and MariaDB, or that it refuses to go on with,
//! is refused here, too, with a typed error.

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
