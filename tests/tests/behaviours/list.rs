//! The list as people read it: a table for each topic.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::sources::{EVERYWHERE, Stores};

/// One line of a table.
pub(crate) struct Behaviour {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// Each as `FILE::NAME`.
    pub(crate) tests: Vec<String>,
    pub(crate) stores: Stores,
    /// The name of the footnote that says why not everywhere.
    pub(crate) reason: Option<String>,
}

fn text() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviours.md")).unwrap()
}

/// All lines of all tables, but for their heads.
pub(crate) fn read() -> Vec<Behaviour> {
    let text = text();
    let rows = (1..).zip(text.lines()).filter(|(_, line)| line.starts_with("| "));
    rows.filter(|(_, line)| *line != "| behaviour | tests | stores |")
        .map(|(line, row)| behaviour(line, row))
        .collect()
}

/// The names of the footnotes that are defined.
pub(crate) fn reasons() -> BTreeSet<String> {
    let names = |line: &str| Some(line.strip_prefix("[^")?.split_once("]: ")?.0.to_owned());
    text().lines().filter_map(names).collect()
}

fn behaviour(line: usize, row: &str) -> Behaviour {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [text, tests, stores] = cells[..] else { panic!("line {line}: three cells are expected: {row}") };
    let (stores, reason) = match stores.split_once("[^") {
        Some((stores, reason)) => (stores, Some(reason.trim_end_matches(']').to_owned())),
        None => (stores, None),
    };
    let tests = tests.split(", ").filter(|test| !test.is_empty()).map(|test| unquoted(line, test)).collect();
    Behaviour { line, text: text.to_owned(), tests, stores: named(line, stores), reason }
}

fn unquoted(line: usize, test: &str) -> String {
    let inner = test.strip_prefix('`').and_then(|test| test.strip_suffix('`'));
    inner.unwrap_or_else(|| panic!("line {line}: `FILE::NAME` in back quotes is expected: {test}")).to_owned()
}

fn named(line: usize, stores: &str) -> Stores {
    if stores == "all" {
        return Stores::from(EVERYWHERE);
    }
    let known = |name: &str| EVERYWHERE.into_iter().find(|store| *store == name);
    let store = |name| known(name).unwrap_or_else(|| panic!("line {line}: no store is called `{name}`"));
    stores.split(", ").map(store).collect()
}
