// SPDX-License-Identifier: GPL-2.0-only

//! Which open sequences of a peer were seen.

use crate::replay::{self, Seen};

/// Width of the window.
const WIDTH: u32 = replay::WIDTH as u32;

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
    /// The sequences from `highest - WIDTH + 1` to `highest`.
    seen: Seen,
    highest: Option<u32>,
}

impl ReplayWindow {
    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self {
            seen: Seen::none(),
            highest: None,
        }
    }

    /// Whether `seq` was seen; takes note of it.
    pub fn check(&mut self, seq: u32) -> OpenCheck {
        let ahead = match self.highest {
            Some(highest) => seq.wrapping_sub(highest) as i32,
            None => 1,
        };
        if ahead > 0 {
            let before = seq.wrapping_sub(ahead as u32);
            self.seen.advance(u64::from(before), ahead as u64);
            self.highest = Some(seq);
        } else if ahead.unsigned_abs() >= WIDTH {
            return OpenCheck::Old;
        }
        match self.seen.insert(u64::from(seq)) {
            true => OpenCheck::Fresh,
            false => OpenCheck::Duplicate,
        }
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
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
