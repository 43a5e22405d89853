// SPDX-License-Identifier: GPL-2.0-only

//! The Communication Manager's own frames: the sign of life that every node sends on every rail.

use zerocopy::big_endian::{U16, U32};

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::time::Duration;
use crate::wire::{Class, Header, Kind};
use crate::Gpid;

/// How often a node says hello on each of its rails, in milliseconds.
pub const INTERVAL_MS: u16 = 300;
/// The same as a duration.
pub const INTERVAL: Duration = Duration::from_millis(INTERVAL_MS as u64);

/// The sender leaves the cluster in order: its circuits are gone.
pub const LEAVING: u8 = 1;

/// Body of a [`Kind::Hello`] frame: 12 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Hello {
    /// The sender's number of the rail this frame was sent on, from 0.
    pub rail: u8,
    /// How many rails the sender has.
    pub rails: u8,
    /// [`LEAVING`] or 0; unknown bits are not looked at.
    pub flags: u8,
    /// Reserved: sent as 0, not looked at.
    pub reserved: u8,
    /// Which start of the sender's CM within this boot: a number that differs from start to start
    /// (milliseconds since boot), never 0.
    pub incarnation: U32,
    /// Milliseconds between two hellos of the sender.
    pub interval_ms: U16,
    /// Reserved: sent as 0, not looked at.
    pub reserved2: U16,
}

impl Hello {
    /// The hello of rail `rail` out of `rails`.
    pub fn new(rail: u8, rails: u8, incarnation: u32) -> Self {
        Self {
            rail,
            rails,
            flags: 0,
            reserved: 0,
            incarnation: U32::new(incarnation),
            interval_ms: U16::new(INTERVAL_MS),
            reserved2: U16::ZERO,
        }
    }

    /// The same, as the last one before the sender goes.
    pub fn leaving(self) -> Self {
        Self {
            flags: self.flags | LEAVING,
            ..self
        }
    }

    /// Whether the sender leaves.
    pub fn is_leaving(&self) -> bool {
        self.flags & LEAVING != 0
    }

    /// The header of a hello: from the node `from` to everybody.
    pub fn header(from: Gpid, seq: u32) -> Header {
        let mut header = Header::new(Kind::Hello, Class::Cm, from.node(), Gpid::EVERYBODY);
        header.seq = seq;
        header.len = size_of::<Hello>() as u16;
        header
    }

    /// Takes a body apart; later versions may append to it.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`], or [`Malformed::Value`] for incarnation 0.
    pub fn decode(body: &[u8]) -> Result<&Hello, Malformed> {
        let (hello, _) = codec::split::<Hello>(body)?;
        if hello.incarnation.get() == 0 {
            return Err(Malformed::Value);
        }
        Ok(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hellos_survive_the_wire() {
        let hello = Hello::new(2, 3, 0x0102_0304);
        assert_eq!(hello.as_bytes(), [2, 3, 0, 0, 1, 2, 3, 4, 0x01, 0x2c, 0, 0]);
        assert_eq!(Hello::decode(hello.as_bytes()), Ok(&hello));
        assert!(!hello.is_leaving() && hello.leaving().is_leaving());
        assert_eq!(Hello::decode(&[1; 40]).map(|hello| hello.rail), Ok(1));
        assert_eq!(
            Hello::decode(&hello.as_bytes()[..11]),
            Err(Malformed::Truncated)
        );
        assert_eq!(Hello::decode(&[0; 12]), Err(Malformed::Value));
        let header = Hello::header(Gpid::new(1, 2, 3), 9);
        assert_eq!(
            (header.from, header.seq, header.len),
            (Gpid::new(1, 2, 0), 9, 12)
        );
    }
}
