// SPDX-License-Identifier: GPL-2.0-only

//! The rail of a circuit.

use super::RailView;

/// No rail was elected yet.
const NO_RAIL: u8 = u8::MAX;

/// A rail that was elected before, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elected(u8);

impl Elected {
    pub(super) const NONE: Elected = Elected(NO_RAIL);

    pub(super) fn get(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn set(&mut self, rail: usize) {
        self.0 = rail as u8;
    }

    pub(super) fn is_usable(self, rails: &RailView) -> bool {
        rails.usable().contains(self.get())
    }
}
