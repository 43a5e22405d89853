// SPDX-License-Identifier: GPL-2.0-only

//! The number of a rail.

use core::fmt;

use super::MAX_RAILS;

/// One of a node's rails, by its number.
///
/// Where a number comes in from outside, [`RailId::new`] makes a rail of it or finds that no node has
/// such a one; behind that nobody has to ask again. What there is [for each rail](super::PerRail) has a
/// place for every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RailId {
    /// Rail 0.
    R0,
    /// Rail 1.
    R1,
    /// Rail 2.
    R2,
    /// Rail 3.
    R3,
    /// Rail 4.
    R4,
    /// Rail 5.
    R5,
    /// Rail 6.
    R6,
    /// Rail 7.
    R7,
}

impl RailId {
    /// All of them, ascending.
    pub const ALL: [RailId; MAX_RAILS] = [
        RailId::R0,
        RailId::R1,
        RailId::R2,
        RailId::R3,
        RailId::R4,
        RailId::R5,
        RailId::R6,
        RailId::R7,
    ];

    /// The rail with this number; `None` for one that no node has.
    #[inline]
    pub const fn new(number: usize) -> Option<Self> {
        // Not a look at `ALL`: this costs a comparison, and no memory.
        Some(match number {
            0 => RailId::R0,
            1 => RailId::R1,
            2 => RailId::R2,
            3 => RailId::R3,
            4 => RailId::R4,
            5 => RailId::R5,
            6 => RailId::R6,
            7 => RailId::R7,
            _ => return None,
        })
    }

    /// Its number, below [`MAX_RAILS`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for RailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.index(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_lead_back() {
        for (number, rail) in RailId::ALL.into_iter().enumerate() {
            assert_eq!(RailId::new(number), Some(rail));
            assert_eq!((rail.index(), rail as usize), (number, number));
            assert_eq!(rail.to_string(), number.to_string());
        }
        for number in [MAX_RAILS, 64, 256, usize::MAX] {
            assert_eq!(RailId::new(number), None);
        }
    }

    #[test]
    fn a_rail_or_none_is_a_byte() {
        assert_eq!(size_of::<Option<RailId>>(), 1);
    }
}
