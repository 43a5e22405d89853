// SPDX-License-Identifier: GPL-2.0-only

//! One node of the cluster, as the wire sees it: the dispatcher.
//!
//! Here is what a node does with a frame and with an OPEN, when the state of a peer changes, and as
//! time passes. The endpoint decides; its [`Environment`] has the tables under their locks, the
//! devices, the cryptography and the circuits. The kernel module, the simulation and the fuzz
//! targets are three such environments of the same endpoint: what one of them proves holds for the
//! others.
//!
//! A frame goes through [`receive`]: parsed, admitted (in a cluster with a key: proved a member's),
//! counted as a sign of life of its sender's rail, and handed to its circuit, its layer or the
//! table of peers. Frames of the circuits themselves leave by [`protection`], all others by what is
//! here.
//!
//! No function holds one of the environment's locks while it calls the environment again, but for
//! [`Environment::opening`].

mod clock;
mod identity;
mod namesake;
mod open;
mod peers;
mod receive;
mod route;
mod send;
mod sightings;

pub use clock::{rekey, Clock};
pub use identity::{Identity, Namesake};
pub use open::{open, refused, Opening};
pub use peers::expel_all;
pub use receive::{receive, receive_parsed};
pub use route::passive_ended;
pub use send::{announce, protection};
pub use sightings::SightingSlot;

use core::ops::{DerefMut, Range};

use crate::cdt::{CdtIndex, PeerKey};
use crate::gpid::Gpid;
use crate::host_id::HostId;
use crate::keys::{self, AuthError, Key, Mode, Prf, Seal, SessionSlot};
use crate::peer::{self, PeerSlot};
use crate::tgroup::{RailId, RailSet};
use crate::time::Instant;
use crate::wire::{Class, DropReason, Header, ResetReason};

/// A hardware address.
pub type Mac = [u8; 6];

/// The address of all stations.
pub const BROADCAST: Mac = [0xff; 6];

/// A received frame, from its header on.
pub trait Frame {
    /// Data, as circuits take them.
    type Data;

    /// Bytes of the frame, with Ethernet's padding.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of the station that sent it.
    fn source(&self) -> Mac;

    /// Whether it was for this station or for all, on the rail's own network: not one for another
    /// station that the device overheard, and not one of a VLAN on the same wire.
    fn is_for_this_station(&self) -> bool;

    /// The first `len` bytes, or as many as there are.
    fn start(&mut self, len: usize) -> &[u8];

    /// The data at `range`; `None` without memory.
    fn into_data(self, range: Range<usize>) -> Option<Self::Data>;
}

/// What an endpoint stands on: tables and their locks, devices, circuits, and who hears of it all.
///
/// Methods that change something take `&mut self` so that a single-threaded owner needs no locks; the
/// kernel implements the trait for a reference to what has them.
pub trait Environment {
    /// What arrives.
    type Frame: Frame;
    /// A circuit in the CDT.
    type Circuit;
    /// Memory for a circuit.
    type Room;
    /// A layer that takes circuits.
    type Listener;
    /// Keyed BLAKE2s.
    type Prf: Prf;
    /// The memory of the table of peers.
    type PeerSlots: DerefMut<Target = [PeerSlot]>;
    /// The memory of the table of sessions.
    type SessionSlots: DerefMut<Target = [SessionSlot]>;

    // This node.

    /// Its host and boot.
    fn node(&self) -> Gpid;
    /// Which start of CM within the boot it is; never 0.
    fn incarnation(&self) -> u32;
    /// The time.
    fn now(&self) -> Instant;
    /// How its cluster protects frames; `None` until it was told.
    fn mode(&self) -> Option<Mode>;
    /// A random number for a new epoch.
    fn nonce(&mut self) -> keys::Nonce;

    /// Whether it is the only one of its name.
    fn identity(&self) -> &Identity;

    // Its tables, each under its lock while the function runs.

    /// The [version](peer::Peers::version) of the table of peers, which may be about to change.
    fn peers_version(&self) -> u32;
    /// Places for who was heard just now: as many as there are hosts and rails, or fewer.
    fn sightings(&self) -> &[SightingSlot];
    /// Works on the table of peers.
    fn peers<R>(&mut self, work: impl FnOnce(&mut peer::Peers<Self::PeerSlots>) -> R) -> R;
    /// Works on the sessions; `None` if none of them may be used any more, because this node's
    /// memory was copied.
    fn sessions<R>(
        &mut self,
        work: impl FnOnce(&mut keys::Sessions<Self::Prf, Self::SessionSlots>) -> R,
    ) -> Option<R>;

    // Its rails.

    /// The rails that can send.
    fn usable(&self) -> RailSet;
    /// Whether this is the address of one of them.
    fn is_own(&self, mac: Mac) -> bool;
    /// Most bytes of a frame on a rail; `None` if the rail is gone.
    fn mtu(&self, rail: RailId) -> Option<u16>;
    /// Sends one frame, protected as `seal` says, to a station on a rail. It may be lost, as any
    /// frame may be.
    fn send(&mut self, rail: RailId, to: Mac, header: &Header, data: &[u8], seal: Option<&Seal>);
    /// Whether the frame's tag is right; its data are decrypted in place if they were sealed.
    fn verify(&mut self, key: &Key, header: &Header, frame: &mut Self::Frame) -> bool;

    // Its circuits.

    /// Memory for a circuit, asked for before [`Environment::opening`]; `None` if there is none.
    fn room(&mut self) -> Option<Self::Room>;
    /// Has no other OPEN be handled while `handle` runs, so that a copy on another rail finds either
    /// no trace of its circuit or all of it.
    fn opening<R>(&mut self, handle: impl FnOnce(&mut Self) -> R) -> R;
    /// The circuit of this index, and the node at its other end.
    fn find(&mut self, index: CdtIndex) -> Option<(Self::Circuit, Gpid)>;
    /// The passive end of the circuit that `key` names, and the node at its other end.
    fn find_passive(&mut self, key: PeerKey) -> Option<(Self::Circuit, Gpid)>;
    /// How many entries of the CDT are free.
    fn free(&mut self) -> usize;
    /// Whether there was a circuit of this index, which finished.
    fn has_finished(&mut self, index: CdtIndex) -> bool;
    /// The layer that takes circuits of a class.
    fn listener(&mut self, class: Class) -> Option<Self::Listener>;
    /// Makes the passive end, of the process or node `local`, of the circuit that `header` opens, and
    /// enters it; `None` if the table is full. When it has left the table, [`passive_ended`] is to be
    /// called.
    fn accept(&mut self, room: Self::Room, header: &Header, local: Gpid) -> Option<Self::Circuit>;
    /// Hands a frame to its circuit.
    fn deliver(
        &mut self,
        circuit: &Self::Circuit,
        rail: RailId,
        header: &Header,
        data: <Self::Frame as Frame>::Data,
    );
    /// Hands a new circuit to its layer, after its first frame; `op` is that of its first message.
    fn arrive(&mut self, listener: Self::Listener, circuit: Self::Circuit, op: u8);
    /// Hands an ephemeral packet to its layer.
    fn ephemeral(&mut self, header: &Header, data: &[u8]);
    /// Breaks all circuits with a host, at this end.
    fn break_circuits(&mut self, host: HostId, reason: ResetReason);
    /// Has the circuits with a host look anew which rails there are; at once, or soon.
    fn reroute(&mut self, host: HostId);

    // Who hears of it.

    /// A frame that came on `rail` was dropped.
    fn dropped(&mut self, rail: RailId, why: Dropped);
    /// Something changed with a peer.
    fn tell(&mut self, news: News);
}

/// Why a frame was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It breaks the rules of the wire format.
    Malformed(DropReason),
    /// It is no member's.
    Unauthentic(AuthError),
    /// It is right, and of no use.
    Unwanted(Unwanted),
}

impl Dropped {
    /// The reason as a file name: lower case, no blanks.
    pub const fn name(self) -> &'static str {
        match self {
            Dropped::Malformed(reason) => reason.name(),
            Dropped::Unauthentic(why) => why.name(),
            Dropped::Unwanted(why) => why.name(),
        }
    }
}

/// Why a frame that parses was dropped all the same; the numbers index a table of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Unwanted {
    /// It came from this node itself.
    Echo = 0,
    /// It is for another node, or another boot of this one.
    Misaddressed = 1,
    /// It is from a past boot, or there is no room for its sender in the table of peers.
    Peer = 2,
    /// Its circuit is not there (any more).
    NoCircuit = 3,
    /// It is a hello, or a report of who is heard, that makes no sense.
    Hello = 4,
    /// This node was not told yet how its cluster protects frames.
    NoMode = 5,
    /// It was for another station, or of a VLAN.
    Foreign = 6,
    /// Another machine has this node's host id: it is of that one, or this node has yielded to it.
    Namesake = 7,
    /// Its data would be more than this node keeps for its sender until they are read.
    Kept = 8,
}

impl Unwanted {
    /// How many reasons there are.
    pub const COUNT: usize = 9;

    /// Every reason, by its number.
    pub const ALL: [Unwanted; Self::COUNT] = [
        Unwanted::Echo,
        Unwanted::Misaddressed,
        Unwanted::Peer,
        Unwanted::NoCircuit,
        Unwanted::Hello,
        Unwanted::NoMode,
        Unwanted::Foreign,
        Unwanted::Namesake,
        Unwanted::Kept,
    ];

    /// The reason as a file name: lower case, no blanks.
    pub const fn name(self) -> &'static str {
        match self {
            Unwanted::Echo => "echo",
            Unwanted::Misaddressed => "misaddressed",
            Unwanted::Peer => "peer",
            Unwanted::NoCircuit => "no_circuit",
            Unwanted::Hello => "hello",
            Unwanted::NoMode => "no_mode",
            Unwanted::Foreign => "foreign",
            Unwanted::Namesake => "namesake",
            Unwanted::Kept => "kept",
        }
    }
}

/// What changed with a peer. Its circuits were dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A node came, or came back, on a rail.
    Up {
        /// The node: host and boot.
        node: Gpid,
        /// Where it was heard.
        rail: RailId,
    },
    /// A node lost its memory; it was heard on a rail.
    Rebooted {
        /// The node as it is now: host and boot.
        node: Gpid,
        /// Where it was heard.
        rail: RailId,
    },
    /// A node that is up was heard on a further rail.
    RailUp {
        /// The node: host and boot.
        node: Gpid,
        /// The rail.
        rail: RailId,
    },
    /// One rail of a node is lost, others are left.
    RailDown {
        /// The node: host and boot.
        node: Gpid,
        /// The rail.
        rail: RailId,
    },
    /// A node said that it leaves.
    Left {
        /// The node: host and boot.
        node: Gpid,
    },
    /// A node fell silent, or says that it does not hear this one.
    Silent {
        /// The node: host and boot.
        node: Gpid,
    },
    /// A node may not take part any more: its session is over.
    Expelled {
        /// The node: host and boot.
        node: Gpid,
    },
    /// Another machine is this node, too.
    Namesake {
        /// Its address.
        mac: Mac,
        /// On which rail it was heard.
        rail: RailId,
        /// Whether this node keeps silent until the other one is gone.
        yields: bool,
    },
    /// The other machine, to which this node had yielded, is gone.
    Alone,
    /// What became of a session.
    Session(keys::Event),
}
