//! **Processing orders, 6: how would the same look without resilient?**
//!
//! As it is usually built on a message broker: one handler per message, and a table that says how far each order is.
//! It is the flow of `order_5_messages`, to be compared with it. It is small, it needs only a database, and each handler
//! can be deployed by itself. But:
//!
//! - The flow stands nowhere. To read it, follow the commands to the answers, from handler to handler.
//! - Local variables are columns, and "wait for both" is two flags and a question in two handlers.
//! - What resilient does is done by hand, and missing where it was forgotten: telling redelivered messages apart (`seen`),
//!   sending exactly what was committed (`outbox`), messages that come too early (an error, and redelivery).
//! - A deadline would be a job of its own that looks through the table; a retry with a pause, too; so would be the list of
//!   what is stuck, and its repair. And the state of an order has no version.
//!
//! ```console
//! $ cargo run --bin order_6_handlers
//!   message 1 was delivered before
//! …
//! completed: parcel 1; what has happened:
//!   ReserveFunds for MK-4321
//!   ShipProducts for MK-4321
//!   CaptureFunds for MK-4321
//!   SendConfirmation for MK-4321
//! ```

use std::collections::VecDeque;

use resilient_examples::Stage;
use sqlx::{SqliteConnection, SqlitePool};

const TABLES: &str = "
create table orders (
  id text primary key,
  state text not null,
  parcel text,
  is_captured integer not null default 0,
  is_confirmed integer not null default 0
);
create table seen (message integer primary key);
create table outbox (position integer primary key, command text not null, order_id text not null);
";

struct Message {
    id: i64,
    order: String,
    event: Event,
}

#[derive(Clone)]
enum Event {
    OrderPlaced,
    FundsReserved,
    FundsDeclined,
    ProductsShipped { parcel: String },
    FundsCaptured,
    ConfirmationSent,
}

async fn handle(db: &SqlitePool, message: Message) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    let seen = sqlx::query("insert into seen values (?) on conflict do nothing");
    if seen.bind(message.id).execute(&mut *tx).await?.rows_affected() == 0 {
        println!("  message {} was delivered before", message.id);
        return Ok(());
    }
    match message.event {
        Event::OrderPlaced => order_placed(&mut tx, &message.order).await?,
        Event::FundsReserved => funds_reserved(&mut tx, &message.order).await?,
        Event::FundsDeclined => advance(&mut tx, &message.order, "reserving", "declined").await?,
        Event::ProductsShipped { parcel } => products_shipped(&mut tx, &message.order, &parcel).await?,
        Event::FundsCaptured => funds_captured(&mut tx, &message.order).await?,
        Event::ConfirmationSent => confirmation_sent(&mut tx, &message.order).await?,
    }
    tx.commit().await
}

async fn order_placed(tx: &mut SqliteConnection, order: &str) -> sqlx::Result<()> {
    sqlx::query("insert into orders (id, state) values (?, 'reserving')")
        .bind(order)
        .execute(&mut *tx)
        .await?;
    command(tx, order, "ReserveFunds").await
}

async fn funds_reserved(tx: &mut SqliteConnection, order: &str) -> sqlx::Result<()> {
    advance(tx, order, "reserving", "shipping").await?;
    command(tx, order, "ShipProducts").await
}

async fn products_shipped(tx: &mut SqliteConnection, order: &str, parcel: &str) -> sqlx::Result<()> {
    advance(tx, order, "shipping", "finishing").await?;
    let keep = sqlx::query("update orders set parcel = ? where id = ?");
    keep.bind(parcel).bind(order).execute(&mut *tx).await?;
    command(tx, order, "CaptureFunds").await?;
    command(tx, order, "SendConfirmation").await
}

async fn funds_captured(tx: &mut SqliteConnection, order: &str) -> sqlx::Result<()> {
    sqlx::query("update orders set is_captured = 1 where id = ?").bind(order).execute(&mut *tx).await?;
    end_when_both_have_come(tx, order).await
}

async fn confirmation_sent(tx: &mut SqliteConnection, order: &str) -> sqlx::Result<()> {
    sqlx::query("update orders set is_confirmed = 1 where id = ?").bind(order).execute(&mut *tx).await?;
    end_when_both_have_come(tx, order).await
}

async fn end_when_both_have_come(tx: &mut SqliteConnection, order: &str) -> sqlx::Result<()> {
    let end = "update orders set state = 'completed' where id = ? and is_captured and is_confirmed";
    sqlx::query(end).bind(order).execute(tx).await?;
    Ok(())
}

/// A message that does not fit the state is an error, so that the broker delivers it again, later.
async fn advance(tx: &mut SqliteConnection, order: &str, from: &str, to: &str) -> sqlx::Result<()> {
    let update = sqlx::query("update orders set state = ? where id = ? and state = ?");
    let updated = update.bind(to).bind(order).bind(from).execute(tx).await?.rows_affected();
    if updated == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Commands are sent after the commit: what was rolled back must not have been said.
async fn command(tx: &mut SqliteConnection, order: &str, command: &str) -> sqlx::Result<()> {
    let insert = sqlx::query("insert into outbox (command, order_id) values (?, ?)");
    insert.bind(command).bind(order).execute(tx).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Stage::new()?;
    let db = SqlitePool::connect(&format!("sqlite://{}?mode=rwc", stage.database())).await?;
    sqlx::raw_sql(TABLES).execute(&db).await?;

    // The broker. It delivers at least once: here everything twice.
    let mut queue = VecDeque::from([(1, "MK-4321".to_owned(), Event::OrderPlaced)]);
    while let Some((id, order, event)) = queue.pop_front() {
        for _delivery in 1..=2 {
            handle(&db, Message { id, order: order.clone(), event: event.clone() }).await?;
        }
        // The relay. A crash before the delete sends a command twice, so the services tell them apart by the order.
        let outbox = sqlx::query_as::<_, (i64, String, String)>("select * from outbox order by position");
        for (position, command, order) in outbox.fetch_all(&db).await? {
            stage.write_down_once(&format!("{command} for {order}")).await?;
            queue.push_back((id * 10 + position, order, answer(&command)));
            sqlx::query("delete from outbox where position = ?").bind(position).execute(&db).await?;
        }
    }
    let ended =
        sqlx::query_as::<_, (String, String)>("select state, parcel from orders").fetch_one(&db).await?;
    println!("{}: {}; what has happened:", ended.0, ended.1);
    stage.print_ledger()?;
    Ok(())
}

/// The services.
fn answer(command: &str) -> Event {
    match command {
        "ReserveFunds" => Event::FundsReserved,
        "ShipProducts" => Event::ProductsShipped { parcel: "parcel 1".to_owned() },
        "CaptureFunds" => Event::FundsCaptured,
        "SendConfirmation" => Event::ConfirmationSent,
        _ => Event::FundsDeclined,
    }
}
