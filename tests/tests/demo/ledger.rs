//! The ledger of the services, read without any code of the demo.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The complete lines of a ledger.
pub(crate) struct Ledger {
    lines: Vec<Value>,
}

impl Ledger {
    /// A ledger that is not there yet is empty, and a line that is still being written is not read.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        Self { lines: complete.map(|line| serde_json::from_str(line).unwrap()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many calls of this kind had an effect.
    pub(crate) fn all(&self, call: &str) -> usize {
        self.done(call).count()
    }

    pub(crate) fn shipments(&self, order: &str) -> usize {
        self.done("ship").filter(|line| line["order"] == order).count()
    }

    pub(crate) fn captures(&self, order: &str) -> usize {
        self.done("capture").filter(|line| line["order"] == order).count()
    }

    /// How many orders were confirmed at least once.
    pub(crate) fn confirmed(&self) -> usize {
        self.done("confirm").map(|line| text(line, "order")).collect::<BTreeSet<_>>().len()
    }

    /// How many parcels left without the caller hearing of it.
    pub(crate) fn shipments_in_doubt(&self) -> usize {
        self.done("ship").filter(|line| line["reply"] == "lost").count()
    }

    pub(crate) fn orders(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| text(line, "order")).collect::<BTreeSet<_>>().into_iter()
    }

    pub(crate) fn processes(&self) -> BTreeSet<u64> {
        self.lines.iter().map(|line| line["process"].as_u64().unwrap()).collect()
    }

    pub(crate) fn last_process(&self) -> u32 {
        self.lines.last().unwrap()["process"].as_u64().unwrap().try_into().unwrap()
    }

    fn done(&self, call: &str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["call"] == call && line["effect"] == "done")
    }
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap()
}

/// Sends a signal, and answers whether there was somebody to get it.
pub(crate) fn signal(name: &str, process: u32) -> bool {
    let kill = Command::new("kill").args(["-s", name, &process.to_string()]).output().unwrap();
    kill.status.success()
}
