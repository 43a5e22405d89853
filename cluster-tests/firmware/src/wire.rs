// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names and offsets of sections 1 and 2 of docs/wire-protocol.md.

use core::fmt;

/// Of all PODOS frames.
pub const ETHERTYPE: u16 = 0x88b5;
/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of a header.
pub const HEADER: usize = 48;
/// Bytes of the counter behind the header, with `AUTH`.
pub const COUNTER: usize = 8;
/// Bytes of the tag behind the data, with `AUTH`.
pub const TAG: usize = 16;
/// Most bytes of data in a frame, and of a segment.
pub const MAX_DATA: usize = 8952;
/// What is sent as "no index".
pub const NONE: u32 = 0xffff_ffff;
/// The version.
pub const VERSION: u8 = 2;
/// Least MTU of a rail.
pub const MIN_MTU: u16 = 1280;
/// Least bytes of data in a piece that others follow.
pub const MIN_PIECE: usize = 1208;
/// What larger MTUs count as.
pub const MAX_MTU: u16 = 9000;

/// Kinds of frames.
pub mod kind {
    #![expect(missing_docs, reason = "the table of section 2 says what they are")]
    pub const EPHEMERAL: u8 = 1;
    pub const HELLO: u8 = 2;
    pub const DATA: u8 = 3;
    pub const ACK: u8 = 4;
    pub const RESET: u8 = 5;
    pub const HANDSHAKE: u8 = 6;
}

/// Flags of frames.
pub mod flag {
    #![expect(missing_docs, reason = "the table of section 2 says what they are")]
    pub const OPEN: u16 = 0x0001;
    pub const END: u16 = 0x0002;
    pub const FIN: u16 = 0x0004;
    pub const TO_PASSIVE: u16 = 0x0008;
    pub const ACK_VALID: u16 = 0x0010;
    pub const PROBE: u16 = 0x0020;
    pub const MORE: u16 = 0x0040;
    pub const SEALED: u16 = 0x4000;
    pub const AUTH: u16 = 0x8000;
    /// All that have a meaning.
    pub const KNOWN: u16 = 0xc07f;
}

/// Classes.
pub mod class {
    #![expect(missing_docs, reason = "the table of section 2 says what they are")]
    pub const CM: u8 = 0;
    pub const PDFS: u8 = 1;
    pub const RM: u8 = 2;
    pub const GIPC: u8 = 3;
    pub const KDDM: u8 = 4;
    pub const TEST: u8 = 7;
}

/// Whether this is one of the values that mean "no index".
pub fn is_none(index: u32) -> bool {
    index & 0xffff == 0xffff
}

/// The name of a node or process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gpid(pub u64);

impl Gpid {
    /// The process `pid`, or the node for 0, of this boot of this host.
    pub fn new(host: u32, boot: u16, pid: u16) -> Self {
        Self(u64::from(host) << 32 | u64::from(boot) << 16 | u64::from(pid))
    }

    /// The host id.
    pub fn host(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The boot sequence.
    pub fn boot(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The process id; 0 stands for the node.
    pub fn pid(self) -> u16 {
        self.0 as u16
    }

    /// The node that it is of.
    pub fn node(self) -> Self {
        Self(self.0 & !0xffff)
    }

    /// Whether both are of the same node.
    pub fn same_node(self, other: Self) -> bool {
        self.node() == other.node()
    }
}

impl fmt::Display for Gpid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A header, field by field as in section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of section 2 says what they are")]
pub struct Header {
    pub version: u8,
    pub kind: u8,
    pub flags: u16,
    pub ctrl_info: u8,
    pub key_id: u8,
    pub length: u16,
    pub from: Gpid,
    pub to: Gpid,
    pub active: u32,
    pub passive: u32,
    pub seq: u32,
    pub ack: u32,
    pub sack: u32,
    pub window: u16,
    pub offset: u16,
}

impl Header {
    /// One without indices, flags and data.
    pub fn new(kind: u8, class: u8, op: u8, from: Gpid, to: Gpid) -> Self {
        Self {
            version: VERSION,
            kind,
            flags: 0,
            ctrl_info: class | op << 3,
            key_id: 0,
            length: 0,
            from,
            to,
            active: NONE,
            passive: NONE,
            seq: 0,
            ack: 0,
            sack: 0,
            window: 0,
            offset: 0,
        }
    }

    /// Takes one from the start of `bytes`; `None` if there are too few.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        Some(Self {
            version: bytes[0],
            kind: bytes[1],
            flags: be16(bytes, 2),
            ctrl_info: bytes[4],
            key_id: bytes[5],
            length: be16(bytes, 6),
            from: Gpid(be64(bytes, 8)),
            to: Gpid(be64(bytes, 16)),
            active: be32(bytes, 24),
            passive: be32(bytes, 28),
            seq: be32(bytes, 32),
            ack: be32(bytes, 36),
            sack: be32(bytes, 40),
            window: be16(bytes, 44),
            offset: be16(bytes, 46),
        })
    }

    /// As it is sent.
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = self.version;
        bytes[1] = self.kind;
        bytes[2..4].copy_from_slice(&self.flags.to_be_bytes());
        bytes[4] = self.ctrl_info;
        bytes[5] = self.key_id;
        bytes[6..8].copy_from_slice(&self.length.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.from.0.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.to.0.to_be_bytes());
        for (at, value) in [
            (24, self.active),
            (28, self.passive),
            (32, self.seq),
            (36, self.ack),
            (40, self.sack),
        ] {
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        bytes[44..46].copy_from_slice(&self.window.to_be_bytes());
        bytes[46..48].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// The class, 0 to 7.
    pub fn class(&self) -> u8 {
        self.ctrl_info & 7
    }

    /// The layer's operation, 0 to 31.
    pub fn op(&self) -> u8 {
        self.ctrl_info >> 3
    }

    /// Whether one of these flags is set.
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }
}

/// Two bytes at `at`, which must be there.
pub fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Four bytes at `at`, which must be there.
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

/// Eight bytes at `at`, which must be there.
pub fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

/// Whether `a` comes before `b`, in circular order.
pub fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// An address of an interface.
pub type Mac = [u8; 6];

/// To every interface.
pub const BROADCAST: Mac = [0xff; 6];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_went() {
        let mut bytes = [0; HEADER];
        for (number, byte) in bytes.iter_mut().enumerate() {
            *byte = number as u8 + 1;
        }
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.bytes(), bytes);
        assert_eq!(header.from, Gpid(0x090a_0b0c_0d0e_0f10));
        assert_eq!((header.class(), header.op()), (5, 0));
        assert_eq!(Header::parse(&bytes[..47]), None);
    }

    #[test]
    fn order_is_circular() {
        assert!(before(u32::MAX, 0) && before(5, 6));
        assert!(!before(0, u32::MAX) && !before(6, 6));
    }

    #[test]
    fn a_gpid_has_three_parts() {
        let gpid = Gpid::new(9, 3, 0x23);
        assert_eq!(gpid.0, 0x0000_0009_0003_0023);
        assert_eq!((gpid.host(), gpid.boot(), gpid.pid()), (9, 3, 0x23));
        assert!(gpid.same_node(Gpid::new(9, 3, 0)) && !gpid.same_node(Gpid::new(9, 4, 0)));
    }
}
