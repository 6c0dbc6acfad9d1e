//! Work changes hands: what is due is claimed, and what dead replicas ran becomes due.

use resilient::store::Claimable;
use resilient::{Epoch, FunctionId, ReplicaId, Status, StoredFunction, Timestamp};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{Executor, MySql, Row};

use super::pool::is_collision;
use super::statements::{MOST_OWNERS, Statements, Template};
use crate::backend::Claim;
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::Reader;
use crate::statements::Columns;

/// Takes rows that are locked already.
pub(super) const TAKE: Template = Template {
    one: "update {functions} as f set {run} where {same} and f.status in (1, 2)",
    many: Some(
        "update ({rows}) as i left join {functions} as f on {same} set {run} \
         {unless}f.status in (1, 2){else_fail}",
    ),
};

pub(super) const TAKE_COLUMNS: Columns = Columns("in_type text, in_id text, owner text, now number");

/// Whether work of one kind is due; without a lock, and so many of these in one statement as there are kinds.
///
/// The kind stands in it as a constant: as a join, all rows of the kind would be read instead of a range of the index.
pub(super) const IS_DUE: [&str; 2] = [
    "(select ",
    " from {functions} as f force index (due) where f.type_id = ? and f.version = ? and f.due_at <= {now} and {fits} \
     limit 1)",
];

/// Work of one kind that is due, locked; what others have locked is theirs.
pub(super) const DUE: &str = "select {columns}, {now} from {functions} as f force index (due) \
     where f.type_id = ? and f.version = ? and f.due_at <= {now} and {fits} \
     and exists (select 1 from {replicas} as r where r.id = ? and {now} - r.heartbeat_at <= r.lease) \
     order by f.due_at, f.instance_id limit ? for update skip locked";

/// Where the time stands in a row of work that is due.
const NOW: usize = 26;

/// How often a release is tried that meets a deadlock.
const ATTEMPTS: usize = 5;

/// An instance that is due and locked.
struct Due {
    row: StoredFunction,
    now: i64,
    owner: String,
}

impl Record for Due {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.row.id.values();
        values.extend([Value::text(self.owner.as_str()), Value::number(self.now)]);
        values
    }
}

impl Due {
    fn read(row: &MySqlRow, owner: &str) -> Result<Self, Trouble> {
        Ok(Self { row: Reader(row).function()?, now: row.try_get(NOW)?, owner: owner.to_owned() })
    }

    /// The longest due first, as its id decides between equals.
    fn rank(&self) -> (Option<Timestamp>, &FunctionId) {
        (self.row.due_at, &self.row.id)
    }

    /// The instance as it was written.
    fn taken(self, replica: ReplicaId) -> StoredFunction {
        StoredFunction {
            status: Status::Executing,
            epoch: Epoch::new(self.row.epoch.as_i64().min(i64::MAX - 1) + 1),
            owner: Some(replica),
            attempts: self.row.attempts.saturating_add(1),
            due_at: None,
            reason: None,
            updated_at: Timestamp::from_micros(self.now),
            ..self.row
        }
    }
}

/// Looks without locks first: most of the time nothing is due.
pub(super) async fn claim(
    connection: &mut MySqlConnection,
    statements: &Statements,
    claim: &Claim<'_>,
) -> Result<Vec<StoredFunction>, Trouble> {
    let kinds: Vec<_> = claim.kinds.iter().filter(|kind| kind.limit > 0).collect();
    if kinds.is_empty() || claim.limit == 0 {
        return Ok(Vec::new());
    }
    let mut query = statements.any_due(kinds.len()).query::<MySql>();
    for kind in &kinds {
        query = query.bind(kind.type_id.as_str()).bind(kind.version).bind(kind.param_version);
        query = query.bind(kind.scrapbook_version);
    }
    let mut due = Vec::new();
    for row in query.fetch_all(&mut *connection).await? {
        let number = usize::try_from(row.try_get::<i64, _>(0)?).ok();
        due.extend(number.and_then(|number| kinds.get(number).copied()));
    }
    if due.is_empty() {
        return Ok(Vec::new());
    }
    connection.execute("begin").await?;
    let taken = match take(connection, statements, claim, &due).await {
        Ok(taken) => taken,
        // Whoever got in between has the work, or the next claim finds it.
        Err(Trouble::Driver(error)) if is_collision(&error) => Vec::new(),
        Err(trouble) => return Err(trouble),
    };
    connection.execute(if taken.is_empty() { "rollback" } else { "commit" }).await?;
    Ok(taken.into_iter().map(|due| due.taken(claim.replica)).collect())
}

async fn take(
    connection: &mut MySqlConnection,
    statements: &Statements,
    claim: &Claim<'_>,
    kinds: &[&Claimable],
) -> Result<Vec<Due>, Trouble> {
    let owner = claim.replica.to_string();
    let mut due = Vec::new();
    for kind in kinds {
        let query = statements.due.query::<MySql>().bind(kind.type_id.as_str()).bind(kind.version);
        let query = query.bind(kind.param_version).bind(kind.scrapbook_version).bind(&owner);
        let rows = query.bind(kind.limit.min(claim.limit)).fetch_all(&mut *connection).await?;
        for row in &rows {
            due.push(Due::read(row, &owner)?);
        }
    }
    due.sort_by(|a, b| a.rank().cmp(&b.rank()));
    // Two kinds may describe the same work.
    due.dedup_by(|a, b| a.row.id == b.row.id);
    due.truncate(usize::try_from(claim.limit).unwrap_or(usize::MAX));
    for piece in statements.take.cut(&due) {
        if !statements.take.write(connection, &piece).await? {
            return Ok(Vec::new());
        }
    }
    Ok(due)
}

/// Two or three statements, each a transaction by itself: what is not done yet is found again by the next call.
pub(super) async fn release_dead(
    connection: &mut MySqlConnection,
    statements: &Statements,
) -> Result<u64, Trouble> {
    let dead = statements.dead.query::<MySql>().fetch_all(&mut *connection).await?;
    let mut owners = Vec::new();
    for row in &dead {
        let id: String = row.try_get(0)?;
        if row.try_get::<i64, _>(1)? == 1 {
            owners.push(id);
        }
    }
    let released = if owners.is_empty() { 0 } else { release(connection, statements, &owners).await? };
    if dead.len() > owners.len() {
        statements.forget.query::<MySql>().execute(&mut *connection).await?;
    }
    Ok(released)
}

async fn release(
    connection: &mut MySqlConnection,
    statements: &Statements,
    owners: &[String],
) -> Result<u64, sqlx::Error> {
    let sql = statements.release(owners.len());
    let named = if owners.len() > MOST_OWNERS { &[] } else { owners };
    let mut attempt = 1;
    loop {
        let query = named.iter().fold(sql.query::<MySql>(), Query::bind);
        match query.execute(&mut *connection).await {
            Err(error) if is_collision(&error) && attempt < ATTEMPTS => attempt += 1,
            other => return other.map(|done| done.rows_affected()),
        }
    }
}
