// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where chance comes from.
//!
//! Every frame has lots of its own, found by counting: what befalls it does
//! not depend on what befell those before it, nor on faults that were set
//! then. The numbers are those of SplitMix64 (Steele, Lea and Flood, "Fast
//! splittable pseudorandom number generators", 2014), written out here so
//! that a seed means the same for ever.

/// The lots of one direction of one port.
#[derive(Clone, Copy, Debug)]
pub struct Lots(u64);

/// The lots of one frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameLots(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Lots {
    /// Those that these numbers tell apart from others of the same seed.
    pub fn of(seed: u64, place: [u64; 3]) -> Self {
        Self(place.iter().fold(mix(seed), |key, part| {
            mix(key.wrapping_add(STEP) ^ mix(part.wrapping_add(STEP)))
        }))
    }

    /// Those of the frame with this number.
    pub fn frame(self, number: u64) -> FrameLots {
        FrameLots(mix(self.0 ^ mix(number.wrapping_add(STEP))))
    }
}

impl FrameLots {
    /// 64 even bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// 32 even bits.
    pub fn draw_32(&mut self) -> u32 {
        (self.draw() >> 32) as u32
    }

    /// An even number below `bound`; 0 for 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }
}

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        // The first numbers of SplitMix64 from state 0, as its authors have them.
        let mut lots = FrameLots(0);
        assert_eq!(lots.draw(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(lots.draw(), 0x6e78_9e6a_a1b9_65f4);
        let first = Lots::of(7, [0, 1, 0]).frame(0).draw();
        assert_eq!(first, Lots::of(7, [0, 1, 0]).frame(0).draw());
        for other in [Lots::of(8, [0, 1, 0]), Lots::of(7, [1, 0, 0])] {
            assert_ne!(first, other.frame(0).draw());
        }
    }

    #[test]
    fn numbers_are_even() {
        let lots = Lots::of(1, [2, 3, 4]);
        let mut counts = [0_u32; 10];
        for frame in 0..20_000 {
            counts[lots.frame(frame).below(10) as usize] += 1;
        }
        // Five standard deviations of a count of 2000.
        assert!(counts.iter().all(|n| n.abs_diff(2000) < 215), "{counts:?}");
        assert_eq!(lots.frame(0).below(0), 0);
    }
}
