// SPDX-License-Identifier: GPL-2.0-only

//! The messages of the Resource Manager (paper, section 6 and table 5).

use zerocopy::big_endian::{U16, U32, U64};

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::seq::Seq;
use crate::time::Duration;

/// How often every node tells its state.
pub const BEACON_INTERVAL: Duration = Duration::from_millis(500);
/// Room for a node's name, its last byte always NUL (paper, table 5).
pub const HOSTNAME_LEN: usize = 20;
/// Most network interfaces that a beacon tells of (table 5 has room for 3).
pub const MAX_INTERFACES: usize = 8;
/// Fraction bits of the load averages, as in the kernel.
pub const LOADAVG_SHIFT: u32 = 11;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// A node's state, broadcast as an ephemeral frame. Body: [`Beacon`].
    Beacon = 1,
}

impl Op {
    /// The operation with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            1 => Some(Op::Beacon),
            _ => None,
        }
    }
}

/// A node's state: 136 bytes (paper, table 5; `mem_total`, `cpus`, `uptime_ms` and `seq` added).
///
/// The node itself is the frame's `frompid`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Beacon {
    /// Counts the node's beacons; wraps.
    pub seq: U32,
    /// The node's name, filled up with NULs.
    pub hostname: [u8; HOSTNAME_LEN],
    /// How many of `interfaces` count, at most [`MAX_INTERFACES`].
    pub interface_count: u8,
    /// Reserved: sent as 0, not looked at.
    pub reserved: u8,
    /// Processors that are online.
    pub cpus: U16,
    /// Hardware addresses of the rails.
    pub interfaces: [[u8; 6]; MAX_INTERFACES],
    /// Tasks that run or wait for a processor.
    pub nr_running: U32,
    /// Tasks.
    pub nr_tasks: U32,
    /// Load averages of 1, 5 and 15 minutes and the momentary load, with [`LOADAVG_SHIFT`]
    /// fraction bits.
    pub loadavg: [U32; 4],
    /// Milliseconds between two beacons of the node.
    pub interval_ms: U32,
    /// Time that the node's processors were idle since boot, in milliseconds, summed over them.
    pub idle_time_ms: U64,
    /// Free memory in bytes.
    pub mem_free: U64,
    /// All memory in bytes.
    pub mem_total: U64,
    /// Milliseconds since boot.
    pub uptime_ms: U64,
}

impl Beacon {
    /// Takes a body apart; later versions may append to it.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`], [`Malformed::Length`] for too many interfaces, [`Malformed::Name`]
    /// for a host name that is empty, has no end, does not begin with a letter or digit, or has a
    /// byte other than letters, digits, `-`, `.` and `_`: it becomes a directory's name.
    pub fn decode(body: &[u8]) -> Result<&Beacon, Malformed> {
        let (beacon, _) = codec::split::<Beacon>(body)?;
        if usize::from(beacon.interface_count) > MAX_INTERFACES {
            return Err(Malformed::Length);
        }
        let proper = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let name = beacon.hostname();
        match name {
            [first, ..] if first.is_ascii_alphanumeric() => {}
            _ => return Err(Malformed::Name),
        }
        if name.len() == HOSTNAME_LEN || !name.iter().all(proper) {
            return Err(Malformed::Name);
        }
        Ok(beacon)
    }

    /// Its number.
    pub fn seq(&self) -> Seq {
        Seq::new(self.seq.get())
    }

    /// The node's name up to its first NUL.
    pub fn hostname(&self) -> &[u8] {
        let end = self.hostname.iter().position(|&byte| byte == 0);
        &self.hostname[..end.unwrap_or(HOSTNAME_LEN)]
    }

    /// Sets the node's name, cut to what there is room for.
    pub fn set_hostname(&mut self, name: &[u8]) {
        self.hostname = [0; HOSTNAME_LEN];
        for (to, &from) in self.hostname.iter_mut().take(HOSTNAME_LEN - 1).zip(name) {
            *to = from;
        }
    }

    /// The hardware addresses that count.
    pub fn interfaces(&self) -> &[[u8; 6]] {
        self.interfaces
            .get(..usize::from(self.interface_count))
            .unwrap_or(&self.interfaces)
    }

    /// Sets the first [`MAX_INTERFACES`] of the node's hardware addresses.
    pub fn set_interfaces(&mut self, addresses: impl IntoIterator<Item = [u8; 6]>) {
        self.interfaces = [[0; 6]; MAX_INTERFACES];
        self.interface_count = 0;
        for (to, from) in self.interfaces.iter_mut().zip(addresses) {
            *to = from;
            self.interface_count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn beacon() -> Beacon {
        let mut beacon = Beacon {
            seq: U32::new(7),
            ..Beacon::default()
        };
        beacon.set_hostname(b"linus2");
        beacon.set_interfaces((0..3).map(|rail| [0x52, 0x54, 0, 0x50, rail, 2]));
        beacon
    }

    #[test]
    fn beacons_survive_the_wire() {
        let beacon = beacon();
        let decoded = Beacon::decode(beacon.as_bytes()).unwrap();
        assert_eq!(decoded, &beacon);
        assert_eq!(decoded.hostname(), b"linus2");
        assert_eq!(decoded.interfaces().len(), 3);
        assert_eq!(beacon.as_bytes().len(), 136);
        assert_eq!(&beacon.as_bytes()[24..28], [3, 0, 0, 0]);
    }

    #[test]
    fn names_that_cannot_be_directories() {
        let named = |name: &[u8]| {
            let mut beacon = beacon();
            beacon.set_hostname(name);
            Beacon::decode(beacon.as_bytes()).map(|_| ())
        };
        assert_eq!(named(b"a-b.c_D9"), Ok(()));
        assert_eq!(named(b"nineteen-characters-and-more"), Ok(()));
        for bad in [
            &b""[..],
            b".",
            b"..",
            b".hidden",
            b"a/b",
            b"a b",
            b"a\nb",
            b"\xc3\xa4",
        ] {
            assert_eq!(named(bad), Err(Malformed::Name), "{bad:?}");
        }
        let mut endless = beacon();
        endless.hostname = [b'a'; HOSTNAME_LEN];
        assert_eq!(Beacon::decode(endless.as_bytes()), Err(Malformed::Name));
    }

    #[test]
    fn a_count_that_lies() {
        let mut beacon = beacon();
        beacon.interface_count = 9;
        assert_eq!(Beacon::decode(beacon.as_bytes()), Err(Malformed::Length));
        assert_eq!(beacon.interfaces().len(), MAX_INTERFACES);
        beacon.set_interfaces([[1; 6]; 20]);
        assert_eq!(usize::from(beacon.interface_count), MAX_INTERFACES);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(beacon) = Beacon::decode(&bytes) {
                prop_assert!(!beacon.hostname().is_empty());
            }
        }
    }
}
