// SPDX-License-Identifier: GPL-2.0-only

//! An endpoint alone at a desk: tables of a few slots, and a list of all that it did.
//!
//! A tag is its key here: who knows a frame's key could have made it, and nobody else.

use std::ops::Range;

use podos_proto::cdt::{Cdt, CdtIndex, PeerKey, Slot};
use podos_proto::endpoint::{self, Dropped, Environment, Frame, Identity, Mac, News, SightingSlot};
use podos_proto::keys::{self, Key, Mode, Nonce, Prf, Seal, SessionSlot, Sessions, KEY_LEN};
use podos_proto::peer::{PeerSlot, Peers};
use podos_proto::tgroup::{RailId, RailSet};
use podos_proto::time::Instant;
use podos_proto::wire::{Class, Header, ResetReason, HEADER_LEN, TAG_LEN};
use podos_proto::{Gpid, HostId, Seq};

/// Hosts that the tables have room for.
pub const HOSTS: usize = 6;
/// Circuits that the CDT has room for.
pub const CIRCUITS: usize = 8;
/// Places for who was heard just now.
const SIGHTINGS: usize = 16;

/// Not a secret function, but a function.
#[derive(Clone, Copy, Debug)]
pub struct Mix;

impl Prf for Mix {
    fn prf(key: &Key, input: &[u8]) -> [u8; KEY_LEN] {
        let mut state = [0x9e37_79b9_7f4a_7c15_u64; KEY_LEN / 8];
        for (at, &byte) in key.as_bytes().iter().chain(input).enumerate() {
            let word = &mut state[at % 4];
            *word = (*word ^ u64::from(byte))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23);
        }
        for at in 0..8 {
            state[(at + 1) % 4] ^= state[at % 4]
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .rotate_left(31);
        }
        let mut out = [0; KEY_LEN];
        for (to, word) in out.chunks_exact_mut(8).zip(state) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

/// A frame, and the key that its tag was made with, which stands for the tag.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// Who sent it.
    pub source: Mac,
    /// What follows the Ethernet header.
    pub bytes: Vec<u8>,
    /// The key; zeros for a tag of somebody who has none.
    pub key: [u8; KEY_LEN],
    /// It was for another station.
    pub foreign: bool,
}

impl Tagged {
    /// A frame of the station `source`, protected as `seal` says.
    pub fn new(source: Mac, header: &Header, data: &[u8], seal: Option<&Seal>) -> Self {
        let mut header = *header;
        header.len = data.len() as u16;
        header.auth = seal.map(|seal| seal.auth);
        Self {
            source,
            bytes: frame(&header, data),
            key: seal.map_or([0; KEY_LEN], |seal| *seal.key.as_bytes()),
            foreign: false,
        }
    }
}

/// A frame: its header, counter, data and room for a tag.
pub fn frame(header: &Header, data: &[u8]) -> Vec<u8> {
    let mut head = [0; HEADER_LEN];
    header.write(&mut head);
    let mut frame = head.to_vec();
    frame.extend(header.counter_bytes().into_iter().flatten());
    frame.extend_from_slice(data);
    if header.auth.is_some() {
        frame.extend([0; TAG_LEN]);
    }
    frame
}

impl Frame for Tagged {
    type Data = Vec<u8>;

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn source(&self) -> Mac {
        self.source
    }

    fn is_for_this_station(&self) -> bool {
        !self.foreign
    }

    fn start(&mut self, len: usize) -> &[u8] {
        &self.bytes[..len.min(self.bytes.len())]
    }

    fn into_data(self, range: Range<usize>) -> Option<Vec<u8>> {
        self.bytes.get(range).map(<[u8]>::to_vec)
    }
}

/// What the endpoint did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// It sent a frame on a rail to a station.
    Sent {
        /// The rail.
        rail: RailId,
        /// The station.
        to: Mac,
        /// The frame's header.
        header: Header,
        /// The frame's data.
        data: Vec<u8>,
        /// The key that its tag is made with, if it has one.
        key: Option<[u8; KEY_LEN]>,
    },
    /// It made the passive end of a circuit of this opener, association and open sequence.
    Accepted(Gpid, u32, Seq),
    /// It handed a frame of this node to a circuit with that one.
    Delivered(Gpid, Gpid),
    /// It handed a circuit to its layer.
    Arrived,
    /// It handed an ephemeral packet to its layer.
    Ephemeral(Gpid),
    /// It broke the circuits with a host.
    Broke(HostId),
    /// It rerouted the circuits with a host.
    Rerouted(HostId),
    /// It dropped a frame.
    Dropped(Dropped),
    /// It told of a peer.
    Told(News),
}

/// See the module.
#[derive(Debug)]
pub struct Desk {
    /// Who the endpoint is.
    pub node: Gpid,
    /// Which start of CM.
    pub incarnation: u32,
    /// The time.
    pub now: Instant,
    /// How frames are protected.
    pub mode: Option<Mode>,
    /// The rails that can send.
    pub usable: RailSet,
    /// Classes that somebody takes circuits of.
    pub listeners: Vec<Class>,
    /// The peers.
    pub peers: Peers<Vec<PeerSlot>>,
    /// The sessions.
    pub sessions: Sessions<Mix, Vec<SessionSlot>>,
    /// The circuits: the node at the other end of each.
    pub circuits: Cdt<Gpid, Vec<Slot<Gpid>>>,
    /// Whether it is the only one of its name.
    pub identity: Identity,
    sightings: [SightingSlot; SIGHTINGS],
    /// What it did, the latest last.
    pub deeds: Vec<Deed>,
    nonces: u8,
}

impl Desk {
    /// An endpoint that has done nothing yet, with the cluster key `key` if the mode asks for one.
    pub fn new(node: Gpid, mode: Mode, key: u8) -> Self {
        let (now, incarnation) = (Instant::from_nanos(1), 9);
        let slots = (0..HOSTS).map(|_| SessionSlot::new()).collect();
        let mut sessions = Sessions::new(slots, node, incarnation, keys::Config::default());
        sessions.set_mode(mode).expect("the mode was not set yet");
        if mode.is_keyed() {
            let nonce = [node.host().raw() as u8; KEY_LEN];
            sessions
                .add_key(now, Key::new([key; KEY_LEN]), nonce)
                .expect("the ring is empty");
        }
        Self {
            node,
            incarnation,
            now,
            mode: Some(mode),
            usable: RailSet::from_bits(0b11),
            listeners: vec![Class::Test],
            peers: Peers::new((0..HOSTS).map(|_| PeerSlot::new()).collect()),
            sessions,
            circuits: Cdt::new((0..CIRCUITS).map(|_| Slot::new()).collect()),
            identity: Identity::new(),
            sightings: [const { SightingSlot::new() }; SIGHTINGS],
            deeds: Vec::new(),
            nonces: 0,
        }
    }

    /// The address of a node's interface on a rail.
    pub fn mac(node: Gpid, rail: RailId) -> Mac {
        [
            2,
            0,
            0,
            node.boot() as u8,
            node.host().raw() as u8,
            rail as u8,
        ]
    }

    /// A circuit leaves the table, because it finished or was cut off.
    pub fn end(&mut self, index: CdtIndex, finished: bool) {
        let removed = match finished {
            true => self.circuits.remove_finished(index),
            false => self.circuits.remove(index),
        };
        if let Some(peer) = removed {
            endpoint::passive_ended(self, peer);
        }
    }

    /// Cuts circuits off whose other end is on a node that `which` names.
    pub fn cut(&mut self, which: impl Fn(Gpid) -> bool) {
        let circuits = self.circuits.window(0, CIRCUITS);
        let cut = circuits.filter(|(_, peer)| which(**peer));
        let cut: Vec<_> = cut.map(|(index, _)| index).collect();
        for index in cut {
            self.end(index, false);
        }
    }

    fn found(&self, index: CdtIndex) -> Option<(CdtIndex, Gpid)> {
        Some((index, *self.circuits.get(index)?))
    }
}

impl Environment for Desk {
    type Frame = Tagged;
    type Circuit = CdtIndex;
    type Room = ();
    type Listener = ();
    type Prf = Mix;
    type PeerSlots = Vec<PeerSlot>;
    type SessionSlots = Vec<SessionSlot>;

    fn node(&self) -> Gpid {
        self.node
    }

    fn incarnation(&self) -> u32 {
        self.incarnation
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn mode(&self) -> Option<Mode> {
        self.mode
    }

    fn nonce(&mut self) -> Nonce {
        self.nonces = self.nonces.wrapping_add(1);
        let mut nonce = [self.nonces; KEY_LEN];
        nonce[0] = self.node.host().raw() as u8 | 0x80;
        nonce
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn is_own(&self, mac: Mac) -> bool {
        self.usable
            .iter()
            .any(|rail| Self::mac(self.node, rail) == mac)
    }

    fn peers_version(&self) -> u32 {
        self.peers.version()
    }

    fn sightings(&self) -> &[SightingSlot] {
        &self.sightings
    }

    fn peers<R>(&mut self, work: impl FnOnce(&mut Peers<Vec<PeerSlot>>) -> R) -> R {
        work(&mut self.peers)
    }

    fn sessions<R>(
        &mut self,
        work: impl FnOnce(&mut Sessions<Mix, Vec<SessionSlot>>) -> R,
    ) -> Option<R> {
        Some(work(&mut self.sessions))
    }

    fn usable(&self) -> RailSet {
        self.usable
    }

    fn mtu(&self, _rail: RailId) -> Option<u16> {
        Some(1500)
    }

    fn send(&mut self, rail: RailId, to: Mac, header: &Header, data: &[u8], seal: Option<&Seal>) {
        let mut header = *header;
        header.auth = seal.map(|seal| seal.auth);
        let data = data.to_vec();
        self.deeds.push(Deed::Sent {
            rail,
            to,
            header,
            data,
            key: seal.map(|seal| *seal.key.as_bytes()),
        });
    }

    fn verify(&mut self, key: &Key, _header: &Header, frame: &mut Tagged) -> bool {
        *key.as_bytes() == frame.key
    }

    fn room(&mut self) -> Option<()> {
        Some(())
    }

    fn opening<R>(&mut self, handle: impl FnOnce(&mut Self) -> R) -> R {
        handle(self)
    }

    fn find(&mut self, index: CdtIndex) -> Option<(CdtIndex, Gpid)> {
        self.found(index)
    }

    fn find_passive(&mut self, key: PeerKey) -> Option<(CdtIndex, Gpid)> {
        self.found(self.circuits.find_passive(key)?)
    }

    fn free(&mut self) -> usize {
        CIRCUITS - self.circuits.len()
    }

    fn has_finished(&mut self, index: CdtIndex) -> bool {
        self.circuits.has_finished(index)
    }

    fn listener(&mut self, class: Class) -> Option<()> {
        self.listeners.contains(&class).then_some(())
    }

    fn accept(&mut self, (): (), header: &Header, _local: Gpid) -> Option<CdtIndex> {
        let (key, peer) = (PeerKey::new(header.from, header.active), header.from.node());
        let index = self.circuits.insert_passive(key, |_| peer).ok()?;
        self.deeds
            .push(Deed::Accepted(peer, header.sack, header.ack));
        Some(index)
    }

    fn deliver(&mut self, circuit: &CdtIndex, _rail: RailId, header: &Header, _data: Vec<u8>) {
        let peer = self.circuits.get(*circuit).copied();
        let peer = peer.expect("a frame is delivered to a circuit that is there");
        self.deeds.push(Deed::Delivered(header.from.node(), peer));
    }

    fn arrive(&mut self, (): (), _circuit: CdtIndex, _op: u8) {
        self.deeds.push(Deed::Arrived);
    }

    fn ephemeral(&mut self, header: &Header, _data: &[u8]) {
        self.deeds.push(Deed::Ephemeral(header.from.node()));
    }

    fn break_circuits(&mut self, host: HostId, _reason: ResetReason) {
        self.cut(|peer| peer.host() == host);
        self.deeds.push(Deed::Broke(host));
    }

    fn reroute(&mut self, host: HostId) {
        self.deeds.push(Deed::Rerouted(host));
    }

    fn dropped(&mut self, _rail: RailId, why: Dropped) {
        self.deeds.push(Deed::Dropped(why));
    }

    fn tell(&mut self, news: News) {
        self.deeds.push(Deed::Told(news));
    }
}
