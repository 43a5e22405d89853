// SPDX-License-Identifier: GPL-2.0-only

//! What there is for each rail.

use core::ops::{Index, IndexMut};

use super::{RailId, MAX_RAILS};

/// One value for each rail that a node may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerRail<T>([T; MAX_RAILS]);

impl<T> PerRail<T> {
    /// These, that of rail 0 first.
    #[inline]
    pub const fn new(values: [T; MAX_RAILS]) -> Self {
        Self(values)
    }

    /// Those that `make` makes.
    pub fn from_fn(make: impl FnMut(RailId) -> T) -> Self {
        Self(RailId::ALL.map(make))
    }

    /// Each with its rail, that of rail 0 first.
    pub fn iter(&self) -> impl Iterator<Item = (RailId, &T)> {
        RailId::ALL.into_iter().zip(&self.0)
    }

    /// Each with its rail, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (RailId, &mut T)> {
        RailId::ALL.into_iter().zip(&mut self.0)
    }

    /// The values alone, that of rail 0 first.
    #[inline]
    pub fn values(&self) -> &[T; MAX_RAILS] {
        &self.0
    }
}

impl<T> Index<RailId> for PerRail<T> {
    type Output = T;

    #[inline]
    fn index(&self, rail: RailId) -> &T {
        // There is a place for every rail.
        &self.0[rail.index()]
    }
}

impl<T> IndexMut<RailId> for PerRail<T> {
    #[inline]
    fn index_mut(&mut self, rail: RailId) -> &mut T {
        &mut self.0[rail.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rail_has_its_own_place() {
        let mut lengths = PerRail::from_fn(|rail| rail.index() * 10);
        assert_eq!(lengths.values(), &[0, 10, 20, 30, 40, 50, 60, 70]);
        for (rail, length) in lengths.iter_mut() {
            assert_eq!(*length, rail.index() * 10);
            *length += 1;
        }
        lengths[RailId::R7] = 5;
        assert_eq!((lengths[RailId::R2], lengths[RailId::R7]), (21, 5));
        assert_eq!(lengths.values(), &[1, 11, 21, 31, 41, 51, 61, 5]);
        assert_eq!(lengths.iter().last(), Some((RailId::R7, &5)));
    }
}
