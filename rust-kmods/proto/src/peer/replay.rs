// SPDX-License-Identifier: GPL-2.0-only

//! Which open sequences of a peer were seen.

/// Width of the window.
const WIDTH: u32 = 1024;
const WORDS: usize = WIDTH as usize / 64;

/// What an open sequence says of its OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenCheck {
    /// Never seen: open a circuit.
    Fresh,
    /// Seen before: a circuit that is there, or was.
    Duplicate,
    /// Too far behind to tell: not to be opened.
    Old,
}

/// The last 1024 sequences of one peer, as bits.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// Bit `seq % WIDTH` for the sequences from `highest - WIDTH + 1` to `highest`.
    seen: [u64; WORDS],
    highest: Option<u32>,
}

impl ReplayWindow {
    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self {
            seen: [0; WORDS],
            highest: None,
        }
    }

    /// Whether `seq` was seen; takes note of it.
    pub fn check(&mut self, seq: u32) -> OpenCheck {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            self.mark(seq);
            return OpenCheck::Fresh;
        };
        let ahead = seq.wrapping_sub(highest) as i32;
        if ahead > 0 {
            self.advance(highest, seq);
        } else if highest.wrapping_sub(seq) >= WIDTH {
            return OpenCheck::Old;
        }
        if self.mark(seq) {
            OpenCheck::Fresh
        } else {
            OpenCheck::Duplicate
        }
    }

    fn advance(&mut self, from: u32, to: u32) {
        if to.wrapping_sub(from) >= WIDTH {
            self.seen = [0; WORDS];
        } else {
            let mut seq = from;
            while seq != to {
                seq = seq.wrapping_add(1);
                let (word, bit) = place(seq);
                if let Some(word) = self.seen.get_mut(word) {
                    *word &= !bit;
                }
            }
        }
        self.highest = Some(to);
    }

    /// Sets the bit of `seq`; whether it was clear.
    fn mark(&mut self, seq: u32) -> bool {
        let (word, bit) = place(seq);
        let Some(word) = self.seen.get_mut(word) else {
            return false;
        };
        let clear = *word & bit == 0;
        *word |= bit;
        clear
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

fn place(seq: u32) -> (usize, u64) {
    let at = seq % WIDTH;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::vec::Vec;

    #[test]
    fn each_sequence_is_fresh_once() {
        let mut window = ReplayWindow::new();
        for seq in [u32::MAX - 1, u32::MAX, 0, 5, 1] {
            assert_eq!(window.check(seq), OpenCheck::Fresh, "{seq}");
        }
        for seq in [u32::MAX - 1, u32::MAX, 0, 5, 1] {
            assert_eq!(window.check(seq), OpenCheck::Duplicate, "{seq}");
        }
        assert_eq!(window.check(2), OpenCheck::Fresh);
        assert_eq!(window.check(5 + WIDTH), OpenCheck::Fresh);
        assert_eq!(window.check(5), OpenCheck::Old);
        assert_eq!(window.check(6), OpenCheck::Fresh);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_set(start: u32, steps in prop::collection::vec(-1500i32..1500, 1..400)) {
            let mut window = ReplayWindow::new();
            let mut seen = HashSet::new();
            let seqs: Vec<u32> = steps
                .iter()
                .scan(start, |seq, &step| {
                    *seq = seq.wrapping_add_signed(step);
                    Some(*seq)
                })
                .collect();
            let mut highest = seqs[0];
            for seq in seqs {
                let behind = highest.wrapping_sub(seq) as i32;
                let expected = if behind >= WIDTH as i32 {
                    OpenCheck::Old
                } else if seen.contains(&seq) {
                    OpenCheck::Duplicate
                } else {
                    OpenCheck::Fresh
                };
                prop_assert_eq!(window.check(seq), expected);
                if expected == OpenCheck::Fresh {
                    seen.insert(seq);
                }
                if behind < 0 {
                    highest = seq;
                }
            }
        }
    }
}
