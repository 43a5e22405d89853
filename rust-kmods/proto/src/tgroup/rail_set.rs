// SPDX-License-Identifier: GPL-2.0-only

//! Sets of rails.

use super::RailId;

/// Some of a node's rails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RailSet(u8);

impl RailSet {
    /// No rail.
    pub const EMPTY: RailSet = RailSet(0);

    /// The rails whose bits are set, that of rail 0 the lowest.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// A bit for each rail, that of rail 0 the lowest.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether `rail` is one of them.
    pub const fn contains(self, rail: RailId) -> bool {
        self.0 & 1 << rail.index() != 0
    }

    /// Adds `rail`.
    pub fn insert(&mut self, rail: RailId) {
        self.0 |= 1 << rail.index();
    }

    /// Takes `rail` away.
    pub fn remove(&mut self, rail: RailId) {
        self.0 &= !(1 << rail.index());
    }

    /// How many there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rails that are in both.
    pub const fn and(self, other: RailSet) -> RailSet {
        RailSet(self.0 & other.0)
    }

    /// The rails that are not in `other`.
    pub const fn without(self, other: RailSet) -> RailSet {
        RailSet(self.0 & !other.0)
    }

    /// The lowest rail.
    pub const fn first(self) -> Option<RailId> {
        // Of no bits all 8 are 0, and no rail has that number.
        RailId::new(self.0.trailing_zeros() as usize)
    }

    /// The first of them above `rail`, or else the lowest.
    pub const fn after(self, rail: RailId) -> Option<RailId> {
        let above = RailSet(self.0 & u8::MAX << rail.index() << 1);
        match above.first() {
            None => self.first(),
            found => found,
        }
    }

    /// The rails, ascending.
    pub fn iter(self) -> impl Iterator<Item = RailId> {
        let mut left = self;
        core::iter::from_fn(move || {
            let rail = left.first()?;
            left.remove(rail);
            Some(rail)
        })
    }
}

impl FromIterator<RailId> for RailSet {
    fn from_iter<I: IntoIterator<Item = RailId>>(rails: I) -> Self {
        let mut set = RailSet::EMPTY;
        rails.into_iter().for_each(|rail| set.insert(rail));
        set
    }
}
