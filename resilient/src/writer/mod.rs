//! Group commit: the writes of all functions of this process, in few transactions.
//!
//! While a batch is on its way to the store, the next one collects; an idle writer sends at once, so an uncontended
//! write costs no extra latency. Each batch runs in a task of its own: a caller that goes away drops nothing half-way.

mod unknown;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::id::FunctionId;
use crate::metrics;
use crate::settings::Settings;
use crate::store::{Append, Create, Store, StoreError, Write, Written};

/// The entrance for writes; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    requests: mpsc::UnboundedSender<Request>,
}

#[derive(Debug)]
struct Request {
    write: Write,
    answer: oneshot::Sender<Result<Written, StoreError>>,
}

impl Writer {
    /// Starts the writer; it ends when all its clones are gone and their writes are answered.
    pub(crate) fn start(store: Arc<dyn Store>, settings: &Settings) -> Self {
        let (requests, receiver) = mpsc::unbounded_channel();
        let collector = Collector {
            store,
            queue: VecDeque::new(),
            busy: HashSet::new(),
            in_flight: 0,
            max_in_flight: settings.batches_in_flight,
            max_batch: settings.max_batch,
            patience: settings.store_patience,
        };
        tokio::spawn(collector.run(receiver));
        Self { requests }
    }

    /// Hands a write over and waits until the store has answered it; once begun, it is carried out even when this
    /// future is dropped.
    pub(crate) async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { write, answer }).map_err(|_| stopped())?;
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
                request = requests.recv() => match request {
                    Some(request) => self.queue.push_back(request),
                    None => break,
                },
                Some(ids) = landings.recv() => self.land(&ids),
            }
        }
        while !self.queue.is_empty() {
            self.send(&landed);
            if let Some(ids) = landings.recv().await {
                self.land(&ids);
            }
        }
    }

    fn land(&mut self, ids: &[FunctionId]) {
        self.in_flight -= 1;
        for id in ids {
            self.busy.remove(id);
        }
    }

    fn send(&mut self, landed: &mpsc::UnboundedSender<Vec<FunctionId>>) {
        while self.in_flight < self.max_in_flight && !self.queue.is_empty() {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let flight = Flight { store: Arc::clone(&self.store), patience: self.patience };
            let ids = batch.iter().map(|request| request.write.id().clone()).collect();
            let landed = Landed { ids, to: landed.clone() };
            self.in_flight += 1;
            tokio::spawn(async move {
                flight.carry(batch).await;
                drop(landed);
            });
        }
    }

    /// The next writes in the order of their arrival, at most one for each instance and none for a busy one.
    fn next_batch(&mut self) -> Vec<Request> {
        let mut batch = Vec::new();
        let mut later = VecDeque::new();
        while batch.len() < self.max_batch {
            let Some(request) = self.queue.pop_front() else { break };
            if self.busy.insert(request.write.id().clone()) {
                batch.push(request);
            } else {
                later.push_back(request);
            }
        }
        later.append(&mut self.queue);
        self.queue = later;
        // All batches lock rows in the same order, so that two of them, here or elsewhere, cannot deadlock.
        batch.sort_by(|a, b| a.write.id().cmp(b.write.id()));
        batch
    }
}

/// Reports the end of a flight even when it panics, or the writer would wait for it for ever.
struct Landed {
    ids: Vec<FunctionId>,
    to: mpsc::UnboundedSender<Vec<FunctionId>>,
}

impl Drop for Landed {
    fn drop(&mut self) {
        let _ = self.to.send(std::mem::take(&mut self.ids));
    }
}

/// One batch on its way.
struct Flight {
    store: Arc<dyn Store>,
    patience: Duration,
}

impl Flight {
    async fn carry(self, batch: Vec<Request>) {
        let (writes, mut answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.write, Some(request.answer))).unzip();
        let deadline = Instant::now() + self.patience;
        let mut left: Vec<usize> = (0..writes.len()).collect();
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let error = match self.write(&writes, &left).await {
                Ok(written) => return reply(&mut answers, &left, written),
                Err(error) => error,
            };
            tracing::warn!(
                writes = left.len(),
                %error,
                "a batch of writes failed"
            );
            // Whether it was applied is unknown: nothing is written again before the rows have been read.
            loop {
                if Instant::now() >= deadline {
                    return refuse(&mut answers, &left, &error);
                }
                backoff.wait().await;
                if self.settle(&writes, &mut left, &mut answers).await.is_ok() {
                    break;
                }
            }
            if left.is_empty() {
                return;
            }
            if !error.is_transient() {
                return self.one_by_one(&writes, &left, &mut answers).await;
            }
        }
    }

    async fn write(&self, writes: &[Write], left: &[usize]) -> Result<Vec<Written>, StoreError> {
        let batch: Vec<Write> = left.iter().filter_map(|at| writes.get(*at)).cloned().collect();
        let answer = self.store.write(&batch).await;
        measure(&batch, answer.is_ok());
        let written = answer?;
        if written.len() == batch.len() {
            batch.iter().zip(&written).for_each(|(write, written)| tell(write, written));
            return Ok(written);
        }
        Err(StoreError::permanent(format!(
            "the store answered {} of {} writes; each write has one answer",
            written.len(),
            batch.len()
        )))
    }

    /// Answers what was applied although the store's answer was lost; the rest stays.
    async fn settle(
        &self,
        writes: &[Write],
        left: &mut Vec<usize>,
        answers: &mut [Answer],
    ) -> Result<(), StoreError> {
        let ids: Vec<_> =
            left.iter().filter_map(|at| writes.get(*at)).map(|write| write.id().clone()).collect();
        let mut rows = self.store.get(&ids).await?.into_iter();
        left.retain(|at| {
            let row = rows.next().flatten();
            let settled = writes.get(*at).and_then(|write| unknown::answer(write, row.as_ref()));
            let applied = settled.is_some();
            if let (Some(write), Some(written)) = (writes.get(*at), &settled) {
                tell(write, written);
            }
            if let (Some(written), Some(answer)) = (settled, answers.get_mut(*at)) {
                send(answer, Ok(written));
            }
            !applied
        });
        Ok(())
    }

    /// One write that the store cannot take must not take the others with it.
    async fn one_by_one(&self, writes: &[Write], left: &[usize], answers: &mut [Answer]) {
        for at in left {
            let written = self.write(writes, &[*at]).await.map(|mut written| written.pop());
            let result = written.and_then(|written| written.ok_or_else(stopped));
            if let Some(answer) = answers.get_mut(*at) {
                send(answer, result);
            }
        }
    }
}

fn measure(batch: &[Write], is_stored: bool) {
    metrics::batch(batch.len(), is_stored);
    if !is_stored {
        metrics::store_error("write");
    }
}

/// Counts what was applied.
fn tell(write: &Write, written: &Written) {
    match (write, written) {
        (Write::Save(save), Written::Done) => metrics::saved(&save.id.type_id),
        (
            Write::Append(Append { id, messages }) | Write::Create(Create { id, messages, .. }),
            Written::Done,
        ) => {
            metrics::sent(&id.type_id, messages.len());
        }
        _ => {}
    }
}

type Answer = Option<oneshot::Sender<Result<Written, StoreError>>>;

fn send(answer: &mut Answer, result: Result<Written, StoreError>) {
    if let Some(answer) = answer.take() {
        // The caller may have gone away; its write is done all the same.
        let _ = answer.send(result);
    }
}

fn reply(answers: &mut [Answer], left: &[usize], written: Vec<Written>) {
    for (at, written) in left.iter().zip(written) {
        if let Some(answer) = answers.get_mut(*at) {
            send(answer, Ok(written));
        }
    }
}

fn refuse(answers: &mut [Answer], left: &[usize], error: &StoreError) {
    for at in left {
        if let Some(answer) = answers.get_mut(*at) {
            send(answer, Err(error.clone()));
        }
    }
}
