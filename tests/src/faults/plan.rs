//! Which call of a store fails, and how.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A call of the store or of one of its lifelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// `Store::initialize`.
    Initialize,
    /// `Store::write`.
    Write,
    /// `Store::write_in`.
    WriteIn,
    /// `Store::get`.
    Get,
    /// `Store::list`.
    List,
    /// `Store::messages`
    Messages,
    /// `Store::claim`.
    Claim,
    /// `Store::release_dead`.
    ReleaseDead,
    /// `Store::expire`.
    Expire,
    /// `Store::replicas`.
    Replicas,
    /// `Store::lifeline`.
    Lifeline,
    /// `Lifeline::join`.
    Join,
    /// `Lifeline::beat`.
    Beat,
    /// `Lifeline::leave`.
    Leave,
}

/// What happens at the n-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This call is not applied and answers with a transient error; the next one works.
    Before,
    /// This call is applied, and a transient error is answered instead; the next one works.
    After,
    /// This call and all later ones are not applied and answer with a transient error, until the store is healed.
    Down,
    /// The process crashes before this call: it and all later ones, until healed, are not applied and never answered.
    Crash,
    /// The process crashes when this call is applied and before its answer comes; later ones as after a `Crash`.
    CrashAfter,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 5] = [Self::Before, Self::After, Self::Down, Self::Crash, Self::CrashAfter];
    /// The faults that the process survives.
    pub const ERRORS: [Self; 2] = [Self::Before, Self::After];
    /// The faults that end the process, so that another one must go on.
    pub const CRASHES: [Self; 2] = [Self::Crash, Self::CrashAfter];
}

/// What is to be done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Refuse,
    Lose,
    Freeze,
    ApplyAndFreeze,
}

/// Which call fails, and what has become of that.
#[derive(Debug)]
pub struct Plan {
    nth: u64,
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The kinds that count; empty for all.
    counted: Vec<Call>,
    calls: Vec<Call>,
    count: u64,
    fired: bool,
    healed: bool,
}

impl Plan {
    pub(super) fn new(nth: u64, fault: Fault) -> Self {
        assert!(nth > 0, "calls are counted from 1");
        Self { nth, fault, state: Mutex::default() }
    }

    pub(super) fn harmless() -> Self {
        let plan = Self::new(u64::MAX, Fault::Before);
        plan.heal();
        plan
    }

    pub(super) fn count_only(&self, calls: &[Call]) {
        let mut state = self.lock();
        assert!(state.calls.is_empty(), "what counts is chosen before the first call");
        state.counted = calls.to_vec();
    }

    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(super) fn fired(&self) -> bool {
        self.lock().fired
    }

    pub(super) fn heal(&self) {
        self.lock().healed = true;
    }

    /// Counts a call and says what is to be done with it.
    pub(super) fn admit(&self, call: Call) -> Verdict {
        let mut state = self.lock();
        state.calls.push(call);
        let counts = state.counted.is_empty() || state.counted.contains(&call);
        state.count += u64::from(counts);
        if state.healed {
            return Verdict::Pass;
        }
        if counts && state.count == self.nth {
            state.fired = true;
            return self.at_the_call();
        }
        if state.fired { self.later() } else { Verdict::Pass }
    }

    fn at_the_call(&self) -> Verdict {
        match self.fault {
            Fault::Before | Fault::Down => Verdict::Refuse,
            Fault::After => Verdict::Lose,
            Fault::Crash => Verdict::Freeze,
            Fault::CrashAfter => Verdict::ApplyAndFreeze,
        }
    }

    fn later(&self) -> Verdict {
        match self.fault {
            Fault::Before | Fault::After => Verdict::Pass,
            Fault::Down => Verdict::Refuse,
            Fault::Crash | Fault::CrashAfter => Verdict::Freeze,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
