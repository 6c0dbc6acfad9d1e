//! Answers to calls that have no result.

use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use resilient::prelude::*;
use resilient::{Cancelled, Failure, FunctionId, StoreError};
use resilient_axum::Problem;

use super::app::Running;

#[tokio::test]
async fn a_problem_is_a_json_body_with_its_status() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let response = service.get("/result/unknown").await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.status(), 404);
    let body: serde_json::Value = response.json().await.expect("JSON");
    let detail = "there is no instance `Web.Double/unknown`";
    let expected =
        serde_json::json!({ "title": "Not Found", "status": 404, "detail": detail, "code": "not_found" });
    assert_eq!(body, expected);
}

/// What a failure says may be about other people's data, or about the inside of the service.
#[tokio::test]
async fn a_failure_is_told_to_the_operator_and_not_to_the_client() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let response = service.post("/double/1/4000000000").await;
    assert_eq!(response.status(), 500);
    let body = response.text().await.expect("a body");
    assert!(body.contains(r#""code":"failed""#) && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn an_id_that_cannot_be_stored_is_the_clients_mistake() {
    let service = Running::start(InMemoryStore::new(), Settings::default()).await;
    let long = "x".repeat(201);
    assert_eq!(service.post(&format!("/double/{long}/1")).await.status(), 400);
}

#[test]
fn each_error_has_its_status() {
    let id = || FunctionId::new("Order", "1");
    let cases = [
        (InvokeError::Failed(Failure::new("kind", "text")), 500, "failed"),
        (InvokeError::Failed(Failure::new(Cancelled::FAILURE, "on request")), 409, "cancelled"),
        (InvokeError::NotFound { id: id() }, 404, "not_found"),
        (InvokeError::Executing { id: id() }, 409, "conflict"),
        (InvokeError::Changed { id: id() }, 409, "conflict"),
        (InvokeError::Completed { id: id() }, 409, "conflict"),
        (InvokeError::OtherVersion { id: id(), stored: 1, asked: 2 }, 409, "conflict"),
        (InvokeError::NotJson { field: "parameter", problem: "it ends".to_owned() }, 400, "bad_input"),
        (too_large(), 413, "too_large"),
        (InvokeError::NotRegistered { type_id: "Order".to_owned(), version: 1 }, 500, "internal"),
        (InvokeError::Store(StoreError::transient("away")), 503, "unavailable"),
        (InvokeError::Ended { id: id(), status: Status::Failed }, 409, "conflict"),
        (InvokeError::Refused { id: id(), problem: Box::new(too_large()) }, 413, "too_large"),
        (InvokeError::ShuttingDown, 503, "unavailable"),
    ];
    let away = Problem::from(StoreError::transient("away"));
    assert_eq!(away, Problem::from(InvokeError::Store(StoreError::transient("away"))));
    for (error, status, code) in cases {
        let problem = Problem::from(error);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{problem:?}");
    }
}

/// Also when it is one of many instances for which it goes wrong.
#[test]
fn what_goes_wrong_inside_is_not_told_to_the_client() {
    let secret = || Failure::new("kind", "a secret");
    let errors = [
        InvokeError::Failed(secret()),
        InvokeError::NotStarted { failure: secret() },
        InvokeError::Codec { field: "parameter", codec: "aes".to_owned(), problem: "a secret".to_owned() },
        InvokeError::Store(StoreError::permanent("a secret").with_source(std::io::Error::other("a secret"))),
        InvokeError::UnfitTransaction { given: "a secret", problem: "a secret".to_owned() },
    ];
    for error in errors {
        let of_many =
            InvokeError::Refused { id: FunctionId::new("Order", "1"), problem: Box::new(error.clone()) };
        let (alone, of_many) = (Problem::from(error), Problem::from(of_many));
        assert_eq!((alone.status(), alone.code()), (of_many.status(), of_many.code()));
        for problem in [alone, of_many] {
            assert!(!problem.detail().contains("secret"), "{problem:?}");
            assert!(problem.status().is_server_error(), "{problem:?}");
        }
    }
}

/// The error has a source for a body that leaves with it, which is put off for ten seconds then; the client is not.
#[tokio::test]
async fn a_client_is_told_of_the_instance_and_not_of_a_body_that_asks() {
    let service =
        Running::start(InMemoryStore::new(), Settings::default().stay_in_memory(Duration::ZERO)).await;
    let response = service.post("/nap/1").await;
    assert_eq!(response.status(), 202);
    let body: serde_json::Value = response.json().await.expect("JSON");
    let detail = "suspended until what it waits for arrives or its time has come";
    assert_eq!((&body["code"], &body["detail"]), (&"suspended".into(), &detail.into()));
}

#[tokio::test]
async fn what_waits_is_cancelled_by_a_handler() {
    let service =
        Running::start(InMemoryStore::new(), Settings::default().stay_in_memory(Duration::ZERO)).await;
    service.post("/nap/1").await;
    assert_eq!(service.post("/nap/1/cancel").await.status(), 200);
    let response = service.post("/nap/1").await;
    assert_eq!(response.status(), 409);
    let body: serde_json::Value = response.json().await.expect("JSON");
    assert_eq!(body["code"], "cancelled");
}

#[test]
fn a_client_is_told_when_to_ask_again() {
    let asked_again = |problem: Problem| problem.into_response().headers().get("retry-after").cloned();
    let detail = Problem::from(postponed(SystemTime::UNIX_EPOCH)).detail().to_owned();
    assert_eq!(detail, "postponed until 1970-01-01T00:00:00.000000Z");
    let until = SystemTime::now() + Duration::from_hours(1);
    let postponed = asked_again(Problem::from(postponed(until))).expect("a header");
    let seconds: u64 = postponed.to_str().expect("text").parse().expect("a number");
    assert!((3590..=3600).contains(&seconds), "{seconds}");
    let past = asked_again(Problem::from(self::postponed(SystemTime::UNIX_EPOCH))).expect("a header");
    assert_eq!(past, "1", "never 0: it would ask at once, for ever");
    let own = Problem::new(StatusCode::CONFLICT, "busy", "later").retry_after(Duration::from_millis(1_200));
    assert_eq!(asked_again(own).expect("a header"), "2");
    assert_eq!(asked_again(Problem::bad_request("no")), None);
}

fn too_large() -> InvokeError {
    InvokeError::TooLarge { field: "parameter", bytes: 3, limit: 2 }
}

fn postponed(until: SystemTime) -> InvokeError {
    InvokeError::Postponed { until, again: Postpone::until(until) }
}
