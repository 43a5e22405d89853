// SPDX-License-Identifier: MIT OR Apache-2.0

//! What all nodes share: time, the rails, chance, and those who watch.

use std::collections::BTreeMap;
use std::rc::Rc;

use podos_proto::tgroup::RailId;
use podos_proto::wire::Kind;
use podos_random::{mix, SplitMix64};

use crate::air::{Air, Arrival};
use crate::clock::{Nanos, Queue, What, MICROS, MILLIS};
use crate::config::Config;
use crate::content::Side;
use crate::judge::Judge;
use crate::network::{check_sequence, owner, Flight, Mac, Network, Shout};
use crate::protocol;
use crate::random;
use crate::sabotage::Sabotage;
use crate::traffic::Traffic;

/// Everything that happened, in 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Takes note of something.
    pub fn note(&mut self, what: u64) {
        self.0 = mix(self.0.rotate_left(7) ^ what);
    }

    /// The digest so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// What one node has sent and received.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeTraffic {
    /// Sent.
    pub sent: Traffic,
    /// Received, before anything was looked at.
    pub received: Traffic,
}

/// See the module.
#[derive(Debug)]
pub struct Ether {
    /// What is simulated.
    pub config: Config,
    /// The present.
    pub now: Nanos,
    /// The future.
    pub queue: Queue,
    /// Chance.
    pub random: SplitMix64,
    /// The rails.
    pub network: Network,
    /// Frames to all that are still to be taken in.
    pub air: Air,
    /// The judge.
    pub judge: Judge,
    /// The present or last life of each node.
    pub lives: Vec<u32>,
    /// What was sent and received, by node.
    pub traffic: Vec<NodeTraffic>,
    /// What nodes received of those whose frames they only count.
    pub unheeded: Traffic,
    /// Frames that were dropped, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    /// All that happened.
    pub digest: Digest,
    shouts: u64,
}

impl Ether {
    /// The world before anything happened.
    pub fn new(config: &Config, network: Network) -> Self {
        Self {
            config: config.clone(),
            now: 0,
            queue: Queue::default(),
            random: random::of(config.seed, 1),
            network,
            air: Air::default(),
            judge: Judge::new(config.circuits),
            lives: vec![0; config.nodes as usize],
            traffic: vec![NodeTraffic::default(); config.nodes as usize],
            unheeded: Traffic::default(),
            drops: BTreeMap::new(),
            digest: Digest::default(),
            shouts: 0,
        }
    }

    /// Tells something of a conversation, if that is the one to be followed.
    pub fn tell(&self, conversation: Option<(u32, Side)>, what: impl FnOnce() -> String) {
        if let Some((number, side)) = conversation {
            if self.config.follow == Some(number) {
                let (ms, us) = (self.now / MILLIS, self.now / MICROS % 1_000);
                eprintln!("{ms:>6}.{us:03} ms {side:?}: {}", what());
            }
        }
    }

    /// Counts a dropped frame.
    pub fn dropped(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// Whether a node shall misbehave so, now: `often` times in a million.
    pub fn sabotages(&mut self, sabotage: Sabotage, often: u32) -> bool {
        self.config.sabotage == Some(sabotage) && self.random.chance(often)
    }

    /// Sends a frame to one interface.
    pub fn send(&mut self, from: u32, rail: RailId, to: Mac, bytes: Vec<u8>) {
        self.traffic[from as usize].sent.count_raw(&bytes);
        if bytes.len() > usize::from(self.network.mtu(rail)) {
            let text = format!("node {from} sent {} bytes on rail {rail}", bytes.len());
            self.judge.object(self.now, text);
        }
        let (to, to_rail) = owner(to);
        if to_rail != Some(rail) || to >= self.config.nodes {
            // Nobody on this rail has the address.
            return;
        }
        let check = check_sequence(&bytes);
        self.digest.note(check ^ u64::from(to) << 40);
        let mut bytes = Some(bytes);
        let [first, second] = self.network.travel(&mut self.random, self.now, rail);
        for (at, last) in [(first, second.is_none()), (second, true)] {
            let Some(at) = at else { continue };
            let copy = if last { bytes.take() } else { bytes.clone() };
            let Some(mut bytes) = copy else { continue };
            self.network.damage(&mut self.random, rail, &mut bytes);
            let flight = Flight {
                from,
                to,
                rail,
                bytes,
                check,
            };
            self.judge.arrives(self.lives[from as usize], at);
            self.queue.plan(at, What::Flight(Box::new(flight)));
        }
    }

    /// Sends a frame to all interfaces of a rail.
    pub fn send_to_all(&mut self, from: u32, rail: RailId, bytes: Vec<u8>) {
        self.traffic[from as usize].sent.count_raw(&bytes);
        let bytes: Rc<[u8]> = bytes.into();
        let arrivals = self.network.travel_to_all(&mut self.random, self.now, rail);
        for at in arrivals.into_iter().flatten() {
            self.shouts += 1;
            let shout = Shout {
                from,
                rail,
                bytes: bytes.clone(),
                number: self.shouts,
            };
            self.judge.arrives(self.lives[from as usize], at);
            self.queue.plan(at, What::Shout(Box::new(shout)));
        }
    }

    /// A frame to all arrives at those who check it at once.
    pub fn sealed_shout_arrives(&mut self, shout: &Shout) {
        self.digest
            .note(self.now ^ u64::from(shout.from) << 32 ^ shout.number);
        if let Some(kind) = shout.bytes.get(1).and_then(|&kind| Kind::from_raw(kind)) {
            self.count_unheeded(kind, shout);
        }
    }

    /// A frame to all arrives: it is in the air until each node has taken it in.
    pub fn shout_arrives(&mut self, shout: &Shout) {
        let header = match protocol::parse(&shout.bytes) {
            Ok((header, _)) => header,
            Err(reason) => {
                return self.judge.object(
                    self.now,
                    format!("a node sent what no node reads: {reason}"),
                )
            }
        };
        self.digest
            .note(self.now ^ u64::from(shout.from) << 32 ^ shout.number);
        self.count_unheeded(header.kind, shout);
        self.air.arrive(Arrival {
            at: self.now,
            number: shout.number,
            from: shout.from,
            rail: shout.rail,
            header,
            bytes: shout.bytes.clone(),
        });
    }

    /// Counts a frame to all for those receivers who look at it no further.
    fn count_unheeded(&mut self, kind: Kind, shout: &Shout) {
        if self.config.acquaintances >= self.config.nodes - 1 {
            return;
        }
        let hears = |&to: &u32| {
            to != shout.from
                && !self.config.are_acquainted(to, shout.from)
                && self.network.hears(to, shout.from, shout.rail)
        };
        let copies = (0..self.config.nodes).filter(hears).count();
        self.unheeded.count(kind, shout.bytes.len(), copies as u64);
    }
}
