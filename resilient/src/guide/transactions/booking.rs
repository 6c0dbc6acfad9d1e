use resilient::prelude::*;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct Booking {
    is_booked: bool,
}

#[resilient_fn(type_id = "Booking")]
async fn book(
    amount: i64,
    booking: &mut Scrapbook<Booking>,
    pool: Dep<SqlitePool>,
) -> resilient::Result<()> {
    if !booking.is_booked {
        let mut transaction = pool.begin().await?;
        let insert = sqlx::query("insert into bookings (amount) values (?)").bind(amount);
        insert.execute(&mut *transaction).await?;
        booking.is_booked = true;
        booking.save_in(&mut transaction).await?;
        transaction.commit().await?; // the row and the progress, or neither
    }
    Ok(())
}

/// What a web request does.
async fn order(runtime: &Runtime, pool: &SqlitePool, id: &str, amount: i64) -> resilient::Result<()> {
    let mut transaction = pool.begin().await?;
    let insert = sqlx::query("insert into orders (id) values (?)").bind(id.to_owned());
    insert.execute(&mut *transaction).await?;
    book::schedule_in(runtime, &mut transaction, id, amount).await?;
    transaction.commit().await?; // the order is stored and will be booked, or neither
    Ok(())
}
