//! The end of a service: no request and no function is cut off.

use std::time::Duration;

use resilient::prelude::*;
use resilient::{Shutdown, Store};
use resilient_axum::{Ended, Server, termination};
use resilient_tests::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::app::{PATIENCE, Running, gated};

const ALL_WELL: Ended = Ended { functions: Shutdown { handed_over: 0 }, all_answered: true };

#[tokio::test]
async fn a_request_on_its_way_is_answered_before_the_end() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let request = service.posting("/gated/1");
    service.gate.begun().await;
    service.end();
    eventually(PATIENCE, async || service.is_closed().await).await;
    assert!(!request.is_finished() && !service.has_ended(), "the function runs");
    service.gate.open.add_permits(1);
    let response = request.await.expect("it does not panic");
    assert_eq!((response.status().as_u16(), response.text().await.expect("a body")), (200, "7".to_owned()));
    assert_eq!(service.ended().await, ALL_WELL);
}

/// As a service manager ends it, and not as a test does.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_as_gracefully() {
    let describe = |server: Server| server.until(termination());
    let service = Running::start_with(InMemoryStore::new(), Settings::default(), describe).await;
    let request = service.posting("/gated/1");
    // From the first request on, the signal is caught; before, it would end this process.
    service.gate.begun().await;
    let process = std::process::id().to_string();
    let sent =
        std::process::Command::new("kill").args(["-TERM", &process]).status().expect("there is a `kill`");
    assert!(sent.success());
    eventually(PATIENCE, async || service.is_closed().await).await;
    service.gate.open.add_permits(1);
    assert_eq!(request.await.expect("it does not panic").status(), 200);
    assert_eq!(service.ended().await, ALL_WELL);
}

#[tokio::test]
async fn a_handler_can_begin_functions_while_requests_are_drained() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let request = service.posting("/twice/1");
    service.gate.begun().await;
    service.end();
    eventually(PATIENCE, async || service.is_closed().await).await;
    service.gate.open.add_permits(1);
    let response = request.await.expect("it does not panic");
    assert_eq!(response.text().await.expect("a body"), "18");
    assert_eq!(service.ended().await, ALL_WELL);
}

#[tokio::test]
async fn a_function_without_a_caller_is_waited_for() {
    let store = InMemoryStore::new();
    let service = Running::start(store.clone(), Settings::default()).await;
    assert_eq!(service.post("/scheduled/1").await.status(), 200);
    service.gate.begun().await;
    service.end();
    eventually(PATIENCE, async || service.is_closed().await).await;
    service.gate.open.add_permits(1);
    assert_eq!(service.ended().await, ALL_WELL);
    let rows = store.get(&[resilient::FunctionId::new("Web.Gated", "1")]).await.expect("it is in memory");
    assert_eq!(rows[0].as_ref().expect("it is stored").status, Status::Succeeded);
}

/// The client is told to ask again, and another replica goes on.
#[tokio::test]
async fn what_takes_longer_than_the_grace_is_handed_over_and_its_request_is_answered() {
    let store = InMemoryStore::new();
    let settings = Settings::default().shutdown_grace(Duration::from_millis(50));
    let grace = Duration::from_millis(100);
    let service = Running::start_with(store.clone(), settings, |server| server.request_grace(grace)).await;
    let request = service.posting("/gated/1");
    service.gate.begun().await;
    service.end();
    let response = request.await.expect("it does not panic");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let ended = service.ended().await;
    assert_eq!(ended, Ended { functions: Shutdown { handed_over: 1 }, all_answered: true });
    let next = Running::start(store, Settings::default()).await;
    next.gate.open.add_permits(1);
    assert_eq!(gated::completion(&next.runtime, "1").await.expect("it succeeds"), 7);
    next.end();
    assert_eq!(next.ended().await, ALL_WELL);
}

/// Neither one that has asked before, nor one that has not asked yet.
#[tokio::test]
async fn a_connection_without_a_request_is_not_waited_for() {
    let describe = |server: Server| server.request_grace(Duration::from_hours(1));
    let service = Running::start_with(InMemoryStore::new(), Settings::default(), describe).await;
    let new = service.connect().await;
    assert_eq!(service.get("/greeting").await.text().await.expect("a body"), "hello");
    service.end();
    assert_eq!(service.ended().await, ALL_WELL);
    drop(new);
}

/// It is given up, and the functions are not.
#[tokio::test]
async fn a_download_that_does_not_end_holds_up_no_end() {
    let describe = |server: Server| server.request_grace(Duration::from_millis(100));
    let service = Running::start_with(InMemoryStore::new(), Settings::default(), describe).await;
    let mut slow = service.connect().await;
    slow.write_all(b"GET /download HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it is sent");
    let mut begin = [0; 8];
    slow.read_exact(&mut begin).await.expect("the answer begins");
    assert_eq!(&begin, b"HTTP/1.1");
    assert_eq!(service.post("/scheduled/1").await.status(), 200);
    service.gate.begun().await;
    service.gate.open.add_permits(1);
    service.end();
    assert_eq!(service.ended().await, Ended { all_answered: false, ..ALL_WELL });
}

#[tokio::test]
async fn a_client_that_goes_away_takes_no_function_with_it() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let request = service.posting("/gated/1");
    service.gate.begun().await;
    request.abort();
    assert!(request.await.expect_err("it was given up").is_cancelled());
    service.gate.open.add_permits(1);
    assert_eq!(gated::completion(&service.runtime, "1").await.expect("it succeeds"), 7);
    service.end();
    assert_eq!(service.ended().await, ALL_WELL);
}

#[tokio::test]
async fn requests_are_still_taken_while_the_notice_passes() {
    let notice = Duration::from_secs(2);
    let service =
        Running::start_with(InMemoryStore::new(), Settings::default(), |server| server.notice(notice)).await;
    service.end();
    eventually(PATIENCE, async || service.get("/health/ready").await.status() == 503).await;
    let answer = service.get("/health/ready").await.text().await.expect("a body");
    assert!(answer.contains(r#""status":"draining""#), "{answer}");
    assert_eq!(service.post("/double/1/4").await.text().await.expect("a body"), "8");
    assert_eq!(service.get("/health/live").await.status(), 200, "it must not be killed for it");
    assert_eq!(service.ended().await, ALL_WELL);
}
