//! Reads and writes on instances.

use resilient::store::Claimable;
use resilient::{FunctionId, ReplicaId, StoreError, StoredFunction};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, Row};

use super::statements::{MIGRATIONS, Statement};
use super::{PostgresStore, SERVER};
use crate::error::Trouble;
use crate::row::{Reader, Record, Value, functions};
use crate::schema::missing;
use crate::statements::Kind;
use crate::store::{Backend, Plan};

impl Backend for PostgresStore {
    async fn apply(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, StoreError> {
        SERVER.settle_on(&self.pool, "a write of instances", self.apply_all(plan)).await
    }
}

impl PostgresStore {
    async fn apply_all(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let all = &*self.statements;
        let mut lease = self.pool.acquire().await?;
        let is_mixed = plan.kinds() > 1;
        if is_mixed {
            sqlx::raw_sql("begin").execute(&mut *lease).await?;
        }
        // New rows come first: a transaction that waits for one holds nothing that anybody waits for.
        let mut written = run(&mut lease, &all.create, &plan.creates).await?;
        if plan.kinds_of_changes() > 1 {
            run(&mut lease, &all.lock, &plan.changed()).await?;
        }
        written.extend(run(&mut lease, &all.save, &plan.saves).await?);
        written.extend(run(&mut lease, &all.finish, &plan.finishes).await?);
        written.extend(run(&mut lease, &all.edit, &plan.edits).await?);
        written.extend(run(&mut lease, &all.delete, &plan.deletes).await?);
        if is_mixed {
            sqlx::raw_sql("commit").execute(&mut *lease).await?;
        }
        lease.give_back();
        Ok(written.iter().map(|row| Reader(row).id()).collect::<Result<_, _>>()?)
    }

    pub(super) async fn read(&self, ids: &[FunctionId]) -> Result<Vec<StoredFunction>, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let rows = run(&mut lease, &self.statements.read, ids).await?;
        lease.give_back();
        functions(&rows)
    }

    pub(super) async fn take(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, Trouble> {
        let column = |number: fn(&Claimable) -> u32| -> Vec<i64> {
            kinds.iter().map(|kind| i64::from(number(kind))).collect()
        };
        let query = self
            .statements
            .claim
            .query::<Postgres>()
            .bind(replica.to_string())
            .bind(kinds.iter().map(|kind| kind.type_id.as_str()).collect::<Vec<_>>())
            .bind(column(|kind| kind.version))
            .bind(column(|kind| kind.param_version))
            .bind(column(|kind| kind.scrapbook_version))
            .bind(column(|kind| kind.limit))
            .bind(i64::from(limit));
        let mut lease = self.pool.acquire().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        functions(&rows)
    }

    pub(super) async fn release(&self) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let released = self.statements.release.query::<Postgres>().execute(&mut *lease).await?;
        self.statements.forget.query::<Postgres>().execute(&mut *lease).await?;
        lease.give_back();
        Ok(released.rows_affected())
    }

    pub(super) async fn migrate(&self) -> Result<(), Trouble> {
        let all = &*self.statements;
        let mut lease = self.pool.acquire().await?;
        // Whoever comes second waits here until the first is done; the lock ends with the transaction.
        sqlx::raw_sql("begin; set local lock_timeout = '30s'").execute(&mut *lease).await?;
        let lock = sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))");
        lock.bind(format!("resilient schema {}", all.prefix)).execute(&mut *lease).await?;
        all.schema.script().execute(&mut *lease).await?;
        let found: i64 = all.recorded.query::<Postgres>().fetch_one(&mut *lease).await?.try_get(0)?;
        for (version, script) in missing(MIGRATIONS, &all.prefix, found)? {
            all.migration(script).script().execute(&mut *lease).await?;
            all.record.query::<Postgres>().bind(version).execute(&mut *lease).await?;
        }
        sqlx::raw_sql("commit").execute(&mut *lease).await?;
        lease.give_back();
        Ok(())
    }
}

/// Runs a statement over rows and answers what it returns.
pub(super) async fn run<R: Record>(
    on: &mut PgConnection,
    statement: &Statement,
    records: &[R],
) -> Result<Vec<PgRow>, sqlx::Error> {
    let query = match records {
        [] => return Ok(Vec::new()),
        [record] => {
            let mut query = statement.one.query::<Postgres>();
            for value in record.values() {
                query = match &value {
                    Value::Text(text) => query.bind(text.as_deref()),
                    Value::Number(number) => query.bind(*number),
                };
            }
            query
        }
        _ => {
            let rows: Vec<_> = records.iter().map(Record::values).collect();
            let mut query = statement.many.query::<Postgres>();
            for (place, (_, kind)) in statement.columns.iter().enumerate() {
                let column = rows.iter().map(|row| row.get(place));
                query = match kind {
                    Kind::Text => query.bind(column.map(|value| value?.as_text()).collect::<Vec<_>>()),
                    Kind::Number => query.bind(column.map(|value| value?.as_number()).collect::<Vec<_>>()),
                };
            }
            query
        }
    };
    query.fetch_all(on).await
}
