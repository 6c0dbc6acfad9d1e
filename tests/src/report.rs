//! Which tests ran on which store, for the table at the end of `./tests/run`.
//!
//! A test that returns early because its server is missing looks like one that passed; only this report tells them
//! apart.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::thread;

/// The file that lines are appended to; without it nothing is recorded.
const VARIABLE: &str = "RESILIENT_TEST_REPORT";

/// What became of a test on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It ran.
    Run,
    /// Its store cannot be had here.
    Skipped,
}

/// Records that the current test used a store.
pub(crate) fn record(store: &str, outcome: Use) {
    let Some(path) = env::var_os(VARIABLE) else { return };
    let word = match outcome {
        Use::Run => "run",
        Use::Skipped => "skipped",
    };
    let line = format!("{store}\t{}\t{word}\n", current_test());
    // One write per line: test binaries append to the same file at once.
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(written.is_ok(), "cannot append to {VARIABLE} ({}): {written:?}", path.display());
}

/// The crate of the test binary and the path of the test in it: the harness names a test's thread after the test.
fn current_test() -> String {
    let program = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let program = program.unwrap_or_default();
    let binary = program.rsplit_once('-').map_or(program.as_str(), |(name, _hash)| name);
    format!("{binary}::{}", thread::current().name().unwrap_or("unnamed"))
}
