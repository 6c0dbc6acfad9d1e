//! A small service, and its client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, Path, State};
use axum::routing::{get, post};
use reqwest::{Client, Response};
use resilient::Store;
use resilient::prelude::*;
use resilient_axum::{Ended, Function, Problem, Server};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Counts the runs that have begun, and holds them.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) begun: Semaphore,
    pub(crate) open: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Semaphore::new(0), open: Semaphore::new(0) })
    }

    pub(crate) async fn begun(&self) {
        let begun = tokio::time::timeout(PATIENCE, self.begun.acquire()).await;
        begun.expect("it begins in time").expect("it is never closed").forget();
    }
}

#[resilient_fn(type_id = "Web.Gated", register = false)]
pub(crate) async fn gated(number: u32, gate: Dep<Gate>) -> u32 {
    gate.begun.add_permits(1);
    gate.open.acquire().await.expect("it is never closed").forget();
    number
}

#[resilient_fn(type_id = "Web.Double", register = false)]
pub(crate) async fn double(number: u32) -> Result<u32, String> {
    number.checked_mul(2).ok_or_else(|| "secret: too large".to_owned())
}

#[resilient_fn(type_id = "Web.Nap", register = false)]
async fn nap((): (), context: &Context) -> resilient::Result<()> {
    Ok(context.sleep("an hour", Duration::from_hours(1)).await?)
}

/// A state of the service's own, which holds the runtime beside other things.
#[derive(Debug, Clone)]
struct Service {
    runtime: Runtime,
    greeting: &'static str,
}

impl FromRef<Service> for Runtime {
    fn from_ref(service: &Service) -> Self {
        service.runtime.clone()
    }
}

async fn doubled(
    function: Function<double>,
    Path((id, number)): Path<(String, u32)>,
) -> Result<String, Problem> {
    Ok(function.invoke(id, number).await?.to_string())
}

async fn held(function: Function<gated>, Path(id): Path<String>) -> Result<String, Problem> {
    Ok(function.invoke(id, 7).await?.to_string())
}

async fn scheduled(function: Function<gated>, Path(id): Path<String>) -> Result<(), Problem> {
    Ok(function.schedule(id, 8).await?)
}

/// Invokes only after the held function has ended.
async fn twice(
    first: Function<gated>,
    then: Function<double>,
    Path(id): Path<String>,
) -> Result<String, Problem> {
    let number = first.invoke(id.clone(), 9).await?;
    Ok(then.invoke(id, number).await?.to_string())
}

async fn slept(function: Function<nap>, Path(id): Path<String>) -> Result<(), Problem> {
    Ok(function.invoke(id, ()).await?)
}

async fn cancelled(function: Function<nap>, Path(id): Path<String>) -> Result<(), Problem> {
    Ok(function.cancel(id).await?)
}

async fn result(State(runtime): State<Runtime>, Path(id): Path<String>) -> Result<String, Problem> {
    Ok(double::reinvoke(&runtime, id).await?.to_string())
}

async fn greeting(State(service): State<Service>) -> &'static str {
    service.greeting
}

fn routes(runtime: &Runtime) -> Router {
    let service = Service { runtime: runtime.clone(), greeting: "hello" };
    Router::new()
        .route("/double/{id}/{number}", post(doubled))
        .route("/gated/{id}", post(held))
        .route("/scheduled/{id}", post(scheduled))
        .route("/twice/{id}", post(twice))
        .route("/nap/{id}", post(slept))
        .route("/nap/{id}/cancel", post(cancelled))
        .route("/result/{id}", get(result))
        .route("/greeting", get(greeting))
        .route("/health/live", get(async || "the app's own"))
        .with_state(service)
}

/// A service that runs.
pub(crate) struct Running {
    address: SocketAddr,
    pub(crate) runtime: Runtime,
    pub(crate) gate: Arc<Gate>,
    client: Client,
    end: Arc<Notify>,
    service: JoinHandle<Result<Ended, resilient_axum::ServeError>>,
}

impl Running {
    pub(crate) async fn start(store: impl Store, settings: Settings) -> Self {
        Self::start_with(store, settings, |server| server).await
    }

    pub(crate) async fn start_with(
        store: impl Store,
        settings: Settings,
        describe: impl FnOnce(Server) -> Server,
    ) -> Self {
        let gate = Gate::new();
        let runtime = Runtime::builder(store).dep_arc(Arc::clone(&gate)).settings(settings);
        let runtime = runtime.register::<gated>().register::<double>().register::<nap>();
        let runtime = runtime.start().await.expect("it starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let end = Arc::new(Notify::new());
        let told = Arc::clone(&end);
        let server =
            Server::new(runtime.clone(), routes(&runtime)).until(async move { told.notified().await });
        let service = tokio::spawn(describe(server).serve(listener));
        Self { address, runtime, gate, client: Client::new(), end, service }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.expect("the service answers")
    }

    pub(crate) async fn post(&self, path: &str) -> Response {
        self.client.post(self.url(path)).send().await.expect("the service answers")
    }

    /// A request that goes on beside the test.
    pub(crate) fn posting(&self, path: &str) -> JoinHandle<Response> {
        let request = self.client.post(self.url(path));
        tokio::spawn(async move { request.send().await.expect("the service answers") })
    }

    /// Whether a new connection is refused.
    pub(crate) async fn is_closed(&self) -> bool {
        tokio::net::TcpStream::connect(self.address).await.is_err()
    }

    pub(crate) fn end(&self) {
        self.end.notify_one();
    }

    pub(crate) async fn ended(self) -> Ended {
        let ended = tokio::time::timeout(PATIENCE, self.service).await.expect("it ends in time");
        ended.expect("it does not panic").expect("it ends well")
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.service.is_finished()
    }
}
