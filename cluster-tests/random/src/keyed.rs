// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random access: the number at any position of the sequence.

use crate::{mix, STEP};

/// The numbers that [`SplitMix64`](crate::SplitMix64) gives for a seed, in any order.
#[derive(Clone, Copy, Debug)]
pub struct Keyed(u64);

impl Keyed {
    /// The numbers of this seed.
    #[inline]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The number before which `position` others would be drawn.
    #[inline]
    pub fn at(self, position: u64) -> u64 {
        let steps = position.wrapping_add(1);
        mix(self.0.wrapping_add(steps.wrapping_mul(STEP)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix64;

    #[test]
    fn each_position_has_the_number_that_is_drawn_there() {
        for seed in [0, 7, u64::MAX] {
            let mut random = SplitMix64::new(seed);
            for position in 0..100 {
                assert_eq!(Keyed::new(seed).at(position), random.draw(), "{position}");
            }
        }
        // As far as it goes: the state is the seed's again.
        assert_eq!(Keyed::new(0).at(u64::MAX), 0);
    }
}
