// SPDX-License-Identifier: GPL-2.0-only

//! Which open sequences of a peer were seen, and which were refused.

use crate::replay::Seen;
use crate::seq::Seq;
use crate::wire::ResetReason;

/// Wide enough for the OPENs of two seconds, after which an opener gives up, at 2,000 a second.
type Window = Seen<64>;
const WIDTH: u32 = Window::WIDTH as u32;
/// Refusals that are remembered.
const REFUSALS: usize = 16;

/// What an open sequence says of its OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenCheck {
    /// Never seen: open a circuit.
    Fresh,
    /// Seen before: a circuit that is there, or was.
    Duplicate,
    /// Seen before, and refused: the answer was lost, or is on its way.
    Refused(ResetReason),
    /// Too far behind to tell: not to be opened.
    Old,
}

/// The last sequences of one peer, as bits.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// The sequences from `highest - WIDTH + 1` to `highest`.
    seen: Window,
    highest: Option<Seq>,
    refused: [Option<(Seq, ResetReason)>; REFUSALS],
    next: usize,
}

impl ReplayWindow {
    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self {
            seen: Window::none(),
            highest: None,
            refused: [None; REFUSALS],
            next: 0,
        }
    }

    /// A window for a start that was there before, whose last sequence was `highest`, if any: all up to
    /// that were seen.
    pub(super) const fn after(highest: Option<Seq>) -> Self {
        let seen = match highest {
            Some(_) => Window::all(),
            None => Window::none(),
        };
        Self {
            seen,
            highest,
            ..Self::new()
        }
    }

    /// The last sequence that was seen, if any.
    pub(super) const fn highest(&self) -> Option<Seq> {
        self.highest
    }

    /// Takes note that the OPEN of `seq`, which was fresh, was refused: whoever sends it again is to be
    /// told the same, whatever has changed by then.
    pub fn refuse(&mut self, seq: Seq, reason: ResetReason) {
        if let Some(place) = self.refused.get_mut(self.next) {
            *place = Some((seq, reason));
            self.next = (self.next + 1) % REFUSALS;
        }
    }

    fn refusal(&self, seq: Seq) -> Option<ResetReason> {
        let mut refused = self.refused.iter().flatten();
        let (_, reason) = refused.find(|(refused, _)| *refused == seq)?;
        Some(*reason)
    }

    /// Whether `seq` was seen; takes note of it.
    pub fn check(&mut self, seq: Seq) -> OpenCheck {
        let highest = *self.highest.get_or_insert(seq);
        if seq.is_after(highest) {
            let new = highest.distance_to(seq);
            self.seen.advance(highest.raw().into(), new.into());
            self.highest = Some(seq);
        } else if seq.distance_to(highest) >= WIDTH {
            return OpenCheck::Old;
        }
        match (self.seen.insert(seq.raw().into()), self.refusal(seq)) {
            (true, _) => OpenCheck::Fresh,
            (false, Some(reason)) => OpenCheck::Refused(reason),
            (false, None) => OpenCheck::Duplicate,
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
        let mut check = |seq| window.check(Seq::new(seq));
        for seq in [u32::MAX - 1, u32::MAX, 0, 5, 1] {
            assert_eq!(check(seq), OpenCheck::Fresh, "{seq}");
        }
        for seq in [u32::MAX - 1, u32::MAX, 0, 5, 1] {
            assert_eq!(check(seq), OpenCheck::Duplicate, "{seq}");
        }
        assert_eq!(check(2), OpenCheck::Fresh);
        assert_eq!(check(5 + WIDTH), OpenCheck::Fresh);
        assert_eq!(check(5), OpenCheck::Old);
        assert_eq!(check(6), OpenCheck::Fresh);
    }

    #[test]
    fn who_was_refused_is_told_so_again() {
        let mut window = ReplayWindow::new();
        let (first, second) = (Seq::new(7), Seq::new(8));
        assert_eq!(window.check(first), OpenCheck::Fresh);
        window.refuse(first, ResetReason::Full);
        assert_eq!(window.check(second), OpenCheck::Fresh);
        let refused = OpenCheck::Refused(ResetReason::Full);
        assert_eq!(
            (window.check(first), window.check(first)),
            (refused, refused)
        );
        assert_eq!(window.check(second), OpenCheck::Duplicate);
        for seq in (1..=REFUSALS as u32).map(|ahead| second + ahead) {
            assert_eq!(window.check(seq), OpenCheck::Fresh);
            window.refuse(seq, ResetReason::Refused);
        }
        // Long ago: it is known, and is not opened.
        assert_eq!(window.check(first), OpenCheck::Duplicate);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_set(start: u32, steps in prop::collection::vec(-5000i32..5000, 1..400)) {
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
                prop_assert_eq!(window.check(Seq::new(seq)), expected);
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
