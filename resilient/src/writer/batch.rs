//! What goes to the store together.
//!
//! A batch has one write for each instance. Messages for one instance that wait behind each other become one append, so
//! that a burst of a thousand takes a few transactions and not a thousand. The end of a child and the message that tells
//! its parent are never in different batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use tokio::sync::oneshot;

use crate::id::FunctionId;
use crate::record::NewMessage;
use crate::store::{Append, StoreError, Write, Written};

/// Where the answer to a write goes.
pub(super) type Answer = oneshot::Sender<Result<Written, StoreError>>;

/// A write of one caller.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) write: Write,
    /// What is stored in the same transaction, on another instance.
    pub(super) tell: Option<Append>,
    pub(super) answer: Answer,
}

/// A write with all callers that wait for its answer: several for an append, one for all others.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) write: Write,
    /// What has to be in the same batch; there it is a job of its own, or a part of one.
    tell: Option<Append>,
    callers: Vec<Caller>,
}

#[derive(Debug)]
struct Caller {
    /// How many of the messages are from this caller; each caller's stand behind those of the one before.
    messages: usize,
    /// `None` for messages that go with another write, whose caller waits for that.
    answer: Option<Answer>,
}

impl Job {
    /// A request as a batch of its own.
    pub(super) fn alone(Request { write, tell, answer }: Request) -> Vec<Self> {
        let told = tell.clone().map(|tell| Self::new(Write::Append(tell), None));
        let mut jobs: Vec<_> =
            std::iter::once(Self { tell, ..Self::new(write, Some(answer)) }).chain(told).collect();
        in_order(&mut jobs);
        jobs
    }

    /// A write that nothing else has to go with.
    pub(super) fn new(write: Write, answer: Option<Answer>) -> Self {
        let messages = match &write {
            Write::Append(append) => append.messages.len(),
            _ => 0,
        };
        Self { write, tell: None, callers: vec![Caller { messages, answer }] }
    }

    fn join(&mut self, other: Self) {
        if let (Write::Append(append), Write::Append(more)) = (&mut self.write, other.write) {
            append.messages.extend(more.messages);
            self.callers.extend(other.callers);
        }
    }

    /// Whether several callers' messages are in it.
    pub(super) fn is_joined(&self) -> bool {
        self.callers.len() > 1
    }

    /// How many callers wait for its answer.
    pub(super) fn waiting(&self) -> usize {
        self.callers.iter().filter(|caller| caller.answer.is_some()).count()
    }

    /// Each caller's own write again, in the order in which they came, with what has to go with it.
    pub(super) fn apart(self) -> Vec<Vec<Self>> {
        let Write::Append(Append { id, mut messages }) = self.write else {
            let told = self.tell.clone().map(|tell| Self::new(Write::Append(tell), None));
            let mut jobs: Vec<_> = std::iter::once(self).chain(told).collect();
            in_order(&mut jobs);
            return vec![jobs];
        };
        let mut rest = messages.drain(..);
        let mut alone = |caller: Caller| {
            let messages: Vec<NewMessage> = rest.by_ref().take(caller.messages).collect();
            let write = Write::Append(Append { id: id.clone(), messages });
            // What goes with another write comes again with that.
            caller.answer.is_some().then(|| vec![Self { write, tell: None, callers: vec![caller] }])
        };
        self.callers.into_iter().filter_map(&mut alone).collect()
    }

    /// What has to be stored together with it has the same one.
    fn family(&self) -> &FunctionId {
        self.tell.as_ref().map_or(self.write.id(), |tell| &tell.id)
    }

    /// Tells all who wait; a caller may have gone away, and its write is done all the same.
    pub(super) fn answer(self, result: &Result<Written, StoreError>) {
        for answer in self.callers.into_iter().filter_map(|caller| caller.answer) {
            let _ = answer.send(result.clone());
        }
    }
}

/// A batch that is being filled.
#[derive(Debug, Default)]
pub(super) struct Batch {
    jobs: Vec<Job>,
    /// The appends that may take more messages, by their places.
    open: HashMap<FunctionId, usize>,
    /// The instances of requests that have to wait: what comes behind one does not overtake it.
    held: HashSet<FunctionId>,
    writes: usize,
}

impl Batch {
    /// How many writes of callers it has taken.
    pub(super) fn len(&self) -> usize {
        self.writes
    }

    /// Takes a request, or gives it back if it has to wait for one that is on its way.
    pub(super) fn offer(&mut self, request: Request, busy: &mut HashSet<FunctionId>) -> Option<Request> {
        let Request { write, tell, .. } = &request;
        let is_append = matches!(write, Write::Append(_));
        let fits = self.has_place(write.id(), is_append, busy)
            && tell.as_ref().is_none_or(|tell| self.has_place(&tell.id, true, busy));
        if !fits {
            self.held.insert(write.id().clone());
            self.held.extend(tell.as_ref().map(|tell| tell.id.clone()));
            return Some(request);
        }
        let Request { write, tell, answer } = request;
        self.take(Job { tell: tell.clone(), ..Job::new(write, Some(answer)) }, busy);
        if let Some(tell) = tell {
            self.take(Job::new(Write::Append(tell), None), busy);
        }
        None
    }

    fn has_place(&self, id: &FunctionId, is_append: bool, busy: &HashSet<FunctionId>) -> bool {
        !self.held.contains(id) && (!busy.contains(id) || is_append && self.open.contains_key(id))
    }

    fn take(&mut self, job: Job, busy: &mut HashSet<FunctionId>) {
        self.writes += 1;
        let id = job.write.id();
        if let Some(first) = self.open.get(id).and_then(|at| self.jobs.get_mut(*at)) {
            return first.join(job);
        }
        busy.insert(id.clone());
        if matches!(job.write, Write::Append(_)) {
            self.open.insert(id.clone(), self.jobs.len());
        }
        self.jobs.push(job);
    }

    /// All writes.
    pub(super) fn finish(&mut self) -> Vec<Job> {
        let mut jobs = mem::take(&mut self.jobs);
        in_order(&mut jobs);
        jobs
    }
}

/// Each instance for itself, and the end of a child with the message that tells its parent.
pub(super) fn by_instance(jobs: Vec<Job>) -> impl Iterator<Item = Vec<Job>> {
    let mut families: BTreeMap<FunctionId, Vec<Job>> = BTreeMap::new();
    for job in jobs {
        families.entry(job.family().clone()).or_default().push(job);
    }
    families.into_values()
}

/// The order of the ids, in which all batches lock rows: so two of them, here or elsewhere, cannot deadlock.
fn in_order(jobs: &mut [Job]) {
    jobs.sort_by(|a, b| a.write.id().cmp(b.write.id()));
}
