//! When the services are slow, refuse, or lose their answer: decided by a seed, the order and how often it was asked
//! for, so that a run can be repeated whatever the threads do.

use std::time::Duration;

use super::ledger::Call;

/// Per mille of all calls that get no answer although they were done.
const LOST: u64 = 15;
/// Per mille of all calls that are refused before anything is done.
const REFUSED: u64 = 50;
/// Per mille of all orders that meet a service which refuses `OUTAGE_CALLS` times in a row.
const OUTAGES: u64 = 10;
const OUTAGE_CALLS: u32 = 4;

const SLOWEST_MILLIS: u64 = 40;

/// What a service feels like doing with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Helpful,
    Refusing,
    /// Does it, and closes the connection instead of answering.
    Silent,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Whims {
    seed: u64,
}

impl Whims {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The mood in which the `earlier + 1`st `call` for `order` is met.
    pub(super) fn mood(self, call: Call, order: &str, earlier: u32) -> Mood {
        if earlier < OUTAGE_CALLS && self.draw(call, order, "outage") % 1_000 < OUTAGES {
            return Mood::Refusing;
        }
        match self.draw(call, order, &format!("mood {earlier}")) % 1_000 {
            drawn if drawn < LOST => Mood::Silent,
            drawn if drawn < LOST + REFUSED => Mood::Refusing,
            _ => Mood::Helpful,
        }
    }

    /// How long the service takes, on the way in (`"in"`) and on the way out (`"out"`).
    pub(super) fn delay(self, call: Call, order: &str, way: &str) -> Duration {
        Duration::from_millis(1 + self.draw(call, order, way) % (SLOWEST_MILLIS / 2))
    }

    /// FNV-1a, then the finaliser of splitmix64: the same number for the same words in every build.
    fn draw(self, call: Call, order: &str, what: &str) -> u64 {
        let words = format!("{} {call:?} {order} {what}", self.seed);
        let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mood: Mood, call: Call) -> usize {
        let whims = Whims::new(1);
        (0..2_000).filter(|n| whims.mood(call, &format!("MK-{n}"), 0) == mood).count()
    }

    #[test]
    fn most_calls_are_answered_and_some_are_not() {
        for call in [Call::Reserve, Call::Capture, Call::Ship, Call::Confirm] {
            assert!((15..50).contains(&count(Mood::Silent, call)), "{}", count(Mood::Silent, call));
            assert!((80..170).contains(&count(Mood::Refusing, call)), "{}", count(Mood::Refusing, call));
        }
    }

    #[test]
    fn an_outage_ends() {
        let whims = Whims::new(1);
        for n in 0..2_000 {
            let order = format!("MK-{n}");
            assert!((0..12).any(|earlier| whims.mood(Call::Ship, &order, earlier) == Mood::Helpful));
        }
    }
}
