//! The tests as they stand in the sources, and the stores they run on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The names of stores, for people.
pub(crate) type Stores = BTreeSet<&'static str>;

pub(crate) const EVERYWHERE: [&str; 4] = ["memory", "SQLite", "PostgreSQL", "MariaDB"];

/// Files, and folders of them, whose plain tests open a database; those of all the others run in memory.
const DATABASES: [(&str, &[&str]); 4] = [
    ("guide.rs", &["SQLite"]),
    ("sqlite.rs", &["SQLite"]),
    ("statements.rs", &["PostgreSQL"]),
    ("tables/", &["SQLite", "PostgreSQL", "MariaDB"]),
];

/// Every test of the test package and every case of the conformance suite, as `FILE::NAME`.
pub(crate) fn tests() -> BTreeMap<String, Stores> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut found = conformance();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        for (name, stores) in tests_of(&file, &fs::read_to_string(&path).unwrap()) {
            found.entry(format!("{file}::{name}")).or_default().extend(stores);
        }
    }
    found
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What stands in `on_every_store!` runs on every store, what stands in `on_every_database!` on all but memory, and
/// what is a test by itself where its file says.
fn tests_of(file: &str, source: &str) -> Vec<(String, Stores)> {
    let here = DATABASES
        .iter()
        .find(|(name, _)| file.starts_with(name))
        .map_or(&["memory"][..], |(_, stores)| stores);
    let (mut inside, mut is_marked) = (None, false);
    let mut tests = Vec::new();
    for line in source.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        match code {
            "on_every_store! {" => inside = Some((indent, &EVERYWHERE[..])),
            "on_every_database! {" => inside = Some((indent, &EVERYWHERE[1..])),
            "}" if inside.is_some_and(|(outer, _)| outer == indent) => inside = None,
            "#[test]" => is_marked = true,
            _ if code.starts_with("#[tokio::test") => is_marked = true,
            _ => {
                let Some(name) = function(code) else { continue };
                match inside {
                    Some((_, stores)) if code.contains(": TestStore) {") => {
                        tests.push((name, stores.iter().copied().collect()));
                    }
                    _ if is_marked => tests.push((name, here.iter().copied().collect())),
                    _ => {}
                }
                is_marked = false;
            }
        }
    }
    tests
}

fn function(code: &str) -> Option<String> {
    let code = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ")?;
    Some(code.split_once('(')?.0.to_owned())
}

/// The cases of the suite, which `conformance.rs` runs on every store.
fn conformance() -> BTreeMap<String, Stores> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runs = fs::read_to_string(here.join("tests/conformance.rs")).unwrap();
    assert_eq!(runs.matches("store_conformance!(open(Kind::").count(), EVERYWHERE.len());
    let mut files = Vec::new();
    collect(&here.join("../resilient/src/conformance"), &mut files);
    let suite: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    suite.split("@cases ($open)\n").skip(1).flat_map(listed).collect()
}

/// The cases of one list, up to its end.
fn listed(cases: &str) -> Vec<(String, Stores)> {
    let (mut group, mut found) = (None, Vec::new());
    let words: Vec<&str> = cases.split_whitespace().collect();
    for pair in words.windows(2) {
        match (pair, group) {
            (["}", _], None) => break,
            (["}", _], Some(_)) => group = None,
            ([name, "{"], _) => group = Some(*name),
            (["{", _], _) => {}
            ([case, _], Some(group)) => {
                found.push((format!("conformance/{group}.rs::{case}"), Stores::from(EVERYWHERE)));
            }
            ([word, _], None) => panic!("`{word}` is no case of the suite"),
            _ => {}
        }
    }
    found
}
