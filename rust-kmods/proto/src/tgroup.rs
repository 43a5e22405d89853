// SPDX-License-Identifier: GPL-2.0-only

//! Transmission groups: which rail a circuit goes over (paper, section 3.3).

/// Most rails (network interfaces) of a node.
pub const MAX_RAILS: usize = 8;

/// The rails on which a node is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RailSet(u8);

impl RailSet {
    /// No rail.
    pub const EMPTY: RailSet = RailSet(0);

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

    /// The rails, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_RAILS).filter(move |&rail| self.contains(rail))
    }
}

impl FromIterator<usize> for RailSet {
    fn from_iter<I: IntoIterator<Item = usize>>(rails: I) -> Self {
        let mut set = RailSet::EMPTY;
        rails.into_iter().for_each(|rail| set.insert(rail));
        set
    }
}

/// How rails are given to circuits (the paper's `elect_interface`).
///
/// Asked once for each circuit, and again when the circuit's rail is lost.
pub trait TransmissionGroup {
    /// One of `rails`; `None` only when there is none.
    fn elect(&mut self, rails: &RailSet) -> Option<usize>;
}

/// Everything over the first rail that works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Single;

impl TransmissionGroup for Single {
    fn elect(&mut self, rails: &RailSet) -> Option<usize> {
        rails.iter().next()
    }
}

/// Circuits dealt over the rails in turn: the paper's "1-Interface-for-all-Packets-in-a-VC".
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl TransmissionGroup for RoundRobin {
    fn elect(&mut self, rails: &RailSet) -> Option<usize> {
        let rail = (self.next..MAX_RAILS)
            .chain(0..self.next)
            .find(|&rail| rails.contains(rail))?;
        self.next = (rail + 1) & (MAX_RAILS - 1);
        Some(rail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn round_robin_deals_evenly() {
        let rails: RailSet = [0, 1, 2].into_iter().collect();
        let mut group = RoundRobin::default();
        let dealt: Vec<_> = (0..7).map(|_| group.elect(&rails).unwrap()).collect();
        assert_eq!(dealt, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn lost_rails_are_skipped() {
        let mut rails: RailSet = [0, 2, 7].into_iter().collect();
        let mut group = RoundRobin::default();
        assert_eq!(group.elect(&rails), Some(0));
        assert_eq!(group.elect(&rails), Some(2));
        rails.remove(7);
        assert_eq!(group.elect(&rails), Some(0));
        assert_eq!(Single.elect(&rails), Some(0));
        rails.remove(0);
        assert_eq!(Single.elect(&rails), Some(2));
        rails.remove(2);
        assert_eq!((group.elect(&rails), Single.elect(&rails)), (None, None));
    }

    #[test]
    fn rails_out_of_range_are_never_there() {
        let mut rails = RailSet::EMPTY;
        rails.insert(8);
        rails.insert(usize::MAX);
        rails.remove(64);
        assert!(rails.is_empty() && !rails.contains(8) && !rails.contains(usize::MAX));
        assert_eq!([1, 5, 5].into_iter().collect::<RailSet>().len(), 2);
    }
}
