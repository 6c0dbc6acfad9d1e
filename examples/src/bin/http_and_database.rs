//! **How do my own rows and the progress of a function become durable together?**
//!
//! In a transaction of your own, on the database that the instances are in too. There are three verbs for it, and all of
//! them hold exactly when the transaction is committed:
//!
//! - `schedule_in`: an order is begun exactly when its row is there;
//! - `send_in`: an order hears of its payment exactly when that is in the books;
//! - `scrapbook.save_in`: the stock is taken exactly when the scrapbook says so, although taking it twice would be wrong.
//!
//! A process is killed right after that last commit; the run of the next one knows from the scrapbook what is done.
//!
//! ```console
//! $ cargo run --bin http_and_database
//! ordered, and rolled back: is it there? false
//! ordered, and committed
//! paid, and committed
//!   took 4 pieces
//! killed right after the commit; another process takes over
//!   the stock was taken by an earlier run
//! completed; of 10 pieces 6 are left
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use tokio::net::TcpListener;

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);

const TABLES: &str = "
create table orders (id text primary key);
create table payments (order_id text primary key);
create table stock (product text primary key, pieces integer not null);
insert into stock values ('chair', 10);
";

#[derive(Serialize, Deserialize, Message)]
struct Paid;

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct OrderScrapbook {
    is_taken: bool,
}

#[resilient_fn(type_id = "HttpAndDatabase")]
async fn deliver(
    warehouse: SocketAddr,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    context: &Context,
    db: Dep<SqlitePool>,
    stage: Dep<Stage>,
) -> resilient::Result<()> {
    context.messages().next::<Paid>().await?;
    if scrapbook.is_taken {
        println!("  the stock was taken by an earlier run");
        return Ok(());
    }
    // The call comes first, so that the transaction is short.
    let pieces: i64 = reqwest::get(format!("http://{warehouse}/pieces")).await?.text().await?.parse()?;

    let mut tx = db.begin().await?;
    let take = sqlx::query("update stock set pieces = pieces - ? where product = 'chair'");
    take.bind(pieces).execute(&mut *tx).await?;
    scrapbook.is_taken = true;
    scrapbook.save_in(&mut tx).await?;
    tx.commit().await?;
    println!("  took {pieces} pieces");
    stage.killed_here().await;
    Ok(())
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Arc::new(Stage::new()?);
    let store = SqliteStore::open(&stage.database()).await?;
    // A pool of our own on the same file: on a server it would be one on the same database.
    let db = SqlitePool::connect(&format!("sqlite://{}?mode=rwc", stage.database())).await?;
    if !stage.is_doomed() {
        sqlx::raw_sql(TABLES).execute(&db).await?;
        stage.kill_a_process().await?;
        println!("killed right after the commit; another process takes over");
    }
    let runtime = Runtime::builder(store)
        .dep(db.clone())
        .dep_arc(Arc::clone(&stage))
        .settings(Settings::default().heartbeat(LEASE / 4).lease(LEASE))
        .discover()
        .start()
        .await?;

    if stage.is_doomed() {
        order_and_pay(&runtime, &db).await?;
    }
    deliver::completion(&runtime, "MK-1").await?;
    let pieces = sqlx::query_scalar::<_, i64>("select pieces from stock").fetch_one(&db).await?;
    println!("completed; of 10 pieces {pieces} are left");
    runtime.shutdown().await?;
    Ok(())
}

async fn order_and_pay(runtime: &Runtime, db: &SqlitePool) -> resilient::Result<()> {
    let warehouse = start_server().await?;

    let mut tx = db.begin().await?;
    sqlx::query("insert into orders values ('MK-1')").execute(&mut *tx).await?;
    deliver::schedule_in(runtime, &mut tx, "MK-1", warehouse).await?;
    tx.rollback().await?;
    let is_there = deliver::control_panel(runtime, "MK-1").await.is_ok();
    println!("ordered, and rolled back: is it there? {is_there}");

    let mut tx = db.begin().await?;
    sqlx::query("insert into orders values ('MK-1')").execute(&mut *tx).await?;
    deliver::schedule_in(runtime, &mut tx, "MK-1", warehouse).await?;
    tx.commit().await?;
    println!("ordered, and committed");

    let mut tx = db.begin().await?;
    sqlx::query("insert into payments values ('MK-1')").execute(&mut *tx).await?;
    deliver::send_in(runtime, &mut tx, "MK-1", Paid).await?;
    tx.commit().await?;
    println!("paid, and committed");
    Ok(())
}

/// The warehouse, which knows how many pieces are in a set.
async fn start_server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/pieces", get(async || "4"));
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(address)
}
