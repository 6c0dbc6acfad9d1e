//! From the description of a runtime to a running one, or to the list of all that is wrong with it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::Runtime;
use crate::codec::{Codec, Codecs};
use crate::coded::Coded;
use crate::engine::{BackgroundError, Engine, Reporter, Stage, Wakes};
use crate::inboxes::Inboxes;
use crate::lease::Lease;
use crate::limited::Limited;
use crate::metrics;
use crate::middleware::{Kind, Middleware, Retry, Stacks};
use crate::registry::{self, Dependencies, Registration, Registry, ResilientFn};
use crate::runs::Runs;
use crate::settings::{FunctionSettings, Settings};
use crate::store::{Store, StoreError};
use crate::waiting::Waiting;
use crate::watchdog::{self, Arrivals, Crashed, DueWork, Expired, Heart, Recurring, Stuck, Sweep, Waiters};
use crate::writer::Writer;

/// The description of a runtime.
pub struct Builder {
    store: Arc<dyn Store>,
    dependencies: Dependencies,
    registrations: Vec<Registration>,
    expected: Vec<String>,
    settings: Settings,
    codecs: Codecs,
    middleware: Stacks,
    functions: Vec<(String, FunctionSettings)>,
    reporter: Reporter,
    takes_work: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .field("registrations", &self.registrations.len())
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            dependencies: Dependencies::default(),
            registrations: Vec::new(),
            expected: Vec::new(),
            settings: Settings::default(),
            codecs: Codecs::default(),
            middleware: Stacks::default(),
            functions: Vec::new(),
            reporter: Reporter::default(),
            takes_work: true,
        }
    }

    /// Gives functions a service, which they take as `Dep<T>`.
    #[must_use]
    pub fn dep<T: Send + Sync + 'static>(self, service: T) -> Self {
        self.dep_arc(Arc::new(service))
    }

    /// Gives functions a shared service, also a trait object: `.dep_arc::<dyn Mailer>(mailer)`.
    #[must_use]
    pub fn dep_arc<T: ?Sized + Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.dependencies.insert(service);
        self
    }

    /// Registers every function that is linked into this program, but those with `register = false`.
    ///
    /// A crate that is listed in `Cargo.toml` and never named in the code is not linked: `use that_crate as _;`, and
    /// [`expect_types`](Self::expect_types) to be sure.
    #[must_use]
    pub fn discover(mut self) -> Self {
        self.registrations.extend(registry::discovered());
        self
    }

    /// Registers one function.
    #[must_use]
    pub fn register<F: ResilientFn>(mut self) -> Self {
        self.registrations.push(F::registration());
        self
    }

    /// Refuses to start unless these function types are registered.
    #[must_use]
    pub fn expect_types<T: Into<String>>(mut self, type_ids: impl IntoIterator<Item = T>) -> Self {
        self.expected.extend(type_ids.into_iter().map(Into::into));
        self
    }

    /// Replaces the settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Stores all data as this codec makes it, and reads what it made; what is stored as JSON is read as it is. Of several
    /// calls the last one counts.
    ///
    /// Every replica must be able to read it before one writes it: see
    /// [`codec`](crate::codec#introducing-a-codec-and-another-key).
    #[must_use]
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codecs.write_with(codec);
        self
    }

    /// Reads what this codec made, too, and writes nothing with it.
    #[must_use]
    pub fn reads_codec(mut self, codec: impl Codec) -> Self {
        self.codecs.read_with(codec);
        self
    }

    /// Wraps every run of every function in this; what was added first is outermost. See [`middleware`](crate::middleware).
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.add(Arc::new(middleware));
        self
    }

    /// Wraps every run of this function in this, inside of what wraps all functions; what was added first is outermost.
    ///
    /// It belongs to this version of the function.
    #[must_use]
    pub fn function_middleware<F: ResilientFn>(mut self, middleware: impl Middleware) -> Self {
        self.middleware.add_to((F::TYPE_ID, F::VERSION), Arc::new(middleware));
        self
    }

    /// Gives one function type settings of its own.
    #[must_use]
    pub fn function_settings<F: ResilientFn>(mut self, settings: FunctionSettings) -> Self {
        self.functions.retain(|(type_id, _)| type_id != F::TYPE_ID);
        self.functions.push((F::TYPE_ID.to_owned(), settings));
        self
    }

    /// Calls this for every error of a background activity, beside the tracing event.
    #[must_use]
    pub fn on_error(mut self, handler: impl Fn(&BackgroundError) + Send + Sync + 'static) -> Self {
        self.reporter = Reporter(Some(Box::new(handler)));
        self
    }

    /// Takes no work from the store: for tools that look and repair, and for a web service whose functions run elsewhere.
    ///
    /// Such a runtime schedules, sends, cancels, waits for results and opens panels of all functions, also of those that are
    /// not registered here and whose services it does not have. What is registered can be invoked here as well.
    #[must_use]
    pub fn take_no_work(mut self) -> Self {
        self.takes_work = false;
        self
    }

    /// Checks everything, prepares the store, joins it and begins to work.
    ///
    /// # Errors
    ///
    /// [`StartError::Problems`] with all that is wrong at once: missing dependencies, duplicate type ids, schedules that
    /// are never due, settings, codecs and middleware that cannot work. [`StartError::Store`] when the store is away or
    /// holds a newer schema.
    pub async fn start(self) -> Result<Runtime, StartError> {
        let registry = self.check()?;
        metrics::describe();
        let codecs = Arc::new(self.codecs);
        let mut store: Arc<dyn Store> = Arc::new(Limited::new(self.store));
        if !codecs.is_empty() {
            store = Arc::new(Coded::new(store, Arc::clone(&codecs)));
        }
        store.initialize().await.map_err(StartError::Store)?;
        let engine = Arc::new(Engine {
            writer: Writer::start(Arc::clone(&store), &self.settings),
            store,
            registry,
            dependencies: Arc::new(self.dependencies),
            codecs,
            settings: self.settings,
            middleware: self.middleware.build(retries(&self.registrations).into_iter()),
            functions: self.functions,
            takes_work: self.takes_work,
            runs: Arc::new(Runs::default()),
            lease: Lease::none(),
            claiming: tokio::sync::Mutex::default(),
            wakes: Wakes::default(),
            recurs: Notify::new(),
            waiting: Waiting::default(),
            inboxes: Inboxes::default(),
            stage: watch::Sender::new(Stage::Running),
            shutting_down: watch::Sender::new(false),
            reporter: self.reporter,
        });
        let heart = Heart::start(&engine).await.map_err(StartError::Store)?;
        watchdog::start(Waiters, &engine);
        watchdog::start(Arrivals, &engine);
        watchdog::start(Sweep::default(), &engine);
        if self.takes_work {
            watchdog::start_delayed(Crashed, &engine);
            watchdog::start_delayed(DueWork::default(), &engine);
            watchdog::start(Stuck::default(), &engine);
            if let Some(expired) = Expired::new(&engine) {
                watchdog::start_delayed(expired, &engine);
            }
            if !engine.registry.recurring().is_empty() {
                watchdog::start(Recurring::default(), &engine);
            }
        }
        let names =
            engine.registry.iter().map(|function| format!("{} v{}", function.type_id, function.version));
        let names = names.collect::<Vec<_>>().join(", ");
        tracing::info!(functions = names, "runtime started");
        Ok(Runtime::new(engine, heart))
    }

    /// All problems at once: who starts a program wants to mend it once.
    fn check(&self) -> Result<Registry, StartError> {
        let mut problems = self.settings.problems();
        let registrations = &self.registrations;
        let is_registered = |type_id: &str| registrations.iter().any(|known| known.type_id == type_id);
        for (type_id, settings) in &self.functions {
            problems.extend(settings.problems(type_id, &self.settings));
            if !is_registered(type_id) {
                problems.push(format!("there are settings for `{type_id}`, which is not registered"));
            }
        }
        for type_id in self.expected.iter().filter(|type_id| !is_registered(type_id)) {
            problems.push(format!(
                "function type `{type_id}` is expected and not registered; name its crate with `use … as _;`, or register it"
            ));
        }
        problems.extend(self.codecs.problems());
        problems.extend(self.middleware.problems(&retries(registrations)));
        match Registry::build(registrations.clone(), &self.dependencies) {
            Ok(registry) if problems.is_empty() => Ok(registry),
            Ok(_) => Err(StartError::Problems(problems)),
            Err(found) => {
                problems.extend(found.iter().map(ToString::to_string));
                Err(StartError::Problems(problems))
            }
        }
    }
}

/// The functions, each with the retry of its attribute.
fn retries(registrations: &[Registration]) -> Vec<(Kind, Option<Retry>)> {
    registrations.iter().map(|function| ((function.type_id, function.version), function.retry)).collect()
}

/// Why a runtime did not start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StartError {
    /// What is wrong with its description, all of it.
    Problems(Vec<String>),
    /// The store is away or holds a newer schema.
    Store(StoreError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => {
                write!(f, "the runtime cannot start, {} to mend:", counted(problems.len()))?;
                problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
            Self::Store(_) => f.write_str("the runtime cannot start, its store is away or not usable"),
        }
    }
}

fn counted(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Problems(_) => None,
            Self::Store(error) => Some(error),
        }
    }
}
