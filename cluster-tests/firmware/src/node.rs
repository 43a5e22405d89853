// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware as a node of the cluster: frames and time go in, frames come out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::audit::Audit;
use crate::body::{Beacon, Handshake, Hello, BEACON_INTERVAL, HELLO_INTERVAL};
use crate::circuit::{Circuit, Emit, Road, Setup, State};
use crate::crypto::{self, Key};
use crate::identity::{plain, Identity, Mode, Random};
use crate::peer::Peer;
use crate::wire::{
    class, flag, kind, Gpid, Header, Mac, BROADCAST, ETHERNET, ETHERTYPE, HEADER, NONE,
};

/// The firmware's process, as others see it.
const PID: u16 = 77;

/// One interface of ours.
#[derive(Clone, Copy, Debug)]
pub struct Rail {
    /// Its address.
    pub mac: Mac,
    /// Most bytes behind an Ethernet header.
    pub mtu: u16,
}

/// How the node behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Says Hello and sends beacons, and answers.
    pub speaks: bool,
    /// Takes circuits of class Test and sends back what comes.
    pub serves: bool,
    /// Segments for which a circuit has room, from 1 to 64.
    pub window: u16,
    /// Bytes of a segment; `None`: what fits every rail.
    pub segment: Option<usize>,
}

/// A node.
pub struct Node {
    /// Its name and keys.
    pub identity: Identity,
    /// What it found wrong.
    pub audit: Audit,
    /// Its manners.
    pub manners: Manners,
    /// Its interfaces.
    pub rails: Vec<Rail>,
    /// The others, by host id.
    pub peers: BTreeMap<u32, Peer>,
    /// Its circuits, by index.
    pub circuits: BTreeMap<u32, Circuit>,
    /// Broadcast frames of others that came last, as they came.
    pub overheard: Vec<Vec<u8>>,
    /// Resets that came for circuits that there are not.
    pub strays: Vec<Header>,
    /// Own indices of circuits that ended well and are not in `circuits` any more.
    pub(crate) finished: BTreeSet<u32>,
    pub(crate) past: Vec<Gpid>,
    pub(crate) random: Random,
    /// Circuits of others that ended well.
    pub served: u32,
    out: Vec<(usize, Vec<u8>)>,
    next_index: u32,
    hello_at: u64,
    beacon_at: u64,
    beacons: u32,
}

impl Node {
    /// A node that says nothing yet.
    pub fn new(identity: Identity, rails: Vec<Rail>, manners: Manners, mut random: Random) -> Self {
        let next_index = random.number() & 0xffff_0fff;
        Self {
            identity,
            audit: Audit::default(),
            manners,
            rails,
            peers: BTreeMap::new(),
            circuits: BTreeMap::new(),
            overheard: Vec::new(),
            strays: Vec::new(),
            finished: BTreeSet::new(),
            past: Vec::new(),
            random,
            served: 0,
            out: Vec::new(),
            next_index,
            hello_at: 0,
            beacon_at: 0,
            beacons: 0,
        }
    }

    /// This node's process.
    pub fn process(&self) -> Gpid {
        Gpid(self.identity.node.0 | u64::from(PID))
    }

    /// What is to be sent: rail, and frame with its Ethernet header.
    pub fn take_out(&mut self) -> Vec<(usize, Vec<u8>)> {
        core::mem::take(&mut self.out)
    }

    /// Does what is due. Times are in microseconds.
    pub fn tick(&mut self, now: u64) {
        if self.manners.speaks {
            if now >= self.hello_at {
                self.hello_at = now + u64::from(HELLO_INTERVAL) * 1000;
                self.say_hello(0, None);
            }
            if now >= self.beacon_at {
                self.beacon_at = now + u64::from(BEACON_INTERVAL) * 1000;
                self.say_beacon(now);
            }
            self.ask_for_ready(now);
        }
        self.advance_all(now);
    }

    /// Sends a frame, as it is, to an address on a rail.
    pub fn send_raw(&mut self, rail: usize, to: Mac, payload: &[u8]) {
        let Some(own) = self.rails.get(rail) else {
            return;
        };
        let mut frame = Vec::with_capacity(ETHERNET + payload.len());
        frame.extend(to);
        frame.extend(own.mac);
        frame.extend(ETHERTYPE.to_be_bytes());
        frame.extend(payload);
        self.out.push((rail, frame));
    }

    /// The data of a Hello on a rail.
    pub fn hello(&self, rail: usize, flags: u8) -> Hello {
        Hello {
            rail: rail as u8,
            rails: self.rails.len() as u8,
            flags,
            epoch: self.identity.epoch,
            incarnation: self.identity.incarnation,
            interval_ms: HELLO_INTERVAL,
            mtu: self.rails[rail].mtu,
            nonce: self.identity.nonce,
            fingerprint: self.identity.fingerprint,
        }
    }

    /// Says hello on all rails, or one.
    pub fn say_hello(&mut self, flags: u8, only: Option<usize>) {
        for rail in 0..self.rails.len() {
            if only.is_some_and(|only| only != rail) {
                continue;
            }
            let data = self.hello(rail, flags).bytes();
            let header = Header::new(kind::HELLO, class::CM, 0, self.identity.node, Gpid(0));
            let frame = self.identity.frame(header, &data);
            self.send_raw(rail, BROADCAST, &frame);
        }
    }

    fn say_beacon(&mut self, now: u64) {
        self.beacons += 1;
        let beacon = Beacon {
            // From a number that is ahead of those of an earlier start.
            seq: (now / 1000) as u32 + self.beacons,
            hostname: self.name().into_bytes(),
            interfaces: self.rails.iter().map(|rail| rail.mac).collect(),
            uptime_ms: now / 1000,
        };
        let header = Header::new(
            kind::EPHEMERAL,
            class::RM,
            Beacon::OP,
            self.identity.node,
            Gpid(0),
        );
        let rail = self.beacons as usize % self.rails.len();
        let frame = self.identity.frame(header, &beacon.bytes());
        self.send_raw(rail, BROADCAST, &frame);
    }

    /// `firmware9`.
    pub fn name(&self) -> String {
        format!("firmware{}", self.identity.node.host())
    }

    /// Sends a Handshake to a node that is at this address of a rail.
    pub(crate) fn say_handshake(&mut self, to: Gpid, at: (usize, Mac), flags: u8, echo: Key) {
        let handshake = Handshake {
            flags,
            epoch: self.identity.epoch,
            reserved: 0,
            incarnation: self.identity.incarnation,
            fingerprint: self.identity.fingerprint,
            nonce: self.identity.nonce,
            echo,
        };
        let header = Header::new(kind::HANDSHAKE, class::CM, 0, self.identity.node, to.node());
        let frame = self.identity.frame(header, &handshake.bytes());
        self.send_raw(at.0, at.1, &frame);
    }

    fn ask_for_ready(&mut self, now: u64) {
        let mut due = Vec::new();
        for peer in self.peers.values_mut() {
            let Some((nonce, number)) = peer.retry(now) else {
                continue;
            };
            let links: Vec<_> = peer.links.iter().collect();
            // Each better on another rail than the one before.
            if let Some((rail, link)) = links.get(number as usize % links.len().max(1)) {
                due.push((
                    peer.node,
                    (**rail, link.mac),
                    peer.flags(&self.identity, &nonce),
                    nonce,
                ));
            }
        }
        for (to, at, flags, nonce) in due {
            self.say_handshake(to, at, flags, nonce);
        }
    }

    /// Picks a new nonce, and tells the others.
    pub fn rekey(&mut self, now: u64) {
        self.identity.rekey(&mut self.random);
        self.peers.values_mut().for_each(|peer| peer.rekeyed(now));
        self.say_hello(0, None);
    }

    /// Whether a peer is up, on so many rails at least.
    pub fn is_up(&self, host: u32, rails: usize, now: u64) -> bool {
        let open_mode = self.identity.mode == Mode::Open;
        self.peers.get(&host).is_some_and(|peer| {
            peer.is_up(now, open_mode)
                && peer.rails(now).count() >= rails
                && (open_mode || peer.is_settled(&self.identity))
        })
    }

    /// Opens a circuit to a node with a first message; its index.
    pub fn open(&mut self, host: u32, class: u8, op: u8, message: &[u8], now: u64) -> Option<u32> {
        let segment = self.segment_size();
        let index = self.new_index();
        let (local, window) = (self.process(), self.manners.window);
        let peer = self.peers.get_mut(&host)?;
        let open_seq = peer.next_open;
        peer.next_open = open_seq.wrapping_add(1);
        let association = self.identity.incarnation ^ peer.incarnation.rotate_left(16);
        let mut circuit = Circuit::new(
            Setup {
                active: true,
                class,
                local,
                remote: peer.node,
                index,
                remote_index: None,
                open_seq,
                association,
                window,
                edge: 1,
                segment,
            },
            now,
        );
        circuit.send(op, message);
        self.circuits.insert(index, circuit);
        Some(index)
    }

    pub(crate) fn new_index(&mut self) -> u32 {
        // One whose low half is all ones would mean none.
        self.next_index = match self.next_index.wrapping_add(1) {
            next if crate::wire::is_none(next) => next.wrapping_add(1),
            next => next,
        };
        self.next_index
    }

    pub(crate) fn segment_size(&self) -> usize {
        let rooms = self.rails.iter().map(|rail| self.room(rail.mtu));
        self.manners.segment.unwrap_or(rooms.min().unwrap_or(1))
    }

    /// Bytes of data that a frame can have.
    fn room(&self, mtu: u16) -> usize {
        usize::from(mtu) - HEADER - self.identity.mode.overhead()
    }

    /// Rails on which a peer is heard, and what fits there at both ends.
    pub fn roads(&self, host: u32, now: u64) -> Vec<Road> {
        let Some(peer) = self.peers.get(&host) else {
            return Vec::new();
        };
        let open_mode = self.identity.mode == Mode::Open;
        if !peer.is_up(now, open_mode) {
            return Vec::new();
        }
        let road = |(rail, mtu): (usize, u16)| {
            let own = self.rails.get(rail)?;
            let room = self.room(own.mtu.min(mtu));
            Some(Road { rail, room })
        };
        peer.rails(now)
            .map(|(rail, link)| (rail, link.mtu))
            .filter_map(road)
            .collect()
    }

    fn advance_all(&mut self, now: u64) {
        let indices: Vec<u32> = self.circuits.keys().copied().collect();
        let mut emits = Vec::new();
        for index in indices {
            let Some(circuit) = self.circuits.get(&index) else {
                continue;
            };
            let host = circuit.setup.remote.host();
            let roads = self.roads(host, now);
            if let Some(circuit) = self.circuits.get_mut(&index) {
                circuit.advance(&roads, now, &mut emits);
                let done = circuit.state == State::Done && !circuit.setup.active;
                if done {
                    self.served += 1;
                    self.finished.insert(index);
                }
                // An opener's is looked at by who opened it.
                if circuit.state != State::Open && !circuit.setup.active {
                    self.circuits.remove(&index);
                }
            }
            for emit in emits.drain(..) {
                self.send_emit(host, emit);
            }
        }
    }

    /// Sends a frame of a circuit.
    pub fn send_emit(&mut self, host: u32, emit: Emit) {
        let Some(frame) = self.pair_frame(host, emit.header, &emit.data) else {
            return;
        };
        let mac = self.address(host, emit.rail);
        self.send_raw(emit.rail, mac, &frame);
    }

    /// The address of a peer on a rail.
    pub fn address(&self, host: u32, rail: usize) -> Mac {
        self.peers
            .get(&host)
            .and_then(|peer| peer.links.get(&rail))
            .map_or(BROADCAST, |link| link.mac)
    }

    /// A frame under the pair key with a peer, or in the clear, as the mode wants it; `None` if
    /// there is no key.
    pub fn pair_frame(&mut self, host: u32, mut header: Header, data: &[u8]) -> Option<Vec<u8>> {
        if self.identity.mode == Mode::Open {
            return Some(plain(header, data));
        }
        let key = self.peers.get_mut(&host)?.next_key()?;
        header.flags |= self.identity.mode.flags(header.kind);
        header.key_id = key.key_id;
        Some(crypto::seal(&key.key, key.counter, header, data))
    }

    /// Answers a segment that was sent again, of a circuit that ended well: it had come, as all had.
    pub(crate) fn say_ack(&mut self, rail: usize, frame: &Header) {
        let host = frame.from.host();
        let mut header = Header::new(kind::ACK, frame.class(), 0, frame.to, frame.from);
        header.flags = (frame.flags & flag::TO_PASSIVE) ^ flag::TO_PASSIVE | flag::ACK_VALID;
        (header.active, header.passive) = (frame.active, frame.passive);
        header.ack = frame.seq.wrapping_add(1);
        let data = Vec::new();
        self.send_emit(host, Emit { rail, header, data });
    }

    /// Answers a frame of no circuit: with what the frame said, turned around.
    pub(crate) fn say_reset(&mut self, rail: usize, frame: &Header, reason: u32) {
        let host = frame.from.host();
        let mut header = Header::new(
            kind::RESET,
            frame.class(),
            0,
            self.identity.node,
            frame.from,
        );
        header.flags = (frame.flags & flag::TO_PASSIVE) ^ flag::TO_PASSIVE;
        (header.active, header.passive) = (frame.active, frame.passive);
        if reason != crate::circuit::reset::NO_CIRCUIT {
            header.passive = NONE;
        }
        header.seq = reason;
        let data = Vec::new();
        self.send_emit(host, Emit { rail, header, data });
    }
}
