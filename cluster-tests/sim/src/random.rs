// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chance that a seed decides: the same numbers on every machine, for ever.

/// Steele, Lea and Flood's SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for one purpose, independent of those for other purposes.
    pub fn of(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's reduction: the bias is far below anything that matters here.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Whether something happens that does so `ppm` times in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        // Draws nothing for what never happens, so that a quiet network costs nothing.
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }
}

/// SplitMix64's finalizer: every bit of the result depends on every bit of `z`.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_chances_come_true() {
        let mut random = Random::new(1);
        let mut hits = 0;
        for _ in 0..100_000 {
            assert!(random.below(7) < 7);
            assert!((3..=5).contains(&random.within(3, 5)));
            hits += u32::from(random.chance(250_000));
        }
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert_eq!(random.below(0), 0);
        assert!(!random.chance(0) && random.chance(1_000_000));
    }
}
