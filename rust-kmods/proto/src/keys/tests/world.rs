// SPDX-License-Identifier: GPL-2.0-only

//! A few nodes on a network that loses, doubles, delays and reorders, with somebody on it who
//! records everything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::vec::Vec;

use podos_random::SplitMix64;

use super::crypto::{open_frame, seal_frame, Blake2s};
use crate::cdt::CdtIndex;
use crate::derive::IntoBytes;
use crate::hello::Hello;
use crate::keys::{
    Action, AuthError, Config, Event, Handshake, Heard, Key, Mode, Nonce, Outgoing, Seal,
    SessionSlot, Sessions,
};
use crate::tgroup::RailId;
use crate::time::{Duration, Instant};
use crate::wire::{Class, Flags, Header, Kind};
use crate::{Gpid, HostId, Seq};

/// The hosts of the first two nodes.
pub(super) const ONE: HostId = HostId::new(1);
pub(super) const TWO: HostId = HostId::new(2);

const POLL_MS: u64 = 50;
const HELLO_MS: u64 = 300;

/// Chance, from a seed.
#[derive(Clone, Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    /// The seed is changed a little: these are the worlds that it always meant here.
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// A remainder, for the same reason.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 32];
        for word in nonce.chunks_exact_mut(8) {
            word.copy_from_slice(&self.next().to_be_bytes());
        }
        nonce
    }
}

pub(super) fn key(number: u8) -> Key {
    Key::new([number; 32])
}

pub(super) type NodeSessions = Sessions<Blake2s, Vec<SessionSlot>>;

/// One node: what its kernel would keep.
pub(super) struct Node {
    pub(super) gpid: Gpid,
    pub(super) incarnation: u32,
    pub(super) sessions: NodeSessions,
    /// What was let through: sender and number of every Data and Ephemeral frame.
    pub(super) got: HashSet<(Gpid, u64)>,
    pub(super) errors: HashMap<AuthError, usize>,
    pub(super) events: Vec<Event>,
    /// Handshakes sent as answers.
    pub(super) answers: usize,
    /// Signs of life, by host.
    pub(super) alive: HashMap<HostId, usize>,
    hello_at: u64,
}

impl Node {
    pub(super) fn errors(&self, error: AuthError) -> usize {
        self.errors.get(&error).copied().unwrap_or(0)
    }
}

/// What the network does to frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) handshake_loss: u64,
    pub(super) doubled: u64,
    /// Each frame takes from 0 to so many milliseconds.
    pub(super) delay_ms: u64,
}

pub(super) const FAIR: Weather = Weather {
    loss: 0,
    handshake_loss: 0,
    doubled: 0,
    delay_ms: 1,
};

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now_ms: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) weather: Weather,
    config: Config,
    mode: Mode,
    air: BTreeMap<(u64, u64), (usize, Vec<u8>)>,
    sent: u64,
    /// Every frame that was ever sent.
    pub(super) record: Vec<Vec<u8>>,
    number: u64,
    /// All that was ever let through: the receiving host, the sender and the number.
    got: HashSet<(HostId, Gpid, u64)>,
    /// A frame that was let through a second time, even if that was before its receiver restarted.
    pub(super) twice: Option<(HostId, Gpid, u64)>,
    /// Nothing gets through from the first host to the second.
    pub(super) cut: HashSet<(HostId, HostId)>,
    /// What was sent under which key and counter.
    sealed: HashMap<([u8; 32], u64), Vec<u8>>,
    /// Two frames that differ were sent under one key and counter.
    pub(super) reused: bool,
}

impl World {
    /// Nodes 1, 2, ... with one of these cluster keys each, or none.
    pub(super) fn new(seed: u64, mode: Mode, config: Config, keys: &[Option<u8>]) -> Self {
        let mut world = World {
            random: Random::new(seed),
            now_ms: 1_000_000,
            nodes: Vec::new(),
            weather: FAIR,
            config,
            mode,
            air: BTreeMap::new(),
            sent: 0,
            record: Vec::new(),
            number: 0,
            got: HashSet::new(),
            twice: None,
            cut: HashSet::new(),
            sealed: HashMap::new(),
            reused: false,
        };
        for (at, &cluster) in keys.iter().enumerate() {
            let node = world.fresh(
                Gpid::new(HostId::new(at as u32 + 1), 7, 0),
                500 + at as u32,
                cluster,
            );
            world.nodes.push(node);
        }
        world
    }

    pub(super) fn members(seed: u64, count: usize) -> Self {
        Self::new(
            seed,
            Mode::Aead,
            Config::default(),
            &[Some(1)].repeat(count),
        )
    }

    fn fresh(&mut self, gpid: Gpid, incarnation: u32, cluster: Option<u8>) -> Node {
        let slots = (0..16).map(|_| SessionSlot::new()).collect();
        let mut sessions = Sessions::new(slots, gpid, incarnation, self.config.clone());
        if let Some(number) = cluster {
            let nonce = self.random.nonce();
            sessions.add_key(self.now(), key(number), nonce).unwrap();
        }
        sessions.set_mode(self.mode).unwrap();
        Node {
            gpid,
            incarnation,
            sessions,
            got: HashSet::new(),
            errors: HashMap::new(),
            events: Vec::new(),
            answers: 0,
            alive: HashMap::new(),
            hello_at: self.now_ms + self.random.below(HELLO_MS),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ms * 1_000_000)
    }

    /// The node forgets everything: another boot, or another start of its CM in this one.
    pub(super) fn restart(&mut self, at: usize, boot: u16, cluster: Option<u8>) {
        let gpid = Gpid::new(self.nodes[at].gpid.host(), boot, 0);
        let incarnation = self.nodes[at].incarnation + 1000;
        self.nodes[at] = self.fresh(gpid, incarnation, cluster);
    }

    pub(super) fn rekey(&mut self, at: usize) {
        let (now, nonce) = (self.now(), self.random.nonce());
        self.nodes[at].sessions.rekey(now, nonce);
    }

    /// The node goes on from where it was when `snapshot` was taken, and is told so.
    pub(super) fn restore(&mut self, at: usize, snapshot: &NodeSessions) {
        let (now, nonce) = (self.now(), self.random.nonce());
        let node = &mut self.nodes[at];
        node.sessions = snapshot.clone();
        node.incarnation = self.random.next() as u32 | 1;
        node.sessions.fork(now, node.incarnation, nonce);
    }

    /// Lets this much time pass.
    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Lets time pass until `done`; how many milliseconds that took, if not more than `at_most`.
    pub(super) fn run_until(&mut self, at_most: u64, done: impl Fn(&World) -> bool) -> Option<u64> {
        (0..=at_most).find(|_| {
            let there = done(self);
            if !there {
                self.step();
            }
            there
        })
    }

    pub(super) fn step(&mut self) {
        self.now_ms += 1;
        while let Some(entry) = self.air.first_entry() {
            if entry.key().0 > self.now_ms {
                break;
            }
            let (to, frame) = entry.remove();
            self.deliver(to, &frame);
        }
        for at in 0..self.nodes.len() {
            if self.now_ms % POLL_MS == at as u64 {
                self.poll(at);
            }
            if self.now_ms >= self.nodes[at].hello_at {
                self.nodes[at].hello_at = self.now_ms + HELLO_MS;
                self.hello(at, false);
            }
        }
    }

    pub(super) fn poll(&mut self, at: usize) {
        let now = self.now();
        while let Some(action) = self.nodes[at].sessions.poll(now) {
            match action {
                Action::Send(outgoing) => self.send_handshake(at, &outgoing),
                Action::Event(event) => self.nodes[at].events.push(event),
                Action::NeedNonce => self.rekey(at),
            }
        }
    }

    pub(super) fn hello(&mut self, at: usize, leaving: bool) {
        let now = self.now();
        let node = &mut self.nodes[at];
        let Some(seal) = node.sessions.seal_broadcast(now, Kind::Hello) else {
            return;
        };
        let mut hello = node
            .sessions
            .identify(Hello::new(RailId::R0, 1, node.incarnation));
        if leaving {
            hello = hello.leaving();
        }
        let header = Hello::header(node.gpid, Seq::new(1));
        let frame = self.seal(header, hello.as_bytes(), &seal);
        self.send(at, frame);
    }

    fn send_handshake(&mut self, at: usize, outgoing: &Outgoing) {
        let header = outgoing.header(self.nodes[at].gpid);
        let frame = self.seal(header, outgoing.body(), &outgoing.seal);
        self.send(at, frame);
    }

    /// Says a number to all.
    pub(super) fn say(&mut self, at: usize) -> Option<u64> {
        let now = self.now();
        let node = &mut self.nodes[at];
        let seal = node.sessions.seal_broadcast(now, Kind::Ephemeral)?;
        let header = Header::new(Kind::Ephemeral, Class::Rm, node.gpid, Gpid::EVERYBODY);
        self.number += 1;
        let number = self.number;
        let frame = self.seal(header, &number.to_be_bytes(), &seal);
        self.send(at, frame);
        Some(number)
    }

    /// Sends a number as a circuit's data; `None` when there is no session.
    pub(super) fn data(&mut self, from: usize, to: usize) -> Option<u64> {
        let to = self.nodes[to].gpid;
        let node = &mut self.nodes[from];
        let seal = node.sessions.seal_for(to.host())?;
        let mut header = Header::new(Kind::Data, Class::Pdfs, node.gpid, to);
        header.flags = Flags::ACK_VALID;
        header.active = CdtIndex::from_raw(1);
        header.passive = CdtIndex::from_raw(2);
        self.number += 1;
        let number = self.number;
        let frame = self.seal(header, &number.to_be_bytes(), &seal);
        self.send(from, frame);
        Some(number)
    }

    fn seal(&mut self, header: Header, data: &[u8], seal: &Seal) -> Vec<u8> {
        let frame = seal_frame(header, data, seal);
        let once = (*seal.key.as_bytes(), seal.auth.counter);
        let first = self.sealed.entry(once).or_insert_with(|| frame.clone());
        self.reused |= *first != frame;
        frame
    }

    fn send(&mut self, from: usize, frame: Vec<u8>) {
        self.record.push(frame.clone());
        let header = Header::parse(&frame).unwrap().0;
        for to in (0..self.nodes.len()).filter(|&to| to != from) {
            let there = self.nodes[to].gpid;
            if header.to != Gpid::EVERYBODY && header.to.host() != there.host() {
                continue;
            }
            let lost = match header.kind {
                Kind::Handshake => self.weather.handshake_loss,
                _ => self.weather.loss,
            };
            let copies = 1 + usize::from(self.random.percent(self.weather.doubled));
            for _ in 0..copies {
                let cut = self.cut.contains(&(header.from.host(), there.host()));
                if !self.random.percent(lost) && !cut {
                    self.fly(to, frame.clone());
                }
            }
        }
    }

    /// Puts a frame onto the network, on its way to one node.
    pub(super) fn fly(&mut self, to: usize, frame: Vec<u8>) {
        let delay = self.random.below(self.weather.delay_ms + 1);
        self.sent += 1;
        self.air
            .insert((self.now_ms + 1 + delay, self.sent), (to, frame));
    }

    pub(super) fn deliver(&mut self, to: usize, frame: &[u8]) {
        if let Err(error) = self.receive(to, frame) {
            *self.nodes[to].errors.entry(error).or_default() += 1;
        }
    }

    /// As cm does it.
    fn receive(&mut self, to: usize, frame: &[u8]) -> Result<(), AuthError> {
        let now = self.now();
        let node = &mut self.nodes[to];
        let Ok((header, data)) = Header::parse(frame) else {
            return Ok(());
        };
        let for_us = header.to == Gpid::EVERYBODY || header.to.same_node(node.gpid);
        if header.from.host() == node.gpid.host() || !for_us {
            return Ok(());
        }
        let opening = node.sessions.open_key(now, &header, data)?;
        let data = open_frame(&header, frame, &opening.key).ok_or(AuthError::BadTag)?;
        match header.kind {
            Kind::Hello => {
                let hello = Hello::decode(&data).unwrap();
                let heard = node.sessions.on_hello(now, &header, hello, &opening)?;
                self.heard(to, header.from, heard);
            }
            Kind::Handshake => {
                let handshake = Handshake::decode(&data).unwrap();
                let heard = node
                    .sessions
                    .on_handshake(now, &header, handshake, &opening)?;
                self.heard(to, header.from, heard);
            }
            _ => {
                let event = node.sessions.accept(now, &header, &opening)?;
                node.events.extend(event);
                let number = u64::from_be_bytes(data.try_into().unwrap());
                node.got.insert((header.from, number));
                let entry = (node.gpid.host(), header.from, number);
                if !self.got.insert(entry) {
                    self.twice = Some(entry);
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, at: usize, from: Gpid, heard: Heard) {
        let node = &mut self.nodes[at];
        node.events.extend(heard.event);
        if heard.fresh {
            *node.alive.entry(from.host()).or_default() += 1;
        }
        if let Some(answer) = heard.answer {
            node.answers += 1;
            self.send_handshake(at, &answer);
        }
    }

    /// Whether each of these nodes can send to each other one.
    pub(super) fn all_up(&self, nodes: &[usize]) -> bool {
        self.pairs(nodes).all(|(from, to)| {
            let to = self.nodes[to].gpid.host();
            self.nodes[from].sessions.is_up(to)
        })
    }

    fn pairs<'a>(&self, nodes: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        let pairs = nodes
            .iter()
            .flat_map(move |&a| nodes.iter().map(move |&b| (a, b)));
        pairs.filter(|(a, b)| a != b)
    }

    /// Whether what each of these nodes sends now, each other one can read: asked of the keys.
    pub(super) fn keys_agree(&mut self, nodes: &[usize]) -> bool {
        let now = self.now();
        let pairs: Vec<_> = self.pairs(nodes).collect();
        pairs.into_iter().all(|(from, to)| {
            let there = self.nodes[to].gpid;
            let here = &mut self.nodes[from];
            let mut header = Header::new(Kind::Ack, Class::Pdfs, here.gpid, there);
            let Some(seal) = here.sessions.seal_for(there.host()) else {
                return false;
            };
            header.auth = Some(seal.auth);
            let opening = self.nodes[to].sessions.open_key(now, &header, &[]);
            opening.is_ok_and(|opening| opening.key.as_bytes() == seal.key.as_bytes())
        })
    }

    /// Whether a session with nodes that did not restart ended.
    pub(super) fn lost_any(&self) -> bool {
        let mut events = self.nodes.iter().flat_map(|node| &node.events);
        events.any(|event| matches!(event, Event::Ended { .. } | Event::Rebooted { .. }))
    }
}

/// A configuration in which everything but keys taken into use is slow.
pub(super) fn patient() -> Config {
    Config {
        rekey_after: Duration::from_secs(1 << 20),
        ..Config::default()
    }
}
