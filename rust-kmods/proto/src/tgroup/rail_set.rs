// SPDX-License-Identifier: GPL-2.0-only

//! Sets of rails.

use super::MAX_RAILS;

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
    pub const fn contains(self, rail: usize) -> bool {
        rail < MAX_RAILS && self.0 & 1 << rail != 0
    }

    /// Adds `rail`; one that no node can have is not added.
    pub fn insert(&mut self, rail: usize) {
        if rail < MAX_RAILS {
            self.0 |= 1 << rail;
        }
    }

    /// Takes `rail` away.
    pub fn remove(&mut self, rail: usize) {
        if rail < MAX_RAILS {
            self.0 &= !(1 << rail);
        }
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
    pub const fn first(self) -> Option<usize> {
        match self.0 {
            0 => None,
            bits => Some(bits.trailing_zeros() as usize),
        }
    }

    /// The first of them that is `rail` or above, or else the lowest.
    pub const fn next_from(self, rail: usize) -> Option<usize> {
        let above = if rail < MAX_RAILS {
            RailSet(self.0 & u8::MAX << rail)
        } else {
            RailSet::EMPTY
        };
        match above.first() {
            None => self.first(),
            found => found,
        }
    }

    /// The rails, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self;
        core::iter::from_fn(move || {
            let rail = left.first()?;
            left.remove(rail);
            Some(rail)
        })
    }
}

impl FromIterator<usize> for RailSet {
    fn from_iter<I: IntoIterator<Item = usize>>(rails: I) -> Self {
        let mut set = RailSet::EMPTY;
        rails.into_iter().for_each(|rail| set.insert(rail));
        set
    }
}
