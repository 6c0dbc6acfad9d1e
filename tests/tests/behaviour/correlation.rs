//! One id for everything that is done for one request, and a span around each run.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use resilient::middleware::{Correlation, TracingSpans, correlation};
use resilient::prelude::*;
use resilient::{InMemoryStore, Journal, Store};
use resilient_tests::on_every_store;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::{Act, Probe, builder, crash, ms, onlooker, play, stored};
use crate::middleware::Reader;

/// Says under which id it runs; its first run says so and never ends.
#[resilient_fn(type_id = "Correlated", register = false)]
async fn correlated(hangs: bool, context: &Context, probe: Dep<Probe>) -> Option<String> {
    probe.note(correlation::current().unwrap_or_else(|| "none".to_owned()));
    probe.begin();
    if hangs && context.mode() == Mode::FirstRun {
        std::future::pending::<()>().await;
    }
    correlation::current()
}

/// Starts two others from inside, one of them from a task of its own.
#[resilient_fn(type_id = "Parent", register = false)]
async fn parent((): (), probe: Dep<Probe>) -> Result<(Option<String>, Option<String>), InvokeError> {
    let runtime = probe.runtime();
    let inherits = correlated::invoke(&runtime, "child", false).await?;
    let apart = tokio::spawn(async move { correlated::invoke(&runtime, "apart", false).await });
    Ok((inherits, apart.await.expect("no task panics")?))
}

async fn correlating(store: impl Store, probe: &Probe) -> Runtime {
    let builder = builder(store, probe).middleware(Correlation).register::<correlated>().register::<parent>();
    builder.start().await.expect("a runtime starts")
}

on_every_store! {
    /// The id of the request is there in a run that another process begins much later.
    async fn a_correlation_id_follows_the_instance(store: TestStore) {
        let probe = Probe::default();
        let first = correlating(store.another().await, &probe).await;
        correlation::scope("request-7", correlated::schedule(&first, "1", true)).await.expect("it is stored");
        probe.begun(1).await;
        crash(first, &store).await;
        let second = correlating(store.clone(), &probe).await;
        let found = correlated::completion(&second, "1").await.expect("it succeeds");
        assert_eq!(found.as_deref(), Some("request-7"));
        assert_eq!(probe.notes(), ["request-7", "request-7"]);
        assert_eq!(correlation::current(), None, "nothing is left of it here");
    }

    /// What a run starts belongs to the same request; what has none gets its own.
    async fn a_correlation_id_is_inherited(store: TestStore) {
        let probe = Probe::default();
        let runtime = correlating(store.clone(), &probe).await;
        probe.lend_runtime(&runtime);
        let (child, apart) = parent::invoke(&runtime, "1", ()).await.expect("it succeeds");
        let of = async |type_id, id| {
            let journal = stored(&store, type_id, id).await.journal;
            let journal = Journal::read(journal.as_deref()).expect("it can be read");
            journal.headers.get(correlation::HEADER).cloned()
        };
        let own = of("Parent", "1").await;
        assert!(own.as_ref().is_some_and(|id| id.len() == 36), "a UUID: {own:?}");
        assert_eq!((child, of("Correlated", "child").await), (own.clone(), own.clone()));
        assert_eq!(of("Correlated", "apart").await, apart);
        assert!(apart.is_some() && apart != own, "a task of its own has no scope");
        probe.forget_runtime();
    }

    /// Started by a replica that knew nothing of correlation.
    async fn a_correlation_id_is_made_up_for_what_has_none(store: TestStore) {
        let probe = Probe::default();
        let tool = onlooker(&store, &probe).await;
        play::schedule(&tool, "1", vec![Act::Postpone(1)]).await.expect("it is stored");
        let log = Probe::default();
        let runtime = builder(store.clone(), &probe).middleware(Correlation).middleware(Reader(log.clone()));
        let runtime = runtime.start().await.expect("it starts");
        play::completion(&runtime, "1").await.expect("it succeeds");
        let notes = log.notes();
        assert_eq!(notes.len(), 2);
        assert_eq!(notes[0], notes[1], "the same in both runs");
        assert!(!notes[0].contains("None"), "{notes:?}");
    }
}

/// Keeps the spans and the events of this thread as text.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl Spans {
    fn tell(&self, line: Line) {
        self.0.lock().expect("no listener panics").push(line.0);
    }

    fn is_ours(metadata: &Metadata<'_>) -> bool {
        metadata.name() == "resilient_run" || metadata.target().starts_with("behaviour")
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::is_ours(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("{} {}", span.metadata().level(), span.metadata().name()));
        span.record(&mut line);
        self.tell(line);
        Id::from_u64(7)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("record".to_owned());
        values.record(&mut line);
        self.tell(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line("event".to_owned());
        event.record(&mut line);
        self.tell(line);
    }

    fn enter(&self, _: &Id) {
        self.tell(Line("enter".to_owned()));
    }

    fn exit(&self, _: &Id) {
        self.tell(Line("exit".to_owned()));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// Tells something in its second run.
#[resilient_fn(type_id = "Telling", register = false)]
async fn telling(secret: String, context: &Context) -> resilient::Result<usize> {
    if context.mode() == Mode::FirstRun {
        Err(Postpone::for_(ms(1)))?;
    }
    tracing::info!("inside");
    Ok(secret.len())
}

#[tokio::test(start_paused = true)]
async fn each_run_has_a_span() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.clone());
    let runtime = builder(InMemoryStore::new(), &Probe::default())
        .register::<telling>()
        .middleware(Correlation)
        .middleware(TracingSpans);
    let runtime = runtime.start().await.expect("it starts");
    correlation::scope("request-7", telling::schedule(&runtime, "1", "4111".to_owned()))
        .await
        .expect("it is stored");
    assert_eq!(telling::completion(&runtime, "1").await.expect("it succeeds"), 4);
    let lines = spans.0.lock().expect("no listener panics").clone();
    let told: Vec<_> = lines.iter().filter(|line| !matches!(line.as_str(), "enter" | "exit")).collect();
    let begins = |epoch: u8, attempt: u8| {
        format!("INFO resilient_run type_id=Telling instance_id=1 attempt={attempt} epoch={epoch} version=1")
    };
    let expected = [
        begins(1, 1),
        "record correlation_id=\"request-7\"".to_owned(),
        "record outcome=\"postpone\"".to_owned(),
        begins(3, 2),
        "record correlation_id=\"request-7\"".to_owned(),
        "event message=inside".to_owned(),
        "record outcome=\"success\"".to_owned(),
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    let inside = lines.iter().position(|line| line.starts_with("event")).expect("it was told");
    assert_eq!(lines[inside - 1], "enter", "the event is inside of the span");
}
