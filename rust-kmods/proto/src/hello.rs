// SPDX-License-Identifier: GPL-2.0-only

//! The Communication Manager's own frames: the sign of life that every node sends on every rail.

use zerocopy::big_endian::{U16, U32};

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::keys::Nonce;
use crate::tgroup::RailId;
use crate::time::Duration;
use crate::wire::{Class, Header, Kind, MAX_MTU, MIN_MTU};
use crate::{Gpid, Seq};

/// How often a node says hello on each of its rails, in milliseconds.
pub const INTERVAL_MS: u16 = 300;
/// The same as a duration.
pub const INTERVAL: Duration = Duration::from_millis(INTERVAL_MS as u64);

/// The sender leaves the cluster in order: its circuits are gone.
pub const LEAVING: u8 = 1;
/// The sender has had its name for some time.
const SETTLED: u8 = 2;

/// The MTU that a rail has unless it is told otherwise.
const USUAL_MTU: u16 = 1500;

/// Body of a [`Kind::Hello`] frame: 48 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Hello {
    /// The sender's number of the rail this frame was sent on, from 0.
    pub rail: u8,
    /// How many rails the sender has.
    pub rails: u8,
    /// Bit 0: leaving; bit 1: settled; unknown bits are not looked at.
    pub flags: u8,
    /// The sender's epoch: which of its nonces this is. 0 in a cluster without a key.
    pub epoch: u8,
    /// Which start of the sender's CM this is: a random number, never 0.
    pub incarnation: U32,
    /// Milliseconds between two hellos of the sender.
    pub interval_ms: U16,
    /// Most bytes of a frame without its Ethernet header on this rail of the sender, at least
    /// [`MIN_MTU`].
    pub mtu: U16,
    /// The sender's nonce; 0 in a cluster without a key.
    pub nonce: Nonce,
    /// Which cluster key the sender uses; 0 in a cluster without a key.
    pub fingerprint: [u8; 4],
}

impl Hello {
    /// The hello of rail `rail` out of `rails`, of the usual MTU and without a nonce.
    pub fn new(rail: RailId, rails: u8, incarnation: u32) -> Self {
        Self {
            rail: rail as u8,
            rails,
            flags: 0,
            epoch: 0,
            incarnation: U32::new(incarnation),
            interval_ms: U16::new(INTERVAL_MS),
            mtu: U16::new(USUAL_MTU),
            nonce: [0; 32],
            fingerprint: [0; 4],
        }
    }

    /// The same, of a rail with this MTU; one beyond [`MAX_MTU`] counts as that.
    pub fn with_mtu(self, mtu: u16) -> Self {
        Self {
            mtu: U16::new(mtu.min(MAX_MTU)),
            ..self
        }
    }

    /// The same, as the last one before the sender goes.
    pub fn leaving(self) -> Self {
        Self {
            flags: self.flags | LEAVING,
            ..self
        }
    }

    /// The same, of a node that has had its name for some time, or has not.
    pub fn settled(self, settled: bool) -> Self {
        let bit = if settled { SETTLED } else { 0 };
        Self {
            flags: self.flags | bit,
            ..self
        }
    }

    /// Whether the sender has had its name for some time.
    pub fn is_settled(&self) -> bool {
        self.flags & SETTLED != 0
    }

    /// Whether the sender leaves.
    pub fn is_leaving(&self) -> bool {
        self.flags & LEAVING != 0
    }

    /// The header of hello number `seq`: from the node `from` to everybody.
    pub fn header(from: Gpid, seq: Seq) -> Header {
        let mut header = Header::new(Kind::Hello, Class::Cm, from.node(), Gpid::EVERYBODY);
        header.seq = seq.raw();
        header.len = size_of::<Hello>() as u16;
        header
    }

    /// Takes a body apart; later versions may append to it.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`], [`Malformed::Value`] for incarnation 0, or [`Malformed::Length`]
    /// for an MTU below [`MIN_MTU`].
    pub fn decode(body: &[u8]) -> Result<&Hello, Malformed> {
        let (hello, _) = codec::split::<Hello>(body)?;
        if hello.incarnation.get() == 0 {
            return Err(Malformed::Value);
        }
        if hello.mtu.get() < MIN_MTU {
            return Err(Malformed::Length);
        }
        Ok(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostId;

    #[test]
    fn hellos_survive_the_wire() {
        let hello = Hello::new(RailId::R2, 3, 0x0102_0304);
        let mut bytes = [0; 48];
        bytes[..12].copy_from_slice(&[2, 3, 0, 0, 1, 2, 3, 4, 0x01, 0x2c, 0x05, 0xdc]);
        assert_eq!(hello.as_bytes(), bytes);
        assert_eq!(Hello::decode(hello.as_bytes()), Ok(&hello));
        assert!(!hello.is_leaving() && hello.leaving().is_leaving());
        assert_eq!(hello.with_mtu(9001).mtu.get(), 9000);
    }

    #[test]
    fn hellos_are_checked() {
        assert_eq!(Hello::decode(&[9; 70]).map(|hello| hello.rail), Ok(9));
        assert_eq!(Hello::decode(&[9; 47]), Err(Malformed::Truncated));
        assert_eq!(Hello::decode(&[0; 48]), Err(Malformed::Value));
        let tiny = Hello::new(RailId::R0, 1, 5).with_mtu(MIN_MTU - 1);
        assert_eq!(Hello::decode(tiny.as_bytes()), Err(Malformed::Length));
        assert!(Hello::decode(tiny.with_mtu(MIN_MTU).as_bytes()).is_ok());
        let header = Hello::header(Gpid::new(HostId::new(1), 2, 3), Seq::new(9));
        assert_eq!(
            (header.from, header.seq, header.len),
            (Gpid::new(HostId::new(1), 2, 0), 9, 48)
        );
    }
}
