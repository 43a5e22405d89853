// SPDX-License-Identifier: GPL-2.0-only

//! The header (paper, table 1): checked, and as it lies in the frame.

#[cfg(test)]
mod tests;

use core::ops::Range;

use zerocopy::big_endian::{U16, U32, U64};

use super::{
    Class, DropReason, Flags, Kind, ResetReason, COUNTER_LEN, HEADER_LEN, MAX_DATA, MIN_PIECE,
    TAG_LEN, VERSION,
};
use crate::cdt::{CdtIndex, PeerKey};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::gpid::Gpid;
use crate::host_id::HostId;
use crate::seq::Seq;

/// How a frame is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether the data are encrypted too.
    pub sealed: bool,
    /// Which of the sender's keys for the receiver it was.
    pub key_id: u8,
    /// Counts the frames under this key; never repeats.
    pub counter: u64,
}

/// A frame's header, checked and in the machine's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// The layer it belongs to.
    pub class: Class,
    /// The layer's own operation: 5 bits, the high ones of the paper's `ctrl_info`.
    pub op: u8,
    /// Flag bits.
    pub flags: Flags,
    /// The sender's process (the paper's `frompid`).
    pub from: Gpid,
    /// The receiver's process, or its node, or [`Gpid::EVERYBODY`] (the paper's `topid`).
    pub to: Gpid,
    /// The circuit's index in the table of the end that opened it.
    pub active: CdtIndex,
    /// The circuit's index in the table of the other end; [`CdtIndex::NONE`] until it is known.
    pub passive: CdtIndex,
    /// Data: this segment's number. Ack: as `sack`, of the segments from `ack + 33` on. Reset: the
    /// [`ResetReason`]. Ephemeral, Hello: a counter.
    pub seq: u32,
    /// With `ACK_VALID`: the number of the next segment that is awaited. With `OPEN`: the open
    /// sequence.
    pub ack: Seq,
    /// With `ACK_VALID`: bit `i` tells that segment `ack + 1 + i` is here already. With `OPEN`: the
    /// [`association`](crate::peer::association) of both nodes.
    pub sack: u32,
    /// With `ACK_VALID` or `OPEN`: how many segments from `ack` (from 0 with `OPEN`) on there is
    /// room for.
    pub window: u16,
    /// Data: where in its segment this piece starts, in bytes; 0 for a whole one. Else 0.
    pub offset: u16,
    /// Bytes of data in the frame (the paper's `length`).
    pub len: u16,
    /// The frame's authentication; `None` in a cluster without a key.
    pub auth: Option<Auth>,
}

impl Header {
    /// A header of this kind from `from` to `to`; all else 0 or none.
    pub const fn new(kind: Kind, class: Class, from: Gpid, to: Gpid) -> Self {
        Self {
            kind,
            class,
            op: 0,
            flags: Flags::NONE,
            from,
            to,
            active: CdtIndex::NONE,
            passive: CdtIndex::NONE,
            seq: 0,
            ack: Seq::ZERO,
            sack: 0,
            window: 0,
            offset: 0,
            len: 0,
            auth: None,
        }
    }

    /// Takes a frame (what follows the Ethernet header) apart into its header and data; encrypted
    /// data if the frame is sealed.
    ///
    /// Bytes after the data, or after the tag, are Ethernet's padding and not looked at.
    ///
    /// # Errors
    ///
    /// As [`Header::parse_start`].
    pub fn parse(frame: &[u8]) -> Result<(Header, &[u8]), DropReason> {
        let header = Self::parse_start(frame, frame.len())?;
        let data = frame.get(header.data_range());
        Ok((header, data.ok_or(DropReason::Length)?))
    }

    /// Takes the start of a frame of `frame_len` bytes apart: [`HEADER_LEN`] bytes and, of an
    /// authenticated frame, the [`COUNTER_LEN`] that follow.
    ///
    /// Everything that a receiver can check without its tables and keys is checked here.
    ///
    /// # Errors
    ///
    /// The first reason for which the frame must be dropped.
    pub fn parse_start(start: &[u8], frame_len: usize) -> Result<Header, DropReason> {
        let (raw, rest) = RawHeader::ref_from_prefix(start).map_err(|_| DropReason::Short)?;
        if raw.version != VERSION {
            return Err(DropReason::Version);
        }
        let kind = Kind::from_raw(raw.kind).ok_or(DropReason::Kind)?;
        let flags = Flags(raw.flags.get());
        let header = Header {
            kind,
            class: Class::from_raw(raw.ctrl_info & 0x7).ok_or(DropReason::Class)?,
            op: raw.ctrl_info >> 3,
            flags: Flags(flags.0 & !(Flags::AUTH.0 | Flags::SEALED.0)),
            from: Gpid::from_raw(raw.frompid.get()),
            to: Gpid::from_raw(raw.topid.get()),
            active: CdtIndex::from_raw(raw.cdt_active_ind.get()),
            passive: CdtIndex::from_raw(raw.cdt_passive_ind.get()),
            seq: raw.seq.get(),
            ack: Seq::new(raw.ack.get()),
            sack: raw.sack.get(),
            window: raw.window.get(),
            offset: raw.offset.get(),
            len: raw.length.get(),
            auth: Self::parse_auth(flags, raw.key_id, rest)?,
        };
        header.check()?;
        if header.frame_len() > frame_len {
            return Err(DropReason::Length);
        }
        Ok(header)
    }

    fn parse_auth(flags: Flags, key_id: u8, rest: &[u8]) -> Result<Option<Auth>, DropReason> {
        let sealed = flags.contains(Flags::SEALED);
        if !flags.contains(Flags::AUTH) {
            return if sealed || key_id != 0 {
                Err(DropReason::Auth)
            } else {
                Ok(None)
            };
        }
        let counter = rest.first_chunk().ok_or(DropReason::Short)?;
        Ok(Some(Auth {
            sealed,
            key_id,
            counter: u64::from_be_bytes(*counter),
        }))
    }

    /// Bytes of the header and, if there is one, the counter behind it.
    pub const fn start_len(&self) -> usize {
        match self.auth {
            Some(_) => HEADER_LEN + COUNTER_LEN,
            None => HEADER_LEN,
        }
    }

    /// Where in the frame its data are.
    pub const fn data_range(&self) -> Range<usize> {
        self.start_len()..self.start_len() + self.len as usize
    }

    /// Bytes of the frame from the header to the end of the data, or of the tag if there is one.
    pub const fn frame_len(&self) -> usize {
        let tag = if self.auth.is_some() { TAG_LEN } else { 0 };
        self.start_len() + self.len as usize + tag
    }

    /// What holds for every header that is ever sent, whatever the tables say.
    fn check(&self) -> Result<(), DropReason> {
        if self.flags.0 & !Flags::KNOWN != 0 || !self.flags_fit_kind() {
            return Err(DropReason::Flags);
        }
        let len = usize::from(self.len);
        let may_have_data = self.kind_has_data() && !self.flags.contains(Flags::FIN);
        if len > MAX_DATA || (len > 0 && !may_have_data) {
            return Err(DropReason::Length);
        }
        if !self.is_piece_of_something() {
            return Err(DropReason::Offset);
        }
        if self.from.host() == HostId::NONE || self.from.boot() == 0 {
            return Err(DropReason::Address);
        }
        if !self.indices_fit_kind() {
            return Err(DropReason::Index);
        }
        Ok(())
    }

    /// Whether offset and `MORE` describe a piece that a segment can have, or the whole of it.
    fn is_piece_of_something(&self) -> bool {
        if self.offset == 0 && !self.flags.contains(Flags::MORE) {
            return true;
        }
        let least = match self.flags.contains(Flags::MORE) {
            true => MIN_PIECE,
            false => 1,
        };
        let len = usize::from(self.len);
        let end = usize::from(self.offset) + len;
        self.kind == Kind::Data && len >= least && end <= MAX_DATA
    }

    fn flags_fit_kind(&self) -> bool {
        let flags = self.flags;
        match self.kind {
            Kind::Ephemeral | Kind::Hello | Kind::Handshake => flags == Flags::NONE,
            Kind::Data if flags.contains(Flags::OPEN) => {
                flags.contains(Flags::TO_PASSIVE)
                    && !flags.intersects(Flags::ACK_VALID | Flags::FIN)
                    && self.seq == 0
            }
            Kind::Data => flags.contains(Flags::ACK_VALID),
            Kind::Ack => {
                flags.contains(Flags::ACK_VALID)
                    && !flags.intersects(Flags::OPEN | Flags::END | Flags::FIN | Flags::MORE)
            }
            Kind::Reset => flags.0 & !Flags::TO_PASSIVE.0 == 0,
        }
    }

    fn kind_has_data(&self) -> bool {
        !matches!(self.kind, Kind::Ack | Kind::Reset)
    }

    fn indices_fit_kind(&self) -> bool {
        let (active, passive) = (self.active.is_some(), self.passive.is_some());
        match self.kind {
            Kind::Ephemeral | Kind::Hello | Kind::Handshake => !active && !passive,
            // The opener may not know the passive index yet.
            Kind::Data if self.flags.contains(Flags::OPEN) => active && !passive,
            Kind::Data => active && passive,
            Kind::Ack => active && (passive || self.flags.contains(Flags::TO_PASSIVE)),
            // A refusal comes from a node that has no index to give.
            Kind::Reset => active,
        }
    }

    /// Lays the header down as it goes onto the wire; of an authenticated frame, the counter has
    /// to follow as [`Header::counter_bytes`].
    pub fn write(&self, bytes: &mut [u8; HEADER_LEN]) {
        let auth = match self.auth {
            Some(auth) if auth.sealed => Flags::AUTH | Flags::SEALED,
            Some(_) => Flags::AUTH,
            None => Flags::NONE,
        };
        let raw = RawHeader {
            version: VERSION,
            kind: self.kind as u8,
            flags: U16::new((self.flags | auth).0),
            ctrl_info: self.op << 3 | self.class as u8,
            key_id: self.auth.map_or(0, |auth| auth.key_id),
            length: U16::new(self.len),
            frompid: U64::new(self.from.raw()),
            topid: U64::new(self.to.raw()),
            cdt_active_ind: U32::new(self.active.raw()),
            cdt_passive_ind: U32::new(self.passive.raw()),
            seq: U32::new(self.seq),
            ack: U32::new(self.ack.raw()),
            sack: U32::new(self.sack),
            window: U16::new(self.window),
            offset: U16::new(self.offset),
        };
        bytes.copy_from_slice(raw.as_bytes());
    }

    /// The counter as it goes onto the wire, behind the header of an authenticated frame.
    pub fn counter_bytes(&self) -> Option<[u8; COUNTER_LEN]> {
        self.auth.map(|auth| auth.counter.to_be_bytes())
    }

    /// Whether this frame is for the passive end of its circuit.
    pub const fn to_passive(&self) -> bool {
        self.flags.contains(Flags::TO_PASSIVE)
    }

    /// Whether this frame opens a circuit.
    pub const fn opens(&self) -> bool {
        self.flags.contains(Flags::OPEN)
    }

    /// The index of the circuit in the *receiver's* table; none where there is a
    /// [`peer_key`](Header::peer_key).
    pub const fn receiver_index(&self) -> CdtIndex {
        if self.to_passive() {
            self.passive
        } else {
            self.active
        }
    }

    /// What finds the circuit of a frame whose sender does not know the receiver's index yet: the
    /// OPEN, and what its opener may send before the answer.
    pub fn peer_key(&self) -> Option<PeerKey> {
        let unnamed = self.kind.is_circuit() && self.to_passive() && self.passive.is_none();
        unnamed.then(|| PeerKey::new(self.from, self.active))
    }

    /// What answers this frame when its receiver (`node`) has no circuit for it (any more); `finished`:
    /// it had one, which ended with all that this frame's sender had sent.
    ///
    /// `None` as with [`Header::reset_reply`].
    pub fn stray_reply(&self, node: Gpid, finished: bool) -> Option<Header> {
        if !finished || self.kind != Kind::Data || self.opens() {
            return self.reset_reply(node, ResetReason::NoCircuit);
        }
        // The acknowledgement got lost that was the circuit's last frame, or some of it.
        let from = if self.to.same_node(node) {
            self.to
        } else {
            node.node()
        };
        let mut reply = Header::new(Kind::Ack, self.class, from, self.from);
        reply.flags |= Flags::ACK_VALID;
        if !self.to_passive() {
            reply.flags |= Flags::TO_PASSIVE;
        }
        reply.active = self.active;
        reply.passive = self.passive;
        // All that came before it and behind it came, too; this is what the frame itself tells.
        reply.ack = Seq::new(self.seq).next();
        Some(reply)
    }

    /// The reset that answers this frame when its receiver (`node`) has no circuit for it.
    ///
    /// `None` where an answer would be wrong: resets are never answered, nor late
    /// acknowledgements, nor a probe that overtook its OPEN.
    pub fn reset_reply(&self, node: Gpid, reason: ResetReason) -> Option<Header> {
        let deserves = match self.kind {
            Kind::Data => true,
            Kind::Ack => self.flags.contains(Flags::PROBE) && self.passive.is_some(),
            _ => false,
        };
        if !deserves {
            return None;
        }
        let mut reply = Header::new(Kind::Reset, self.class, node.node(), self.from);
        if !self.to_passive() {
            reply.flags |= Flags::TO_PASSIVE;
        }
        reply.active = self.active;
        reply.passive = self.passive;
        reply.seq = reason as u32;
        Some(reply)
    }
}

/// The header as it lies in the frame.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawHeader {
    version: u8,
    kind: u8,
    flags: U16,
    ctrl_info: u8,
    key_id: u8,
    length: U16,
    frompid: U64,
    topid: U64,
    cdt_active_ind: U32,
    cdt_passive_ind: U32,
    seq: U32,
    ack: U32,
    sack: U32,
    window: U16,
    offset: U16,
}
