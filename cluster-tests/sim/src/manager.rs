// SPDX-License-Identifier: MIT OR Apache-2.0

//! A communication manager: what `rust-kmods/cm` does around the protocol's state machines, without
//! the kernel. Where this and `cm` differ, the simulation proves something else than what runs.

mod circuits;
mod members;
mod serve;

pub use members::Protection;

use std::collections::BTreeMap;

use podos_proto::cdt::{Cdt, CdtIndex, Slot};
use podos_proto::peer::{Event, Lost, PeerSlot, Peers};
use podos_proto::rm::Beacon;
use podos_proto::sst::{Sst, SstSlot};
use podos_proto::tgroup::{Dealer, RailSet};
use podos_proto::wire::{Class, Header, Kind, ResetReason};
use podos_proto::Gpid;
use zerocopy::big_endian::U32;
use zerocopy::IntoBytes;

use crate::air::{Arrival, News};
use crate::clock::{Nanos, What, MILLIS};
use crate::content::Side;
use crate::ether::Ether;
use crate::network::{check_sequence, mac, Fate, Flight, Shout};
use crate::protocol::{self, instant, nanos, Circuit, Ledger, Payload};
use crate::sabotage::Sabotage;
use crate::user::User;
use members::Members;

/// Entries of a node's communication descriptor table.
pub const TABLE: usize = 256;
/// Time between two looks for what fell silent.
const SILENCE_CHECK: Nanos = 100 * MILLIS;
/// The kernel's timers are this exact: the clock thread wakes up to this much late.
const TIMER: u64 = 2 * MILLIS;

/// Who a communication manager is.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// The node's number.
    pub node: u32,
    /// The number of its life.
    pub life: u32,
    /// Host id and boot.
    pub gpid: Gpid,
    /// Which start of CM within the boot.
    pub incarnation: u32,
}

/// One end of a circuit.
#[derive(Debug)]
pub struct End {
    index: CdtIndex,
    peer: Gpid,
    circuit: Circuit,
    deadline: Option<Nanos>,
    in_table: bool,
    /// Whether a user still has the circuit.
    owned: bool,
    user: Option<User>,
    /// When the user is going to be woken, if that is planned.
    wakes: Option<Nanos>,
    conversation: Option<(u32, Side)>,
}

impl End {
    /// The conversation that it serves, and which end of it this is.
    pub fn conversation(&self) -> Option<(u32, Side)> {
        self.conversation
    }

    /// Whether it has an entry in the table.
    pub fn in_table(&self) -> bool {
        self.in_table
    }
}

/// See the module.
#[derive(Debug)]
pub struct Manager {
    birth: Birth,
    peers: Peers<Vec<PeerSlot>>,
    /// In a cluster with a key.
    members: Option<Members>,
    sst: Sst<Vec<SstSlot>>,
    table: Cdt<u64, Vec<Slot<u64>>>,
    /// Circuits' ends, by a number that is never used again; some are out of the table and only
    /// kept by their users.
    ends: BTreeMap<u64, Box<End>>,
    next_end: u64,
    dealer: Dealer,
    /// Smoothed round trips in microseconds, by host and rail.
    round_trips: BTreeMap<(u32, usize), u32>,
    ledger: Ledger,
    leaked: Vec<Payload>,
    hellos: u32,
    beacons: u32,
    hello_at: Nanos,
    beacon_at: Nanos,
    silence_at: Nanos,
    /// When the clock thread wakes at the latest.
    wakes: Nanos,
    ticket: u64,
    most_ends: usize,
}

impl Manager {
    /// A manager that knows nothing yet.
    pub fn new(ether: &Ether, birth: Birth) -> Self {
        // Host ids that follow each other hardly ever collide in the table, so a few free slots do.
        let hosts = ether.config.acquaintances as usize + 1;
        let slots = hosts + hosts / 8 + 8;
        Self {
            birth,
            members: Members::new(ether, birth, slots),
            peers: Peers::new((0..slots).map(|_| PeerSlot::new()).collect()),
            sst: Sst::new((0..slots).map(|_| SstSlot::new()).collect()),
            table: Cdt::new((0..TABLE).map(|_| Slot::new()).collect()),
            ends: BTreeMap::new(),
            next_end: 0,
            dealer: Dealer::default(),
            round_trips: BTreeMap::new(),
            ledger: Ledger::default(),
            leaked: Vec::new(),
            hellos: 0,
            beacons: 0,
            hello_at: 0,
            beacon_at: 0,
            silence_at: 0,
            wakes: Nanos::MAX,
            ticket: 0,
            most_ends: 0,
        }
    }

    /// Host id and boot.
    pub fn gpid(&self) -> Gpid {
        self.birth.gpid
    }

    /// All ends of circuits.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        self.ends.values().map(|end| &**end)
    }

    /// Entries of the table that are taken.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    /// The most ends of circuits that there were at any time.
    pub fn most_ends(&self) -> usize {
        self.most_ends
    }

    /// Buffers that circuits hold.
    pub fn buffers(&self) -> i64 {
        self.ledger.count()
    }

    /// Whether it takes a host for alive, as `rm` tells the layers above.
    pub fn takes_for_alive(&self, host: u32) -> bool {
        self.peers.is_up(host)
    }

    /// When a host last told its state in this boot, if it did.
    pub fn state_told_at(&self, host: u32) -> Option<Nanos> {
        let peer = self.peers.get(host)?;
        let entry = self.sst.get(host)?;
        (entry.node() == peer.node()).then(|| nanos(entry.heard_at()))
    }

    /// CM is loaded: the clock thread says the first hello.
    pub fn start(&mut self, ether: &mut Ether) {
        self.hello_at = ether.now;
        self.beacon_at = ether.now + ether.random.below(protocol::BEACON_INTERVAL);
        self.silence_at = ether.now + SILENCE_CHECK;
        self.not_later_than(ether, ether.now);
    }

    /// CM is unloaded in order.
    pub fn leave(&mut self, ether: &mut Ether) {
        self.say_hello(ether, true);
    }

    /// Has the clock thread wake at `at` at the latest.
    fn not_later_than(&mut self, ether: &mut Ether, at: Nanos) {
        if at < self.wakes {
            self.wakes = at;
            self.ticket += 1;
            let late = ether.random.below(TIMER);
            let wake = What::Wake {
                node: self.birth.node,
                ticket: self.ticket | u64::from(self.birth.life) << 40,
            };
            ether.queue.plan(at.max(ether.now) + late, wake);
        }
    }

    /// The clock thread wakes.
    pub fn wake(&mut self, ether: &mut Ether, ticket: u64) {
        if ticket != self.ticket | u64::from(self.birth.life) << 40 {
            return;
        }
        let now = ether.now;
        if now >= self.hello_at {
            self.say_hello(ether, false);
            self.hello_at = now + protocol::HELLO_INTERVAL;
        }
        if now >= self.beacon_at {
            self.tell_state(ether);
            self.beacon_at = now + protocol::BEACON_INTERVAL;
        }
        if now >= self.silence_at {
            self.mind_sessions(ether);
            self.find_silent(ether);
            self.silence_at = now + SILENCE_CHECK;
        }
        self.wakes = Nanos::MAX;
        self.run_out(ether);
        let circuits = self.ends.values().filter(|end| end.in_table);
        let next = circuits.filter_map(|end| end.deadline).min();
        let own = self.hello_at.min(self.beacon_at).min(self.silence_at);
        self.not_later_than(ether, next.unwrap_or(own).min(own));
    }

    /// Has the circuits do what is due.
    fn run_out(&mut self, ether: &mut Ether) {
        if ether.config.sabotage == Some(Sabotage::IgnoreTime) {
            self.ends.values_mut().for_each(|end| end.deadline = None);
        }
        let due = |end: &End| end.in_table && end.deadline.is_some_and(|at| at <= ether.now);
        let due: Vec<u64> = self
            .ends
            .iter()
            .filter(|(_, end)| due(end))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.drive_and_wake(ether, id, |circuit, now| circuit.on_timeout(now));
        }
    }

    /// The rails that can send now, as far as the node knows.
    fn usable(&self, ether: &Ether) -> RailSet {
        (0..ether.network.rails())
            .filter(|&rail| ether.network.port(self.birth.node, rail).carrier)
            .collect()
    }

    fn say_hello(&mut self, ether: &mut Ether, last: bool) {
        let usable = self.usable(ether);
        for rail in usable.iter() {
            let (gpid, incarnation) = (self.birth.gpid, self.birth.incarnation);
            let way = (rail, ether.network.mtu(rail));
            let hello = protocol::hello(gpid, self.hellos, incarnation, way, usable.len(), last);
            if let Some(hello) = self.introduce(ether, hello) {
                ether.send_to_all(self.birth.node, rail, hello);
            }
        }
        self.hellos = self.hellos.wrapping_add(1);
    }

    fn tell_state(&mut self, ether: &mut Ether) {
        let Some(rail) = self.dealer.deal(self.usable(ether)) else {
            return;
        };
        // Ahead of those of any earlier load of CM, as `rm` numbers them.
        let seq = (ether.now / MILLIS) as u32 + self.beacons;
        self.beacons += 1;
        let mut beacon = Beacon {
            seq: U32::new(seq),
            nr_running: U32::new(self.table.len() as u32),
            ..Beacon::default()
        };
        beacon.set_hostname(format!("linus{}", self.birth.gpid.host()).as_bytes());
        beacon.set_interfaces((0..ether.network.rails()).map(|rail| mac(self.birth.node, rail)));
        let op = podos_proto::rm::Op::Beacon as u8;
        let frame = protocol::ephemeral(self.birth.gpid, Class::Rm, op, beacon.as_bytes());
        if let Some(frame) = self.introduce(ether, frame) {
            ether.send_to_all(self.birth.node, rail, frame);
        }
    }

    fn find_silent(&mut self, ether: &mut Ether) {
        if ether.config.sabotage == Some(Sabotage::IgnoreSilence) {
            return;
        }
        let lost: Vec<Lost> = self.peers.tick(instant(ether.now)).collect();
        for lost in lost {
            match lost {
                Lost::RailDown { node, .. } => {
                    ether.digest.note(1);
                    self.drive_all(ether, Some(node.host()));
                }
                Lost::Down { node } => {
                    ether.digest.note(u64::from(node.host()));
                    self.sst.lose(node.host());
                    self.break_circuits(ether, node.host(), ResetReason::PeerDown);
                }
            }
        }
    }

    /// Takes a frame to all in, at the time at which it came.
    pub fn overhear(&mut self, ether: &mut Ether, arrival: &Arrival) {
        let (node, rail) = (self.birth.node, arrival.rail);
        if !ether.network.hears(node, arrival.from, rail) {
            return;
        }
        match ether.network.fate(node, rail, arrival.number) {
            Fate::Arrives => {}
            Fate::Lost => return,
            Fate::Damaged => return ether.dropped("check sequence"),
        }
        let kind = match &arrival.news {
            News::Hello(_) => Kind::Hello,
            News::Beacon(_) => Kind::Ephemeral,
        };
        let traffic = &mut ether.traffic[node as usize];
        traffic.received.count(kind, arrival.len, 1);
        let (now, mac) = (instant(arrival.at), mac(arrival.from, rail));
        let event = match &arrival.news {
            News::Hello(hello) => self.peers.hello(now, arrival.gpid, rail, mac, hello),
            News::Beacon(_) => self.peers.heard(now, arrival.gpid, rail, mac),
        };
        if self.follows(ether, arrival.gpid, event) {
            if let News::Beacon(beacon) = &arrival.news {
                self.sst.update(now, arrival.gpid, beacon);
            }
        }
    }

    /// Takes a frame to all in that has to prove who sent it.
    pub fn overhear_sealed(&mut self, ether: &mut Ether, shout: &Shout) {
        let (node, rail) = (self.birth.node, shout.rail);
        let acquainted = ether.config.are_acquainted(node, shout.from);
        if !acquainted || !ether.network.hears(node, shout.from, rail) {
            return;
        }
        let address = mac(shout.from, rail);
        match ether.network.fate(node, rail, shout.number) {
            Fate::Arrives => self.receive_sealed(ether, address, &shout.bytes),
            Fate::Lost => {}
            Fate::Damaged => {
                let mut bytes = shout.bytes.to_vec();
                let at = (shout.number as usize + node as usize) % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (node % 8);
                }
                self.receive_sealed(ether, address, &bytes);
            }
        }
    }

    /// What follows from what a frame means for the table of peers; whether it is to be looked at.
    fn follows(&mut self, ether: &mut Ether, from: Gpid, event: Event) -> bool {
        match event {
            Event::None => {}
            Event::RailUp | Event::New | Event::Up => {
                ether.digest.note(from.raw());
                self.drive_all(ether, Some(from.host()));
            }
            Event::Ignored => {
                ether.dropped("peer");
                return false;
            }
            Event::Rebooted | Event::Left => {
                ether.digest.note(!from.raw());
                self.sst.lose(from.host());
                self.break_circuits(ether, from.host(), ResetReason::PeerDown);
            }
        }
        true
    }

    fn break_circuits(&mut self, ether: &mut Ether, host: u32, reason: ResetReason) {
        if ether.config.sabotage == Some(Sabotage::KeepDead) {
            return;
        }
        let with_host = |end: &End| end.in_table && end.peer.host() == host;
        let broken: Vec<u64> = self
            .ends
            .iter()
            .filter(|(_, end)| with_host(end))
            .map(|(&id, _)| id)
            .collect();
        for id in broken {
            self.drive_and_wake(ether, id, |circuit, _| circuit.fail(reason));
        }
    }

    /// A frame arrives at one of the node's interfaces.
    pub fn receive(&mut self, ether: &mut Ether, flight: &Flight) {
        if self.members.is_some() {
            // Damage is for the tag to find.
            return self.receive_sealed(ether, mac(flight.from, flight.rail), &flight.bytes);
        }
        let traffic = &mut ether.traffic[self.birth.node as usize];
        traffic.received.count_raw(&flight.bytes);
        let parsed = protocol::parse(&flight.bytes);
        if check_sequence(&flight.bytes) != flight.check {
            // A parser must stand it, but no interface hands it on.
            return ether.dropped("check sequence");
        }
        let (header, data) = match parsed {
            Ok(parts) => parts,
            Err(reason) => return ether.dropped(reason.name()),
        };
        if header.from.host() == self.birth.gpid.host() {
            return ether.dropped("echo");
        }
        if !header.to.same_node(self.birth.gpid) {
            return ether.dropped("misaddressed");
        }
        let (now, mac) = (instant(ether.now), mac(flight.from, flight.rail));
        let event = self.peers.heard(now, header.from, flight.rail, mac);
        if self.follows(ether, header.from, event) {
            self.route(ether, &header, flight.rail, data);
        }
    }

    /// Sends a frame to a host on a rail; it is dropped if one of them is gone.
    fn transmit_to(&mut self, ether: &mut Ether, host: u32, rail: usize, frame: Vec<u8>) {
        let peer = self.peers.get(host).and_then(|peer| peer.rail(rail));
        let address = peer.filter(|rail| rail.up).map(|rail| rail.mac);
        let address = address.filter(|_| ether.network.port(self.birth.node, rail).carrier);
        if let Some(address) = address {
            match self.protect(host, frame) {
                Some(frame) => ether.send(self.birth.node, rail, address, frame),
                None => ether.dropped("no session"),
            }
        }
    }

    /// Answers a frame that found no circuit.
    fn refuse(&mut self, ether: &mut Ether, header: &Header, rail: usize, reason: ResetReason) {
        ether.dropped("no circuit");
        let reply = match reason {
            ResetReason::NoCircuit => {
                let finished = self.table.has_finished(header.receiver_index());
                header.stray_reply(self.birth.gpid, finished)
            }
            other => header.reset_reply(self.birth.gpid, other),
        };
        if let Some(reply) = reply {
            let frame = protocol::frame(&reply, &[]);
            self.transmit_to(ether, header.from.host(), rail, frame);
        }
    }

    /// The rails on which a host can be reached now.
    fn rails_to(&self, ether: &Ether, host: u32) -> protocol::Rails {
        let heard = self.peers.get(host).map(|peer| peer.rails());
        let mut usable = self.usable(ether).and(heard.unwrap_or_default());
        if ether.config.sabotage == Some(Sabotage::KeepRail) {
            usable = RailSet::from_iter([Self::rail_for_ever(host, ether.network.rails())]);
        }
        let round_trip = |rail| self.round_trips.get(&(host, rail)).copied().unwrap_or(0);
        let status = |rail| (rail, ether.network.mtu(rail), round_trip(rail));
        protocol::rails(usable.iter().map(status), self.members.is_some())
    }

    fn rail_for_ever(host: u32, rails: usize) -> usize {
        host as usize % rails
    }

    /// An interface of this node has found or lost its carrier.
    pub fn carrier_changed(&mut self, ether: &mut Ether) {
        self.drive_all(ether, None);
    }
}

/// When a circuit has something to do next.
fn deadline(circuit: &Circuit) -> Option<Nanos> {
    circuit.deadline().map(nanos)
}
