//! How an SQLite database is opened, and who may use which connection.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use resilient::{Clock, StoreError, SystemClock, TokioClock};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::statements::Statements;
use super::{CANNOT_OPEN, SqliteStore, primary_code};
use crate::backend::{Backend, settle};
use crate::error::Trouble;
use crate::pool::{Lease, Pool};
use crate::schema::Prefix;

/// How to open a [`SqliteStore`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use resilient_sqlx::SqliteOptions;
///
/// let store = SqliteOptions::in_memory().table_prefix("shop").open().await?;
/// # drop(store); Ok::<(), resilient::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "nothing is opened before `open` is called"]
pub struct SqliteOptions {
    place: Place,
    prefix: String,
    readers: u32,
    clock: Arc<dyn Clock>,
    virtual_time: bool,
}

#[derive(Clone)]
enum Place {
    Url(String),
    Path(String),
    Memory,
}

impl SqliteOptions {
    /// A file, which is created when it is missing: a path, or a URL such as `sqlite:orders.db`. With `?mode=rw` a missing
    /// file is an error.
    pub fn new(url_or_path: impl Into<String>) -> Self {
        let text = url_or_path.into();
        let in_memory = text.contains(":memory:") || text.contains("mode=memory");
        let place = match text {
            _ if in_memory => Place::Memory,
            url if url.starts_with("sqlite:") => Place::Url(url),
            path => Place::Path(path),
        };
        let prefix = Prefix::DEFAULT.to_owned();
        Self { place, prefix, readers: 4, clock: Arc::new(SystemClock), virtual_time: false }
    }

    /// A new database in the memory of this process.
    pub fn in_memory() -> Self {
        Self::new(":memory:")
    }

    /// What the names of all tables begin with, instead of `resilient`: a lower-case letter, then at most 30 of
    /// `a-z`, `0-9` and `_`.
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many connections may read at once, beside the one that writes; 4 unless something else is said.
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// Where the time comes from, instead of the operating system. All stores on one file need the same clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self.virtual_time = false;
        self
    }

    /// Takes the time from tokio's timers, for tests under `tokio::time::pause()`.
    ///
    /// Time stands still while the database works, so that no timer jumps ahead because the runtime looks idle.
    pub fn virtual_time(mut self, clock: TokioClock) -> Self {
        self.clock = Arc::new(clock);
        self.virtual_time = true;
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the table prefix cannot be used, when the file cannot be opened, or when the SQLite that is
    /// linked is older than 3.51.3.
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let prefix = Prefix::new(&self.prefix)?;
        let connections = settle::<SqliteStore, _>(None, "the opening of the file", self.connect()).await?;
        Ok(SqliteStore { connections: Arc::new(connections), statements: Arc::new(Statements::new(&prefix)) })
    }

    async fn connect(self) -> Result<Connections, Trouble> {
        let options = match &self.place {
            Place::Url(url) => url
                .parse::<SqliteConnectOptions>()?
                .create_if_missing(!url.contains("mode=") || url.contains("mode=rwc")),
            Place::Path(path) => SqliteConnectOptions::new().filename(path).create_if_missing(true),
            Place::Memory => "sqlite::memory:".parse::<SqliteConnectOptions>()?,
        };
        let options = options
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .statement_cache_capacity(200)
            // A whole batch of answers fits in, so that the thread of the database does not wait for the caller.
            .row_buffer_size(256)
            .disable_statement_logging();
        let is_file = !matches!(self.place, Place::Memory);
        let file = options.get_filename().to_owned();
        let options = if is_file { options.journal_mode(SqliteJournalMode::Wal) } else { options };
        let readers = is_file.then(|| Pool::new(options.clone().pragma("query_only", "on"), self.readers));
        let writer = Pool::new(options, 1);
        let mut first = connect_patiently(&writer).await.map_err(|error| not_opened(error, &file))?;
        check_version(&mut first).await?;
        let anchor = if is_file { None } else { Some(first) };
        let clock = self.clock;
        Ok(Connections { writer, readers, clock, virtual_time: self.virtual_time, _anchor: anchor })
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("prefix", &self.prefix)
            .field("readers", &self.readers)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Opens the first connection.
///
/// The change to WAL mode needs the file for itself and does not wait for it, so that of many processes that start
/// at once some are refused at first.
async fn connect_patiently(writer: &Pool<SqliteConnection>) -> Result<SqliteConnection, sqlx::Error> {
    for pause in [10, 20, 50, 100, 200, 500, 1000] {
        match writer.connect().await {
            Err(sqlx::Error::Database(error))
                if SqliteStore::is_transient(&*error) && primary_code(&*error) != Some(CANNOT_OPEN) =>
            {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            other => return other,
        }
    }
    writer.connect().await
}

/// Names the file that cannot be opened at the start: whoever made a mistake there has to know which.
fn not_opened(error: sqlx::Error, file: &Path) -> Trouble {
    if error.as_database_error().and_then(primary_code) != Some(CANNOT_OPEN) {
        return error.into();
    }
    let message = format!(
        "SQLite cannot open `{}`; its folder has to exist and to be writable, and with `mode=rw` or `mode=ro` the file has \
         to exist, too",
        file.display()
    );
    StoreError::permanent(message).with_source(error).into()
}

/// The first SQLite without the WAL-reset bug, which could corrupt a file during a checkpoint.
const OLDEST: [u32; 3] = [3, 51, 3];

async fn check_version(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    let version: String = sqlx::query_scalar("select sqlite_version()").fetch_one(connection).await?;
    if is_recent(&version) {
        return Ok(());
    }
    let message = format!(
        "the SQLite that is linked is version {version}; 3.51.3 or newer is needed, for older ones may corrupt the file"
    );
    Err(StoreError::permanent(message).into())
}

fn is_recent(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    *numbers >= OLDEST[..]
}

/// The connections of one store: one that writes, some that read.
///
/// A database in memory has a single connection at work, and an anchor that keeps it from vanishing.
#[derive(Debug)]
pub(super) struct Connections {
    writer: Pool<SqliteConnection>,
    readers: Option<Pool<SqliteConnection>>,
    clock: Arc<dyn Clock>,
    virtual_time: bool,
    _anchor: Option<SqliteConnection>,
}

impl Connections {
    /// The time of the store, in microseconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_micros()
    }

    pub(super) fn is_virtual(&self) -> bool {
        self.virtual_time
    }

    pub(super) fn is_file(&self) -> bool {
        self.readers.is_some()
    }

    pub(super) fn forget_idle(&self) {
        self.writer.forget_idle();
        if let Some(readers) = &self.readers {
            readers.forget_idle();
        }
    }

    pub(super) async fn reader(&self) -> Result<Held<'_>, sqlx::Error> {
        self.hold(self.readers.as_ref().unwrap_or(&self.writer)).await
    }

    pub(super) async fn writer(&self) -> Result<Held<'_>, sqlx::Error> {
        self.hold(&self.writer).await
    }

    /// A connection that belongs to the caller.
    pub(super) async fn separate(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.writer.connect().await
    }

    /// Stops virtual time until the answer is dropped.
    pub(super) fn stand_still(&self) -> Option<StandStill> {
        self.virtual_time.then(StandStill::begin)
    }

    async fn hold<'a>(&self, pool: &'a Pool<SqliteConnection>) -> Result<Held<'a>, sqlx::Error> {
        let still = self.stand_still();
        Ok(Held { lease: pool.acquire().await?, _still: still })
    }
}

/// Keeps paused time from moving on by itself.
///
/// SQLite works on threads of its own; meanwhile a runtime whose time is paused sees nothing to do and jumps to its
/// next timer. It does not while a blocking task runs, so this is one.
pub(super) struct StandStill {
    _until: mpsc::Sender<()>,
}

impl StandStill {
    fn begin() -> Self {
        let (until, dropped) = mpsc::channel();
        tokio::task::spawn_blocking(move || dropped.recv());
        Self { _until: until }
    }
}

/// A connection in use; dropping it closes the connection, [`Held::give_back`] keeps it.
pub(super) struct Held<'p> {
    lease: Lease<'p, SqliteConnection>,
    _still: Option<StandStill>,
}

impl Held<'_> {
    /// Ends an operation that went well.
    pub(super) fn give_back(self) {
        self.lease.give_back();
    }
}

impl Deref for Held<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.lease
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for recent in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
            assert!(is_recent(recent), "{recent}");
        }
        for old in ["3.51.2", "3.9.99", "3.46.0", "2.99.99", ""] {
            assert!(!is_recent(old), "{old}");
        }
    }
}
