//! Writes on instances.

use resilient::FunctionId;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::statements::Statement;
use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::ids;
use crate::store::Plan;

impl SqliteStore {
    pub(super) async fn apply_all(&self, plan: &Plan<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let all = &self.statements.common;
        let mut writer = self.connections.writer().await?;
        // A single statement is a transaction by itself.
        let is_many = self.statements.count(plan) > 1;
        if is_many {
            Self::script(&mut writer, sqlx::raw_sql(Self::BEGIN)).await?;
        }
        let now = self.connections.now();
        let mut written = run(&mut writer, &all.create, now, &plan.creates).await?;
        written.extend(run(&mut writer, &all.save, now, &plan.saves).await?);
        written.extend(run(&mut writer, &all.finish, now, &plan.finishes).await?);
        written.extend(run(&mut writer, &all.edit, now, &plan.edits).await?);
        written.extend(run(&mut writer, &all.delete, now, &plan.deletes).await?);
        if is_many {
            Self::script(&mut writer, sqlx::raw_sql("commit")).await?;
        }
        writer.give_back();
        ids(&written)
    }
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
