// SPDX-License-Identifier: MIT OR Apache-2.0

//! Deterministic pseudorandom numbers: the same for a seed on every machine, for ever.
//!
//! They are those of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014), written out here so that no release of a library changes what a seed means:
//! whoever has the seed of a failure sees it again. No secret may come from them.
//!
//! [`SplitMix64`] gives one number after the other, [`Keyed`] the number at any position, and
//! [`Streams`] as many generators as anybody wants, each found by its number.
//!
//! The functions are inlined into crates that draw millions of numbers and are optimised when this
//! one is not.

mod keyed;
mod sequence;
mod streams;

pub use keyed::Keyed;
pub use sequence::SplitMix64;
pub use streams::Streams;

/// What SplitMix64's state grows by with each number: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finalizer: every bit of the result depends on every bit of `z`.
#[inline]
pub fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
