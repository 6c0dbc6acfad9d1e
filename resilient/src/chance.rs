//! What is left to chance: jitter, the ids of replicas and the keys of messages.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use uuid::Uuid;

thread_local! {
    /// What the next number of this thread is computed from, in a simulation.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes all chance on this thread repeatable, for simulations.
pub fn seed_chance(seed: u64) {
    SEED.set(Some(seed));
}

/// A number for jitter, which nobody has to be unable to guess.
pub(crate) fn number() -> u64 {
    // Every `RandomState` is keyed anew, which is all the randomness that jitter needs.
    simulated().unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// An id that nobody else has.
pub(crate) fn unique() -> Uuid {
    let halves = simulated().zip(simulated());
    halves.map_or_else(Uuid::new_v4, |(high, low)| Uuid::from_u64_pair(high, low))
}

/// The next number of the seed, when there is one: Splitmix64.
fn simulated() -> Option<u64> {
    let state = SEED.get()?.wrapping_add(0x9E37_79B9_7F4A_7C15);
    SEED.set(Some(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Some(mixed ^ (mixed >> 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_what_is_left_to_chance_on_its_thread() {
        let drawn = |seed| {
            seed_chance(seed);
            (number(), unique(), unique())
        };
        let (seven, eight) = (drawn(7), drawn(8));
        assert_eq!(drawn(7), seven);
        assert!(seven.0 != eight.0 && seven.1 != eight.1 && seven.1 != seven.2, "{seven:?} {eight:?}");
        let elsewhere = std::thread::spawn(|| (unique().get_version_num(), unique() == unique()));
        assert_eq!(elsewhere.join().unwrap(), (4, false));
    }
}
