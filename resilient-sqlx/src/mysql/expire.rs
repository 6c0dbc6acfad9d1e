//! Results that are kept no longer.

use resilient::FunctionId;
use resilient::store::Expiry;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Executor, MySql};

use super::pool::is_collision;
use super::statements::{Statements, Template};
use crate::error::Trouble;
use crate::record::{Record, Value, micros};
use crate::row::{Reader, ids};
use crate::statements::Columns;

/// What has succeeded long enough ago of one type; without a lock, and so many of these in one statement as there are types.
///
/// The type stands in it as a constant: as a join, all rows of the type would be read instead of a range of the index.
pub(super) const ENDED: &str = "(select convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4), \
     f.completed_at from {functions} as f force index (completed) \
     where f.status = 3 and f.type_id = ? and f.completed_at < {now} - ? and {unasked} order by f.completed_at limit ?)";

pub(super) const ENDED_COLUMNS: Columns = Columns("in_type text, in_id text, completed_at number");

/// Locks what is still as it was seen; what others have locked is left to the next time.
pub(super) const LOCK_ENDED: Template = Template {
    one: "select convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4) from {functions} as f \
         where {same} and f.status = 3 and f.completed_at = i.completed_at for update skip locked",
    many: Some(
        "select convert(f.type_id using utf8mb4), convert(f.instance_id using utf8mb4) from ({rows}) as i \
         straight_join {functions} as f on {same} and f.status = 3 and f.completed_at = i.completed_at \
         for update skip locked",
    ),
};

/// Deletes rows that are locked already, with their messages.
pub(super) const DELETE_ENDED: Template = Template {
    one: "delete from {functions} where type_id = i.in_type and instance_id = i.in_id",
    many: Some("delete f from ({rows}) as i straight_join {functions} as f on {same}"),
};

/// An instance that was seen to have ended.
struct Ended {
    id: FunctionId,
    completed_at: i64,
}

impl Ended {
    fn read(row: &MySqlRow) -> Result<Self, Trouble> {
        let row = Reader(row);
        Ok(Self { id: row.id()?, completed_at: row.number(2)? })
    }
}

impl Record for Ended {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.push(Value::number(self.completed_at));
        values
    }
}

/// Looks without locks first: most of the time nothing has ended long enough ago.
pub(super) async fn expire(
    connection: &mut MySqlConnection,
    statements: &Statements,
    expiries: &[Expiry],
    limit: u32,
) -> Result<u64, Trouble> {
    if expiries.is_empty() || limit == 0 {
        return Ok(0);
    }
    let mut query = statements.ended(expiries.len()).query::<MySql>();
    for expiry in expiries {
        query = query.bind(expiry.type_id.as_str()).bind(micros(expiry.after)).bind(limit);
    }
    let rows = query.fetch_all(&mut *connection).await?;
    let mut ended = rows.iter().map(Ended::read).collect::<Result<Vec<_>, _>>()?;
    ended.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if ended.is_empty() {
        return Ok(0);
    }
    ended.sort_by(|a, b| a.id.cmp(&b.id));
    connection.execute("begin").await?;
    let deleted = match delete(connection, statements, &ended).await {
        // The next call finds them again.
        Err(Trouble::Driver(error)) if is_collision(&error) => 0,
        other => other?,
    };
    connection.execute(if deleted == 0 { "rollback" } else { "commit" }).await?;
    Ok(deleted)
}

async fn delete(
    connection: &mut MySqlConnection,
    statements: &Statements,
    ended: &[Ended],
) -> Result<u64, Trouble> {
    let mut locked = Vec::new();
    for piece in statements.lock_ended.cut(ended) {
        locked.extend(ids(&statements.lock_ended.query(&piece).fetch_all(&mut *connection).await?)?);
    }
    let mut deleted = 0;
    for piece in statements.delete_ended.cut(&locked) {
        let query = statements.delete_ended.query(&piece);
        deleted += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(deleted)
}
