//! Work changes hands: what is due is claimed, and what dead replicas ran becomes due.

use resilient::{FunctionId, StoredFunction};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, Sqlite};

use super::SqliteStore;
use super::batch::run;
use crate::backend::{Backend, Claim};
use crate::error::Trouble;
use crate::record::{Record, Value};
use crate::row::{functions, ids};
use crate::store::in_order;

/// A compound select has at most 500 terms.
pub(super) const MOST_KINDS: usize = 400;

impl SqliteStore {
    pub(super) async fn take_all(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        let mut taken = Vec::new();
        for kinds in claim.kinds.chunks(MOST_KINDS) {
            let limit = claim.limit.saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
            taken.extend(self.take_some(Claim { kinds, limit, ..claim }).await?);
        }
        Ok(taken)
    }

    async fn take_some(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        // Most of the time nothing is due, and looking needs no lock.
        let mut reader = self.connections.reader().await?;
        let due = self.pick(&mut reader, claim).await?;
        reader.give_back();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = self.connections.writer().await?;
        Self::script(&mut writer, sqlx::raw_sql(Self::BEGIN)).await?;
        let due = self.pick(&mut writer, claim).await?;
        let owner = claim.replica.to_string();
        let takes: Vec<_> = due.iter().map(|id| Take { id, owner: &owner }).collect();
        let rows = run(&mut writer, &self.statements.take, self.connections.now(), &takes).await?;
        Self::script(&mut writer, sqlx::raw_sql("commit")).await?;
        writer.give_back();
        Ok(in_order(&due, functions(&rows)?).into_iter().flatten().collect())
    }

    async fn pick(&self, on: &mut SqliteConnection, claim: Claim<'_>) -> Result<Vec<FunctionId>, Trouble> {
        let sql = self.statements.pick(claim.kinds.len());
        let mut query = sql.query::<Sqlite>().bind(self.connections.now());
        query = query.bind(claim.replica.to_string()).bind(i64::from(claim.limit));
        for kind in claim.kinds {
            query = query.bind(kind.type_id.as_str()).bind(i64::from(kind.version));
            query = query.bind(i64::from(kind.param_version)).bind(i64::from(kind.scrapbook_version));
            query = query.bind(i64::from(kind.limit));
        }
        ids(&query.fetch_all(on).await?)
    }

    pub(super) async fn release_all(&self) -> Result<u64, Trouble> {
        let all = &*self.statements;
        let mut reader = self.connections.reader().await?;
        let any_dead =
            all.any_dead.query::<Sqlite>().bind(self.connections.now()).fetch_one(&mut *reader).await?;
        reader.give_back();
        if !any_dead.try_get::<bool, _>(0)? {
            return Ok(0);
        }
        let mut writer = self.connections.writer().await?;
        Self::script(&mut writer, sqlx::raw_sql(Self::BEGIN)).await?;
        let now = self.connections.now();
        let released = all.release.query::<Sqlite>().bind(now).execute(&mut *writer).await?;
        all.forget.query::<Sqlite>().bind(now).execute(&mut *writer).await?;
        Self::script(&mut writer, sqlx::raw_sql("commit")).await?;
        writer.give_back();
        Ok(released.rows_affected())
    }
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
