//! What is read: the columns of rows as the words of `resilient`.

use std::time::Duration;

use resilient::{
    Epoch, FunctionId, LiveReplica, Payload, Reads, Replica, ReplicaId, ReplicaType, Status, StoreError,
    StoredFunction, StoredMessage, Timestamp,
};
use sqlx::error::UnexpectedNullError;
use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::error::Trouble;

/// A row whose columns can be read as what this crate stores.
pub(crate) trait Columns<'r> {
    fn maybe_text(&'r self, column: usize) -> Result<Option<&'r str>, sqlx::Error>;

    fn maybe_number(&'r self, column: usize) -> Result<Option<i64>, sqlx::Error>;

    fn code(&'r self, column: usize) -> Result<i16, sqlx::Error>;
}

impl<'r, R> Columns<'r> for R
where
    R: Row,
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    i16: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn maybe_text(&'r self, column: usize) -> Result<Option<&'r str>, sqlx::Error> {
        self.try_get(column)
    }

    fn maybe_number(&'r self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn code(&'r self, column: usize) -> Result<i16, sqlx::Error> {
        self.try_get(column)
    }
}

/// Reads a row.
pub(crate) struct Reader<'r, R>(pub(crate) &'r R);

impl<'r, R: Columns<'r>> Reader<'r, R> {
    fn text(&self, column: usize) -> Result<&'r str, sqlx::Error> {
        self.0.maybe_text(column)?.ok_or_else(|| lacking(column))
    }

    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        Ok(self.0.maybe_text(column)?.map(str::to_owned))
    }

    pub(crate) fn number(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.0.maybe_number(column)?.ok_or_else(|| lacking(column))
    }

    fn time(&self, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(self.0.maybe_number(column)?.map(Timestamp::from_micros))
    }

    fn small(&self, column: usize) -> Result<u32, Trouble> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| {
            Trouble::Refused(StoreError::permanent(format!(
                "column {column} of a stored row holds {number}; it must lie between 0 and 4294967295"
            )))
        })
    }

    fn replica(&self, column: usize) -> Result<Option<ReplicaId>, Trouble> {
        let Some(text) = self.0.maybe_text(column)? else { return Ok(None) };
        let unreadable = || StoreError::permanent(format!("the stored replica id {text:?} is not a UUID"));
        ReplicaId::parse(text).map(Some).ok_or_else(unreadable).map_err(Trouble::Refused)
    }

    /// A body and, in the next column, its version.
    fn payload(&self, column: usize) -> Result<Option<Payload>, Trouble> {
        let Some(body) = self.0.maybe_text(column)? else { return Ok(None) };
        Ok(Some(Payload::new(self.small(column + 1)?, body)))
    }

    /// The key of a row that was written.
    pub(crate) fn id(&self) -> Result<FunctionId, sqlx::Error> {
        Ok(FunctionId::new(self.text(0)?, self.text(1)?))
    }

    /// The status of the instance whose key stands before it.
    pub(crate) fn status(&self) -> Result<Status, Trouble> {
        let (id, code) = (self.id()?, self.0.code(2)?);
        let unknown =
            || StoreError::permanent(format!("`{id}` has the status code {code}; 0 to 4 are known"));
        Ok(Status::from_code(code).ok_or_else(unknown)?)
    }

    /// A message, from the columns that `{message_columns}` names.
    fn message(&self) -> Result<StoredMessage, Trouble> {
        let lacks = |what| StoreError::permanent(format!("a stored message has no {what}"));
        Ok(StoredMessage {
            position: self.number(2)?,
            name: self.text(3)?.to_owned(),
            payload: self.payload(4)?.ok_or_else(|| lacks("payload"))?,
            key: self.text(6)?.to_owned(),
            sent_at: self.time(7)?.ok_or_else(|| lacks("time"))?,
        })
    }

    /// A whole instance, from the columns that `{columns}` names.
    pub(crate) fn function(&self) -> Result<StoredFunction, Trouble> {
        let (id, status) = (self.id()?, self.status()?);
        let lacks = |what| StoreError::permanent(format!("`{id}` has no {what}"));
        Ok(StoredFunction {
            parent: self.parent()?,
            status,
            epoch: Epoch::new(self.number(3)?),
            owner: self.replica(4)?,
            attempts: self.small(5)?,
            cancel_requested: self.0.code(23)? != 0,
            crashes: self.small(6)?,
            due_at: self.time(7)?,
            version: self.small(8)?,
            param: self.payload(9)?.ok_or_else(|| lacks("parameter"))?,
            scrapbook: self.payload(11)?,
            result: self.payload(13)?,
            failure: self.maybe_text(15)?,
            journal: self.maybe_text(20)?,
            reason: self.maybe_text(21)?,
            saves: self.number(22)?,
            message_count: self.number(16)?,
            created_at: self.time(17)?.ok_or_else(|| lacks("time of creation"))?,
            updated_at: self.time(18)?.ok_or_else(|| lacks("time of its last write"))?,
            completed_at: self.time(19)?,
            id,
        })
    }

    /// The parent of a child; a build that knew of none left both columns empty.
    fn parent(&self) -> Result<Option<FunctionId>, sqlx::Error> {
        let halves = self.0.maybe_text(24)?.zip(self.0.maybe_text(25)?);
        Ok(halves.map(|(type_id, instance_id)| FunctionId::new(type_id, instance_id)))
    }

    /// A live replica without its types.
    fn live_replica(&self, id: ReplicaId) -> Result<LiveReplica, Trouble> {
        Ok(LiveReplica {
            replica: Replica {
                id,
                lease: duration(self.number(1)?),
                host: self.text(2)?.to_owned(),
                pid: self.small(3)?,
                app_version: self.text(4)?.to_owned(),
                types: Vec::new(),
            },
            started_at: Timestamp::from_micros(self.number(5)?),
            heartbeat_at: Timestamp::from_micros(self.number(6)?),
        })
    }

    fn replica_type(&self) -> Result<Option<ReplicaType>, Trouble> {
        let Some(type_id) = self.0.maybe_text(7)? else { return Ok(None) };
        let lease = duration(self.number(9)?);
        let reads = match self.0.maybe_number(10)? {
            Some(_) => Some(Reads { param: self.small(10)?, scrapbook: self.small(11)? }),
            None => None,
        };
        Ok(Some(ReplicaType { type_id: type_id.into(), version: self.small(8)?, lease, reads }))
    }
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn lacking(column: usize) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source: Box::new(UnexpectedNullError) }
}

/// The keys of rows that were written.
pub(crate) fn ids<'r, R: Columns<'r>>(rows: &'r [R]) -> Result<Vec<FunctionId>, Trouble> {
    rows.iter().map(|row| Ok(Reader(row).id()?)).collect()
}

/// All instances of some rows.
pub(crate) fn functions<'r, R: Columns<'r>>(rows: &'r [R]) -> Result<Vec<StoredFunction>, Trouble> {
    rows.iter().map(|row| Reader(row).function()).collect()
}

/// All messages of some rows, each with its instance.
pub(crate) fn messages<'r, R: Columns<'r>>(
    rows: &'r [R],
) -> Result<Vec<(FunctionId, StoredMessage)>, Trouble> {
    rows.iter().map(|row| Ok((Reader(row).id()?, Reader(row).message()?))).collect()
}

/// The replicas of rows that [`REPLICAS`](crate::statements::REPLICAS) reads: one row per type, those of one replica together.
pub(crate) fn live_replicas<'r, R: Columns<'r>>(rows: &'r [R]) -> Result<Vec<LiveReplica>, Trouble> {
    let mut replicas: Vec<LiveReplica> = Vec::new();
    for row in rows {
        let reader = Reader(row);
        let id = reader.replica(0)?.ok_or_else(|| StoreError::permanent("a stored replica has no id"))?;
        if replicas.last().is_none_or(|last| last.replica.id != id) {
            replicas.push(reader.live_replica(id)?);
        }
        if let (Some(last), Some(of)) = (replicas.last_mut(), reader.replica_type()?) {
            last.replica.types.push(of);
        }
    }
    Ok(replicas)
}
