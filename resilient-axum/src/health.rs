//! Whether the process is alive, and whether it is ready for requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use resilient::Runtime;
use serde::Serialize;
use tokio::time::timeout;

/// A probe waits for an answer, too, usually for a second.
const PATIENCE: Duration = Duration::from_millis(800);

/// Whether the process is alive, and whether it is ready for requests.
///
/// *Alive* asks nobody: a process whose database is away must not be killed for it, since a new one would not fare
/// better. *Ready* means that the runtime holds its lease, that the store answers, and that the process is not about to
/// end; it costs one small query. [`Server`](crate::Server) has both routes already.
///
/// | route | answer |
/// |---|---|
/// | alive | 200 `{"status":"alive"}` |
/// | ready | 200 `{"status":"ready","replica":"…","running":3}`, or 503 with the status `draining`, `no lease` or `store away` |
#[derive(Debug, Clone)]
pub struct Health {
    runtime: Runtime,
    drains: Arc<AtomicBool>,
}

impl Health {
    /// The health of this runtime.
    pub fn of(runtime: &Runtime) -> Self {
        Self { runtime: runtime.clone(), drains: Arc::default() }
    }

    /// Not ready from now on, so that a load balancer sends its requests elsewhere. Clones share it.
    pub fn drain(&self) {
        self.drains.store(true, Ordering::Relaxed);
    }

    /// Routes that answer at these paths; `GET` without a body, as probes ask.
    pub fn routes(&self, alive: &str, ready: &str) -> Router {
        let router = Router::new().route(alive, get(async || Json(Alive { status: "alive" })));
        router.route(ready, get(readiness)).with_state(self.clone())
    }

    async fn report(&self) -> (StatusCode, Readiness) {
        let (replica, running) = (self.runtime.replica_id(), self.runtime.running());
        let name = || replica.as_ref().map(ToString::to_string);
        let answer = |status, reason| (status, Readiness { status: reason, replica: name(), running });
        if self.drains.load(Ordering::Relaxed) {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "draining");
        }
        if replica.is_none() {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "no lease");
        }
        match timeout(PATIENCE, self.runtime.replicas()).await {
            Ok(Ok(_)) => answer(StatusCode::OK, "ready"),
            Ok(Err(_)) | Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "store away"),
        }
    }
}

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    replica: Option<String>,
    running: usize,
}

async fn readiness(State(health): State<Health>) -> (StatusCode, Json<Readiness>) {
    let (status, readiness) = health.report().await;
    (status, Json(readiness))
}
