// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bytes that a seed and a position determine.

use podos_random::Keyed;

/// An endless file, no part of which looks like another one.
#[derive(Clone, Copy, Debug)]
pub struct Pattern(Keyed);

const WORD: usize = 8;

impl Pattern {
    pub fn new(seed: u64) -> Self {
        Self(Keyed::new(seed))
    }

    /// Puts the pattern's bytes from position `offset` on into `buffer`.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let word = WORD as u64;
        let skip = (offset % word) as usize;
        let lead = ((WORD - skip) % WORD).min(buffer.len());
        let (head, rest) = buffer.split_at_mut(lead);
        let first = offset / word;
        if lead > 0 {
            head.copy_from_slice(&self.word(first)[skip..skip + lead]);
        }
        let first = first + u64::from(skip > 0);
        for (index, chunk) in (first..).zip(rest.chunks_mut(WORD)) {
            chunk.copy_from_slice(&self.word(index)[..chunk.len()]);
        }
    }

    /// The position in `bytes`, which were found at `offset`, of the first one that is wrong;
    /// `scratch` is as long as `bytes` or longer.
    pub fn mismatch(&self, offset: u64, bytes: &[u8], scratch: &mut [u8]) -> Option<usize> {
        let expected = &mut scratch[..bytes.len()];
        self.fill(offset, expected);
        if expected == bytes {
            return None;
        }
        bytes.iter().zip(expected).position(|(a, b)| *a != *b)
    }

    fn word(&self, index: u64) -> [u8; WORD] {
        self.0.at(index).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // SplitMix64 with seed 0, first output.
        assert_eq!(
            Pattern::new(0).word(0),
            0xe220_a839_7b1d_cdaf_u64.to_le_bytes()
        );
    }

    #[test]
    fn any_part_is_a_part_of_the_whole() {
        let pattern = Pattern::new(7);
        let mut whole = [0; 100];
        pattern.fill(0, &mut whole);
        for from in 0..40 {
            for len in 0..50 {
                let mut part = vec![0; len];
                pattern.fill(from as u64, &mut part);
                assert_eq!(part, whole[from..from + len], "{from} {len}");
            }
        }
    }

    #[test]
    fn a_wrong_byte_is_found() {
        let pattern = Pattern::new(1);
        let (mut bytes, mut scratch) = ([0; 33], [0; 64]);
        pattern.fill(5, &mut bytes);
        assert_eq!(pattern.mismatch(5, &bytes, &mut scratch), None);
        bytes[17] ^= 1;
        assert_eq!(pattern.mismatch(5, &bytes, &mut scratch), Some(17));
        assert_eq!(Pattern::new(2).mismatch(5, &bytes, &mut scratch), Some(0));
    }
}
