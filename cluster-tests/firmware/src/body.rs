// SPDX-License-Identifier: MIT OR Apache-2.0

//! What nodes say of themselves: Hello, Handshake and Beacon.

use alloc::vec::Vec;

use crate::crypto::Key;
use crate::wire::{be16, be32, be64, Mac, MAX_MTU, MIN_MTU};

/// Milliseconds between two Hellos.
pub const HELLO_INTERVAL: u16 = 300;
/// Milliseconds between two beacons.
pub const BEACON_INTERVAL: u32 = 500;

/// Section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of section 4 says what they are")]
pub struct Hello {
    pub rail: u8,
    pub rails: u8,
    pub flags: u8,
    pub epoch: u8,
    pub incarnation: u32,
    pub interval_ms: u16,
    pub mtu: u16,
    pub nonce: Key,
    pub fingerprint: u32,
}

impl Hello {
    /// Bytes.
    pub const LEN: usize = 48;
    /// The flag *leaving*.
    pub const LEAVING: u8 = 1;
    /// The sender has had its name for some time.
    pub const SETTLED: u8 = 2;

    /// Takes it from data; `None` if a receiver drops it.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let data = data.get(..Self::LEN)?;
        let hello = Self {
            rail: data[0],
            rails: data[1],
            flags: data[2],
            epoch: data[3],
            incarnation: be32(data, 4),
            interval_ms: be16(data, 8),
            mtu: be16(data, 10),
            nonce: key(data, 12),
            fingerprint: be32(data, 44),
        };
        (hello.incarnation != 0 && hello.mtu >= MIN_MTU).then_some(hello)
    }

    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut data = Vec::from([self.rail, self.rails, self.flags, self.epoch]);
        data.extend(self.incarnation.to_be_bytes());
        data.extend(self.interval_ms.to_be_bytes());
        data.extend(self.mtu.to_be_bytes());
        data.extend(self.nonce);
        data.extend(self.fingerprint.to_be_bytes());
        data
    }

    /// The MTU as it counts.
    pub fn mtu(&self) -> u16 {
        self.mtu.min(MAX_MTU)
    }
}

/// Section 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of section 11 says what they are")]
pub struct Handshake {
    pub flags: u8,
    pub epoch: u8,
    pub reserved: u16,
    pub incarnation: u32,
    pub fingerprint: u32,
    pub nonce: Key,
    pub echo: Key,
}

impl Handshake {
    /// Bytes.
    pub const LEN: usize = 76;
    /// The flag *ready*.
    pub const READY: u8 = 1;
    /// The flag *answer*.
    pub const ANSWER: u8 = 2;

    /// Takes it from data; `None` if a receiver drops it.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let data = data.get(..Self::LEN)?;
        let handshake = Self {
            flags: data[0],
            epoch: data[1],
            reserved: be16(data, 2),
            incarnation: be32(data, 4),
            fingerprint: be32(data, 8),
            nonce: key(data, 12),
            echo: key(data, 44),
        };
        (handshake.incarnation != 0 && handshake.nonce != [0; 32]).then_some(handshake)
    }

    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut data = Vec::from([self.flags, self.epoch]);
        data.extend(self.reserved.to_be_bytes());
        data.extend(self.incarnation.to_be_bytes());
        data.extend(self.fingerprint.to_be_bytes());
        data.extend(self.nonce);
        data.extend(self.echo);
        data
    }
}

fn key(data: &[u8], at: usize) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(&data[at..at + 32]);
    key
}

/// Section 8, as far as the firmware has something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Counts the beacons of one boot.
    pub seq: u32,
    /// At most 19 bytes.
    pub hostname: Vec<u8>,
    /// The rails' addresses.
    pub interfaces: Vec<Mac>,
    /// Since the start.
    pub uptime_ms: u64,
}

impl Beacon {
    /// Bytes.
    pub const LEN: usize = 136;
    /// Of class RM.
    pub const OP: u8 = 1;

    /// As it is sent: of a machine with one processor that always works, and 64 MiB.
    pub fn bytes(&self) -> Vec<u8> {
        let mut data = alloc::vec![0; Self::LEN];
        let mut put = |at: usize, bytes: &[u8]| data[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.seq.to_be_bytes());
        put(4, &self.hostname[..self.hostname.len().min(19)]);
        put(24, &[self.interfaces.len().min(8) as u8]);
        put(26, &1_u16.to_be_bytes());
        for (number, mac) in self.interfaces.iter().take(8).enumerate() {
            put(28 + 6 * number, mac);
        }
        put(76, &1_u32.to_be_bytes());
        put(80, &1_u32.to_be_bytes());
        (0..4).for_each(|number| put(84 + 4 * number, &(1_u32 << 11).to_be_bytes()));
        put(100, &BEACON_INTERVAL.to_be_bytes());
        put(112, &(32_u64 << 20).to_be_bytes());
        put(120, &(64_u64 << 20).to_be_bytes());
        put(128, &self.uptime_ms.to_be_bytes());
        data
    }

    /// What of section 8 the data of a beacon break; `None` if nothing.
    pub fn fault(data: &[u8]) -> Option<&'static str> {
        if data.len() != Self::LEN {
            return Some("a beacon has 136 bytes");
        }
        let name = &data[4..24];
        let len = name.iter().position(|byte| *byte == 0);
        let count = usize::from(data[24]);
        let (load, total, free) = (84..100, be64(data, 120), be64(data, 112));
        let faults = [
            (len.is_none(), "hostname without a NUL"),
            (
                len.is_some_and(|len| name[len..].iter().any(|byte| *byte != 0)),
                "hostname not filled up with NULs",
            ),
            (
                !name[0].is_ascii_alphanumeric() || !name[..len.unwrap_or(20)].iter().all(in_name),
                "hostname with a character that none has",
            ),
            (!(1..=8).contains(&count), "interface_count not from 1 to 8"),
            (data[25] != 0, "reserved is not 0"),
            (be16(data, 26) == 0, "no processor"),
            (
                data[28..76]
                    .chunks(6)
                    .take(count)
                    .any(|mac| mac[0] & 1 != 0),
                "an interface's address is a group's",
            ),
            (
                data[load].chunks(4).any(|load| be32(load, 0) > 1 << 30),
                "load beyond sense",
            ),
            (be32(data, 100) != BEACON_INTERVAL, "interval is not 500 ms"),
            (total == 0 || free > total, "more memory free than there is"),
        ];
        faults
            .iter()
            .find(|(broken, _)| *broken)
            .map(|(_, what)| *what)
    }
}

fn in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_as_they_went() {
        let hello = Hello {
            rail: 1,
            rails: 3,
            flags: 1,
            epoch: 9,
            incarnation: 0x0102_0304,
            interval_ms: 300,
            mtu: 65535,
            nonce: [5; 32],
            fingerprint: 6,
        };
        let bytes = hello.bytes();
        assert_eq!(bytes.len(), Hello::LEN);
        assert_eq!(Hello::parse(&bytes), Some(hello));
        assert_eq!(hello.mtu(), 9000);
        assert_eq!(Hello::parse(&bytes[..47]), None);
        let tiny = Hello { mtu: 1279, ..hello };
        assert_eq!(Hello::parse(&tiny.bytes()), None);
        let handshake = Handshake {
            flags: 3,
            epoch: 1,
            reserved: 0,
            incarnation: 7,
            fingerprint: 8,
            nonce: [1; 32],
            echo: [2; 32],
        };
        let bytes = handshake.bytes();
        assert_eq!(bytes.len(), Handshake::LEN);
        assert_eq!(Handshake::parse(&bytes), Some(handshake));
        let without = Handshake {
            nonce: [0; 32],
            ..handshake
        };
        assert_eq!(Handshake::parse(&without.bytes()), None);
    }

    #[test]
    fn a_beacon_of_ours_is_a_good_one_and_others_are_not() {
        let beacon = Beacon {
            seq: 1,
            hostname: b"firmware9".to_vec(),
            interfaces: alloc::vec![[2; 6]; 3],
            uptime_ms: 5,
        };
        let good = beacon.bytes();
        assert_eq!(Beacon::fault(&good), None);
        for (at, byte) in [(4, b'-'), (24, 9), (25, 1), (23, 1), (28, 3), (103, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(Beacon::fault(&bad).is_some(), "byte {at}");
        }
    }
}
