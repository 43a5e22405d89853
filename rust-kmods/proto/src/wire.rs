// SPDX-License-Identifier: GPL-2.0-only

//! The frame: what follows the Ethernet header (paper, section 3.1.1 and table 1).
//!
//! The paper's packet has no version, sequence, acknowledgement or window; here they stand
//! beside its fields, in a fixed layout of [`HEADER_LEN`] bytes, all numbers big-endian. In a
//! cluster with a key a counter follows the header and a tag the data.

use core::fmt;
use core::ops::{BitOr, BitOrAssign, Range};

use zerocopy::big_endian::{U16, U32, U64};

use crate::cdt::{CdtIndex, PeerKey};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::gpid::Gpid;

/// EtherType of every PODOS frame: IEEE's first one for local experiments.
pub const ETHERTYPE: u16 = 0x88B5;
/// The version that this code speaks, the first byte of a frame.
pub const VERSION: u8 = 2;
/// Bytes of the header that follows the Ethernet header.
pub const HEADER_LEN: usize = size_of::<RawHeader>();
/// Bytes of the counter behind the header of an authenticated frame.
pub const COUNTER_LEN: usize = 8;
/// Bytes of the tag behind the data of an authenticated frame.
pub const TAG_LEN: usize = 16;
/// Bytes that authentication adds to a frame.
pub const AUTH_LEN: usize = COUNTER_LEN + TAG_LEN;
/// Most bytes of a frame without its Ethernet header: a rail's MTU counts up to here.
pub const MAX_MTU: u16 = 9000;
/// Least MTU that a rail may have.
pub const MIN_MTU: u16 = 1280;
/// Most bytes of data in one frame, and in one segment (the paper's table 1 has 1400).
pub const MAX_DATA: usize = MAX_MTU as usize - HEADER_LEN;
/// Bytes of data that a frame has room for on every rail of the usual MTU, 1500, in every mode.
pub const USUAL_DATA: usize = data_room(1500, true);

/// Bytes of data that a frame has room for on a rail with this MTU; `authenticated`: in a cluster
/// with a key.
pub const fn data_room(mtu: u16, authenticated: bool) -> usize {
    let mtu = if mtu > MAX_MTU { MAX_MTU } else { mtu } as usize;
    let around = HEADER_LEN + if authenticated { AUTH_LEN } else { 0 };
    mtu.saturating_sub(around)
}

/// The header as it lies in the frame.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
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

/// The layer a frame belongs to: the low three bits of `ctrl_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// The Communication Manager itself.
    Cm = 0,
    /// The distributed file system.
    Pdfs = 1,
    /// The Resource Manager.
    Rm = 2,
    /// Global interprocess communication.
    Gipc = 3,
    /// Kept for kernel distributed data management (kDDM).
    Kddm = 4,
    /// Kept for distributed System V IPC (DIPC).
    Dipc = 5,
    /// Tests and measurements of CM itself.
    Test = 7,
}

impl Class {
    /// One more than the greatest number of a class; 6 is nobody's.
    pub const COUNT: usize = 8;

    /// The layer's name: lower case, no blanks.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Cm => "cm",
            Class::Pdfs => "pdfs",
            Class::Rm => "rm",
            Class::Gipc => "gipc",
            Class::Kddm => "kddm",
            Class::Dipc => "dipc",
            Class::Test => "test",
        }
    }

    /// The class with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Class::Cm),
            1 => Some(Class::Pdfs),
            2 => Some(Class::Rm),
            3 => Some(Class::Gipc),
            4 => Some(Class::Kddm),
            5 => Some(Class::Dipc),
            7 => Some(Class::Test),
            _ => None,
        }
    }
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message without a circuit: at most once, unordered, usually broadcast.
    Ephemeral = 1,
    /// A sign of life on one rail.
    Hello = 2,
    /// One segment of a circuit.
    Data = 3,
    /// A circuit's acknowledgement and window, no data.
    Ack = 4,
    /// The end of a circuit, at once.
    Reset = 5,
    /// Two nodes agree upon session keys; only in a cluster with a key.
    Handshake = 6,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            1 => Some(Kind::Ephemeral),
            2 => Some(Kind::Hello),
            3 => Some(Kind::Data),
            4 => Some(Kind::Ack),
            5 => Some(Kind::Reset),
            6 => Some(Kind::Handshake),
            _ => None,
        }
    }

    /// Whether frames of this kind belong to a circuit.
    pub const fn is_circuit(self) -> bool {
        matches!(self, Kind::Data | Kind::Ack | Kind::Reset)
    }
}

/// The header's flag bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// The first segment of a circuit; `ack` holds the open sequence, not an acknowledgement.
    pub const OPEN: Flags = Flags(1 << 0);
    /// The last segment of a message.
    pub const END: Flags = Flags(1 << 1);
    /// The sender's last segment; it has no data.
    pub const FIN: Flags = Flags(1 << 2);
    /// For the passive end (the paper's `wakeactivepassive`); otherwise for the active end.
    pub const TO_PASSIVE: Flags = Flags(1 << 3);
    /// `ack`, `sack` and `window` count.
    pub const ACK_VALID: Flags = Flags(1 << 4);
    /// The receiver shall acknowledge at once.
    pub const PROBE: Flags = Flags(1 << 5);
    /// More pieces of this segment follow, in frames of their own.
    pub const MORE: Flags = Flags(1 << 6);

    /// On the wire only: [`Auth::sealed`].
    const SEALED: Flags = Flags(1 << 14);
    /// On the wire only: [`Header::auth`] is there.
    const AUTH: Flags = Flags(1 << 15);

    const KNOWN: u16 = 0x7f;

    /// The flags with these bits.
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The bits.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub const fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#06x})", self.0)
    }
}

/// Why a circuit was reset: the `seq` field of a [`Kind::Reset`] frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ResetReason {
    /// The receiver has no such circuit (any more).
    NoCircuit = 1,
    /// Nobody listens for this class.
    Refused = 2,
    /// The receiver's table or backlog is full.
    Full = 3,
    /// An end gave the circuit up.
    Aborted = 4,
    /// The other end broke the protocol.
    Protocol = 5,
    /// No answer for too long; told to the local user, hardly ever sent.
    TimedOut = 6,
    /// The other node died or rebooted; never sent.
    PeerDown = 7,
}

impl ResetReason {
    /// The reason with this number; one that is not known counts as [`ResetReason::Aborted`], so
    /// that a circuit ends whatever a later version says.
    pub const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => ResetReason::NoCircuit,
            2 => ResetReason::Refused,
            3 => ResetReason::Full,
            5 => ResetReason::Protocol,
            6 => ResetReason::TimedOut,
            7 => ResetReason::PeerDown,
            _ => ResetReason::Aborted,
        }
    }
}

/// Why a frame was dropped unread; the numbers index a table of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum DropReason {
    /// Shorter than a header.
    Short = 0,
    /// Another version of the protocol.
    Version = 1,
    /// A kind that is not known.
    Kind = 2,
    /// A flag that is not known, or flags that do not go together with the kind.
    Flags = 3,
    /// A class that is not known.
    Class = 4,
    /// `length` is more than [`MAX_DATA`], or more than there is, or the kind has no data.
    Length = 5,
    /// A piece of a segment that can be none: not of a Data frame, or beyond [`MAX_DATA`].
    Offset = 6,
    /// Sealed, or with the name of a key, but without a tag.
    Auth = 7,
    /// A sender that no node can have (host 0 or boot 0).
    Address = 8,
    /// A circuit index that the kind needs is missing, or one that it must not have is there.
    Index = 9,
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = 10;

    /// Every reason, by its number.
    pub const ALL: [DropReason; Self::COUNT] = [
        DropReason::Short,
        DropReason::Version,
        DropReason::Kind,
        DropReason::Flags,
        DropReason::Class,
        DropReason::Length,
        DropReason::Offset,
        DropReason::Auth,
        DropReason::Address,
        DropReason::Index,
    ];

    /// The reason as a file name: lower case, no blanks.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Short => "short",
            DropReason::Version => "version",
            DropReason::Kind => "kind",
            DropReason::Flags => "flags",
            DropReason::Class => "class",
            DropReason::Length => "length",
            DropReason::Offset => "offset",
            DropReason::Auth => "auth",
            DropReason::Address => "address",
            DropReason::Index => "index",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
    pub ack: u32,
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
            ack: 0,
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
            ack: raw.ack.get(),
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
        if self.from.host() == 0 || self.from.boot() == 0 {
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
        let end = usize::from(self.offset) + usize::from(self.len);
        self.kind == Kind::Data && self.len > 0 && end <= MAX_DATA
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
            ack: U32::new(self.ack),
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

#[cfg(test)]
mod tests;
