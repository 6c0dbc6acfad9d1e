//! Signs of life: one small write for the whole replica, from a thread of its own.
//!
//! The thread and its connection are not shared with user code, so neither a blocked executor nor a drained pool makes
//! a living replica look dead. When the lease cannot be renewed, the runs are stopped *before* it ends; the replica
//! then comes back under a new id.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::panicked;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{ReplicaId, TypeId};
use crate::metrics;
use crate::panics::caught;
use crate::record::{Replica, ReplicaType};
use crate::store::{Lifeline, StoreError};

/// The beating heart of a runtime; it ends when the runtime stops.
#[derive(Debug)]
pub(crate) struct Heart {
    ended: oneshot::Receiver<()>,
}

impl Heart {
    /// Joins the store, and goes on beating. It returns when the replica is known to the store.
    pub(crate) async fn start(engine: &Arc<Engine>) -> Result<Self, StoreError> {
        let (joined, ready) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let beats = Beats::new(Arc::clone(engine));
        if engine.store.virtual_time() {
            tokio::spawn(async move {
                beats.run(joined).await;
                drop(end);
            });
        } else {
            spawn_thread(beats, joined, end)?;
        }
        ready
            .await
            .unwrap_or_else(|_| Err(StoreError::permanent("the heartbeat ended before it had begun")))?;
        Ok(Self { ended })
    }

    /// Waits until it has left the store.
    pub(crate) async fn ended(self) {
        let _ = self.ended.await;
    }
}

type Joined = oneshot::Sender<Result<(), StoreError>>;

fn spawn_thread(beats: Beats, joined: Joined, end: oneshot::Sender<()>) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cannot = |error| StoreError::permanent("the heartbeat's thread cannot be started").with_source(error);
    let runtime = runtime.map_err(cannot)?;
    let beat = move || {
        runtime.block_on(beats.run(joined));
        drop(end);
    };
    thread::Builder::new().name("resilient-heartbeat".into()).spawn(beat).map_err(cannot)?;
    Ok(())
}

struct Beats {
    engine: Arc<Engine>,
    replica: Replica,
    /// Taken out for each call and put back after its answer: what was dropped half-way or met an error may be in an
    /// unknown state, and goes.
    lifeline: Option<Box<dyn Lifeline>>,
    shortest_lease: Duration,
    /// The runtime of the functions.
    functions: Handle,
}

impl Beats {
    fn new(engine: Arc<Engine>) -> Self {
        let types: Vec<_> = engine
            .registry
            .iter()
            .map(|registration| ReplicaType {
                type_id: TypeId::from(registration.type_id),
                version: registration.version,
                lease: engine.lease_of((registration.type_id, registration.version)),
                reads: engine.takes_work.then(|| registration.reads()),
            })
            .collect();
        let own = engine.settings.lease;
        let replica = Replica {
            id: ReplicaId::random(),
            lease: types.iter().map(|of| of.lease).fold(own, Duration::max),
            host: host(),
            pid: std::process::id(),
            app_version: engine.settings.app_version.clone(),
            types,
        };
        let shortest_lease = replica.types.iter().map(|of| of.lease).fold(replica.lease, Duration::min);
        Self { engine, replica, lifeline: None, shortest_lease, functions: Handle::current() }
    }

    async fn run(mut self, joined: Joined) {
        let result = self.join().await;
        let failed = result.is_err();
        if joined.send(result).is_err() || failed {
            return;
        }
        self.live().await;
        // A replica that was killed says nothing more, like one that crashed.
        if self.engine.stage() != Stage::Killed {
            self.leave().await;
        }
    }

    /// Beats until the runtime stops, or is dropped by its user.
    async fn live(&mut self) {
        let (engine, functions) = (Arc::clone(&self.engine), self.functions.clone());
        let guard = guard(&engine, self.shortest_lease, self.replica.lease);
        tokio::select! {
            biased;
            () = engine.reached(Stage::Stopped) => {}
            () = orphaned(&engine, &functions) => {}
            () = guard => {}
            () = self.go_on() => {}
        }
    }

    async fn go_on(&mut self) {
        loop {
            sleep(jittered(self.engine.settings.heartbeat)).await;
            if let Err(error) = caught(self.beat()).await.unwrap_or_else(|payload| Err(panicked(payload))) {
                metrics::heartbeat_lost();
                self.report("heartbeat", error);
            }
        }
    }

    /// The handler is the user's and may block: not here, where it would stop heartbeat and guard.
    fn report(&self, activity: &'static str, error: StoreError) {
        let engine = Arc::clone(&self.engine);
        self.functions.spawn(async move { engine.reporter.report(activity, error) });
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        if self.engine.lease.holder().is_none() && self.engine.lease.silence() > self.replica.lease {
            return self.join_anew().await;
        }
        let (sent, id) = (Instant::now(), self.replica.id);
        let limit = self.patience();
        let mut lifeline = self.lifeline().await?;
        let renewed = timeout(limit, lifeline.beat(id)).await.map_err(|_| no_answer(limit))??;
        self.lifeline = Some(lifeline);
        if !renewed {
            metrics::heartbeat_lost();
            tracing::warn!(replica = %id, "declared dead: its runs are stopped, and it comes back under a new id");
            return self.join_anew().await;
        }
        self.engine.lease.hold(id, sent);
        Ok(())
    }

    /// The old id is dead: what ran under it stops first, then there is a new one.
    async fn join_anew(&mut self) -> Result<(), StoreError> {
        self.engine.lease.lose();
        self.engine.runs.stop(|_| true);
        self.replica.id = ReplicaId::random();
        self.join().await
    }

    async fn join(&mut self) -> Result<(), StoreError> {
        let (sent, limit) = (Instant::now(), self.patience());
        let replica = self.replica.clone();
        let mut lifeline = self.lifeline().await?;
        timeout(limit, lifeline.join(&replica)).await.map_err(|_| no_answer(limit))??;
        self.lifeline = Some(lifeline);
        self.engine.lease.hold(replica.id, sent);
        tracing::info!(replica = %replica.id, "replica joined");
        Ok(())
    }

    async fn leave(&mut self) {
        let (id, limit) = (self.replica.id, self.patience());
        let left = async {
            let mut lifeline = self.lifeline().await?;
            timeout(limit, lifeline.leave(id)).await.map_err(|_| no_answer(limit))?
        };
        match left.await {
            Ok(()) => tracing::info!(replica = %id, "replica left"),
            // Its lease ends by itself.
            Err(error) => self.report("shutdown", error),
        }
    }

    async fn lifeline(&mut self) -> Result<Box<dyn Lifeline>, StoreError> {
        if let Some(lifeline) = self.lifeline.take() {
            return Ok(lifeline);
        }
        let limit = self.patience();
        timeout(limit, self.engine.store.lifeline()).await.map_err(|_| no_answer(limit))?
    }

    /// A call that takes longer is given up, so that another one can be tried within the lease.
    fn patience(&self) -> Duration {
        (self.shortest_lease / 3).max(self.engine.settings.heartbeat)
    }
}

fn no_answer(limit: Duration) -> StoreError {
    StoreError::transient(format!("the store did not answer within {limit:?}"))
}

/// Waits until the runtime of the functions is gone, and all runs with it: a heart that beats on would keep them from
/// being taken over.
async fn orphaned(engine: &Arc<Engine>, functions: &Handle) {
    let (alive, gone) = oneshot::channel::<()>();
    let engine = Arc::clone(engine);
    functions.spawn(async move {
        engine.reached(Stage::Stopped).await;
        drop(alive);
    });
    let _ = gone.await;
    tracing::debug!("the runtime of the functions has stopped or is gone");
}

/// Stops the runs whose lease is about to end, whatever the store is doing meanwhile.
async fn guard(engine: &Engine, shortest: Duration, longest: Duration) {
    let tick = (shortest / 20).max(Duration::from_millis(5));
    loop {
        sleep(tick).await;
        if engine.lease.covers(shortest) {
            continue;
        }
        if !engine.lease.covers(longest) && engine.lease.holder().is_some() {
            tracing::warn!(silence = ?engine.lease.silence(), "the lease could not be renewed: runs are stopped before it ends");
            engine.lease.lose();
        }
        engine.runs.stop(|lease| !engine.lease.covers(lease));
    }
}

/// The name of this machine, for people.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}
