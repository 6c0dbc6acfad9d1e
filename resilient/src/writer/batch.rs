//! What goes to the store together.
//!
//! A batch has one write for each instance. Messages for one instance that wait behind each other become one append, so
//! that a burst of a thousand takes a few transactions and not a thousand.

use std::collections::HashMap;
use std::mem;

use tokio::sync::oneshot;

use crate::id::FunctionId;
use crate::record::NewMessage;
use crate::store::{Append, StoreError, Write, Written};

/// A write of one caller.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// A write with all callers that wait for its answer: several for an append, one for all others.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) write: Write,
    callers: Vec<Caller>,
}

#[derive(Debug)]
struct Caller {
    /// How many of the messages are from this caller; each caller's stand behind those of the one before.
    messages: usize,
    answer: oneshot::Sender<Result<Written, StoreError>>,
}

impl Job {
    pub(super) fn new(Request { write, answer }: Request) -> Self {
        let messages = match &write {
            Write::Append(append) => append.messages.len(),
            _ => 0,
        };
        Self { write, callers: vec![Caller { messages, answer }] }
    }

    fn join(&mut self, other: Self) {
        if let (Write::Append(append), Write::Append(more)) = (&mut self.write, other.write) {
            append.messages.extend(more.messages);
            self.callers.extend(other.callers);
        }
    }

    /// Whether several callers wait for it.
    pub(super) fn is_joined(&self) -> bool {
        self.callers.len() > 1
    }

    /// Each caller's own write again, in the order in which they came.
    pub(super) fn apart(self) -> Vec<Self> {
        match self.write {
            Write::Append(Append { id, mut messages }) => {
                let mut rest = messages.drain(..);
                let mut alone = |caller: Caller| {
                    let messages: Vec<NewMessage> = rest.by_ref().take(caller.messages).collect();
                    Self { write: Write::Append(Append { id: id.clone(), messages }), callers: vec![caller] }
                };
                self.callers.into_iter().map(&mut alone).collect()
            }
            write => vec![Self { write, callers: self.callers }],
        }
    }

    /// Tells all who wait; a caller may have gone away, and its write is done all the same.
    pub(super) fn answer(self, result: &Result<Written, StoreError>) {
        for caller in self.callers {
            let _ = caller.answer.send(result.clone());
        }
    }
}

/// A batch that is being filled.
#[derive(Debug, Default)]
pub(super) struct Batch {
    jobs: Vec<Job>,
    /// The appends that may take more messages, by their places.
    open: HashMap<FunctionId, usize>,
    requests: usize,
}

impl Batch {
    /// How many writes of callers it has taken.
    pub(super) fn len(&self) -> usize {
        self.requests
    }

    /// Takes the first write on an instance.
    pub(super) fn take(&mut self, request: Request) {
        if let Write::Append(append) = &request.write {
            self.open.insert(append.id.clone(), self.jobs.len());
        }
        self.jobs.push(Job::new(request));
        self.requests += 1;
    }

    /// Takes another write on an instance if it can be one with the first; gives it back if it has to wait.
    pub(super) fn join(&mut self, request: Request) -> Option<Request> {
        let id = request.write.id();
        if !matches!(request.write, Write::Append(_)) {
            // What comes behind this one does not overtake it.
            self.open.remove(id);
            return Some(request);
        }
        let Some(job) = self.open.get(id).and_then(|at| self.jobs.get_mut(*at)) else { return Some(request) };
        job.join(Job::new(request));
        self.requests += 1;
        None
    }

    /// The writes in the order of their ids, in which all batches lock rows: so two of them, here or elsewhere, cannot
    /// deadlock.
    pub(super) fn finish(&mut self) -> Vec<Job> {
        let mut jobs = mem::take(&mut self.jobs);
        jobs.sort_by(|a, b| a.write.id().cmp(b.write.id()));
        jobs
    }
}
