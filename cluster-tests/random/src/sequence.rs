// SPDX-License-Identifier: MIT OR Apache-2.0

//! Numbers in sequence: the generator.

use crate::{mix, STEP};

/// The generator; a copy of it gives the same numbers again.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The generator of this seed.
    #[inline]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 even bits.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// 32 even bits.
    #[inline]
    pub fn draw_32(&mut self) -> u32 {
        (self.draw() >> 32) as u32
    }

    /// An even number below `bound`; 0 for 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's reduction without its second draw: of 2^64 numbers each result has as many as
        // any other one, or one more.
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A place among `len`; 0 for 0.
    #[inline]
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `least` to `most`; all of `u64` would be too many.
    #[inline]
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Whether something happens that does so `ppm` times in a million.
    #[inline]
    pub fn chance(&mut self, ppm: u32) -> bool {
        // Draws nothing for what never happens, so that it costs nothing.
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        // The first numbers from state 0, as the authors of SplitMix64 have them.
        let mut random = SplitMix64::new(0);
        assert_eq!(random.draw(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.draw(), 0x6e78_9e6a_a1b9_65f4);
        // The same ones again, in other forms.
        let mut random = SplitMix64::new(0);
        assert_eq!(random.draw_32(), 0xe220_a839);
        assert_eq!(random.below(1000), 431);
        assert_eq!(SplitMix64::new(0).index(1000), 883);
        assert_eq!(SplitMix64::new(0).within(1000, 1999), 1883);
    }

    #[test]
    fn bounds_hold_and_chances_come_true() {
        let mut random = SplitMix64::new(1);
        let mut hits = 0;
        for _ in 0..100_000 {
            assert!(random.below(7) < 7);
            assert!((3..=5).contains(&random.within(3, 5)));
            hits += u32::from(random.chance(250_000));
        }
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert_eq!((random.below(0), random.index(0)), (0, 0));
        assert!(!random.chance(0) && random.chance(1_000_000));
    }

    #[test]
    fn what_never_happens_draws_nothing() {
        let (mut one, mut other) = (SplitMix64::new(2), SplitMix64::new(2));
        assert!(!one.chance(0));
        assert_eq!(one.draw(), other.draw());
        one.chance(1);
        assert_ne!(one.draw(), other.draw());
    }
}
