// SPDX-License-Identifier: GPL-2.0-only

//! The number of a node.

use core::fmt;
use core::num::ParseIntError;
use core::str::FromStr;

/// A node's number in its cluster, the same over all its boots; as text, in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct HostId(u32);

impl HostId {
    /// The number that no node has, less than those of all.
    pub const NONE: HostId = HostId(0);

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

    /// The number that follows this one; `None` after the last.
    #[inline]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for HostId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_leads_back() {
        for raw in [0, 7, u32::MAX] {
            let host = HostId::new(raw);
            assert_eq!(host.to_string(), raw.to_string());
            assert_eq!(host.to_string().parse(), Ok(host));
        }
        for text in ["", "-1", "linus7", "4294967296"] {
            assert!(text.parse::<HostId>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_is_followed_by_the_next_greater_one() {
        assert_eq!(HostId::NONE.next(), Some(HostId::new(1)));
        assert!(HostId::NONE < HostId::new(1) && HostId::new(9) < HostId::new(10));
        assert_eq!(HostId::new(u32::MAX).next(), None);
    }
}
