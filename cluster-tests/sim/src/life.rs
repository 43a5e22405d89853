// SPDX-License-Identifier: MIT OR Apache-2.0

//! A life of a node: one run of its communication manager, from start to end.
//!
//! CM's decisions are made by `podos_proto::endpoint`, as in the kernel's modules; here are its
//! environment and the users of its circuits.

mod ends;
mod environment;
mod members;
mod serve;

use std::collections::BTreeMap;

use podos_proto::cdt::{Cdt, CdtIndex, Slot};
use podos_proto::endpoint::{self, Clock, Identity, SightingSlot, BROADCAST};
use podos_proto::peer::{LocalRail, PeerSlot, Peers};
use podos_proto::rm::Beacon;
use podos_proto::sst::{Sst, SstSlot};
use podos_proto::tgroup::{Dealer, PerRail, RailId, RailSet, RailView};
use podos_proto::wire::Class;
use podos_proto::{Gpid, HostId};
use zerocopy::big_endian::U32;
use zerocopy::IntoBytes;

use crate::air::Arrival;
use crate::clock::{Nanos, What, MILLIS};
use crate::content::Side;
use crate::ether::Ether;
use crate::network::{check_sequence, mac, Fate, Flight, Shout};
use crate::protocol::{self, nanos, Circuit, Ledger, Payload};
use crate::sabotage::Sabotage;
use crate::user::User;
use environment::{Heard, Here};
use members::Members;

/// Entries of a node's communication descriptor table.
pub const TABLE: usize = 256;
/// Places for who was heard just now.
const SIGHTINGS: usize = 64;
/// The kernel's timers are this exact: the clock thread wakes up to this much late.
const TIMER: u64 = 2 * MILLIS;

/// Whose life it is.
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
    /// Whether the other node opened it.
    passive: bool,
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
pub struct Life {
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
    ledger: Ledger,
    leaked: Vec<Payload>,
    identity: Identity,
    sightings: [SightingSlot; SIGHTINGS],
    clock: Clock,
    beacons: u32,
    beacon_at: Nanos,
    /// When the clock thread wakes at the latest.
    wakes: Nanos,
    ticket: u64,
    most_ends: usize,
}

impl Life {
    /// A life that begins: it knows nothing yet.
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
            ledger: Ledger::default(),
            leaked: Vec::new(),
            identity: Identity::new(),
            sightings: [const { SightingSlot::new() }; SIGHTINGS],
            clock: Clock::new(),
            beacons: 0,
            beacon_at: 0,
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
    pub fn takes_for_alive(&self, host: HostId) -> bool {
        self.peers.is_up(host)
    }

    /// When a host last told its state in this boot, if it did.
    pub fn state_told_at(&self, host: HostId) -> Option<Nanos> {
        let peer = self.peers.get(host)?;
        let entry = self.sst.get(host)?;
        (entry.node() == peer.node()).then(|| nanos(entry.heard_at()))
    }

    /// CM is loaded: the clock thread says the first hello.
    pub fn start(&mut self, ether: &mut Ether) {
        self.beacon_at = ether.now + ether.random.below(protocol::BEACON_INTERVAL);
        self.not_later_than(ether, ether.now);
    }

    /// CM is unloaded in order.
    pub fn leave(&mut self, ether: &mut Ether) {
        let mut clock = std::mem::take(&mut self.clock);
        clock.leave(&mut Here::new(self, ether));
    }

    /// The node picks a new nonce.
    pub fn rekey(&mut self, ether: &mut Ether) {
        endpoint::rekey(&mut Here::new(self, ether));
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
        let mut clock = std::mem::take(&mut self.clock);
        let mut here = Here::new(self, ether);
        let next = nanos(clock.greet(&mut here));
        if here.ether.config.sabotage != Some(Sabotage::IgnoreSilence) {
            clock.mind(&mut here);
        }
        self.clock = clock;
        if ether.now >= self.beacon_at {
            self.tell_state(ether);
            self.beacon_at = ether.now + protocol::BEACON_INTERVAL;
        }
        self.wakes = Nanos::MAX;
        self.run_out(ether);
        let circuits = self.ends.values().filter(|end| end.in_table);
        let due = circuits.filter_map(|end| end.deadline).min();
        let own = next.min(self.beacon_at);
        self.not_later_than(ether, due.unwrap_or(own).min(own));
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
        ether
            .network
            .each_rail()
            .filter(|&rail| ether.network.port(self.birth.node, rail).carrier)
            .collect()
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
        beacon.set_interfaces(
            ether
                .network
                .each_rail()
                .map(|rail| mac(self.birth.node, rail)),
        );
        let op = podos_proto::rm::Op::Beacon as u8;
        let header = protocol::ephemeral(self.birth.gpid, Class::Rm, op, beacon.as_bytes());
        let mut here = Here::new(self, ether);
        endpoint::announce(&mut here, rail, BROADCAST, &header, beacon.as_bytes());
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
        let traffic = &mut ether.traffic[node as usize];
        traffic
            .received
            .count(arrival.header.kind, arrival.bytes.len(), 1);
        let from = mac(arrival.from, rail);
        let heard = Heard::shared(from, arrival.bytes.clone(), &self.ledger);
        let mut here = Here {
            at: arrival.at,
            life: self,
            ether,
        };
        endpoint::receive_parsed(&mut here, rail, &arrival.header, heard);
    }

    /// Takes a frame to all in that has to prove who sent it.
    pub fn overhear_sealed(&mut self, ether: &mut Ether, shout: &Shout) {
        let (node, rail) = (self.birth.node, shout.rail);
        let acquainted = ether.config.are_acquainted(node, shout.from);
        if !acquainted || !ether.network.hears(node, shout.from, rail) {
            return;
        }
        let from = mac(shout.from, rail);
        let heard = match ether.network.fate(node, rail, shout.number) {
            Fate::Lost => return,
            Fate::Arrives => Heard::shared(from, shout.bytes.clone(), &self.ledger),
            Fate::Damaged => {
                let mut bytes = shout.bytes.to_vec();
                let at = (shout.number as usize + node as usize) % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (node % 8);
                }
                Heard::own(from, bytes, &self.ledger)
            }
        };
        let traffic = &mut ether.traffic[node as usize];
        traffic.received.count_raw(&shout.bytes);
        endpoint::receive(&mut Here::new(self, ether), rail, heard);
    }

    /// A frame arrives at one of the node's interfaces.
    pub fn receive(&mut self, ether: &mut Ether, flight: Flight) {
        let traffic = &mut ether.traffic[self.birth.node as usize];
        traffic.received.count_raw(&flight.bytes);
        // In a cluster with a key damage is for the tag to find.
        if self.members.is_none() && check_sequence(&flight.bytes) != flight.check {
            // A parser must stand it, but no interface hands it on.
            let _ = protocol::parse(&flight.bytes);
            return ether.dropped("check sequence");
        }
        let from = mac(flight.from, flight.rail);
        let heard = Heard::own(from, flight.bytes, &self.ledger);
        endpoint::receive(&mut Here::new(self, ether), flight.rail, heard);
    }

    /// The rails on which a host can be reached now.
    fn rails_to(&self, ether: &Ether, host: HostId) -> RailView {
        let network = &ether.network;
        let usable = match ether.config.sabotage {
            Some(Sabotage::KeepRail) => {
                RailSet::from_iter([Self::rail_for_ever(host, network.rails())])
            }
            _ => self.usable(ether),
        };
        let local = PerRail::from_fn(|rail| {
            usable.contains(rail).then(|| LocalRail {
                mtu: network.mtu(rail),
                queued_bytes: 0,
            })
        });
        let mut view = RailView::EMPTY;
        let authenticated = self.members.is_some();
        self.peers.add_rails(host, authenticated, &local, &mut view);
        view
    }

    fn rail_for_ever(host: HostId, rails: usize) -> RailId {
        RailId::ALL[host.raw() as usize % rails]
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
