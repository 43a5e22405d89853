// SPDX-License-Identifier: GPL-2.0-only

//! Numbers in circular order.

use core::fmt;
use core::ops::Add;

/// A serial number (RFC 1982): of a segment, of a circuit that was opened, of a hello or a report.
///
/// The numbers lie in a circle, on which 0 follows 2^32 - 1. Of two of them, that one is after the
/// other to which the way forward is shorter; of two that face each other, neither is. Whoever
/// compares them knows that they are near each other. There is no order of all of them, so the type
/// has no `<`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Seq(u32);

impl Seq {
    /// Where numbers begin.
    pub const ZERO: Seq = Seq(0);

    /// From the 32 bits of the wire.
    #[inline]
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The 32 bits.
    #[inline]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The number that follows this one.
    #[inline]
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many steps forward lead from this number to `other`, all around the circle if need be.
    #[inline]
    pub const fn distance_to(self, other: Seq) -> u32 {
        other.0.wrapping_sub(self.0)
    }

    /// How far this number is after `other`; negative if it is before it.
    #[inline]
    pub const fn ahead_of(self, other: Seq) -> i32 {
        other.distance_to(self) as i32
    }

    /// Whether this number comes after `other`.
    #[inline]
    pub const fn is_after(self, other: Seq) -> bool {
        self.ahead_of(other) > 0
    }

    /// Whether this number is `other` or comes after it.
    #[inline]
    pub const fn is_at_or_after(self, other: Seq) -> bool {
        self.ahead_of(other) >= 0
    }
}

/// The number so many steps forward.
impl Add<u32> for Seq {
    type Output = Seq;

    #[inline]
    fn add(self, steps: u32) -> Seq {
        Seq(self.0.wrapping_add(steps))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAST: Seq = Seq::new(u32::MAX);
    const HALF: u32 = 1 << 31;

    #[test]
    fn zero_follows_the_last() {
        assert_eq!(LAST.next(), Seq::ZERO);
        assert_eq!(LAST + 3, Seq::new(2));
        assert!(Seq::ZERO.is_after(LAST) && !LAST.is_at_or_after(Seq::ZERO));
        let one = Seq::new(1);
        assert_eq!(
            (LAST.distance_to(one), one.distance_to(LAST)),
            (2, u32::MAX - 1)
        );
        assert_eq!((one.ahead_of(LAST), LAST.ahead_of(one)), (2, -2));
    }

    #[test]
    fn none_is_after_itself() {
        assert!(!LAST.is_after(LAST) && LAST.is_at_or_after(LAST));
        assert_eq!((LAST.distance_to(LAST), LAST.ahead_of(LAST)), (0, 0));
    }

    #[test]
    fn those_that_face_each_other_are_not_ordered() {
        let (one, other) = (Seq::new(5), Seq::new(5) + HALF);
        assert!(!one.is_at_or_after(other) && !other.is_at_or_after(one));
        assert!((one + (HALF - 1)).is_after(one));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_ahead_is_after(start: u32, steps in 1..HALF) {
            let (start, end) = (Seq::new(start), Seq::new(start) + steps);
            prop_assert!(end.is_after(start) && end.is_at_or_after(start));
            prop_assert!(!start.is_after(end) && !start.is_at_or_after(end));
            prop_assert_eq!(start.distance_to(end), steps);
            prop_assert_eq!(end.ahead_of(start), steps as i32);
            prop_assert_eq!(start.ahead_of(end), -(steps as i32));
            prop_assert_eq!(end.distance_to(start), steps.wrapping_neg());
        }
    }
}
