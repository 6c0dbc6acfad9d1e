//! A store whose calls wait when they are told to, on the way there or on the way back.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use resilient::{Store, StoreError};
use tokio::sync::watch;

use crate::between::{Between, Passage};
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
pub type HeldStore = Between<Held>;

impl HeldStore {
    /// Holds nothing yet.
    pub fn new(inner: impl Store) -> Self {
        Self::put(Held(Arc::new(watch::Sender::default())), inner)
    }

    /// From now on calls wait here.
    pub fn hold(&self, points: impl IntoIterator<Item = Point>) {
        self.passage.0.send_modify(|state| state.points.extend(points));
    }

    /// Lets everything go on.
    pub fn release(&self) {
        self.passage.0.send_modify(|state| state.points.clear());
    }

    /// Lets the calls at these points go on.
    pub fn release_at(&self, points: impl IntoIterator<Item = Point>) {
        self.passage.0.send_modify(|state| {
            for point in points {
                state.points.remove(&point);
            }
        });
    }

    /// The calls that wait are never answered; later ones go on.
    pub fn lose(&self) {
        self.passage.0.send_modify(|state| {
            state.points.clear();
            state.waiting.clear();
            state.losses += 1;
        });
    }

    /// Waits until a call waits there.
    pub async fn reached(&self, point: Point) {
        let mut state = self.passage.0.subscribe();
        state.wait_for(|state| state.waiting.contains(&point)).await.expect("the sender lives");
    }
}

#[derive(Debug, Default)]
struct State {
    points: HashSet<Point>,
    waiting: HashSet<Point>,
    losses: u32,
}

/// Where calls wait, and which do.
#[derive(Debug, Clone)]
pub struct Held(Arc<watch::Sender<State>>);

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
}

#[async_trait]
impl Passage for Held {
    async fn call<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.pass(Point::Before(call)).await;
        let answer = operation.await;
        self.pass(Point::After(call)).await;
        answer
    }
}
