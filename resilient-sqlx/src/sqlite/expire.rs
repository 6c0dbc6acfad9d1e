//! Results that are kept no longer.

use resilient::store::Expiry;
use sqlx::Sqlite;

use super::SqliteStore;
use super::claim::MOST_KINDS;
use crate::error::Trouble;
use crate::record::micros;

/// What has succeeded long enough ago; its messages go with it. The second value is the limit.
pub(super) const EXPIRE: &str =
    "delete from {functions} where rowid in (select ended from ({rows}) limit ?2)";

/// What has ended of one type; its placeholders' row is that of [`Expiry`].
///
/// The index is taken only for a statement that repeats its condition.
pub(super) const ENDED: [&str; 2] = [
    "select f.rowid as ended from {functions} as f where f.status >= 3 and f.status = 3 and f.type_id = ?",
    " and {unasked} and f.completed_at < {now} - ?",
];

impl SqliteStore {
    pub(super) async fn expire_all(&self, expiries: &[Expiry], limit: u32) -> Result<u64, Trouble> {
        let (mut expired, limit) = (0, u64::from(limit));
        let mut writer = self.connections.writer().await?;
        for expiries in expiries.chunks(MOST_KINDS) {
            let left = i64::try_from(limit.saturating_sub(expired)).unwrap_or(i64::MAX);
            let sql = self.statements.expire(expiries.len());
            let mut query = sql.query::<Sqlite>().bind(self.connections.now()).bind(left);
            for expiry in expiries {
                query = query.bind(expiry.type_id.as_str()).bind(micros(expiry.after));
            }
            expired += query.execute(&mut *writer).await?.rows_affected();
        }
        writer.give_back();
        Ok(expired)
    }
}
