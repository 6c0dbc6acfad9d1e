//! **How do I begin, watch and repair orders over the web?**
//!
//! With axum and `resilient-axum`: a handler takes the function as an argument, and `?` answers with the right status when
//! there is no result. Server and runtime end together, so that no request and no order is cut off.
//!
//! The logistics company has lost its line while it was asked for the second order: nobody knows whether it ships, so the
//! order fails, and is repaired over the web.
//!
//! ```console
//! $ cargo run --bin web_api
//! POST /orders/MK-1 "a chair"
//!   202
//! GET /orders/MK-1/parcel
//!   200 "parcel 1"
//! GET /orders/MK-1
//!   200 {"status":"succeeded","reason":"succeeded","parcel":"parcel 1"}
//! POST /orders/MK-2 "a table"
//!   202
//! GET /orders/MK-2/parcel
//!   500 {…,"detail":"the function failed, and is kept for a person","code":"failed"}
//! GET /orders/MK-2
//!   200 {"status":"failed","reason":"failed: the outcome of `shipping` is unknown: …","parcel":null}
//! POST /orders/MK-2/repair "parcel 7"
//!   202
//! GET /orders/MK-2/parcel
//!   200 "parcel 7"
//! POST /orders/MK-2/repair null
//!   409 {…,"detail":"there is nothing to resolve in `shipping` of `OrderProcessor/MK-2`: …","code":"conflict"}
//! GET /orders/MK-3
//!   404 {…,"detail":"there is no instance `OrderProcessor/MK-3`","code":"not_found"}
//! GET /health/ready
//!   200 {"status":"ready","replica":"…","running":0}
//! handed over at the end: 0
//! ```

use std::io;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use resilient::prelude::*;
use resilient_axum::{Function, Problem, Server};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct OrderScrapbook {
    shipping: AtMostOnce<String>,
}

#[resilient_fn(type_id = "OrderProcessor")]
async fn process_order(
    product: String,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
) -> resilient::Result<String> {
    Ok(scrapbook.at_most_once(|state| &mut state.shipping, || ship(&product)).await?)
}

/// `POST /orders/MK-1`: answers when the order is stored. Sent again, it is the same order.
async fn place(
    orders: Function<process_order>,
    Path(id): Path<String>,
    Json(product): Json<String>,
) -> Result<StatusCode, Problem> {
    orders.schedule(id, product).await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Serialize)]
struct OrderStatus {
    status: Status,
    reason: String,
    parcel: Option<String>,
}

/// `GET /orders/MK-1`: where it stands, and why.
async fn status(
    orders: Function<process_order>,
    Path(id): Path<String>,
) -> Result<Json<OrderStatus>, Problem> {
    let panel = orders.control_panel(id).await?;
    let (status, reason) = (panel.status(), panel.reason().await?);
    Ok(Json(OrderStatus { status, reason, parcel: panel.result()? }))
}

/// `GET /orders/MK-1/parcel`: answers when the order has come to its end.
async fn parcel(orders: Function<process_order>, Path(id): Path<String>) -> Result<Json<String>, Problem> {
    Ok(Json(orders.completion(id).await?))
}

/// `POST /orders/MK-1/repair`: a person has found out what became of the parcel; `null` is none. Of two persons who do that
/// at once the second one gets 409.
async fn repair(
    orders: Function<process_order>,
    Path(id): Path<String>,
    Json(parcel): Json<Option<String>>,
) -> Result<StatusCode, Problem> {
    let mut panel = orders.control_panel(id).await?;
    let shipping = panel.resolve(|state| &mut state.shipping)?;
    match parcel {
        Some(parcel) => shipping.done(parcel),
        None => shipping.try_once_more(),
    }
    panel.schedule_reinvoke().await?;
    Ok(StatusCode::ACCEPTED)
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    let app = Router::new()
        .route("/orders/{id}", post(place).get(status))
        .route("/orders/{id}/parcel", get(parcel))
        .route("/orders/{id}/repair", post(repair))
        .with_state(runtime.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // Without this it serves until Ctrl-C or SIGTERM.
    let (end, ended) = oneshot::channel::<()>();
    let server = Server::new(runtime, app).until(async { drop(ended.await) });
    let server = tokio::spawn(server.serve(listener));
    visit(&url).await?;
    drop(end);
    println!("handed over at the end: {}", server.await??.functions.handed_over);
    Ok(())
}

/// The visitors.
async fn visit(url: &str) -> resilient::Result<()> {
    request("POST", &format!("{url}/orders/MK-1"), "\"a chair\"").await?;
    request("GET", &format!("{url}/orders/MK-1/parcel"), "").await?;
    request("GET", &format!("{url}/orders/MK-1"), "").await?;
    request("POST", &format!("{url}/orders/MK-2"), "\"a table\"").await?;
    request("GET", &format!("{url}/orders/MK-2/parcel"), "").await?;
    request("GET", &format!("{url}/orders/MK-2"), "").await?;
    request("POST", &format!("{url}/orders/MK-2/repair"), "\"parcel 7\"").await?;
    request("GET", &format!("{url}/orders/MK-2/parcel"), "").await?;
    request("POST", &format!("{url}/orders/MK-2/repair"), "null").await?;
    request("GET", &format!("{url}/orders/MK-3"), "").await?;
    request("GET", &format!("{url}/health/ready"), "").await
}

async fn request(method: &str, url: &str, body: &'static str) -> resilient::Result<()> {
    let request = reqwest::Client::new().request(method.parse()?, url);
    let response = request.header("content-type", "application/json").body(body).send().await?;
    let (path, status) = (response.url().path().to_owned(), response.status().as_u16());
    println!("{method} {path} {body}\n  {status} {}", response.text().await?);
    Ok(())
}

/// The logistics company.
async fn ship(product: &str) -> io::Result<String> {
    tokio::time::sleep(Duration::from_millis(10)).await; // the network
    match product {
        "a table" => Err(io::Error::other("the line went dead")),
        _ => Ok("parcel 1".to_owned()),
    }
}
