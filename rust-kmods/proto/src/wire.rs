// SPDX-License-Identifier: GPL-2.0-only

//! The frame: what follows the Ethernet header (paper, section 3.1.1 and table 1).
//!
//! The paper's packet has no version, sequence, acknowledgement or window; here they stand
//! beside its fields, in a fixed layout of [`HEADER_LEN`] bytes, all numbers big-endian. In a
//! cluster with a key a counter follows the header and a tag the data.

mod header;

pub use header::{Auth, Header};

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

use header::RawHeader;

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
/// Least bytes of data in a piece of a segment that others follow: what every rail has room for. A
/// receiver keeps no more pieces of a segment than this makes.
pub const MIN_PIECE: usize = data_room(MIN_MTU, true);
/// Bytes of data that a frame has room for on every rail of the usual MTU, 1500, in every mode.
pub const USUAL_DATA: usize = data_room(1500, true);

/// Bytes of data that a frame has room for on a rail with this MTU; `authenticated`: in a cluster
/// with a key.
pub const fn data_room(mtu: u16, authenticated: bool) -> usize {
    let mtu = if mtu > MAX_MTU { MAX_MTU } else { mtu } as usize;
    let around = HEADER_LEN + if authenticated { AUTH_LEN } else { 0 };
    mtu.saturating_sub(around)
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
    /// A piece of a segment that can be none: not of a Data frame, or beyond [`MAX_DATA`], or one of
    /// less than [`MIN_PIECE`] that others follow.
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
