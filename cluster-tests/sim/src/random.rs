// SPDX-License-Identifier: MIT OR Apache-2.0

//! A generator for each thing that chance decides.

use podos_random::{mix, SplitMix64};

/// The generator for one purpose, independent of those for other purposes.
pub fn of(seed: u64, purpose: u64) -> SplitMix64 {
    SplitMix64::new(mix(seed ^ mix(purpose)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        assert_eq!(of(1, 2).draw(), 0x87eb_34b5_31fb_b689);
        assert_ne!(of(1, 3).draw(), of(1, 2).draw());
    }
}
