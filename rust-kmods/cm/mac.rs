// SPDX-License-Identifier: GPL-2.0-only

//! Hardware addresses as text.

use core::fmt;

/// Six bytes, as Ethernet addresses are written.
pub(crate) struct MacAddress(pub(crate) [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
