//! Results that are kept no longer.

use resilient::store::Expiry;
use sqlx::{PgConnection, Postgres};

use crate::record::micros;
use crate::sql::Sql;

/// What has succeeded long enough ago, of each type for itself; its messages go with it.
///
/// What somebody else has locked is left to the next time, so this waits for nobody. A row that changed meanwhile is
/// looked at again before it is locked.
pub(super) const EXPIRE: &str = "with {the_clock}, \
     kinds as (select * from unnest($1::text[], $2::bigint[]) as kind (type_id, kept)), \
     ended as materialized (select f.type_id as in_type, f.instance_id as in_id from clock cross join kinds \
         cross join lateral ( \
             select f.type_id, f.instance_id from {functions} as f \
             where f.status = 3 and f.type_id = kinds.type_id and f.completed_at < {now} - kinds.kept and {unasked} \
             order by f.completed_at limit $3 for update of f skip locked) as f \
         limit $3) \
     delete from {functions} as f using ended as i where {same}";

pub(super) async fn expire(
    on: &mut PgConnection,
    statement: &Sql,
    expiries: &[Expiry],
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let query = statement
        .query::<Postgres>()
        .bind(expiries.iter().map(|expiry| expiry.type_id.as_str()).collect::<Vec<_>>())
        .bind(expiries.iter().map(|expiry| micros(expiry.after)).collect::<Vec<_>>())
        .bind(i64::from(limit));
    Ok(query.execute(on).await?.rows_affected())
}
