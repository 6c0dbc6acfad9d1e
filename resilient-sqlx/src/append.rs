//! Messages get their places: written once for the databases that look before they write.
//!
//! Whoever appends locks the instance first and holds it to the end of the transaction. So what it reads of the count and
//! of the keys stays true until it has written, and the order of the places is the order of the commits.

use std::collections::{HashMap, HashSet};

use resilient::store::{Append, Written};
use resilient::{FunctionId, NewMessage, Status};

use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::{Placed, Record, Value};
use crate::row::{Columns, Reader};
use crate::store::Answers;

/// A message that is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    id: &'a FunctionId,
    key: &'a str,
}

impl Record for Sought<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.push(Value::text(self.key));
        values
    }
}

/// What was found of an instance; no one else writes it meanwhile.
#[derive(Debug)]
pub(crate) struct Seen {
    id: FunctionId,
    status: Status,
    message_count: i64,
    /// The key that was looked for, when the instance has it.
    key: Option<String>,
}

impl Seen {
    pub(crate) fn read<'r, R: Columns<'r>>(row: &'r R) -> Result<Self, Trouble> {
        let row = Reader(row);
        Ok(Self {
            id: row.id()?,
            status: row.status()?,
            message_count: row.number(3)?,
            key: row.maybe_text(4)?,
        })
    }
}

/// By how much the count of an instance grows.
#[derive(Debug)]
pub(crate) struct Growth<'a> {
    id: &'a FunctionId,
    added: i64,
}

#[cfg(feature = "mysql")]
impl<'a> Growth<'a> {
    pub(crate) fn new(id: &'a FunctionId, added: i64) -> Self {
        Self { id, added }
    }
}

impl Record for Growth<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.push(Value::number(self.added));
        values
    }
}

/// A database that looks before it writes.
pub(crate) trait Looking: Backend {
    /// Locks the instances, in the order of the records, and then looks for the keys.
    fn look(
        &self,
        on: &mut Self::Connection,
        sought: &[Sought<'_>],
    ) -> impl Future<Output = Result<Vec<Seen>, Trouble>> + Send;

    /// Adds messages to instances that are locked, and lets their counts grow.
    fn grow(
        &self,
        on: &mut Self::Connection,
        messages: &[Placed<'_>],
        growths: &[Growth<'_>],
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// Appends messages inside a transaction.
pub(crate) async fn append<B: Looking>(
    store: &B,
    on: &mut B::Connection,
    appends: &[&Append],
) -> Result<Answers, Trouble> {
    let sought: Vec<_> = appends.iter().copied().flat_map(sought).collect();
    let seen = Instances::new(store.look(on, &sought).await?);
    let (mut answers, mut messages, mut growths) = (Answers::new(), Vec::new(), Vec::new());
    for append in appends {
        let (written, new) = seen.place(append);
        answers.insert(append.id.clone(), written);
        if !new.is_empty() {
            growths.push(Growth { id: &append.id, added: i64::try_from(new.len()).unwrap_or(i64::MAX) });
            messages.extend(new);
        }
    }
    store.grow(on, &messages, &growths).await?;
    Ok(answers)
}

fn sought(append: &Append) -> impl Iterator<Item = Sought<'_>> {
    append.messages.iter().map(|message| Sought { id: &append.id, key: &message.key })
}

/// The instances that were found: status, count of messages, and those keys that were looked for.
struct Instances(HashMap<FunctionId, (Status, i64, HashSet<String>)>);

impl Instances {
    fn new(seen: Vec<Seen>) -> Self {
        let mut found = HashMap::new();
        for Seen { id, status, message_count, key } in seen {
            let (_, _, keys) = found.entry(id).or_insert_with(|| (status, message_count, HashSet::new()));
            keys.extend(key);
        }
        Self(found)
    }

    /// The answer to an append, and its messages that are new at the places that follow.
    fn place<'a>(&self, append: &'a Append) -> (Written, Vec<Placed<'a>>) {
        let Some((status, message_count, stored)) = self.0.get(&append.id) else {
            return (Written::NotFound, Vec::new());
        };
        let mut keys: HashSet<&str> = stored.iter().map(String::as_str).collect();
        let is_new = |message: &&'a NewMessage| keys.insert(&message.key);
        let new = append.messages.iter().filter(is_new);
        let next = message_count.saturating_add(1);
        let new: Vec<_> = (next..)
            .zip(new)
            .map(|(position, message)| Placed { id: &append.id, position, message })
            .collect();
        match status {
            Status::Succeeded if !new.is_empty() => (Written::Completed, Vec::new()),
            _ => (Written::Done, new),
        }
    }
}
