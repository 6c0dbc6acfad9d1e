//! What is told to tracing: every transition, with ids, and never a byte of the user's data.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use resilient::prelude::*;
use resilient::{Cancelled, InMemoryStore, StoreError};
use resilient_tests::FaultyStore;
use resilient_tests::faults::{Call, Fault};
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::{eventually_told, ms, quick};

/// Stands in every parameter, scrapbook, result, error and panic here.
const SECRET: &str = "4111-1111";

/// Keeps all events of this thread as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears(pub(crate) Arc<Mutex<Vec<String>>>);

impl Ears {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no listener panics").clone()
    }
}

impl Subscriber for Ears {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !event.metadata().target().starts_with("resilient") {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("no listener panics").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    /// As formatters do it: with all the sources.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {}={value}", field.name());
        let mut source = value.source();
        while let Some(error) = source {
            let _ = write!(self.0, ": {error}");
            source = error.source();
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
struct Secrets {
    card: String,
}

/// Ends as it is told to, and says its secret wherever it can.
#[resilient_fn(type_id = "Secretive", register = false)]
async fn secretive(
    (how, card): (String, String),
    secrets: &mut Scrapbook<Secrets>,
    context: &Context,
) -> resilient::Result<String> {
    secrets.card.clone_from(&card);
    secrets.save().await?;
    match how.as_str() {
        "fails" => Err(resilient::Error::msg(format!("{card} was refused"))),
        "panics" => panic!("{card} is odd"),
        "is put off" if context.attempt() == 1 => Err(Postpone::for_(ms(10)))?,
        "is cancelled" => {
            context.cancelled().await;
            Err(Cancelled)?
        }
        "hangs" => std::future::pending().await,
        _ => Ok(card),
    }
}

fn param(how: &str) -> (String, String) {
    (how.to_owned(), SECRET.to_owned())
}

async fn start(store: impl resilient::Store) -> Runtime {
    let runtime = Runtime::builder(store).settings(quick().shutdown_grace(ms(10))).register::<secretive>();
    runtime.start().await.expect("it starts")
}

/// The events of one instance, without its ids.
fn of(ears: &Ears, id: &str) -> Vec<String> {
    let ids = format!(" type_id=Secretive instance_id={id}");
    ears.lines().iter().filter(|line| line.contains(&ids)).map(|line| line.replace(&ids, "")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_transition_is_told_with_its_ids_and_without_data() {
    let ears = Ears::default();
    let _listening = tracing::subscriber::set_default(ears.clone());
    let store = InMemoryStore::new();
    let runtime = start(store.clone()).await;
    secretive::invoke(&runtime, "1", param("succeeds")).await.expect("it succeeds");
    secretive::invoke(&runtime, "2", param("fails")).await.expect_err("it fails");
    secretive::invoke(&runtime, "3", param("panics")).await.expect_err("it panics");
    secretive::schedule(&runtime, "4", param("is put off")).await.expect("it is stored");
    secretive::completion(&runtime, "4").await.expect("it succeeds");
    let mut panel = secretive::control_panel(&runtime, "2").await.expect("it is there");
    panel.param_mut().0 = "succeeds".to_owned();
    panel.save().await.expect("nobody else was there");
    secretive::schedule(&runtime, "5", param("hangs")).await.expect("it is stored");
    eventually_told(&ears.0, "scrapbook saved type_id=Secretive instance_id=5").await;
    let tomorrow = std::time::Duration::from_hours(24);
    secretive::schedule_after(&runtime, "6", param("succeeds"), tomorrow).await.expect("it is stored");
    secretive::cancel(&runtime, "6").await.expect("it waits");
    secretive::schedule(&runtime, "7", param("is cancelled")).await.expect("it is stored");
    eventually_told(&ears.0, "scrapbook saved type_id=Secretive instance_id=7").await;
    secretive::cancel(&runtime, "7").await.expect("it runs");
    secretive::completion(&runtime, "7").await.expect_err("it is cancelled");
    runtime.shutdown().await.expect("the store is there");

    let run = |epoch: u8, attempt: u8| {
        [
            format!("DEBUG run begins epoch={epoch} attempt={attempt}"),
            format!("TRACE scrapbook saved epoch={epoch}"),
        ]
    };
    let lines = |parts: &[&[String]]| parts.concat();
    let line = |text: &str| [text.to_owned()];
    assert_eq!(of(&ears, "1"), lines(&[&run(0, 1), &line("DEBUG succeeded epoch=0")]));
    let failed = line("WARN failed; it waits for a person epoch=0");
    let edited = line("INFO edited through a control panel epoch=1");
    assert_eq!(of(&ears, "2"), lines(&[&run(0, 1), &failed, &edited]));
    assert_eq!(of(&ears, "3"), lines(&[&run(0, 1), &failed]));
    let (scheduled, postponed) = (line("DEBUG scheduled due=Now"), line("DEBUG postponed epoch=1"));
    let ends = line("DEBUG succeeded epoch=3");
    assert_eq!(of(&ears, "4"), lines(&[&scheduled, &run(1, 1), &postponed, &run(3, 2), &ends]));
    let asked = line("INFO its end was asked for");
    assert_eq!(of(&ears, "6"), lines(&[&line("DEBUG scheduled due=After(86400s)"), &asked]));
    let cancelled = line("DEBUG cancelled epoch=1");
    assert_eq!(of(&ears, "7"), lines(&[&scheduled, &run(1, 1), &asked, &cancelled]));
    let handed_over = line("INFO handed over epoch=1");
    let stopped = line("WARN run stopped: its lease or its ownership is lost epoch=1");
    let of_5 = of(&ears, "5");
    assert_eq!(of_5[..3], lines(&[&scheduled, &run(1, 1)]));
    let mut ends = of_5[3..].to_vec();
    ends.sort();
    assert_eq!(ends, lines(&[&handed_over, &stopped]));

    let others: Vec<_> = ears.lines().into_iter().filter(|line| !line.contains("type_id=")).collect();
    let of_runtime = |text: &str| others.iter().any(|line| line.starts_with(text));
    for told in [
        "INFO replica joined replica=",
        "INFO runtime started functions=\"Secretive v1\"",
        "INFO replica left replica=",
    ] {
        assert!(of_runtime(told), "`{told}` is not told: {others:#?}");
    }
    let secrets: Vec<_> = ears.lines().into_iter().filter(|line| line.contains(SECRET)).collect();
    assert_eq!(secrets, Vec::<String>::new(), "no event holds data of the user");
}

#[tokio::test(start_paused = true)]
async fn a_takeover_is_told() {
    let ears = Ears::default();
    let _listening = tracing::subscriber::set_default(ears.clone());
    let store = InMemoryStore::new();
    let lost = start(store.clone()).await;
    secretive::schedule(&lost, "1", param("hangs")).await.expect("it is stored");
    eventually_told(&ears.0, "scrapbook saved").await;
    drop(lost);
    let next = start(store).await;
    eventually_told(&ears.0, "run begins type_id=Secretive instance_id=1 epoch=3 attempt=2").await;
    let told = "INFO the instances of dead replicas are due again instances=1";
    assert!(ears.lines().iter().any(|line| line == told), "{:#?}", ears.lines());
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn errors_in_the_background_are_told() {
    let ears = Ears::default();
    let _listening = tracing::subscriber::set_default(ears.clone());
    let store = FaultyStore::failing(InMemoryStore::new(), 1, Fault::Before).counting_only(&[Call::Claim]);
    let runtime = start(store.clone()).await;
    secretive::schedule(&runtime, "1", param("succeeds")).await.expect("it is stored");
    secretive::completion(&runtime, "1").await.expect("it succeeds");
    let told = "WARN a background activity failed; it is tried again activity=\"claim\" error=fault: Claim was not applied";
    let found: Vec<_> = ears.lines().into_iter().filter(|line| line.contains("activity=")).collect();
    assert_eq!(found, [told]);
}

/// A driver's error may hold values of the row that it was about.
#[test]
fn the_text_of_a_store_error_holds_no_source() {
    let source = std::io::Error::other(SECRET);
    let error = StoreError::transient("the statement failed").with_source(source);
    assert_eq!(error.to_string(), "the statement failed");
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some(SECRET));
}
