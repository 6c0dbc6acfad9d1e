//! Signs of life: one small write for the whole replica, from a thread of its own.
//!
//! The thread and its connection are not shared with user code, so neither a blocked executor nor a drained pool makes
//! a living replica look dead. When the lease cannot be renewed, the runs are stopped *before* it ends; the replica
//! then comes back under a new id.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::panicked;
use crate::backoff::jittered;
use crate::engine::{Engine, Stage};
use crate::id::{ReplicaId, TypeId};
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
    lifeline: Option<Box<dyn Lifeline>>,
    /// When the last accepted sign of life was sent: from then on, the lease is counted.
    renewed: Arc<Mutex<Instant>>,
    shortest_lease: Duration,
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
        let renewed = Arc::new(Mutex::new(Instant::now()));
        Self { engine, replica, lifeline: None, renewed, shortest_lease }
    }

    async fn run(mut self, joined: Joined) {
        let result = self.join().await;
        let failed = result.is_err();
        if joined.send(result).is_err() || failed {
            return;
        }
        let (engine, renewed) = (Arc::clone(&self.engine), Arc::clone(&self.renewed));
        let guard = guard(&engine, &renewed, self.shortest_lease, self.replica.lease);
        tokio::select! {
            () = engine.reached(Stage::Stopped) => {}
            () = guard => {}
            () = self.go_on() => {}
        }
        if engine.stage() == Stage::Stopped {
            self.leave().await;
        }
    }

    async fn go_on(&mut self) {
        loop {
            sleep(jittered(self.engine.settings.heartbeat)).await;
            if let Err(error) = caught(self.beat()).await.unwrap_or_else(|payload| Err(panicked(payload))) {
                // A call that timed out has left its connection in an unknown state.
                self.lifeline = None;
                self.engine.reporter.report("heartbeat", error);
            }
        }
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        if self.engine.lease.holder().is_none() && self.elapsed() > self.replica.lease {
            return self.join_anew().await;
        }
        let (sent, id) = (Instant::now(), self.replica.id);
        let limit = self.patience();
        let lifeline = self.lifeline().await?;
        let renewed = timeout(limit, lifeline.beat(id)).await.map_err(|_| no_answer(limit))??;
        if !renewed {
            tracing::warn!(replica = %id, "declared dead: its runs are stopped, and it comes back under a new id");
            return self.join_anew().await;
        }
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        if self.engine.lease.holder().is_none() {
            self.engine.lease.hold(id);
        }
        Ok(())
    }

    /// The old id is dead: what ran under it stops first, then there is a new one.
    async fn join_anew(&mut self) -> Result<(), StoreError> {
        self.engine.lease.lose();
        self.engine.runs.stop(Duration::MAX);
        self.replica.id = ReplicaId::random();
        self.join().await
    }

    async fn join(&mut self) -> Result<(), StoreError> {
        let (sent, limit) = (Instant::now(), self.patience());
        let replica = self.replica.clone();
        let lifeline = self.lifeline().await?;
        timeout(limit, lifeline.join(&replica)).await.map_err(|_| no_answer(limit))??;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        self.engine.lease.hold(replica.id);
        tracing::info!(replica = %replica.id, "replica joined");
        Ok(())
    }

    async fn leave(&mut self) {
        let (id, limit) = (self.replica.id, self.patience());
        let left = async {
            let lifeline = self.lifeline().await?;
            timeout(limit, lifeline.leave(id)).await.map_err(|_| no_answer(limit))?
        };
        match left.await {
            Ok(()) => tracing::info!(replica = %id, "replica left"),
            // Its lease ends by itself.
            Err(error) => self.engine.reporter.report("shutdown", error),
        }
    }

    async fn lifeline(&mut self) -> Result<&mut Box<dyn Lifeline>, StoreError> {
        let line = if let Some(line) = self.lifeline.take() {
            line
        } else {
            let limit = self.patience();
            timeout(limit, self.engine.store.lifeline()).await.map_err(|_| no_answer(limit))??
        };
        Ok(self.lifeline.insert(line))
    }

    /// A call that takes longer is given up, so that another one can be tried within the lease.
    fn patience(&self) -> Duration {
        (self.shortest_lease / 3).max(self.engine.settings.heartbeat)
    }

    fn elapsed(&self) -> Duration {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

fn no_answer(limit: Duration) -> StoreError {
    StoreError::transient(format!("the store did not answer within {limit:?}"))
}

/// Stops the runs whose lease is about to end, whatever the store is doing meanwhile.
async fn guard(engine: &Engine, renewed: &Mutex<Instant>, shortest: Duration, longest: Duration) {
    // Stopping at nine tenths leaves time to stop; the store counts from when it got the sign of life, which is later
    // than when it was sent.
    let stops_at = |lease: Duration| lease / 10 * 9;
    let tick = (shortest / 20).max(Duration::from_millis(5));
    loop {
        sleep(tick).await;
        let silent = renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if silent < stops_at(shortest) {
            continue;
        }
        if silent >= stops_at(longest) && engine.lease.holder().is_some() {
            tracing::warn!(?silent, "the lease could not be renewed: runs are stopped before it ends");
            engine.lease.lose();
        }
        engine.runs.stop(silent / 9 * 10);
    }
}

/// The name of this machine, for people.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}
