//! **How do I find everything that was done for one request?**
//!
//! The middleware `Correlation` gives every instance the id of the request that started it, and every run of it has this
//! id, on any replica: in log lines, and here in the header of its calls to another service. That service is busy at
//! first, so its second call comes from another run.
//!
//! ```console
//! $ cargo run --bin correlation_id
//! [request-7] ship a chair
//! [request-7] ship a chair
//! MK-1: on its way
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use resilient::middleware::{Correlation, correlation};
use resilient::prelude::*;
use tokio::net::TcpListener;

#[resilient_fn(type_id = "Shipping", retry(first = "200ms"))]
async fn ship(
    parcel: String,
    server: Dep<SocketAddr>,
    http: Dep<reqwest::Client>,
) -> resilient::Result<String> {
    let request = http.post(format!("http://{}/ship", *server)).body(parcel);
    let request = request.header(correlation::HEADER, correlation::current().unwrap_or_default());
    Ok(request.send().await?.error_for_status()?.text().await?)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let server = start_server().await?;
    let runtime = Runtime::builder(InMemoryStore::new())
        .middleware(Correlation)
        .dep(server)
        .dep(reqwest::Client::new())
        .discover()
        .start()
        .await?;

    // What a web server would do with the header of the request that it handles.
    let scheduled = ship::schedule(&runtime, "MK-1", "a chair".to_owned());
    correlation::scope("request-7", scheduled).await?;
    println!("MK-1: {}", ship::completion(&runtime, "MK-1").await?);

    runtime.shutdown().await?;
    Ok(())
}

/// The logistics company: it logs the id of every request, and is busy when the first one comes.
async fn start_server() -> io::Result<SocketAddr> {
    static WAS_CALLED: AtomicBool = AtomicBool::new(false);
    let ship = post(async |headers: HeaderMap, parcel: String| {
        let id = headers.get(correlation::HEADER).and_then(|id| id.to_str().ok());
        println!("[{}] ship {parcel}", id.unwrap_or("no correlation id"));
        if WAS_CALLED.swap(true, Ordering::Relaxed) {
            (StatusCode::OK, "on its way")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "busy")
        }
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, Router::new().route("/ship", ship)).await });
    Ok(address)
}
