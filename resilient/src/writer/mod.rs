//! Group commit: the writes of all functions of this process, in few transactions.
//!
//! While a batch is on its way to the store, the next one collects; an idle writer sends at once, so an uncontended
//! write costs no extra latency. Each batch runs in a task of its own: a caller that goes away drops nothing half-way.

mod batch;
mod bulk;
mod flight;
mod unknown;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::batch::{Batch, Job, Request};
use self::flight::Flight;
use crate::id::FunctionId;
use crate::settings::Settings;
use crate::store::{Append, Create, Store, StoreError, Write, Written};

/// A batch that takes longer makes way for the next one. It waits for what somebody holds, in a transaction of the user's
/// for example, or the store is slow: its connections are the limit then.
const OVERDUE: Duration = Duration::from_millis(500);

/// The entrance for writes; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    requests: mpsc::UnboundedSender<Request>,
    store: Arc<dyn Store>,
    patience: Duration,
}

impl Writer {
    /// Starts the writer; it ends when all its clones are gone and their writes are answered.
    pub(crate) fn start(store: Arc<dyn Store>, settings: &Settings) -> Self {
        let (requests, receiver) = mpsc::unbounded_channel();
        let collector = Collector {
            store: Arc::clone(&store),
            queue: VecDeque::new(),
            busy: HashSet::new(),
            in_flight: 0,
            max_in_flight: settings.batches_in_flight,
            max_batch: settings.max_batch,
            patience: settings.store_patience,
        };
        tokio::spawn(collector.run(receiver));
        Self { requests, store, patience: settings.store_patience }
    }

    /// Hands a write over and waits until the store has answered it; once begun, it is carried out even when this
    /// future is dropped.
    pub(crate) async fn write(&self, write: Write) -> Result<Written, StoreError> {
        self.write_and_tell(write, None).await
    }

    /// The same with messages for another instance, in one transaction: when the write is applied, so are they. When its
    /// guard does not hold they may be stored all the same, or the other instance may be gone; the answer does not say.
    pub(crate) async fn write_and_tell(
        &self,
        write: Write,
        tell: Option<Append>,
    ) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { write, tell, answer }).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Stores many new instances in few transactions, in the order of their ids, which all differ; the answers have that
    /// order, too. It stops at the first transaction that cannot be stored.
    ///
    /// They do not stand in line with other writes: nobody writes an instance before it is there. Once begun, it is
    /// carried out even when this future is dropped.
    pub(crate) async fn create_all(&self, mut creates: Vec<Create>) -> Result<Vec<Written>, StoreError> {
        creates.sort_by(|a, b| a.id.cmp(&b.id));
        let (store, patience) = (Arc::clone(&self.store), self.patience);
        tokio::spawn(bulk::create_all(store, patience, creates)).await.map_err(|_| stopped())?
    }

    /// Hands over a write that may have to wait for a transaction of the user's: alone, so that nobody else waits with it.
    /// Once begun, it is carried out even when this future is dropped.
    pub(crate) async fn write_apart(
        &self,
        write: Write,
        tell: Option<Append>,
        patience: Duration,
    ) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        let flight = Flight::new(Arc::clone(&self.store), patience);
        tokio::spawn(async move { flight.carry(Job::alone(Request { write, tell, answer })).await });
        answered.await.map_err(|_| stopped())?
    }
}

fn stopped() -> StoreError {
    StoreError::permanent("the writer has stopped; the runtime was shut down")
}

struct Collector {
    store: Arc<dyn Store>,
    queue: VecDeque<Request>,
    /// The instances of all flights. Of two writes on one instance the second waits until the first has landed: an
    /// older scrapbook that is tried again must not overtake a newer one.
    busy: HashSet<FunctionId>,
    in_flight: usize,
    max_in_flight: usize,
    max_batch: usize,
    patience: Duration,
}

impl Collector {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let (landed, mut landings) = mpsc::unbounded_channel();
        loop {
            while let Ok(request) = requests.try_recv() {
                self.queue.push_back(request);
            }
            self.send(&landed);
            tokio::select! {
                // What has landed comes first: a stream of requests must not keep the places of flights that are over.
                biased;
                Some(news) = landings.recv() => self.hear(&news),
                request = requests.recv() => match request {
                    Some(request) => self.queue.push_back(request),
                    None => break,
                },
            }
        }
        while !self.queue.is_empty() {
            self.send(&landed);
            if let Some(news) = landings.recv().await {
                self.hear(&news);
            }
        }
    }

    fn hear(&mut self, news: &News) {
        match news {
            News::GivesWay => self.in_flight -= 1,
            News::Landed(ids) => {
                for id in ids {
                    self.busy.remove(id);
                }
            }
        }
    }

    fn send(&mut self, news: &mpsc::UnboundedSender<News>) {
        while self.in_flight < self.max_in_flight && !self.queue.is_empty() {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let flight = Flight::new(Arc::clone(&self.store), self.patience);
            let ids = batch.iter().map(|job| job.write.id().clone()).collect();
            let place = Place { ids, is_held: true, to: news.clone() };
            self.in_flight += 1;
            tokio::spawn(fly(flight, batch, place));
        }
    }

    /// The next writes in the order of their arrival, at most one for each instance and none for a busy one; messages
    /// for one instance are one write.
    fn next_batch(&mut self) -> Vec<Job> {
        let mut batch = Batch::default();
        let mut later = VecDeque::new();
        while batch.len() < self.max_batch {
            let Some(request) = self.queue.pop_front() else { break };
            later.extend(batch.offer(request, &mut self.busy));
        }
        later.append(&mut self.queue);
        self.queue = later;
        batch.finish()
    }
}

/// Carries a batch, and each instance by itself when they cannot be stored together.
async fn fly(flight: Flight, batch: Vec<Job>, mut place: Place) {
    let mut carried = pin!(flight.carry_together(batch));
    let left = if let Ok(left) = timeout(OVERDUE, &mut carried).await {
        left
    } else {
        place.give_way();
        carried.await
    };
    for (jobs, place) in place.parts(left) {
        let flight = flight.clone();
        tokio::spawn(async move {
            flight.carry(jobs).await;
            drop(place);
        });
    }
}

/// What a flight tells the collector.
enum News {
    /// Another batch may leave.
    GivesWay,
    /// What waits for these instances may leave.
    Landed(Vec<FunctionId>),
}

/// The place of a flight. It reports its end even when it panics, or the writer would wait for it for ever.
struct Place {
    ids: Vec<FunctionId>,
    is_held: bool,
    to: mpsc::UnboundedSender<News>,
}

impl Place {
    /// What goes on apart, each with a place of its own; the rest has landed, and another batch may leave.
    fn parts(mut self, left: Vec<Job>) -> impl Iterator<Item = (Vec<Job>, Self)> {
        let on_their_way: HashSet<_> = left.iter().map(|job| job.write.id()).collect();
        self.ids.retain(|id| !on_their_way.contains(id));
        batch::by_instance(left).map(move |jobs| {
            let ids = jobs.iter().map(|job| job.write.id().clone()).collect();
            (jobs, Self { ids, is_held: false, to: self.to.clone() })
        })
    }

    fn give_way(&mut self) {
        if std::mem::take(&mut self.is_held) {
            let _ = self.to.send(News::GivesWay);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.to.send(News::Landed(std::mem::take(&mut self.ids)));
        self.give_way();
    }
}
