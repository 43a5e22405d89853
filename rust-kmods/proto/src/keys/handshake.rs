// SPDX-License-Identifier: GPL-2.0-only

//! The body of a Handshake frame.

use zerocopy::big_endian::{U16, U32};

use super::{Fingerprint, Nonce, Seal};
use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::gpid::Gpid;
use crate::wire::{Class, Header, Kind};

/// The sender was shown that `echo` is fresh: it can read what is sent under both nonces' keys.
pub(super) const READY: u8 = 1;
/// The sender was not told yet that the receiver is ready, and wants to be.
pub(super) const ANSWER: u8 = 2;
/// The sender has had its name for some time. Told to another machine of the same name only.
const SETTLED: u8 = 4;

/// Body of a [`Kind::Handshake`] frame: 76 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Handshake {
    /// Bit 0: ready; bit 1: an answer is wanted; bit 2: settled; unknown bits are not looked at.
    pub flags: u8,
    /// The sender's epoch.
    pub epoch: u8,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U16,
    /// Which start of the sender's CM within this boot, as in its Hello; never 0.
    pub incarnation: U32,
    /// Which cluster key the sender uses.
    pub fingerprint: [u8; 4],
    /// The sender's nonce; never 0.
    pub nonce: Nonce,
    /// The receiver's nonce as the sender heard it.
    pub echo: Nonce,
}

impl Handshake {
    /// Takes a body apart; later versions may append to it.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`], or [`Malformed::Value`] for incarnation 0 or nonce 0.
    pub fn decode(body: &[u8]) -> Result<&Handshake, Malformed> {
        let (handshake, _) = codec::split::<Handshake>(body)?;
        if handshake.incarnation.get() == 0 || handshake.nonce == [0; 32] {
            return Err(Malformed::Value);
        }
        Ok(handshake)
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

    /// Which cluster key the sender uses.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.fingerprint)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.flags & READY != 0
    }

    pub(super) fn wants_answer(&self) -> bool {
        self.flags & ANSWER != 0
    }
}

/// A handshake that is to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The node it is for.
    pub to: Gpid,
    /// 0 for an answer, else which try it is: the next one better goes over another rail.
    pub attempt: u8,
    /// The body.
    pub handshake: Handshake,
    /// What it is to be authenticated with.
    pub seal: Seal,
}

impl Outgoing {
    /// The frame's header; `from` is the sending node.
    pub fn header(&self, from: Gpid) -> Header {
        let mut header = Header::new(Kind::Handshake, Class::Cm, from.node(), self.to);
        header.len = size_of::<Handshake>() as u16;
        header.auth = Some(self.seal.auth);
        header
    }

    /// The frame's data.
    pub fn body(&self) -> &[u8] {
        self.handshake.as_bytes()
    }
}
