//! Writes on instances.

use resilient::store::{Append, Written};
use resilient::{FunctionId, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres};

use super::statements::Statement;
use super::{PostgresStore, append};
use crate::backend::Backend;
use crate::batch::{Returning, change, create};
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::ids;
use crate::statements::Kind;
use crate::store::{Answers, Plan};

/// How often a batch is tried again in which a message was sent by somebody else at the same moment.
const ATTEMPTS: usize = 5;

impl PostgresStore {
    pub(super) async fn apply_all(&self, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let mut lease = self.pool.acquire().await?;
        // A batch of one kind is a single statement, which is a transaction by itself.
        let answers = if plan.kinds() > 1 || plan.has_messages() {
            self.apply_together(&mut lease, plan).await?
        } else {
            match self.apply_alone(&mut lease, plan).await {
                Err(trouble) if is_duplicate(&trouble) => self.apply_together(&mut lease, plan).await?,
                other => other?,
            }
        };
        lease.give_back();
        Ok(answers)
    }

    async fn apply_alone(&self, on: &mut PgConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let all = &self.statements.common;
        let mut answers = create(self, on, all, plan).await?;
        answers.extend(change(self, on, all, plan).await?);
        Ok(answers)
    }

    /// In a transaction that locks first what it then looks at.
    ///
    /// A key may still be taken when its instance was made between the locks and the look.
    async fn apply_together(&self, on: &mut PgConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        for _ in 0..ATTEMPTS {
            Self::script(on, sqlx::raw_sql(Self::BEGIN)).await?;
            match self.apply_locked(on, plan).await {
                Err(trouble) if is_duplicate(&trouble) => Self::script(on, sqlx::raw_sql("rollback")).await?,
                Err(trouble) => return Err(trouble),
                Ok(answers) => {
                    Self::script(on, sqlx::raw_sql("commit")).await?;
                    return Ok(answers);
                }
            }
        }
        Err(StoreError::transient(format!(
            "a message was sent by somebody else at the same moment {ATTEMPTS} times; it may work later"
        ))
        .into())
    }

    async fn apply_locked(&self, on: &mut PgConnection, plan: &Plan<'_>) -> Result<Answers, Trouble> {
        let all = &self.statements.common;
        // New rows come first: a transaction that waits for one holds nothing that anybody waits for.
        let mut answers = create(self, on, all, plan).await?;
        if plan.kinds_of_changes() > 1 || !plan.appends.is_empty() {
            run(on, &self.statements.lock, &plan.changed()).await?;
        }
        answers.extend(change(self, on, all, plan).await?);
        Ok(answers)
    }
}

/// In a transaction of the user's, which an error would end.
impl PostgresStore {
    /// A message whose key is taken meanwhile would be an error, and there is no other try. So only instances get messages
    /// that were there to be locked.
    pub(super) async fn apply_within(
        &self,
        on: &mut PgConnection,
        plan: &Plan<'_>,
    ) -> Result<Answers, Trouble> {
        let all = &self.statements.common;
        let mut answers = create(self, on, all, plan).await?;
        let locked = ids(&run(on, &self.statements.lock, &plan.changed()).await?)?;
        let (there, missing) =
            plan.appends.iter().copied().partition::<Vec<_>, _>(|append| locked.contains(&append.id));
        answers.extend(missing.into_iter().map(|append| (append.id.clone(), Written::NotFound)));
        answers.extend(change(self, on, all, &Plan { appends: there, ..plan.clone() }).await?);
        Ok(answers)
    }
}

/// Whether there is such a row already.
fn is_duplicate(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Driver(sqlx::Error::Database(error)) if error.is_unique_violation())
}

impl Returning for PostgresStore {
    async fn written<R: Record + Sync>(
        &self,
        on: &mut PgConnection,
        statement: &Statement,
        records: &[R],
    ) -> Result<Vec<FunctionId>, Trouble> {
        ids(&run(on, statement, records).await?)
    }

    async fn append(&self, on: &mut PgConnection, appends: &[&Append]) -> Result<Answers, Trouble> {
        append::append(on, &self.statements.append, appends).await
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
