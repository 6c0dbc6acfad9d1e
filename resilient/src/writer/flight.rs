//! One batch on its way to the store.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Job;
use super::unknown;
use crate::backoff::Backoff;
use crate::events;
use crate::family;
use crate::metrics;
use crate::store::{After, Append, Create, Store, StoreError, Write, Written};

/// Carries batches to the store until they are answered or the patience is over.
#[derive(Clone)]
pub(super) struct Flight {
    store: Arc<dyn Store>,
    deadline: Instant,
}

impl Flight {
    pub(super) fn new(store: Arc<dyn Store>, patience: Duration) -> Self {
        Self { store, deadline: Instant::now() + patience }
    }

    /// Brings the writes to the store and their answers back.
    pub(super) async fn carry(&self, jobs: Vec<Job>) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let mut left = jobs;
        while !left.is_empty() {
            left = self.go(left, &mut backoff).await;
        }
    }

    /// The same, until something comes in between while the store is there: what is left then may go on apart, for one that
    /// somebody holds, in a transaction of the user's for example, must not hold up the others.
    pub(super) async fn carry_together(&self, jobs: Vec<Job>) -> Vec<Job> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        self.go(jobs, &mut backoff).await
    }

    /// Writes once, and answers what is to be tried again.
    async fn go(&self, mut left: Vec<Job>, backoff: &mut Backoff) -> Vec<Job> {
        let error = match self.write(&left).await {
            Ok(written) => {
                self.reply(left, written).await;
                return Vec::new();
            }
            Err(error) => error,
        };
        events::batch_failed(left.len(), &error);
        // Whether it was applied is unknown: nothing is written again before the rows have been read.
        loop {
            if Instant::now() >= self.deadline {
                refuse(left, error);
                return Vec::new();
            }
            backoff.wait().await;
            if self.settle(&mut left).await.is_ok() {
                break;
            }
        }
        if error.is_transient() {
            return left;
        }
        // One write that the store cannot take must not take the others with it.
        if is_of_many(&left) {
            self.one_by_one(left).await;
        } else {
            refuse(left, error);
        }
        Vec::new()
    }

    async fn write(&self, jobs: &[Job]) -> Result<Vec<Written>, StoreError> {
        let batch: Vec<Write> = jobs.iter().map(|job| job.write.clone()).collect();
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

    async fn reply(&self, jobs: Vec<Job>, written: Vec<Written>) {
        let mut again = Vec::new();
        for (job, written) in jobs.into_iter().zip(written) {
            // Of several callers, one may have sent what is stored already, and is done.
            if job.is_joined() && written == Written::Completed {
                again.push(job);
            } else {
                job.answer(&Ok(written));
            }
        }
        self.one_by_one(again).await;
    }

    /// Answers what was applied although the store's answer was lost; the rest stays.
    async fn settle(&self, left: &mut Vec<Job>) -> Result<(), StoreError> {
        let ids: Vec<_> = left.iter().map(|job| job.write.id().clone()).collect();
        let rows = self.store.get(&ids).await?;
        let mut answers = Vec::with_capacity(left.len());
        for (job, row) in left.iter().zip(&rows) {
            let messages = match unknown::replaced(&job.write) {
                Some(limit) => {
                    let all = [After { id: job.write.id().clone(), position: 0 }];
                    self.store.messages(&all, limit).await?.pop().unwrap_or_default()
                }
                None => Vec::new(),
            };
            answers.push(unknown::answer(&job.write, row.as_ref(), &messages));
        }
        for (job, answer) in mem::take(left).into_iter().zip(answers) {
            match answer {
                Some(written) => {
                    tell(&job.write, &written);
                    job.answer(&Ok(written));
                }
                None => left.push(job),
            }
        }
        Ok(())
    }

    async fn one_by_one(&self, jobs: Vec<Job>) {
        for jobs in jobs.into_iter().flat_map(Job::apart) {
            Box::pin(self.carry(jobs)).await;
        }
    }
}

/// Whether the writes of several callers are among them, so that each can be tried alone.
fn is_of_many(jobs: &[Job]) -> bool {
    jobs.iter().map(Job::waiting).sum::<usize>() > 1
}

fn refuse(jobs: Vec<Job>, error: StoreError) {
    let refused = Err(error);
    for job in jobs {
        job.answer(&refused);
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
            metrics::sent(&id.type_id, messages.iter().filter(|message| !family::is_ended(message)).count());
        }
        _ => {}
    }
}
