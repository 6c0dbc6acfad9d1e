//! Work changes hands: what is due is claimed, and what dead replicas ran becomes due.

use resilient::StoredFunction;
use resilient::store::Claimable;
use sqlx::Postgres;

use super::PostgresStore;
use crate::backend::Claim;
use crate::error::Trouble;
use crate::row::functions;

impl PostgresStore {
    pub(super) async fn take_all(&self, claim: Claim<'_>) -> Result<Vec<StoredFunction>, Trouble> {
        let column = |number: fn(&Claimable) -> u32| -> Vec<i64> {
            claim.kinds.iter().map(|kind| i64::from(number(kind))).collect()
        };
        let query = self
            .statements
            .claim
            .query::<Postgres>()
            .bind(claim.replica.to_string())
            .bind(claim.kinds.iter().map(|kind| kind.type_id.as_str()).collect::<Vec<_>>())
            .bind(column(|kind| kind.version))
            .bind(column(|kind| kind.param_version))
            .bind(column(|kind| kind.scrapbook_version))
            .bind(column(|kind| kind.limit))
            .bind(i64::from(claim.limit));
        let mut lease = self.pool.acquire().await?;
        let rows = query.fetch_all(&mut *lease).await?;
        lease.give_back();
        functions(&rows)
    }

    /// Two statements, each a transaction by itself: what is not done yet is found again by the next call.
    pub(super) async fn release_all(&self) -> Result<u64, Trouble> {
        let mut lease = self.pool.acquire().await?;
        let released = self.statements.release.query::<Postgres>().execute(&mut *lease).await?;
        self.statements.forget.query::<Postgres>().execute(&mut *lease).await?;
        lease.give_back();
        Ok(released.rows_affected())
    }
}
