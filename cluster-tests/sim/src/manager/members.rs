// SPDX-License-Identifier: MIT OR Apache-2.0

//! In a cluster with a key: frames that prove who sent them, and sessions. `cm`'s sessions.rs, and
//! what receive.rs does with it.

use blake2::digest::{FixedOutput, Update};
use blake2::Blake2sMac256;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use podos_proto::hello::Hello;
use podos_proto::keys::{
    Action, AuthError, Config, Event, Handshake, Key, Mode, Opening, Outgoing, Prf, Seal,
    SessionSlot, Sessions, KEY_LEN,
};
use podos_proto::rm::Beacon;
use podos_proto::time::Instant;
use podos_proto::wire::{Header, Kind, ResetReason, HEADER_LEN, TAG_LEN};
use podos_proto::Gpid;

use super::{Birth, Manager};
use crate::ether::Ether;
use crate::network::{owner, Mac};
use crate::protocol::{self, instant};
use crate::random::Random;
use crate::sabotage::Sabotage;

/// The key of the simulated cluster.
const CLUSTER_KEY: [u8; KEY_LEN] = [0x5a; KEY_LEN];

/// Keyed BLAKE2s-256.
#[derive(Debug)]
struct Blake2s;

impl Prf for Blake2s {
    fn prf(key: &Key, input: &[u8]) -> [u8; KEY_LEN] {
        let mut prf = <Blake2sMac256 as blake2::digest::KeyInit>::new(key.as_bytes().into());
        prf.update(input);
        prf.finalize_fixed().into()
    }
}

fn cipher(key: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.as_bytes().into())
}

fn cipher_nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce.into()
}

/// A frame with this header and data, protected as `seal` says; `None` if the cipher refuses.
fn sealed_frame(mut header: Header, data: &[u8], seal: &Seal) -> Option<Vec<u8>> {
    header.len = data.len() as u16;
    header.auth = Some(seal.auth);
    let mut start = [0; HEADER_LEN];
    header.write(&mut start);
    let mut frame = start.to_vec();
    frame.extend(header.counter_bytes()?);
    let at = frame.len();
    frame.extend_from_slice(data);
    let (cipher, nonce) = (cipher(&seal.key), cipher_nonce(seal.auth.counter));
    let tag = if seal.auth.sealed {
        let (associated, data) = frame.split_at_mut(at);
        cipher.encrypt_inout_detached(&nonce, associated, data.into())
    } else {
        cipher.encrypt_inout_detached(&nonce, &frame, (&mut [][..]).into())
    };
    frame.extend_from_slice(&tag.ok()?);
    Some(frame)
}

/// The data of a frame if its tag is right.
fn verified(header: &Header, frame: &[u8], key: &Key) -> Option<Vec<u8>> {
    let auth = header.auth?;
    let range = header.data_range();
    let tag: [u8; TAG_LEN] = *frame.get(range.end..)?.first_chunk()?;
    let mut data = frame.get(range.clone())?.to_vec();
    let (cipher, nonce) = (cipher(key), cipher_nonce(auth.counter));
    let opened = if auth.sealed {
        let associated = frame.get(..range.start)?;
        cipher.decrypt_inout_detached(&nonce, associated, (&mut data[..]).into(), &tag.into())
    } else {
        let associated = frame.get(..range.end)?;
        cipher.decrypt_inout_detached(&nonce, associated, (&mut [][..]).into(), &tag.into())
    };
    opened.is_ok().then_some(data)
}

/// A node's membership.
#[derive(Debug)]
pub(super) struct Members {
    table: Sessions<Blake2s, Vec<SessionSlot>>,
    random: Random,
    trusts_everybody: bool,
}

impl Members {
    /// That of a node in a cluster of this mode; `None` in an open one.
    pub(super) fn new(ether: &Ether, birth: Birth, slots: usize) -> Option<Self> {
        let mode = ether.config.mode.of_protocol();
        if !mode.is_keyed() {
            return None;
        }
        let slots = (0..slots).map(|_| SessionSlot::new()).collect();
        let table = Sessions::new(slots, birth.gpid, birth.incarnation, Config::default());
        let mut members = Self {
            table,
            random: Random::of(ether.config.seed, 1 << 45 | u64::from(birth.life)),
            trusts_everybody: ether.config.sabotage == Some(Sabotage::TrustEverybody),
        };
        let (key, nonce) = (Key::new(CLUSTER_KEY), members.nonce());
        let set = members.table.set_mode(mode);
        let added = members.table.add_key(instant(ether.now), key, nonce);
        (set.is_ok() && added.is_ok()).then_some(members)
    }

    fn nonce(&mut self) -> [u8; KEY_LEN] {
        let mut nonce = [0; KEY_LEN];
        for chunk in nonce.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.random.bits().to_le_bytes());
        }
        nonce
    }

    fn open(
        &mut self,
        now: Instant,
        header: &Header,
        frame: &[u8],
    ) -> Result<(Opening, Vec<u8>), AuthError> {
        let body = frame.get(header.data_range()).unwrap_or_default();
        let opening = self.table.open_key(now, header, body)?;
        let data = match verified(header, frame, &opening.key) {
            None if self.trusts_everybody => body.to_vec(),
            data => data.ok_or(AuthError::BadTag)?,
        };
        Ok((opening, data))
    }
}

impl Manager {
    /// Makes of a plain frame for one host what the mode asks for; `None` without a session.
    pub(super) fn protect(&mut self, host: u32, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(members) = &mut self.members else {
            return Some(frame);
        };
        let (header, data) = protocol::parse(&frame).ok()?;
        let seal = members.table.seal_for(host)?;
        sealed_frame(header, data, &seal)
    }

    /// The same of a frame to all; a hello gets this node's nonce.
    pub(super) fn introduce(&mut self, ether: &Ether, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(members) = &mut self.members else {
            return Some(frame);
        };
        let (header, data) = protocol::parse(&frame).ok()?;
        let seal = members
            .table
            .seal_broadcast(instant(ether.now), header.kind)?;
        match Hello::decode(data) {
            Ok(hello) if header.kind == Kind::Hello => {
                let hello = members.table.identify(*hello);
                sealed_frame(header, zerocopy::IntoBytes::as_bytes(&hello), &seal)
            }
            _ => sealed_frame(header, data, &seal),
        }
    }

    /// Does what keys and handshakes need by now.
    pub(super) fn mind_sessions(&mut self, ether: &mut Ether) {
        while let Some(members) = &mut self.members {
            let now = instant(ether.now);
            match members.table.poll(now) {
                None => return,
                Some(Action::Send(handshake)) => self.send_handshake(ether, &handshake, None),
                Some(Action::Event(event)) => self.on_session_event(ether, event),
                Some(Action::NeedNonce) => {
                    let nonce = members.nonce();
                    members.table.rekey(now, nonce);
                }
            }
        }
    }

    /// The node picks a new nonce.
    pub fn rekey(&mut self, ether: &mut Ether) {
        if let Some(members) = &mut self.members {
            let nonce = members.nonce();
            members.table.rekey(instant(ether.now), nonce);
            self.mind_sessions(ether);
        }
    }

    fn on_session_event(&mut self, ether: &mut Ether, event: Event) {
        ether.digest.note(match event {
            Event::Up { node } => node.raw() ^ 1,
            Event::Rebooted { node } => node.raw() ^ 2,
            Event::Rekeyed { node } => node.raw() ^ 3,
            Event::Ended { node } => node.raw() ^ 4,
        });
        if let Event::Ended { node } = event {
            if self.peers.expel(node.host()) {
                self.break_circuits(ether, node.host(), ResetReason::PeerDown);
            }
        }
    }

    /// Sends a handshake: back to where its cause came from, or to where its receiver was last
    /// heard, or to all.
    fn send_handshake(
        &mut self,
        ether: &mut Ether,
        handshake: &Outgoing,
        place: Option<(usize, Mac)>,
    ) {
        let header = handshake.header(self.birth.gpid);
        let Some(frame) = sealed_frame(header, handshake.body(), &handshake.seal) else {
            return;
        };
        if let Some((rail, mac)) = place {
            return ether.send(self.birth.node, rail, mac, frame);
        }
        let usable = self.usable(ether);
        let turn = usize::from(handshake.attempt) % usable.len().max(1);
        let Some(rail) = usable.iter().nth(turn) else {
            return;
        };
        let peer = self.peers.get(handshake.to.host());
        let last = peer.and_then(|peer| peer.rail(rail)).map(|rail| rail.mac);
        match last.filter(|mac| *mac != [0; 6]) {
            Some(mac) => ether.send(self.birth.node, rail, mac, frame),
            None => ether.send_to_all(self.birth.node, rail, frame),
        }
    }

    /// A frame of a cluster with a key arrives, to this node or to all.
    pub fn receive_sealed(&mut self, ether: &mut Ether, from: Mac, frame: &[u8]) {
        let rail = owner(from).1;
        let traffic = &mut ether.traffic[self.birth.node as usize];
        traffic.received.count_raw(frame);
        let header = match protocol::parse(frame) {
            Ok((header, _)) => header,
            Err(reason) => return ether.dropped(reason.name()),
        };
        if header.from.host() == self.birth.gpid.host() {
            return ether.dropped("echo");
        }
        if header.to != Gpid::EVERYBODY && !header.to.same_node(self.birth.gpid) {
            return ether.dropped("misaddressed");
        }
        match self.authenticate(ether, &header, rail, from, frame) {
            Ok(Some(data)) => self.take(ether, &header, rail, from, &data),
            Ok(None) => {}
            Err(why) => ether.dropped(why.name()),
        }
    }

    /// The data of a member's frame, if it was sent just now.
    fn authenticate(
        &mut self,
        ether: &mut Ether,
        header: &Header,
        rail: usize,
        from: Mac,
        frame: &[u8],
    ) -> Result<Option<Vec<u8>>, AuthError> {
        let now = instant(ether.now);
        let members = self.members.as_mut().ok_or(AuthError::NoKey)?;
        let (opening, data) = members.open(now, header, frame)?;
        let table = &mut members.table;
        let heard = match header.kind {
            Kind::Hello => {
                let hello = Hello::decode(&data).map_err(|_| AuthError::Malformed)?;
                table.on_hello(now, header, hello, &opening)?
            }
            Kind::Handshake => {
                let handshake = Handshake::decode(&data).map_err(|_| AuthError::Malformed)?;
                let heard = table.on_handshake(now, header, handshake, &opening)?;
                if heard.fresh {
                    let incarnation = handshake.incarnation.get();
                    let event = self.peers.meet(now, header.from, rail, from, incarnation);
                    self.follows(ether, header.from, event);
                }
                heard
            }
            _ => {
                if let Some(event) = table.accept(now, header, &opening)? {
                    self.on_session_event(ether, event);
                }
                return Ok(Some(data));
            }
        };
        if let Some(event) = heard.event {
            self.on_session_event(ether, event);
        }
        if let Some(answer) = heard.answer {
            self.send_handshake(ether, &answer, Some((rail, from)));
        }
        Ok(heard.fresh.then_some(data))
    }

    /// Takes a frame that counts.
    fn take(&mut self, ether: &mut Ether, header: &Header, rail: usize, from: Mac, data: &[u8]) {
        let now = instant(ether.now);
        let event = match header.kind {
            // The table of peers was told already.
            Kind::Handshake => return,
            Kind::Hello => match Hello::decode(data) {
                Ok(hello) => self.peers.hello(now, header.from, rail, from, hello),
                Err(_) => return ether.dropped("hello"),
            },
            _ => self.peers.heard(now, header.from, rail, from),
        };
        if !self.follows(ether, header.from, event) {
            return;
        }
        match header.kind {
            Kind::Ephemeral => {
                if let Ok(beacon) = Beacon::decode(data) {
                    self.sst.update(now, header.from, beacon);
                }
            }
            Kind::Data | Kind::Ack | Kind::Reset => self.route(ether, header, rail, data),
            Kind::Hello | Kind::Handshake => {}
        }
    }
}

/// How a simulated cluster protects its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protection {
    /// Not at all.
    Open,
    /// Every frame is authenticated.
    Mac,
    /// And its data encrypted.
    Aead,
}

impl Protection {
    /// The same in the protocol's words.
    pub fn of_protocol(self) -> Mode {
        match self {
            Protection::Open => Mode::Open,
            Protection::Mac => Mode::Mac,
            Protection::Aead => Mode::Aead,
        }
    }
}
