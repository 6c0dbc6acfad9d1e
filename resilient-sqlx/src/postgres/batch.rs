//! Writes on instances.

use resilient::FunctionId;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres};

use super::PostgresStore;
use super::statements::Statement;
use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::ids;
use crate::statements::Kind;
use crate::store::Plan;

impl PostgresStore {
    pub(super) async fn apply_all(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let all = &self.statements.common;
        let mut lease = self.pool.acquire().await?;
        // A batch of one kind is a single statement, which is a transaction by itself.
        let is_mixed = plan.kinds() > 1;
        if is_mixed {
            Self::script(&mut lease, sqlx::raw_sql(Self::BEGIN)).await?;
        }
        // New rows come first: a transaction that waits for one holds nothing that anybody waits for.
        let mut written = run(&mut lease, &all.create, &plan.creates).await?;
        if plan.kinds_of_changes() > 1 {
            run(&mut lease, &self.statements.lock, &plan.changed()).await?;
        }
        written.extend(run(&mut lease, &all.save, &plan.saves).await?);
        written.extend(run(&mut lease, &all.finish, &plan.finishes).await?);
        written.extend(run(&mut lease, &all.edit, &plan.edits).await?);
        written.extend(run(&mut lease, &all.delete, &plan.deletes).await?);
        if is_mixed {
            Self::script(&mut lease, sqlx::raw_sql("commit")).await?;
        }
        lease.give_back();
        ids(&written)
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
            for (place, kind) in statement.kinds.iter().enumerate() {
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
