//! Whether a service is alive, and whether it is ready.

use std::time::Duration;

use resilient::prelude::*;
use resilient_tests::faults::{Call, Fault};
use resilient_tests::{FaultyStore, eventually};

use super::app::{PATIENCE, Running};

#[tokio::test]
async fn a_service_is_alive_and_ready_once_it_has_started() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let alive = service.get("/health/live").await.text().await.expect("a body");
    assert_eq!(alive, r#"{"status":"alive"}"#, "before the app's own route of that path");
    let ready: serde_json::Value = service.get("/health/ready").await.json().await.expect("JSON");
    let replica = service.runtime.replica_id().expect("it has a lease").to_string();
    assert_eq!(ready, serde_json::json!({ "status": "ready", "replica": replica, "running": 0 }));
    assert_eq!(service.get("/greeting").await.text().await.expect("a body"), "hello");
}

#[tokio::test]
async fn the_routes_can_be_elsewhere_or_left_out() {
    let describe = |server: resilient_axum::Server| server.health_at("/alive", "/ready");
    let service = Running::start_with(InMemoryStore::new(), Settings::default(), describe).await;
    assert_eq!(service.get("/alive").await.status(), 200);
    assert_eq!(service.get("/ready").await.status(), 200);
    assert_eq!(service.get("/health/live").await.text().await.expect("a body"), "the app's own");
    let service = Running::start_with(
        InMemoryStore::new(),
        Settings::default(),
        resilient_axum::Server::without_health,
    )
    .await;
    assert_eq!(service.get("/health/ready").await.status(), 404);
}

/// A process whose database is away must not be killed for it: a new one would not fare better.
#[tokio::test]
async fn without_its_store_a_service_is_alive_and_not_ready() {
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Down).counting_only(&[Call::Replicas]);
    let settings = Settings::default().heartbeat(Duration::from_millis(50)).lease(Duration::from_millis(500));
    let service = Running::start(store.clone(), settings).await;
    let status = async || service.get("/health/ready").await.text().await.expect("a body");
    assert!(status().await.contains("store away"), "the first question is refused, and so is all after it");
    eventually(PATIENCE, async || status().await.contains("no lease")).await;
    assert_eq!(service.get("/health/live").await.status(), 200);
    store.heal();
    eventually(PATIENCE, async || service.get("/health/ready").await.status() == 200).await;
}
