//! The answer to a call that has no result.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use resilient::{InvokeError, StoreError};
use serde::Serialize;

/// The answer to a call that has no result: a status, and a body of the type `application/problem+json` (RFC 9457).
///
/// | [`InvokeError`] | status | `code` |
/// |---|---|---|
/// | `Postponed`, with `Retry-After` | 202 | `postponed` |
/// | `Suspended` | 202 | `suspended` |
/// | `Id`, `Time`, `Encode`, `NotJson` | 400 | `bad_input` |
/// | `NotFound`, `NoMessage` | 404 | `not_found` |
/// | `Executing`, `Changed`, `Completed`, `Ended`, `KeyTaken`, `NothingToResolve`, `OtherVersion` | 409 | `conflict` |
/// | `TooLarge` | 413 | `too_large` |
/// | `Failed`, when it was cancelled | 409 | `cancelled` |
/// | `Failed` | 500 | `failed` |
/// | `Refused` | that of the instance that is refused | the same |
/// | all others | 500 | `internal` |
/// | `Store` and `ShuttingDown`, with `Retry-After` | 503 | `unavailable` |
///
/// What a failure or the database says is for the operator: it goes to `tracing` and not to the client.
///
/// ```
/// use axum::http::StatusCode;
/// use resilient::InvokeError;
/// use resilient_axum::Problem;
///
/// let problem = Problem::from(InvokeError::ShuttingDown);
/// assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
/// assert_eq!(problem.code(), "unavailable");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

impl Problem {
    /// An answer of your own; `code` is for programs, `detail` for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// The client has sent what cannot be used.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_input", detail)
    }

    /// Tells the client when to ask again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(Duration::from_secs(1))
    }

    /// What goes wrong here and not with the client.
    fn internal(code: &'static str, detail: &'static str, error: &InvokeError) -> Self {
        tracing::warn!(code, error = told(error), "a request has no result");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }
}

impl From<InvokeError> for Problem {
    fn from(error: InvokeError) -> Self {
        let text = told(&error);
        match error {
            // The source of these two is for a body that leaves with them, and would mislead a client.
            InvokeError::Postponed { until, .. } => {
                let rest = until.duration_since(SystemTime::now()).unwrap_or_default();
                Self::new(StatusCode::ACCEPTED, "postponed", error.to_string()).retry_after(rest)
            }
            InvokeError::Suspended { .. } => Self::new(StatusCode::ACCEPTED, "suspended", error.to_string()),
            InvokeError::Id(_)
            | InvokeError::Time(_)
            | InvokeError::Encode { .. }
            | InvokeError::NotJson { .. } => Self::bad_request(text),
            InvokeError::NotFound { .. } | InvokeError::NoMessage { .. } => {
                Self::new(StatusCode::NOT_FOUND, "not_found", text)
            }
            InvokeError::Executing { .. }
            | InvokeError::Changed { .. }
            | InvokeError::Completed { .. }
            | InvokeError::Ended { .. }
            | InvokeError::KeyTaken { .. }
            | InvokeError::NothingToResolve { .. }
            | InvokeError::OtherVersion { .. } => Self::new(StatusCode::CONFLICT, "conflict", text),
            // What is wrong with one of many is wrong with all of them. What the client may not know, it does not get here.
            InvokeError::Refused { id, problem } => {
                let problem = Self::from(*problem);
                let detail = format!("`{id}` is refused, and with it all the others: {}", problem.detail);
                Self { detail, ..problem }
            }
            InvokeError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text),
            InvokeError::Store(_) => {
                tracing::warn!(error = text, "a request has no result");
                Self::unavailable("the database is away; whether something was stored is unknown, ask again")
            }
            InvokeError::ShuttingDown => Self::unavailable(text),
            InvokeError::Failed(failure) if failure.is_cancelled() => {
                Self::new(StatusCode::CONFLICT, "cancelled", "it was cancelled")
            }
            InvokeError::Failed(_) => {
                Self::internal("failed", "the function failed, and is kept for a person", &error)
            }
            _ => Self::internal("internal", "this service cannot answer, and has logged why", &error),
        }
    }
}

/// That of [`InvokeError::Store`], for a handler that lists instances or asks for a reason.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        InvokeError::Store(error).into()
    }
}

/// The error with all that has caused it.
fn told(error: &InvokeError) -> String {
    let mut text = error.to_string();
    // Behind these stands what becomes of a body that leaves with them, which is nothing to a client.
    if matches!(error, InvokeError::Postponed { .. } | InvokeError::Suspended { .. }) {
        return text;
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The members of RFC 9457, without a `type`, which stands for the status alone; `code` is an extension.
#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("unknown");
        let body = Body { title, status: self.status.as_u16(), detail: &self.detail, code: self.code };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(delay) = self.retry_after {
            // A client that comes back a moment early would be told to wait for 0 s.
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
