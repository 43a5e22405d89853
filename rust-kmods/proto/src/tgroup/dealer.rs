// SPDX-License-Identifier: GPL-2.0-only

//! Rails for what belongs to no circuit.

use super::RailSet;

/// Deals rails in turn to what belongs to no circuit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dealer {
    next: usize,
}

impl Dealer {
    /// One of `rails`; `None` only when there is none.
    pub fn deal(&mut self, rails: RailSet) -> Option<usize> {
        let rail = rails.next_from(self.next)?;
        self.next = rail + 1;
        Some(rail)
    }
}
