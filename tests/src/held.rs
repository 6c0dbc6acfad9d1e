//! A store whose calls wait when they are told to, on the way there or on the way back.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::store::{After, Claimable, Lifeline, Write, Written};
use resilient::{
    Filter, FunctionId, LiveReplica, Replica, ReplicaId, Store, StoreError, StoredFunction, StoredMessage,
};
use tokio::sync::watch;

use crate::faults::Call;

/// A place where calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before the call is applied.
    Before(Call),
    /// Between its application and its answer.
    After(Call),
}

impl Point {
    /// Signs of life, as those of a process whose heartbeat is stuck.
    pub const LIFE: [Self; 3] =
        [Self::Before(Call::Lifeline), Self::Before(Call::Beat), Self::Before(Call::Join)];
}

/// A store that passes calls on, and holds some of them until they are released. Clones share what is held.
#[derive(Debug, Clone)]
pub struct HeldStore {
    inner: Arc<dyn Store>,
    held: Held,
}

impl HeldStore {
    /// Holds nothing yet.
    pub fn new(inner: impl Store) -> Self {
        Self { inner: Arc::new(inner), held: Held(Arc::new(watch::Sender::default())) }
    }

    /// From now on calls wait here.
    pub fn hold(&self, points: impl IntoIterator<Item = Point>) {
        self.held.0.send_modify(|state| state.points.extend(points));
    }

    /// Lets everything go on.
    pub fn release(&self) {
        self.held.0.send_modify(|state| state.points.clear());
    }

    /// Lets the calls at these points go on.
    pub fn release_at(&self, points: impl IntoIterator<Item = Point>) {
        self.held.0.send_modify(|state| {
            for point in points {
                state.points.remove(&point);
            }
        });
    }

    /// The calls that wait are never answered; later ones go on.
    pub fn lose(&self) {
        self.held.0.send_modify(|state| {
            state.points.clear();
            state.waiting.clear();
            state.losses += 1;
        });
    }

    /// Waits until a call waits there.
    pub async fn reached(&self, point: Point) {
        let mut state = self.held.0.subscribe();
        state.wait_for(|state| state.waiting.contains(&point)).await.expect("the sender lives");
    }
}

#[derive(Debug, Default)]
struct State {
    points: HashSet<Point>,
    waiting: HashSet<Point>,
    losses: u32,
}

#[derive(Debug, Clone)]
struct Held(Arc<watch::Sender<State>>);

impl Held {
    async fn pass(&self, point: Point) {
        if !self.0.borrow().points.contains(&point) {
            return;
        }
        self.0.send_modify(|state| {
            state.waiting.insert(point);
        });
        let mut state = self.0.subscribe();
        let losses = state.borrow().losses;
        let go_on = state.wait_for(|state| state.losses > losses || !state.points.contains(&point)).await;
        let is_lost = go_on.expect("the sender lives").losses > losses;
        if is_lost {
            std::future::pending::<()>().await;
        }
        self.0.send_modify(|state| {
            state.waiting.remove(&point);
        });
    }

    async fn call<T>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.pass(Point::Before(call)).await;
        let answer = operation.await;
        self.pass(Point::After(call)).await;
        answer
    }
}

#[async_trait]
impl Store for HeldStore {
    async fn initialize(&self) -> Result<(), StoreError> {
        self.held.call(Call::Initialize, self.inner.initialize()).await
    }

    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        self.held.call(Call::Write, self.inner.write(batch)).await
    }

    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        self.held.call(Call::Get, self.inner.get(ids)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.held.call(Call::List, self.inner.list(filter)).await
    }

    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        self.held.call(Call::Messages, self.inner.messages(wanted, limit)).await
    }

    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.held.call(Call::Claim, self.inner.claim(replica, kinds, limit)).await
    }

    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.held.call(Call::ReleaseDead, self.inner.release_dead()).await
    }

    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.held.call(Call::Replicas, self.inner.replicas()).await
    }

    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        let inner = self.held.call(Call::Lifeline, self.inner.lifeline()).await?;
        Ok(Box::new(HeldLifeline { inner, held: self.held.clone() }))
    }

    fn virtual_time(&self) -> bool {
        self.inner.virtual_time()
    }
}

#[derive(Debug)]
struct HeldLifeline {
    inner: Box<dyn Lifeline>,
    held: Held,
}

#[async_trait]
impl Lifeline for HeldLifeline {
    async fn join(&mut self, replica: &Replica) -> Result<(), StoreError> {
        self.held.call(Call::Join, self.inner.join(replica)).await
    }

    async fn beat(&mut self, replica: ReplicaId) -> Result<bool, StoreError> {
        self.held.call(Call::Beat, self.inner.beat(replica)).await
    }

    async fn leave(&mut self, replica: ReplicaId) -> Result<(), StoreError> {
        self.held.call(Call::Leave, self.inner.leave(replica)).await
    }
}
