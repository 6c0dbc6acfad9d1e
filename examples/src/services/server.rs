//! The services themselves: payment provider, logistics and email behind one loopback port.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{io, process};

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ledger::{Books, Call, Effect, Entry, Ledger, Reply};
use super::whims::{Mood, Whims};

/// The body of every request. Payments carry a transaction id, and reservations an amount in cents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) order: String,
    #[serde(default)]
    pub(super) transaction: Option<Uuid>,
    #[serde(default)]
    pub(super) amount: Option<u64>,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// By a call whose caller waits: whoever calls twice gets it twice, and the answer may get lost.
    Call,
    /// By a command that is known by its order and its call, and answered by message.
    Command,
}

/// All three, with one ledger.
pub(super) struct Services {
    ledger: Mutex<Ledger>,
    whims: Whims,
}

impl Services {
    /// The services, writing to the ledger at `path`, with the whims of `seed`.
    pub(super) fn open(path: &Path, seed: u64) -> io::Result<Self> {
        Ok(Self { ledger: Mutex::new(Ledger::open(path)?), whims: Whims::new(seed) })
    }

    /// Does what is asked for, in its own time, and writes it down.
    pub(super) async fn perform(&self, manner: Manner, call: Call, request: &Request) -> io::Result<Entry> {
        tokio::time::sleep(self.whims.delay(call, &request.order, "in")).await;
        let recorded = self
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(|books| decide(books, self.whims, manner, call, request));
        // The deed is in the ledger now, and its answer still on the way: the time in which a crash hurts.
        tokio::time::sleep(self.whims.delay(call, &request.order, "out")).await;
        recorded
    }
}

/// The services as HTTP sees them.
pub(super) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/payments/reserve", post(async |State(s), Json(r)| answer(s, Call::Reserve, r).await))
        .route("/payments/capture", post(async |State(s), Json(r)| answer(s, Call::Capture, r).await))
        .route("/shipments", post(async |State(s), Json(r)| answer(s, Call::Ship, r).await))
        .route("/emails", post(async |State(s), Json(r)| answer(s, Call::Confirm, r).await))
        .with_state(services)
}

async fn answer(services: Arc<Services>, call: Call, request: Request) -> Response {
    match services.perform(Manner::Call, call, &request).await {
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
        Ok(Entry { reply: Reply::Lost, .. }) => broken(),
        Ok(Entry { effect: Effect::Refused, .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, "busy; nothing was done").into_response()
        }
        Ok(Entry { effect: Effect::Rejected, .. }) => {
            (StatusCode::CONFLICT, "the transaction is not reserved for this order and amount")
                .into_response()
        }
        Ok(entry) => Json(entry).into_response(),
    }
}

/// The line that the ledger gets for a call, given what it holds.
fn decide(books: &Books, whims: Whims, manner: Manner, call: Call, request: &Request) -> Entry {
    let Request { order, transaction, amount } = request.clone();
    let mood = match whims.mood(call, &order, books.calls(call, &order)) {
        // A command is answered in the end, but for those that logistics forgets.
        Mood::Silent if manner == Manner::Command && call != Call::Ship => Mood::Helpful,
        mood => mood,
    };
    let is_repeated = manner == Manner::Command && books.is_done(call, &order);
    let effect = match mood {
        Mood::Refusing => Effect::Refused,
        Mood::Helpful | Mood::Silent if is_repeated => Effect::Duplicate,
        Mood::Helpful | Mood::Silent => effect(books, call, request),
    };
    let reply = if mood == Mood::Silent { Reply::Lost } else { Reply::Sent };
    Entry { at: now(), process: process::id(), call, order, transaction, amount, effect, reply }
}

/// What a willing service does when it is called: payments once per transaction id, all else as often as it is asked.
fn effect(books: &Books, call: Call, request: &Request) -> Effect {
    let reservation = request.transaction.map(|transaction| (transaction, books.reservation(transaction)));
    match (call, reservation) {
        (Call::Ship | Call::Confirm, _) | (Call::Reserve, Some((_, None))) => Effect::Done,
        (Call::Reserve, Some((_, Some((order, amount)))))
            if order == request.order && Some(amount) == request.amount =>
        {
            Effect::Duplicate
        }
        (Call::Capture, Some((transaction, Some((order, _))))) if order == request.order => {
            if books.is_captured(transaction) { Effect::Duplicate } else { Effect::Done }
        }
        (Call::Reserve | Call::Capture, _) => Effect::Rejected,
    }
}

/// An answer that never arrives: its body fails before the first byte, so the server closes the connection.
fn broken() -> Response {
    let failing = stream::iter([Err::<&[u8], _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
    Body::from_stream(failing).into_response()
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}
