//! Writes on instances.

use resilient::FunctionId;
use resilient::store::Append;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::statements::Statement;
use crate::append;
use crate::backend::Backend;
use crate::batch::{Returning, change, create};
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::ids;
use crate::store::{Answers, Plan};

impl SqliteStore {
    pub(super) async fn apply_all(&self, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let mut writer = self.connections.writer().await?;
        // A single statement is a transaction by itself.
        let is_one = self.statements.is_one(plan);
        if !is_one {
            Self::script(&mut writer, sqlx::raw_sql(Self::BEGIN)).await?;
        }
        let answers = self.apply_on(&mut writer, plan).await?;
        if !is_one {
            Self::script(&mut writer, sqlx::raw_sql("commit")).await?;
        }
        writer.give_back();
        Ok(answers)
    }

    /// Inside a transaction, or as a single statement.
    pub(super) async fn apply_on(
        &self,
        on: &mut SqliteConnection,
        plan: &Plan<'_>,
    ) -> Result<Answers, Trouble> {
        let all = &self.statements.common;
        let mut answers = create(self, on, all, plan).await?;
        answers.extend(change(self, on, all, plan).await?);
        Ok(answers)
    }
}

impl Returning for SqliteStore {
    async fn written<R: Record + Sync>(
        &self,
        on: &mut SqliteConnection,
        statement: &Statement,
        records: &[R],
    ) -> Result<Vec<FunctionId>, Trouble> {
        ids(&run(on, statement, self.connections.now(), records).await?)
    }

    async fn append(&self, on: &mut SqliteConnection, appends: &[&Append]) -> Result<Answers, Trouble> {
        append::append(self, on, appends).await
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
