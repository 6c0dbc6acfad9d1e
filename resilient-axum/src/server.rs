//! The server and the runtime, until both have ended.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use resilient::{Runtime, Shutdown, StoreError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::health::Health;
use crate::signal::termination;

/// How long requests are waited for that the end of the runtime has answered.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// An axum server and a runtime that end together.
///
/// It ends on Ctrl-C or SIGTERM, or [`until`](Self::until) something else, in this order:
///
/// 1. the ready route answers `draining`, and the [`notice`](Self::notice) passes;
/// 2. no more connections are taken, and every request is answered, for at most the
///    [`request_grace`](Self::request_grace); handlers can invoke, schedule and wait as before;
/// 3. the runtime shuts down: it tells the running functions, waits for them up to its
///    [`shutdown_grace`](resilient::Settings::shutdown_grace), and hands the rest over. What still waits for a result is
///    answered with 503, within 5 s.
///
/// So it takes the sum of these at most: 45 s with the defaults, of which a request or a function that hangs uses up its part.
/// Who kills the process has to wait for as long; Kubernetes waits for 30 s unless `terminationGracePeriodSeconds` says more.
///
/// A second Ctrl-C or SIGTERM does not cut that short. What kills the process does, and other replicas take its functions
/// over when its lease has ended.
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    runtime: Runtime,
    app: Router,
    health: Option<(String, String)>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    notice: Duration,
    request_grace: Duration,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("runtime", &self.runtime)
            .field("health", &self.health)
            .field("notice", &self.notice)
            .field("request_grace", &self.request_grace)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Serves this app, whose state was given already, beside this runtime.
    ///
    /// The routes `/health/live` and `/health/ready` are added, and come before those of the app; see [`Health`].
    pub fn new(runtime: Runtime, app: Router) -> Self {
        Self {
            runtime,
            app,
            health: Some(("/health/live".to_owned(), "/health/ready".to_owned())),
            end: Box::pin(termination()),
            notice: Duration::ZERO,
            request_grace: Duration::from_secs(20),
        }
    }

    /// Other paths of the routes that say whether the process is alive and whether it is ready. They differ, begin with
    /// `/`, and hold no `{…}`; axum panics in [`serve`](Self::serve) otherwise.
    pub fn health_at(mut self, alive: impl Into<String>, ready: impl Into<String>) -> Self {
        self.health = Some((alive.into(), ready.into()));
        self
    }

    /// Without these routes.
    pub fn without_health(mut self) -> Self {
        self.health = None;
        self
    }

    /// Ends when this future does, instead of on Ctrl-C and SIGTERM.
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.end = Box::pin(end);
        self
    }

    /// How long connections are still taken after the ready route has begun to answer `draining`. Default zero.
    ///
    /// Behind a load balancer that asks that route, give it a little more than it takes to notice.
    pub fn notice(mut self, notice: Duration) -> Self {
        self.notice = notice;
        self
    }

    /// How long requests are waited for before the runtime shuts down. Default 20 s.
    pub fn request_grace(mut self, request_grace: Duration) -> Self {
        self.request_grace = request_grace;
        self
    }

    /// Serves until the end, and ends the runtime as well.
    ///
    /// # Errors
    ///
    /// [`ServeError::Io`] when the server ends by itself; the runtime is then shut down all the same.
    /// [`ServeError::Store`] when what was left could not be handed over; it is taken over when the lease has ended.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, no more connections are taken; requests that are on their way go on. The runtime goes
    /// on as long as somebody has a clone of it.
    pub async fn serve(self, listener: TcpListener) -> Result<Ended, ServeError> {
        let Self { runtime, app, health: routes, end, notice, request_grace } = self;
        let health = Health::of(&runtime);
        let app = match routes {
            Some((alive, ready)) => health.routes(&alive, &ready).fallback_service(app),
            None => app,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
        let mut server = pin!(server.into_future());
        let end = async {
            end.await;
            tracing::info!("about to end");
            health.drain();
            sleep(notice).await;
        };
        let early = tokio::select! {
            ended = &mut server => Some(ended),
            () = end => None,
        };
        if let Some(ended) = early {
            runtime.shutdown().await.map_err(ServeError::Store)?;
            return Err(ServeError::Io(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())));
        }
        drop(stop);
        drain(server, &runtime, request_grace).await
    }
}

/// Lets all requests finish, then all functions, and then the requests that the end of the runtime has answered.
async fn drain(
    mut server: Pin<&mut impl Future<Output = io::Result<()>>>,
    runtime: &Runtime,
    request_grace: Duration,
) -> Result<Ended, ServeError> {
    let answered = timeout(request_grace, &mut server).await.is_ok();
    let functions = runtime.shutdown().await.map_err(ServeError::Store)?;
    // A server that has ended must not be polled again.
    let all_answered = answered || timeout(LAST_ANSWERS, server).await.is_ok();
    tracing::info!(handed_over = functions.handed_over, all_answered, "ended");
    Ok(Ended { functions, all_answered })
}

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// What became of the functions.
    pub functions: Shutdown,
    /// Whether every request was answered; `false` for one that goes on although the runtime has ended, like a download.
    pub all_answered: bool,
}

/// Why a server did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server has ended by itself.
    #[error("the server ended by itself")]
    Io(#[source] io::Error),
    /// What was left could not be handed over; it is taken over when the lease has ended.
    #[error("the runtime could not hand over what it ran")]
    Store(#[source] StoreError),
}
