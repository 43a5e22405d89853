// SPDX-License-Identifier: GPL-2.0-only

//! The Communication Manager's ephemeral packet to one peer: on which rails its sender hears it.

use zerocopy::big_endian::U16;

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::tgroup::RailSet;
use crate::time::{nanos, Duration};
use crate::wire::{Class, Header, Kind};
use crate::{Gpid, Seq};

/// The packet's op, in class [`Class::Cm`].
pub const OP: u8 = 1;

/// Its data: 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Heard {
    rails: u8,
    /// Reserved: sent as 0, not looked at.
    reserved: u8,
    valid_ms: U16,
}

impl Heard {
    /// The receiver is heard on `rails`, which holds for the time `valid`: up to 65 s.
    pub fn new(rails: RailSet, valid: Duration) -> Self {
        let millis = nanos(valid) / 1_000_000;
        Self {
            rails: rails.bits(),
            reserved: 0,
            valid_ms: U16::new(u16::try_from(millis).unwrap_or(u16::MAX)),
        }
    }

    /// On which of its rails the receiver is heard.
    pub fn rails(&self) -> RailSet {
        RailSet::from_bits(self.rails)
    }

    /// For how long that holds.
    pub fn valid(&self) -> Duration {
        Duration::from_millis(self.valid_ms.get().into())
    }

    /// The header of such a packet: from the node `from` to the node `to`. The numbers of later ones
    /// are after those of earlier ones.
    pub fn header(from: Gpid, to: Gpid, seq: Seq) -> Header {
        let mut header = Header::new(Kind::Ephemeral, Class::Cm, from.node(), to.node());
        header.op = OP;
        header.seq = seq.raw();
        header.len = size_of::<Heard>() as u16;
        header
    }

    /// Takes the data apart; later versions may append to them.
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`].
    pub fn decode(body: &[u8]) -> Result<&Heard, Malformed> {
        let (heard, _) = codec::split::<Heard>(body)?;
        Ok(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tgroup::RailId;
    use crate::HostId;

    #[test]
    fn reports_survive_the_wire() {
        let heard = Heard::new(
            [RailId::R0, RailId::R2].into_iter().collect(),
            Duration::from_millis(900),
        );
        assert_eq!(heard.as_bytes(), [5, 0, 0x03, 0x84]);
        assert_eq!(Heard::decode(&[5, 0, 0x03, 0x84, 9]), Ok(&heard));
        assert_eq!(heard.rails().bits(), 5);
        assert_eq!(heard.valid(), Duration::from_millis(900));
        assert_eq!(Heard::decode(&[5, 0, 3]), Err(Malformed::Truncated));
        let long = Heard::new(RailSet::EMPTY, Duration::from_secs(600));
        assert_eq!(long.valid(), Duration::from_millis(65_535));
        let header = Heard::header(
            Gpid::new(HostId::new(1), 2, 3),
            Gpid::new(HostId::new(4), 5, 6),
            Seq::new(7),
        );
        assert_eq!((header.op, header.seq, header.len), (1, 7, 4));
        assert_eq!(header.to, Gpid::new(HostId::new(4), 5, 0));
    }
}
