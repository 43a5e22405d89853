// SPDX-License-Identifier: GPL-2.0-only

//! Rails for what belongs to no circuit.

use super::{RailId, RailSet};

/// Deals rails in turn to what belongs to no circuit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dealer {
    last: Option<RailId>,
}

impl Dealer {
    /// One of `rails`; `None` only when there is none.
    pub fn deal(&mut self, rails: RailSet) -> Option<RailId> {
        let rail = match self.last {
            Some(last) => rails.after(last),
            None => rails.first(),
        }?;
        self.last = Some(rail);
        Some(rail)
    }
}
