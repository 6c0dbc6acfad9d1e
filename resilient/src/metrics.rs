//! What a runtime counts and measures, for the recorder of the facade crate `metrics`, with the feature `metrics`.
//!
//! Install a recorder, such as an exporter for Prometheus, before the runtime starts: it describes its metrics then.
//! No label holds an instance id or data of the user, so there are as many series as there are function types.
//!
//! | name | kind | unit | labels | what |
//! |---|---|---|---|---|
//! | `resilient_runs_begun` | counter | count | `type_id` | runs that have begun |
//! | `resilient_runs_ended` | counter | count | `type_id`, `outcome` | runs that have ended |
//! | `resilient_run_duration_seconds` | histogram | seconds | `type_id`, `outcome` | from the beginning of a run until its outcome is stored |
//! | `resilient_running` | gauge | count | `type_id` | runs that go on in this process |
//! | `resilient_retries` | counter | count | `type_id`, `wait` | failed tries that are followed by another |
//! | `resilient_saves` | counter | count | `type_id` | saves of progress that were stored |
//! | `resilient_messages_sent` | counter | count | `type_id` | messages whose sending the store has acknowledged |
//! | `resilient_dead_letters` | counter | count | `type_id` | messages that a run could not read, and no run before it |
//! | `resilient_claims` | counter | count | `type_id` | due instances that were claimed by this replica |
//! | `resilient_crashes` | counter | count | `type_id` | claimed instances that have lost an owner since their last progress |
//! | `resilient_crash_loops` | counter | count | `type_id` | instances that failed because they had lost too many owners |
//! | `resilient_takeovers` | counter | count | | instances of dead replicas that this replica made due |
//! | `resilient_cancellations` | counter | count | `type_id` | requests to end an instance that the store has acknowledged |
//! | `resilient_expired` | counter | count | | results that this replica deleted because their retention was over |
//! | `resilient_batches` | counter | count | `result` | transactions of the writer that the store has answered |
//! | `resilient_batch_size` | histogram | count | | writes in one transaction |
//! | `resilient_store_errors` | counter | count | `activity` | errors of the store, by what was being done |
//! | `resilient_heartbeats_lost` | counter | count | | signs of life that the store did not answer or accept |
//! | `resilient_leases_lost` | counter | count | | leases that could not be renewed in time |
//!
//! The values of the labels:
//!
//! - `outcome`: `success`, `postpone`, `suspend`, `failed` or `cancelled`; `again` when a message overtook a suspension, or
//!   a request to end a wait; `stopped` when nothing was stored: lease or ownership was lost, or a shutdown handed the run over.
//! - `wait`: where a try waits for the next one, `memory` or `stored`.
//! - `result`: `stored`, or `failed` when the answer was an error.
//! - `activity`: `write` for the writer, and those of [`BackgroundError`](crate::BackgroundError).

use tokio::time::Instant;

use crate::id::TypeId;

/// One run, from its beginning to its end: without an outcome it is a stopped one.
#[derive(Debug)]
pub(crate) struct Run {
    type_id: TypeId,
    begun: Instant,
    outcome: &'static str,
}

impl Run {
    pub(crate) fn begin(type_id: &TypeId) -> Self {
        let labels = [("type_id", type_id.as_str())];
        emit::count("resilient_runs_begun", 1, &labels);
        emit::change("resilient_running", 1.0, &labels);
        Self { type_id: type_id.clone(), begun: Instant::now(), outcome: "stopped" }
    }

    /// Its outcome is stored.
    pub(crate) fn ends(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let labels = [("type_id", self.type_id.as_str()), ("outcome", self.outcome)];
        emit::count("resilient_runs_ended", 1, &labels);
        emit::observe("resilient_run_duration_seconds", self.begun.elapsed().as_secs_f64(), &labels);
        emit::change("resilient_running", -1.0, &[("type_id", self.type_id.as_str())]);
    }
}

pub(crate) fn retry(type_id: &TypeId, wait: &'static str) {
    emit::count("resilient_retries", 1, &[("type_id", type_id.as_str()), ("wait", wait)]);
}

pub(crate) fn saved(type_id: &TypeId) {
    of_type("resilient_saves", type_id, 1);
}

pub(crate) fn sent(type_id: &TypeId, messages: usize) {
    of_type("resilient_messages_sent", type_id, messages);
}

pub(crate) fn dead_letters(type_id: &TypeId, messages: usize) {
    of_type("resilient_dead_letters", type_id, messages);
}

pub(crate) fn claimed(type_id: &TypeId, crashes: u32) {
    of_type("resilient_claims", type_id, 1);
    of_type("resilient_crashes", type_id, usize::from(crashes > 0));
}

pub(crate) fn crash_loop(type_id: &TypeId) {
    of_type("resilient_crash_loops", type_id, 1);
}

fn of_type(name: &'static str, type_id: &TypeId, count: usize) {
    if count > 0 {
        emit::count(name, u64::try_from(count).unwrap_or(u64::MAX), &[("type_id", type_id.as_str())]);
    }
}

pub(crate) fn taken_over(instances: u64) {
    emit::count("resilient_takeovers", instances, &[]);
}

pub(crate) fn cancelled(type_id: &TypeId) {
    of_type("resilient_cancellations", type_id, 1);
}

pub(crate) fn expired(instances: u64) {
    emit::count("resilient_expired", instances, &[]);
}

pub(crate) fn batch(writes: usize, is_stored: bool) {
    let result = if is_stored { "stored" } else { "failed" };
    emit::count("resilient_batches", 1, &[("result", result)]);
    // No batch is so large that this is not exact.
    emit::observe("resilient_batch_size", f64::from(u32::try_from(writes).unwrap_or(u32::MAX)), &[]);
}

pub(crate) fn store_error(activity: &'static str) {
    emit::count("resilient_store_errors", 1, &[("activity", activity)]);
}

pub(crate) fn heartbeat_lost() {
    emit::count("resilient_heartbeats_lost", 1, &[]);
}

pub(crate) fn lease_lost() {
    emit::count("resilient_leases_lost", 1, &[]);
}

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    emit::describe();
}

#[cfg(feature = "metrics")]
mod emit {
    use ::metrics::{
        Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    };

    type Labels<'a> = &'a [(&'static str, &'a str)];

    fn owned(labels: Labels<'_>) -> Vec<Label> {
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
    }

    pub(super) fn count(name: &'static str, by: u64, labels: Labels<'_>) {
        counter!(name, owned(labels)).increment(by);
    }

    pub(super) fn change(name: &'static str, by: f64, labels: Labels<'_>) {
        gauge!(name, owned(labels)).increment(by);
    }

    pub(super) fn observe(name: &'static str, value: f64, labels: Labels<'_>) {
        histogram!(name, owned(labels)).record(value);
    }

    /// The counters, with the words of the table above.
    const COUNTERS: [(&str, &str); 16] = [
        ("resilient_runs_begun", "runs that have begun"),
        ("resilient_runs_ended", "runs that have ended"),
        ("resilient_retries", "failed tries that are followed by another"),
        ("resilient_saves", "saves of progress that were stored"),
        ("resilient_messages_sent", "messages whose sending the store has acknowledged"),
        ("resilient_dead_letters", "messages that a run could not read, and no run before it"),
        ("resilient_claims", "due instances that were claimed by this replica"),
        ("resilient_crashes", "claimed instances that have lost an owner since their last progress"),
        ("resilient_crash_loops", "instances that failed because they had lost too many owners"),
        ("resilient_takeovers", "instances of dead replicas that this replica made due"),
        ("resilient_cancellations", "requests to end an instance that the store has acknowledged"),
        ("resilient_expired", "results that this replica deleted because their retention was over"),
        ("resilient_batches", "transactions of the writer that the store has answered"),
        ("resilient_store_errors", "errors of the store, by what was being done"),
        ("resilient_heartbeats_lost", "signs of life that the store did not answer or accept"),
        ("resilient_leases_lost", "leases that could not be renewed in time"),
    ];

    pub(super) fn describe() {
        for (name, what) in COUNTERS {
            describe_counter!(name, Unit::Count, what);
        }
        describe_gauge!("resilient_running", Unit::Count, "runs that go on in this process");
        describe_histogram!("resilient_batch_size", Unit::Count, "writes in one transaction");
        describe_histogram!(
            "resilient_run_duration_seconds",
            Unit::Seconds,
            "from the beginning of a run until its outcome is stored"
        );
    }
}

/// Without the feature nothing is counted, and call sites stay as they are.
#[cfg(not(feature = "metrics"))]
mod emit {
    type Labels<'a> = &'a [(&'static str, &'a str)];

    pub(super) fn count(_: &'static str, _: u64, _: Labels<'_>) {}

    pub(super) fn change(_: &'static str, _: f64, _: Labels<'_>) {}

    pub(super) fn observe(_: &'static str, _: f64, _: Labels<'_>) {}

    pub(super) fn describe() {}
}
