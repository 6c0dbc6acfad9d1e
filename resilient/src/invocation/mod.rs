//! One run: from a new or a claimed instance through middleware and body to its stored outcome. A run may begin others.

mod begin;
mod body;
mod bulk;
mod children;
mod finish;
mod instance;
mod outcome;
mod post;
mod saver;
mod unread;

use std::sync::Arc;

pub(crate) use self::begin::{begin, owner_of, task_lost, unexpected};
use self::body::Body;
pub(crate) use self::bulk::create_all;
pub(crate) use self::finish::{hand_over, tell_parent};
pub(crate) use self::instance::{Instance, check_messages};
use self::outcome::Outcome;
pub(crate) use self::post::Begun;
use self::unread::Undecoded;
use crate::answer::Answer;
use crate::context::{Context, Notes};
use crate::engine::Engine;
use crate::events;
use crate::firings;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::journal::Journal;
use crate::metrics;
use crate::middleware::{Invocation, Next};
use crate::outcome::{Cancelled, Failure};
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::registry::Registration;
use crate::runs::Ticket;

tokio::task_local! {
    /// Set inside a run: what a running function starts is still taken while the runtime drains.
    static INSIDE: ();
}

/// Whether the caller is the body of a resilient function.
pub(crate) fn is_inside_a_run() -> bool {
    INSIDE.try_with(|()| ()).is_ok()
}

/// What is claimed and about to run: an instance that `owner` owns at the ticket's epoch.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) ticket: Ticket,
    pub(crate) owner: ReplicaId,
    pub(crate) registration: Registration,
    pub(crate) attempt: u32,
    pub(crate) param: Payload,
    pub(crate) scrapbook: Option<Payload>,
    pub(crate) journal: Option<String>,
    pub(crate) saves: i64,
    pub(crate) message_count: i64,
    pub(crate) begun: Begun,
}

impl Claimed {
    pub(crate) fn new(
        ticket: Ticket,
        owner: ReplicaId,
        registration: Registration,
        begun: Begun,
        row: StoredFunction,
    ) -> Self {
        if row.cancel_requested {
            ticket.cancel();
        }
        Self {
            ticket,
            owner,
            registration,
            attempt: row.attempts,
            param: row.param,
            scrapbook: row.scrapbook,
            journal: row.journal,
            saves: row.saves,
            message_count: row.message_count,
            begun: Begun { shown: Some(row.updated_at), ..begun },
        }
    }
}

/// Runs a claimed instance to its stored outcome, in this task.
///
/// It ends early, and writes nothing more, when the run is stopped or has lost ownership.
pub(crate) async fn run(engine: &Arc<Engine>, claimed: Claimed) {
    let (id, epoch) = (claimed.ticket.id().clone(), claimed.ticket.epoch());
    claimed.ticket.own();
    let mut run = events::run_begins(&id, epoch, claimed.attempt);
    let ended = tokio::select! {
        biased;
        () = claimed.ticket.stopped() => {
            return events::run_stopped(&id, epoch);
        }
        ended = INSIDE.scope((), engine.codecs.discretion().during(wrapped(engine, &claimed))) => ended,
    };
    finish::finish(engine, claimed, ended, &mut run).await;
    engine.waiting.hint(&id);
    engine.wakes.place_free();
}

/// The body inside its middleware, and what it came to.
async fn wrapped(engine: &Arc<Engine>, claimed: &Claimed) -> Outcome {
    firings::begins(engine, claimed.ticket.id(), claimed.attempt, claimed.begun.time()).await;
    match unread::check(&engine.codecs, claimed) {
        None => {}
        // The store would not put it off, and it need not be decoded to end.
        Some(Undecoded::Lacks { .. }) if *claimed.ticket.cancelled().borrow() => {
            return fails_unread(engine, claimed, &Cancelled.failure_of_what_waits());
        }
        Some(Undecoded::Lacks { codec }) => return unread::put_off(&codec),
        Some(Undecoded::Fails(failure)) => return fails_unread(engine, claimed, &failure),
    }
    let body = match Body::new(engine, claimed) {
        Ok(body) => body,
        Err(failure) => return fails_unread(engine, claimed, &failure),
    };
    let middleware = engine.middleware_of(&claimed.registration);
    let (epoch, version) = (claimed.ticket.epoch(), claimed.registration.version);
    let invocation = Invocation::new(body.context(), epoch, version, Arc::clone(body.notes()));
    let outcome = Next::new(middleware.layers(), &invocation, &body).run().await;
    body.notes().close().await;
    body.settle(false).await;
    metrics::dead_letters(body.context().type_id(), body.new_dead_letters());
    let outcome = Outcome::check(engine, outcome, &body, claimed.message_count);
    if let Answer::Failed(failure) = &outcome.answer {
        middleware.failed(&invocation, failure);
    }
    outcome
}

/// What is stored of it cannot be read, so it fails and keeps it.
fn fails_unread(engine: &Engine, claimed: &Claimed, failure: &Failure) -> Outcome {
    let Claimed { ticket, attempt, registration, journal, .. } = claimed;
    let (id, epoch, journal) = (ticket.id(), ticket.epoch(), journal.as_deref());
    fails_unrun(engine, registration, Unrun { id, epoch, attempt: *attempt, journal }, failure);
    Outcome::failed(failure, None)
}

/// An instance that fails although its body has not run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unrun<'a> {
    pub(crate) id: &'a FunctionId,
    pub(crate) epoch: Epoch,
    pub(crate) attempt: u32,
    pub(crate) journal: Option<&'a str>,
}

/// Tells middleware that an instance fails for good although its body has not run.
pub(crate) fn fails_unrun(engine: &Engine, registration: &Registration, unrun: Unrun<'_>, failure: &Failure) {
    let Unrun { id, epoch, attempt, journal } = unrun;
    let context = Context::new(id.clone(), attempt, engine.shutting_down.subscribe());
    // What cannot be read has no headers.
    let notes = Arc::new(Notes::new(Journal::read(journal).unwrap_or_default(), None));
    let invocation = Invocation::new(&context, epoch, registration.version, notes);
    engine.middleware_of(registration).failed(&invocation, failure);
}
