//! **How does a call to a server that is away now and then become one that ends?**
//!
//! An attribute on a function that calls it: what fails is stored, tried again later by any replica, and the result is
//! waited for. No server and no broker is needed for that, only a database; here it is a file.
//!
//! ```console
//! $ cargo run --bin elevator_pitch
//! attempt 1: 503 Service Unavailable
//! attempt 2: 503 Service Unavailable
//! attempt 3: 200 OK
//! result: sunny
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use tokio::net::TcpListener;

/// In production the first delay would be a second or more.
#[resilient_fn(type_id = "HttpGet", retry(first = "200ms", factor = 2))]
async fn http_get(url: String, context: &Context, http: Dep<reqwest::Client>) -> resilient::Result<String> {
    let response = http.get(&url).send().await?;
    println!("attempt {}: {}", context.attempt(), response.status());
    Ok(response.error_for_status()?.text().await?)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let (stage, server) = (Stage::new()?, start_server().await?);

    let store = SqliteStore::open(&stage.database()).await?;
    let runtime = Runtime::builder(store).dep(reqwest::Client::new()).discover().start().await?;

    // Stored when this returns; from now on nothing is lost. A retry is stored, too, and holds no memory until it is due.
    http_get::schedule(&runtime, "weather", format!("http://{server}/weather")).await?;
    println!("result: {}", http_get::completion(&runtime, "weather").await?);

    runtime.shutdown().await?;
    Ok(())
}

/// A server that is busy twice before it answers.
async fn start_server() -> io::Result<SocketAddr> {
    static REQUESTS: AtomicU32 = AtomicU32::new(0);
    let weather = get(async || match REQUESTS.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        _ => (StatusCode::OK, "sunny"),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, Router::new().route("/weather", weather)).await });
    Ok(address)
}
