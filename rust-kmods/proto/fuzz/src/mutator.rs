// SPDX-License-Identifier: GPL-2.0-only

//! New inputs from old ones.

use podos_random::SplitMix64;

/// Numbers that lengths, counts and sequence numbers go wrong at.
const EDGES: [u32; 16] = [
    0,
    1,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    0x7fff,
    0xffff,
    0x0001_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Longest input that is made.
pub const MAX_LEN: usize = 4096;

/// Changes `input` in one to some places; parts of `other` may get into it.
pub fn mutate(random: &mut SplitMix64, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        mutate_once(random, input, other);
    }
    input.truncate(MAX_LEN);
}

fn mutate_once(random: &mut SplitMix64, input: &mut Vec<u8>, other: &[u8]) {
    let len = input.len();
    if len == 0 {
        input.extend((0..=random.below(64)).map(|_| random.draw() as u8));
        return;
    }
    let at = random.index(len);
    match random.below(11) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = random.draw() as u8,
        2 => input[at] = input[at].wrapping_add(if random.below(2) == 0 { 1 } else { 255 }),
        3 => {
            // A number of 1, 2 or 4 bytes becomes one that is hard to get right.
            let edge = EDGES[random.index(EDGES.len())].to_be_bytes();
            let width = 1_usize << random.below(3);
            let end = (at + width).min(len);
            input[at..end].copy_from_slice(&edge[4 - (end - at)..]);
        }
        4 => input.truncate(at),
        5 => {
            let end = at + random.index(len - at) + 1;
            input.drain(at..end);
        }
        6 => {
            let count = random.below(16) + 1;
            let byte = random.draw() as u8;
            input.splice(at..at, (0..count).map(|_| byte));
        }
        7 => {
            let end = at + random.index((len - at).min(64)) + 1;
            let copy = input[at..end].to_vec();
            let to = random.index(input.len() + 1);
            input.splice(to..to, copy);
        }
        8 if !other.is_empty() => {
            let from = random.index(other.len());
            let end = from + random.index(other.len() - from) + 1;
            let to = random.index(input.len() + 1);
            let over = (to + (end - from) * random.index(2)).min(input.len());
            input.splice(to..over, other[from..end].iter().copied());
        }
        9 => {
            let end = (at + random.index(16) + 1).min(len);
            input[at..end]
                .iter_mut()
                .for_each(|byte| *byte = random.draw() as u8);
        }
        _ => {
            let to = random.index(len);
            input.swap(at, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_change_stay_bounded_and_follow_from_the_seed() {
        let run = |seed| {
            let mut random = SplitMix64::new(seed);
            let mut input = vec![7; 100];
            for _ in 0..10_000 {
                mutate(&mut random, &mut input, &[1, 2, 3]);
                assert!(input.len() <= MAX_LEN);
            }
            input
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
