//! The ledger of the services: one JSON line per call, shared by every services process that was given the file.
//!
//! It relies on `O_APPEND` (a line is one write) and on the file lock: looking up what a transaction id has come to
//! and writing the next line are one step, also between two processes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a service was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Call {
    Reserve,
    Capture,
    Ship,
    Confirm,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserve => "reserve",
            Self::Capture => "capture",
            Self::Ship => "ship",
            Self::Confirm => "confirm",
        })
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    Done,
    /// It had been done before, so nothing more was.
    Duplicate,
    /// Nothing was done; it may be asked for again.
    Refused,
    /// Nothing was done, and nothing ever will be.
    Rejected,
}

/// What the caller got to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    Sent,
    /// The connection was closed instead.
    Lost,
}

/// One line of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Microseconds since 1970, for people: the order of the lines is what counts.
    pub(crate) at: u64,
    /// The services process that answered.
    pub(crate) process: u32,
    pub(crate) call: Call,
    pub(crate) order: String,
    pub(crate) transaction: Option<Uuid>,
    /// In cents.
    pub(crate) amount: Option<u64>,
    pub(crate) effect: Effect,
    pub(crate) reply: Reply,
}

/// What the ledger says about one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) reserved: u32,
    pub(crate) captured: u32,
    pub(crate) shipped: u32,
    pub(crate) confirmed: u32,
}

/// Everything the ledger says, added up.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) orders: BTreeMap<String, Tally>,
    reservations: HashMap<Uuid, (String, u64)>,
    captures: HashSet<Uuid>,
    calls: HashMap<(Call, String), u32>,
}

impl Books {
    /// Adds up the ledger at `path`; one that does not exist yet is empty.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut books = Self::default();
        for entry in entries(path)? {
            books.add(&entry);
        }
        Ok(books)
    }

    pub(crate) fn order(&self, order: &str) -> Tally {
        self.orders.get(order).copied().unwrap_or_default()
    }

    /// The order and the amount that `transaction` was reserved for.
    pub(super) fn reservation(&self, transaction: Uuid) -> Option<(&str, u64)> {
        self.reservations.get(&transaction).map(|(order, amount)| (order.as_str(), *amount))
    }

    pub(super) fn is_captured(&self, transaction: Uuid) -> bool {
        self.captures.contains(&transaction)
    }

    /// How often `call` was made for `order` up to now, whatever came of it.
    pub(super) fn calls(&self, call: Call, order: &str) -> u32 {
        self.calls.get(&(call, order.to_owned())).copied().unwrap_or_default()
    }

    /// Whether `call` for `order` has had its effect.
    pub(super) fn is_done(&self, call: Call, order: &str) -> bool {
        let tally = self.order(order);
        let times = match call {
            Call::Reserve => tally.reserved,
            Call::Capture => tally.captured,
            Call::Ship => tally.shipped,
            Call::Confirm => tally.confirmed,
        };
        times > 0
    }

    fn add(&mut self, entry: &Entry) {
        *self.calls.entry((entry.call, entry.order.clone())).or_default() += 1;
        if entry.effect != Effect::Done {
            return;
        }
        let tally = self.orders.entry(entry.order.clone()).or_default();
        match entry.call {
            Call::Reserve => tally.reserved += 1,
            Call::Capture => tally.captured += 1,
            Call::Ship => tally.shipped += 1,
            Call::Confirm => tally.confirmed += 1,
        }
        match (entry.call, entry.transaction) {
            (Call::Reserve, Some(transaction)) => {
                let amount = entry.amount.unwrap_or_default();
                self.reservations.insert(transaction, (entry.order.clone(), amount));
            }
            (Call::Capture, Some(transaction)) => {
                self.captures.insert(transaction);
            }
            _ => {}
        }
    }
}

/// The lines of the ledger at `path`, oldest first; none when there is no such file.
pub(crate) fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut reader = Reader::new(file);
    let mut entries = Vec::new();
    reader.follow(|entry| entries.push(entry))?;
    Ok(entries)
}

/// The ledger as a services process holds it: open for appending, and read up to the last line it has seen.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    reader: Reader,
    books: Books,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, reader: Reader::new(File::open(path)?), books: Books::default() })
    }

    /// Writes what `decide` makes of the books as they stand, with the lines of other processes in them.
    pub(super) fn record(&mut self, decide: impl FnOnce(&Books) -> Entry) -> io::Result<Entry> {
        self.file.lock()?;
        let entry = self.record_locked(decide);
        self.file.unlock()?;
        entry
    }

    fn record_locked(&mut self, decide: impl FnOnce(&Books) -> Entry) -> io::Result<Entry> {
        self.reader.follow(|entry| self.books.add(&entry))?;
        let entry = decide(&self.books);
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        // One write for the whole line: with `O_APPEND` no line of another process can come into its middle.
        self.file.write_all(&line)?;
        Ok(entry)
    }
}

/// Reads a file that grows, line by line.
#[derive(Debug)]
struct Reader {
    file: BufReader<File>,
    line: String,
    number: usize,
}

impl Reader {
    fn new(file: File) -> Self {
        Self { file: BufReader::new(file), line: String::new(), number: 0 }
    }

    /// Hands over every line that has become complete since the last call.
    fn follow(&mut self, mut each: impl FnMut(Entry)) -> io::Result<()> {
        // A line without its end is still being written: what was read of it is kept for the next time.
        while self.file.read_line(&mut self.line)? > 0 && self.line.ends_with('\n') {
            self.number += 1;
            let entry = serde_json::from_str(&self.line).map_err(|err| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {} of the ledger: {err}", self.number),
                )
            })?;
            self.line.clear();
            each(entry);
        }
        Ok(())
    }
}
