//! One database, one ledger, and the demo's binary run on them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fmt, fs, process, thread};

use resilient_tests::servers::{self, Database, Server};
use serde_json::Value;
use tokio::runtime;

use super::ledger::Ledger;

const PATIENCE: Duration = Duration::from_mins(1);

/// A place where orders are processed.
pub(crate) struct Shop {
    directory: PathBuf,
    store: String,
    /// Dropped with the shop, when it is on a server.
    _database: Option<Database>,
}

impl Shop {
    pub(crate) fn sqlite(name: &str) -> Self {
        let directory = directory(&format!("sqlite-{name}"));
        let store = format!("sqlite:{}", directory.join("orders.db").display());
        Self { directory, store, _database: None }
    }

    /// Nothing when there is no server, which has been said then.
    pub(crate) fn postgres(name: &str) -> Option<Self> {
        servers::postgres().map(|server| Self::on(&server, &format!("postgres-{name}")))
    }

    /// Nothing when there is no server, which has been said then.
    pub(crate) fn mysql(name: &str) -> Option<Self> {
        servers::mysql().map(|server| Self::on(&server, &format!("mysql-{name}")))
    }

    fn on(server: &Server, name: &str) -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(server.fresh_database());
        let store = database.url().to_owned();
        Self { directory: directory(name), store, _database: Some(database) }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::read(Path::new(&self.file("ledger.jsonl")))
    }

    /// Runs the demo on this shop's orders to its end, whatever that is.
    pub(crate) fn run(&self, options: &[&str]) -> Outcome {
        Outcome::of(self.spawn(options))
    }

    pub(crate) fn spawn(&self, options: &[&str]) -> Child {
        let orders = if options.contains(&"--orders") { &[][..] } else { &["--orders", "60"] };
        self.demo(&[orders, options].concat()).spawn().unwrap()
    }

    /// Runs the demo with these options only.
    pub(crate) fn start(&self, options: &[&str]) -> Outcome {
        Outcome::of(self.demo(options).spawn().unwrap())
    }

    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Outcome {
        self.start(&[&[name], arguments].concat())
    }

    /// The ids of the orders of this status.
    pub(crate) fn orders(&self, status: &str) -> Vec<String> {
        let list = self.command("list", &["--status", status]);
        assert_eq!(list.status.code(), Some(0), "{list}");
        let words = list.stdout.split_whitespace().filter(|word| word.len() == 7 && word.starts_with("MK-"));
        words.map(str::to_owned).collect()
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(&self.directory).env_remove("RUST_LOG");
        if !arguments.contains(&"--store") {
            command.args(["--store", &self.store]);
        }
        command.args(["--ledger", &self.file("ledger.jsonl")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{name}-{}", process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The demo's binary, built once: cargo offers a test only the binaries of its own package.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // Some build scripts run again when these change, and everything above them is compiled again.
        for (name, _) in env::vars().filter(|(name, _)| is_of_this_package(name)) {
            build.env_remove(name);
        }
        // With the features of `tests/run`, so that nothing below the demo is compiled twice.
        let build = build
            .args(["build", "--workspace", "--all-features", "--bin", "resilient-examples"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(build.status.success(), "the demo does not build");
        let messages = String::from_utf8(build.stdout).unwrap();
        let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut binaries = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        binaries.next_back().expect("cargo names the executable it built")
    })
}

/// Whether cargo has set this variable for the test's own package.
fn is_of_this_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// What a process of the demo left behind.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// A figure of the line of JSON at the end.
    pub(crate) fn number(&self, name: &str) -> usize {
        let figures: Value =
            serde_json::from_str(self.last_line()).unwrap_or_else(|err| panic!("{err}\n{self}"));
        let number = figures[name].as_u64().unwrap_or_else(|| panic!("no figure `{name}`\n{self}"));
        number.try_into().unwrap()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}
