// SPDX-License-Identifier: MIT OR Apache-2.0

//! Streams: independent generators of one seed, each found by its number.

use crate::{mix, SplitMix64, STEP};

/// Generators that know nothing of each other: what one gives does not depend on how much was
/// drawn from those before it.
#[derive(Clone, Copy, Debug)]
pub struct Streams(u64);

impl Streams {
    /// Those that these numbers tell apart from others of the same seed.
    pub fn of(seed: u64, place: [u64; 3]) -> Self {
        Self(place.iter().fold(mix(seed), |key, part| {
            mix(key.wrapping_add(STEP) ^ mix(part.wrapping_add(STEP)))
        }))
    }

    /// The one with this number.
    #[inline]
    pub fn stream(self, number: u64) -> SplitMix64 {
        SplitMix64::new(mix(self.0 ^ mix(number.wrapping_add(STEP))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let streams = Streams::of(7, [0, 1, 0]);
        let first = streams.stream(0).draw();
        assert_eq!(first, 0xea84_caeb_726d_4087);
        assert_eq!(streams.stream(1).draw(), 0x259a_0ed6_9c9a_1c76);
        for other in [Streams::of(8, [0, 1, 0]), Streams::of(7, [1, 0, 0])] {
            assert_ne!(first, other.stream(0).draw());
        }
    }

    #[test]
    fn numbers_are_even() {
        let streams = Streams::of(1, [2, 3, 4]);
        let mut counts = [0_u32; 10];
        for number in 0..20_000 {
            counts[streams.stream(number).index(10)] += 1;
        }
        // Five standard deviations of a count of 2000.
        assert!(counts.iter().all(|n| n.abs_diff(2000) < 215), "{counts:?}");
    }
}
