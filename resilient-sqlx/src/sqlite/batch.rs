//! Reads and writes on instances.

use resilient::store::Claimable;
use resilient::{FunctionId, ReplicaId, StoreError, StoredFunction};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite};

use super::statements::{MIGRATIONS, Statement};
use super::{SqliteStore, during};
use crate::error::Trouble;
use crate::row::{Reader, Record, Value, functions};
use crate::schema::missing;
use crate::store::{Backend, Plan, in_order};

/// A compound select has at most 500 terms.
const MOST_KINDS: usize = 400;

impl Backend for SqliteStore {
    async fn apply(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, StoreError> {
        self.apply_all(plan).await.map_err(during("a write of instances"))
    }
}

impl SqliteStore {
    async fn apply_all(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let now = self.connections.now();
        let all = &*self.statements;
        let mut writer = self.connections.writer().await?;
        // A single statement is a transaction by itself.
        let is_many = all.count(plan) > 1;
        if is_many {
            begin(&mut writer).await?;
        }
        let mut written = run(&mut writer, &all.create, now, &plan.creates).await?;
        written.extend(run(&mut writer, &all.save, now, &plan.saves).await?);
        written.extend(run(&mut writer, &all.finish, now, &plan.finishes).await?);
        written.extend(run(&mut writer, &all.edit, now, &plan.edits).await?);
        written.extend(run(&mut writer, &all.delete, now, &plan.deletes).await?);
        if is_many {
            commit(&mut writer).await?;
        }
        writer.give_back();
        Ok(written.iter().map(|row| Reader(row).id()).collect::<Result<_, _>>()?)
    }

    pub(super) async fn read(&self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, Trouble> {
        let mut reader = self.connections.reader().await?;
        let rows = run(&mut reader, &self.statements.read, self.connections.now(), ids).await?;
        reader.give_back();
        functions(&rows)
    }

    pub(super) async fn take(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, Trouble> {
        let mut taken = Vec::new();
        for kinds in kinds.chunks(MOST_KINDS) {
            let left = limit.saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
            taken.extend(self.take_some(&Claim { replica, kinds, limit: left }).await?);
        }
        Ok(taken)
    }

    async fn take_some(&self, claim: &Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        // Most of the time nothing is due, and looking needs no lock.
        let mut reader = self.connections.reader().await?;
        let due = self.pick(&mut reader, claim).await?;
        reader.give_back();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = self.connections.writer().await?;
        begin(&mut writer).await?;
        let due = self.pick(&mut writer, claim).await?;
        let owner = claim.replica.to_string();
        let takes: Vec<_> = due.iter().map(|id| Take { id, owner: &owner }).collect();
        let rows = run(&mut writer, &self.statements.take, self.connections.now(), &takes).await?;
        commit(&mut writer).await?;
        writer.give_back();
        Ok(in_order(&due, functions(&rows)?).into_iter().flatten().collect())
    }

    async fn pick(&self, on: &mut SqliteConnection, claim: &Claim<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let sql = self.statements.pick(claim.kinds.len());
        let mut query = sql.query::<Sqlite>().bind(self.connections.now());
        query = query.bind(claim.replica.to_string()).bind(i64::from(claim.limit));
        for kind in claim.kinds {
            query = query.bind(kind.type_id.as_str()).bind(i64::from(kind.version));
            query = query.bind(i64::from(kind.param_version)).bind(i64::from(kind.scrapbook_version));
            query = query.bind(i64::from(kind.limit));
        }
        let rows = query.fetch_all(on).await?;
        Ok(rows.iter().map(|row| Reader(row).id()).collect::<Result<_, _>>()?)
    }

    pub(super) async fn release(&self) -> Result<u64, Trouble> {
        let now = self.connections.now();
        let all = &*self.statements;
        let mut reader = self.connections.reader().await?;
        let any_dead: bool =
            all.any_dead.query::<Sqlite>().bind(now).fetch_one(&mut *reader).await?.try_get(0)?;
        reader.give_back();
        if !any_dead {
            return Ok(0);
        }
        let mut writer = self.connections.writer().await?;
        begin(&mut writer).await?;
        let released = all.release.query::<Sqlite>().bind(now).execute(&mut *writer).await?;
        all.forget.query::<Sqlite>().bind(now).execute(&mut *writer).await?;
        commit(&mut writer).await?;
        writer.give_back();
        Ok(released.rows_affected())
    }

    pub(super) async fn migrate(&self) -> Result<(), Trouble> {
        let all = &*self.statements;
        let mut writer = self.connections.writer().await?;
        begin(&mut writer).await?;
        all.schema.script().execute(&mut *writer).await?;
        let found: i64 = all.recorded.query::<Sqlite>().fetch_one(&mut *writer).await?.try_get(0)?;
        for (version, script) in missing(MIGRATIONS, &all.prefix, found)? {
            all.migration(script).script().execute(&mut *writer).await?;
            let record = all.record.query::<Sqlite>().bind(self.connections.now()).bind(version);
            record.execute(&mut *writer).await?;
        }
        commit(&mut writer).await?;
        writer.give_back();
        Ok(())
    }
}

/// What a replica asks for.
struct Claim<'a> {
    replica: ReplicaId,
    kinds: &'a [Claimable],
    limit: u32,
}

/// An instance that a replica takes.
struct Take<'a> {
    id: &'a FunctionId,
    owner: &'a str,
}

impl Record for Take<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.push(Value::text(self.owner));
        values
    }
}

/// Takes the write lock at once: a lock that is asked for after a read cannot be waited for.
pub(super) async fn begin(on: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("begin immediate").execute(on).await.map(drop)
}

pub(super) async fn commit(on: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("commit").execute(on).await.map(drop)
}

/// Runs a statement over rows and answers what it returns.
pub(super) async fn run<R: Record>(
    on: &mut SqliteConnection,
    statement: &Statement,
    now: i64,
    records: &[R],
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let mut rows = Vec::new();
    for (sql, piece) in statement.pieces(records) {
        let mut query = sql.query::<Sqlite>();
        for value in piece.iter().flat_map(Record::values) {
            query = match &value {
                Value::Text(text) => query.bind(text.as_deref()),
                Value::Number(number) => query.bind(*number),
            };
        }
        if statement.has_time {
            query = query.bind(now);
        }
        rows.extend(query.fetch_all(&mut *on).await?);
    }
    Ok(rows)
}
