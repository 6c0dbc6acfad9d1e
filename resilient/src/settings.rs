//! How a runtime behaves, with documented defaults.

use std::time::Duration;

use crate::clock::Due;
use crate::payload::MAX_BODY;

/// How a runtime behaves. The defaults suit most services. No time is longer than a year, but for a retention; what cannot
/// work is refused at the start, see [`problems`](Self::problems).
///
/// ```
/// use std::time::Duration;
/// use resilient::Settings;
///
/// let settings = Settings::default().lease(Duration::from_secs(10)).max_running(200);
/// assert_eq!(settings.problems(), Vec::<String>::new());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(crate) heartbeat: Duration,
    pub(crate) lease: Duration,
    pub(crate) poll: Duration,
    pub(crate) sweep: Duration,
    pub(crate) wait_poll: Duration,
    pub(crate) stay_in_memory: Duration,
    pub(crate) store_patience: Duration,
    pub(crate) start_delay: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) retention: Retention,
    pub(crate) max_running: usize,
    pub(crate) max_crashes: u32,
    pub(crate) max_payload: usize,
    pub(crate) max_batch: usize,
    pub(crate) batches_in_flight: usize,
    pub(crate) app_version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            lease: Duration::from_secs(5),
            poll: Duration::from_millis(250),
            sweep: Duration::from_secs(3),
            wait_poll: Duration::from_millis(100),
            stay_in_memory: Duration::from_secs(1),
            store_patience: Duration::from_secs(10),
            start_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(20),
            retention: Retention::DEFAULT,
            max_running: 1_000,
            max_crashes: 5,
            max_payload: 1024 * 1024,
            max_batch: 500,
            batches_in_flight: 2,
            app_version: String::new(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty,)*) => {
        impl Settings {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, $name: $ty) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

setters! {
    /// How often this replica gives a sign of life: one small write, whatever number of functions it runs. Default 1 s; from
    /// 5 ms, and at most half of the [`lease`](Self::lease).
    ///
    /// A shorter one makes a replica survive shorter outages of its store within the same lease, at the price of more writes.
    heartbeat: Duration,
    /// How long after its last sign of life a replica counts as alive. Default 5 s; at least two
    /// [`heartbeat`](Self::heartbeat)s.
    ///
    /// The instances of a crashed replica are taken over about so long after the crash. A replica that cannot renew
    /// stops its runs before this is over. A function type may ask for another one in its [`FunctionSettings`].
    lease: Duration,
    /// How often this replica looks for work that is due. Default 250 ms, from 5 ms.
    ///
    /// It bounds how late work starts that another replica scheduled; its own starts at once.
    poll: Duration,
    /// How often this replica compares what it owns in the store with what it runs, and learns which of it is to be
    /// cancelled. Default 3 s, from 5 ms.
    sweep: Duration,
    /// How often callers that wait for a result from another replica look for it, all in one query; and runs that wait
    /// for a message in memory, all in another one. Default 100 ms.
    ///
    /// A caller that waits long looks less often, down to every 20th of this frequency. Nothing is asked while nobody
    /// waits.
    wait_poll: Duration,
    /// How long a function that waits for a message or a child, or sleeps, stays in memory before its run ends as
    /// suspended. Default 1 s.
    ///
    /// A message that comes in this time goes on with the run that waits, within a [`wait_poll`](Self::wait_poll) when
    /// another process has sent it; one that comes later begins another run from its top, within a [`poll`](Self::poll).
    /// With a longer time more answers come in time, and functions that wait hold their memory and their places among
    /// [`max_running`](Self::max_running) for longer, and a shutdown still ends them at once. Zero suspends every wait at
    /// once.
    stay_in_memory: Duration,
    /// How long a write is tried again while the store is away, before the caller gets the error. Default 10 s.
    store_patience: Duration,
    /// How long after its start this replica takes no work from the store, and takes nothing over. Default zero.
    ///
    /// It lets a process warm up, and keeps one that crashes at its start from pulling work down with it. A direct `invoke`
    /// runs at once.
    start_delay: Duration,
    /// How long [`Runtime::shutdown`](crate::Runtime::shutdown) waits for running functions before it hands them over.
    /// Default 20 s.
    shutdown_grace: Duration,
    /// How long the result of an instance is kept, with all that belongs to it, counted from when it succeeded. Default 30
    /// days.
    ///
    /// It is also for how long an id remembers its result: after that there is no such instance, and the same id runs
    /// anew. What has failed is never deleted, and neither is what waits or runs. The result of a child is not deleted
    /// before its parent has succeeded or is gone. Replicas that take work look for results
    /// of the function types that they know, at most every 10 minutes, so one may stay a little longer. Where replicas
    /// differ the shortest one counts. A function type may ask for another one in its [`FunctionSettings`].
    retention: Retention,
    /// How many functions may run here before this replica stops taking work from the store. Default 1,000.
    ///
    /// A direct `invoke` starts at once and counts, but does not wait.
    max_running: usize,
    /// How many owners an instance may lose one after the other without progress; with one more it fails as a `crash
    /// loop`. Default 5.
    max_crashes: u32,
    /// The most bytes of JSON of one parameter, scrapbook, result or message. Default 1 MiB, at most 15 MiB.
    ///
    /// What a [codec](crate::codec) makes of it is at most 15 MiB as well, as text, which is a third longer than its bytes.
    max_payload: usize,
    /// The most writes in one transaction. Default 500.
    ///
    /// The end of a child and what tells its parent stay together, and so do some thousands of instances that are stored
    /// in one call.
    max_batch: usize,
    /// How many batches of writes are on their way to the store at once. Default 2.
    ///
    /// One that takes longer than half a second does not count: a transaction of the user's may hold what it writes, and
    /// must not hold up the others.
    batches_in_flight: usize,
}

impl Settings {
    /// The version of the application, shown to people beside the replica. Default: empty.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = version.into();
        self
    }

    /// What is wrong with these settings, in words; a runtime does not start with any of it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = lease_problems("the settings", self.lease, self.heartbeat);
        let times = [
            ("heartbeat", self.heartbeat),
            ("poll", self.poll),
            ("sweep", self.sweep),
            ("wait_poll", self.wait_poll),
        ];
        for (name, time) in times {
            if time < MIN_INTERVAL {
                problems.push(format!("`{name}` is {time:?}; give at least {MIN_INTERVAL:?}"));
            }
        }
        let patience = [
            ("store_patience", self.store_patience),
            ("start_delay", self.start_delay),
            ("shutdown_grace", self.shutdown_grace),
            ("stay_in_memory", self.stay_in_memory),
        ];
        for (name, time) in times.into_iter().chain(patience) {
            problems.extend(too_long(&format!("`{name}`"), time));
        }
        problems.extend(self.retention.problem("the settings", self.wait_poll));
        let counts = [
            ("max_running", self.max_running),
            ("max_batch", self.max_batch),
            ("batches_in_flight", self.batches_in_flight),
            ("max_payload", self.max_payload),
        ];
        for (name, count) in counts {
            if count == 0 {
                problems.push(format!("`{name}` is 0; give at least 1"));
            }
        }
        if self.max_payload > MAX_BODY {
            problems.push(format!("`max_payload` is {}; give at most {MAX_BODY} bytes", self.max_payload));
        }
        problems
    }
}

/// Below this, loops would spin.
const MIN_INTERVAL: Duration = Duration::from_millis(5);

/// Above this, points in time could not be computed.
const MAX_INTERVAL: Duration = Duration::from_hours(24 * 365);

fn too_long(whose: &str, time: Duration) -> Option<String> {
    (time > MAX_INTERVAL).then(|| format!("{whose} is {time:?}; give at most {MAX_INTERVAL:?}"))
}

fn lease_problems(whose: &str, lease: Duration, heartbeat: Duration) -> Vec<String> {
    if lease < heartbeat.saturating_mul(2) {
        return vec![format!(
            "the lease of {whose} is {lease:?}; give at least twice the heartbeat of {heartbeat:?}, or one lost heartbeat stops everything"
        )];
    }
    too_long(&format!("the lease of {whose}"), lease).into_iter().collect()
}

/// How long results are kept.
///
/// ```
/// use std::time::Duration;
/// use resilient::{FunctionSettings, Retention, Settings};
///
/// let week = Duration::from_secs(7 * 24 * 3600);
/// let settings = Settings::default().retention(Retention::For(week));
/// let invoices = FunctionSettings::default().retention(Retention::Forever);
/// # drop((settings, invoices));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// For this long after the instance has succeeded; from a few [`wait_poll`](Settings::wait_poll)s to 1,000 years.
    For(Duration),
    /// Until somebody deletes it.
    Forever,
}

impl Retention {
    const DEFAULT: Self = Self::For(Duration::from_hours(24 * 30));

    /// What is wrong with it, in words.
    fn problem(self, whose: &str, wait_poll: Duration) -> Option<String> {
        let Self::For(time) = self else { return None };
        let (least, most) = (wait_poll.saturating_mul(2 * SLOWEST_WAIT), Due::MAX_AFTER);
        if time < least {
            Some(format!(
                "the retention of {whose} is {time:?}; give at least {least:?}, {} times the `wait_poll`, or callers miss results",
                2 * SLOWEST_WAIT
            ))
        } else if time > most {
            Some(format!(
                "the retention of {whose} is {time:?}; give at most {most:?}, or `Retention::Forever`"
            ))
        } else {
            None
        }
    }
}

/// How many times less often than every [`wait_poll`](Settings::wait_poll) a caller that waits long looks for its result.
pub(crate) const SLOWEST_WAIT: u32 = 20;

/// How one function type differs from the [`Settings`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionSettings {
    pub(crate) lease: Option<Duration>,
    pub(crate) max_running: Option<usize>,
    pub(crate) retention: Option<Retention>,
}

impl FunctionSettings {
    /// How long after its owner's last sign of life an instance of this type counts as running, and so how soon a
    /// crash is noticed. Default: the [`lease`](Settings::lease) of the settings.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How many instances of this type may run here before this replica stops taking more from the store.
    /// Default: no limit but that of the settings.
    #[must_use]
    pub fn max_running(mut self, max_running: usize) -> Self {
        self.max_running = Some(max_running);
        self
    }

    /// How long results of this type are kept. Default: the [`retention`](Settings::retention) of the settings.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    pub(crate) fn problems(&self, type_id: &str, settings: &Settings) -> Vec<String> {
        let whose = format!("function type `{type_id}`");
        let mut problems =
            self.lease.map_or_else(Vec::new, |lease| lease_problems(&whose, lease, settings.heartbeat));
        if self.max_running == Some(0) {
            problems.push(format!("`max_running` of {whose} is 0; give at least 1"));
        }
        problems.extend(self.retention.and_then(|retention| retention.problem(&whose, settings.wait_poll)));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_listed_at_once() {
        let settings = Settings::default()
            .lease(Duration::from_secs(1))
            .poll(Duration::ZERO)
            .max_batch(0)
            .max_payload(usize::MAX);
        let problems = settings.problems();
        assert_eq!(problems.len(), 4, "{problems:#?}");
    }

    #[test]
    fn times_that_cannot_be_counted_are_refused() {
        let settings = Settings::default().poll(Duration::MAX).lease(Duration::MAX);
        let settings = settings.store_patience(Duration::MAX).start_delay(Duration::MAX);
        assert_eq!(settings.problems().len(), 4, "{:#?}", settings.problems());
    }

    #[test]
    fn a_retention_is_long_enough_for_callers_and_short_enough_for_stores() {
        let (least, most) = (Duration::from_secs(4), Due::MAX_AFTER);
        for time in [least, most] {
            assert_eq!(Settings::default().retention(Retention::For(time)).problems(), Vec::<String>::new());
        }
        for time in [Duration::ZERO, least / 2, most + least, Duration::MAX] {
            let (settings, retention) = (Settings::default(), Retention::For(time));
            let function = FunctionSettings::default().retention(retention).problems("Order", &settings);
            assert_eq!(function.len(), 1, "{function:#?}");
            assert_eq!(settings.retention(retention).problems().len(), 1, "{time:?}");
        }
    }

    #[test]
    fn a_function_type_with_a_lease_below_two_heartbeats_is_refused() {
        let function = FunctionSettings::default().lease(Duration::from_millis(1_500)).max_running(0);
        assert_eq!(function.problems("Order", &Settings::default()).len(), 2);
    }
}
