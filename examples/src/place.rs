//! Where the demo keeps its things: the database, and the ledger that belongs to it.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use resilient::Store;

use crate::cli::PlaceArgs;

pub(crate) const DEFAULT_STORE: &str = "sqlite:orders.db";

/// A database and its ledger.
#[derive(Debug)]
pub(crate) struct Place {
    url: String,
    /// The database file, when it is one.
    file: Option<PathBuf>,
    ledger: PathBuf,
    /// The options that lead to this place again.
    options: String,
}

impl Place {
    pub(crate) fn new(args: &PlaceArgs) -> anyhow::Result<Self> {
        let file = sqlite_file(&args.store)?;
        let url = match &file {
            Some(file) if !args.store.contains("mode=") => format!("sqlite://{}?mode=rwc", file.display()),
            _ => args.store.clone(),
        };
        let ledger = match (&args.ledger, &file) {
            (Some(ledger), _) => ledger.clone(),
            (None, Some(file)) => beside(file),
            (None, None) => PathBuf::from(format!("{}-ledger.jsonl", server_name(&args.store)?)),
        };
        Ok(Self { url, file, ledger, options: options(args) })
    }

    /// The URL of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// The database, created when it is a file that is not there yet.
    pub(crate) async fn create(&self) -> anyhow::Result<Arc<dyn Store>> {
        let store = resilient_sqlx::connect(&self.url).await.context("cannot open the database")?;
        store.initialize().await.context("cannot prepare the database")?;
        Ok(store)
    }

    /// The database, for looking at it: a file that is not there is an error.
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        if let Some(file) = &self.file {
            ensure!(
                file.exists(),
                "there is no database {}; run the demo first, or name one with --store",
                file.display()
            );
        }
        self.create().await
    }

    /// A command line of this demo for the same database, to be pasted into a shell.
    pub(crate) fn command(&self, arguments: &str) -> String {
        let program = if env::var_os("CARGO").is_some() {
            let profile = if cfg!(debug_assertions) { "" } else { " --release" };
            format!("cargo run{profile} --")
        } else {
            quoted(&env::args().next().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()))
        };
        let options = format!("{arguments}{}", self.options);
        let options = options.trim();
        // With nothing behind it, the separator of cargo's own options would dangle.
        let program = if options.is_empty() { program.trim_end_matches(" --") } else { &program };
        format!("{program} {options}").trim_end().to_owned()
    }
}

/// The file behind an SQLite URL, or nothing when it is a server's.
fn sqlite_file(url: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        ensure!(
            ["postgres://", "postgresql://", "mysql://", "mariadb://"]
                .iter()
                .any(|scheme| url.starts_with(scheme)),
            "the store `{}` is not known; give sqlite:PATH, postgres://… or mysql://…",
            url.split(['/', '@']).next().unwrap_or_default()
        );
        return Ok(None);
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() || path == ":memory:" || query.contains("mode=memory") {
        bail!("the demo shows what survives a crash, and memory does not; give sqlite:PATH");
    }
    Ok(Some(PathBuf::from(path)))
}

/// `orders.db` has `orders-ledger.jsonl`, in the same directory.
fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-ledger.jsonl"))
}

/// A file name for a database on a server: its name and the server's, without user and password.
fn server_name(url: &str) -> anyhow::Result<String> {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    ensure!(!database.is_empty(), "the store names no database; end its URL with /NAME");
    let name = format!("{database}-at-{}", if server.is_empty() { "localhost" } else { server });
    Ok(name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' }).collect())
}

fn options(args: &PlaceArgs) -> String {
    let mut options = String::new();
    if args.store != DEFAULT_STORE {
        let _ = write!(options, " --store {}", quoted(&args.store));
    }
    if let Some(ledger) = &args.ledger {
        let _ = write!(options, " --ledger {}", quoted(&ledger.display().to_string()));
    }
    options
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(store: &str) -> anyhow::Result<Place> {
        Place::new(&PlaceArgs { store: store.to_owned(), ledger: None })
    }

    #[test]
    fn an_sqlite_file_is_created_and_has_its_ledger_beside_it() {
        for store in ["sqlite:dir/shop.db", "sqlite://dir/shop.db", "sqlite://dir/shop.db?mode=rwc"] {
            let place = place(store).unwrap();
            assert_eq!(place.url, "sqlite://dir/shop.db?mode=rwc");
            assert_eq!(place.ledger, Path::new("dir/shop-ledger.jsonl"));
        }
    }

    #[test]
    fn a_server_ledger_is_named_without_the_password() {
        let ledger = |store: &str| place(store).unwrap().ledger;
        assert_eq!(
            ledger("postgres://me:p@ss@db.lan:5433/shop"),
            Path::new("shop-at-db.lan-5433-ledger.jsonl")
        );
        assert_eq!(ledger("mysql:///shop?socket=/run/s"), Path::new("shop-at-localhost-ledger.jsonl"));
    }

    #[test]
    fn a_store_that_cannot_be_used_is_refused_with_the_reason() {
        let refusal = |store: &str| place(store).unwrap_err().to_string();
        assert_eq!(
            refusal("oracle://x"),
            "the store `oracle:` is not known; give sqlite:PATH, postgres://… or mysql://…"
        );
        assert_eq!(
            refusal("sqlite::memory:"),
            "the demo shows what survives a crash, and memory does not; give sqlite:PATH"
        );
        assert_eq!(refusal("mysql://host"), "the store names no database; end its URL with /NAME");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("sqlite:orders.db"), "sqlite:orders.db");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
