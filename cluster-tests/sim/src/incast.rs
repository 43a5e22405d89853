// SPDX-License-Identifier: MIT OR Apache-2.0

//! Incast: many nodes send to one at the same time, and all that they send has to go through one port
//! of the switch, whose buffer is small.
//!
//! Here are circuits alone, with nothing else that nodes do, on a rail that has what the rails of
//! [`crate::network`] have not: a rate, and a queue of so many bytes before each receiver.

use std::collections::BTreeMap;
use std::fmt;

use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::Config;
use podos_proto::tgroup::{Group, GroupKind, RailId, RailSet, RailView};
use podos_proto::wire::{data_room, Class, Header, HEADER_LEN};
use podos_proto::{Gpid, HostId, Seq};

use podos_random::SplitMix64;

use crate::clock::{Nanos, MICROS, MILLIS, SECONDS};
use crate::protocol::{instant, nanos, Circuit, Ledger, Payload};
use crate::random;

/// What a frame takes of the wire besides what it says: Ethernet's header, check sequence, preamble and
/// gap.
const ETHERNET: u64 = 38;
/// From an interface to the switch, or from the switch to an interface: cable, driver, interrupt.
const LATENCY: Nanos = 10 * MICROS;
/// Most that a node needs for a frame before it is on the wire, besides.
const JITTER: Nanos = 20 * MICROS;
/// The rail.
const RAIL: RailId = RailId::R0;

/// Who sends, and over what.
#[derive(Clone, Copy, Debug)]
pub struct Incast {
    /// Nodes that send, each over one circuit, as fast as they can.
    pub senders: usize,
    /// Of each interface and of each port of the switch, in bits per second.
    pub rate: u64,
    /// Bytes that a port of the switch keeps.
    pub buffer: u64,
    /// Longest frame, without its Ethernet header.
    pub mtu: u16,
    /// How long they send.
    pub time: Nanos,
    /// The seed of the moments at which they begin.
    pub seed: u64,
}

/// How that went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Data that were received, as a share of what the rail could carry.
    pub goodput: f64,
    /// Jain's index of the bytes of each circuit: 1 if all had the same, `1 / senders` if one had all.
    pub fairness: f64,
    /// The longest time in which a circuit that had something to send brought nothing.
    pub longest_pause: Nanos,
    /// Frames that the switch had no room for, as a share of all.
    pub dropped: f64,
    /// Bytes of each circuit.
    pub bytes: Vec<u64>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            goodput,
            fairness,
            longest_pause,
            dropped,
            bytes,
        } = self;
        let (pause, dropped) = (longest_pause / MILLIS, dropped * 100.0);
        write!(
            f,
            "goodput {goodput:.3}, fairness {fairness:.3}, longest pause {pause} ms, {dropped:.1} % dropped, bytes {bytes:?}"
        )
    }
}

/// A frame on its way.
#[derive(Debug)]
struct Frame {
    /// Which circuit's.
    circuit: usize,
    /// Whether it is for the receiver of the data.
    forth: bool,
    header: Header,
    data: Vec<u8>,
}

impl Frame {
    /// Bytes of the wire that it takes.
    fn size(&self) -> u64 {
        (HEADER_LEN + self.data.len()) as u64 + ETHERNET
    }
}

#[derive(Debug)]
enum What {
    /// A sender begins.
    Begin(usize),
    /// A frame has come to the switch.
    AtSwitch(Frame),
    /// A frame has come to its node.
    Arrived(Frame),
    /// A circuit's deadline, if it still is that.
    Due { circuit: usize, forth: bool },
}

/// A wire in one direction: one frame at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Wire {
    free: Nanos,
}

impl Wire {
    /// Puts a frame on it that takes so long, after its node has needed `work` for it; when its last bit
    /// is through.
    fn carry(&mut self, now: Nanos, work: Nanos, takes: Nanos) -> Nanos {
        self.free = self.free.max(now + work) + takes;
        self.free
    }
}

/// One end of a circuit.
#[derive(Debug)]
struct End {
    circuit: Option<Circuit>,
    /// When somebody looks after it next.
    due: Option<Nanos>,
}

/// One sender's conversation with the receiver.
#[derive(Debug)]
struct Flow {
    /// At the sender and at the receiver.
    ends: [End; 2],
    /// From the sender to the switch, and back.
    wires: [Wire; 2],
    bytes: u64,
    progress: Nanos,
    longest_pause: Nanos,
}

struct World {
    setup: Incast,
    now: Nanos,
    rails: RailView,
    /// What is to happen, and when; of the same moment in the order in which it was planned.
    future: BTreeMap<(Nanos, u64), What>,
    planned: u64,
    random: SplitMix64,
    flows: Vec<Flow>,
    /// From the switch to the receiver, and back.
    port: [Wire; 2],
    forwarded: u64,
    dropped: u64,
    /// Nobody looks into it: how much circuits keep is the judge's business in [`crate::world`].
    ledger: Ledger,
}

impl Incast {
    /// Runs it.
    pub fn run(&self) -> Outcome {
        let mut world = World::new(*self);
        for circuit in 0..self.senders {
            let begin = world.random.below(100 * MICROS);
            world.plan(begin, What::Begin(circuit));
        }
        while world.step() {}
        world.outcome()
    }

    /// How long a frame of so many bytes takes on a wire.
    fn takes(&self, bytes: u64) -> Nanos {
        bytes * 8 * SECONDS / self.rate
    }
}

impl World {
    fn new(setup: Incast) -> Self {
        let room = data_room(setup.mtu, false) as u16;
        let end = || End {
            circuit: None,
            due: None,
        };
        let flow = |_| Flow {
            ends: [end(), end()],
            wires: [Wire::default(); 2],
            bytes: 0,
            progress: 0,
            longest_pause: 0,
        };
        Self {
            setup,
            now: 0,
            rails: RailView::uniform(RailSet::from_bits(1), room),
            future: BTreeMap::new(),
            planned: 0,
            random: random::of(setup.seed, 7),
            flows: (0..setup.senders).map(flow).collect(),
            port: [Wire::default(); 2],
            forwarded: 0,
            dropped: 0,
            ledger: Ledger::default(),
        }
    }

    fn plan(&mut self, at: Nanos, what: What) {
        self.future.insert((at, self.planned), what);
        self.planned += 1;
    }

    /// Does what is next; whether there was anything before the end.
    fn step(&mut self) -> bool {
        let Some(((at, _), what)) = self.future.pop_first() else {
            return false;
        };
        if at > self.setup.time {
            return false;
        }
        self.now = at;
        match what {
            What::Begin(circuit) => self.begin(circuit),
            What::AtSwitch(frame) => self.forward(frame),
            What::Arrived(frame) => self.arrive(frame),
            What::Due { circuit, forth } => self.look_after(circuit, forth),
        }
        true
    }

    fn begin(&mut self, number: usize) {
        let local = Gpid::new(HostId::new(number as u32 + 2), 1, 7);
        let remote = Gpid::new(HostId::new(1), 1, 0);
        let index = CdtIndex::new(number as u16, 1);
        let (group, open_seq) = (Group::new(GroupKind::Single, 0), Seq::new(1));
        let config = Config::default();
        let circuit = Circuit::open(&config, group, local, remote, Class::Test, index, open_seq);
        let flow = &mut self.flows[number];
        flow.progress = self.now;
        flow.ends[0].circuit = Some(circuit);
        self.drive(number, true);
    }

    /// A frame has come to the switch: its port takes it, or has no room.
    fn forward(&mut self, frame: Frame) {
        let takes = self.setup.takes(frame.size());
        let wire = match frame.forth {
            true => &mut self.port[0],
            false => &mut self.flows[frame.circuit].wires[1],
        };
        let waiting = wire.free.saturating_sub(self.now);
        self.forwarded += 1;
        if waiting > self.setup.takes(self.setup.buffer - frame.size()) {
            self.dropped += 1;
            return;
        }
        let at = wire.carry(self.now, 0, takes) + LATENCY;
        self.plan(at, What::Arrived(frame));
    }

    fn arrive(&mut self, frame: Frame) {
        let (number, now) = (frame.circuit, self.now);
        let flow = &mut self.flows[number];
        let end = &mut flow.ends[usize::from(frame.forth)];
        let circuit = end.circuit.get_or_insert_with(|| {
            // The first frame that comes to the receiver is the OPEN.
            let group = Group::new(GroupKind::Single, 0);
            let local = Gpid::new(HostId::new(1), 1, 9);
            let index = CdtIndex::new(number as u16, 1);
            Circuit::accept(&Config::default(), group, &frame.header, local, index)
        });
        let data = Payload::new(&self.ledger, frame.data);
        circuit.receive(instant(now), RAIL, &frame.header, data);
        while let Some(segment) = circuit.recv() {
            flow.bytes += segment.payload.bytes().len() as u64;
            flow.longest_pause = flow.longest_pause.max(now - flow.progress);
            flow.progress = now;
        }
        self.drive(number, !frame.forth);
    }

    fn look_after(&mut self, number: usize, forth: bool) {
        let now = self.now;
        let end = &mut self.flows[number].ends[usize::from(!forth)];
        if end.due.is_none_or(|due| due > now) {
            return;
        }
        end.due = None;
        if let Some(circuit) = &mut end.circuit {
            circuit.on_timeout(instant(now));
        }
        self.drive(number, forth);
    }

    /// Sends what an end has to send: its user always has more. `forth`: it is the sender's.
    fn drive(&mut self, number: usize, forth: bool) {
        let (now, rails, setup) = (self.now, self.rails, self.setup);
        let flow = &mut self.flows[number];
        let end = &mut flow.ends[usize::from(!forth)];
        let Some(circuit) = &mut end.circuit else {
            return;
        };
        let wire = match forth {
            true => &mut flow.wires[0],
            false => &mut self.port[1],
        };
        let mut leaving = Vec::new();
        loop {
            let room = circuit.segment_room(&rails);
            while forth && circuit.can_send() {
                let data = Payload::new(&self.ledger, vec![0; room]);
                if circuit.send(1, true, data).is_err() {
                    break;
                }
            }
            let Some(out) = circuit.poll_transmit(instant(now), &rails) else {
                break;
            };
            let start = usize::from(out.header.offset);
            let piece = start..start + usize::from(out.header.len);
            let frame = Frame {
                circuit: number,
                forth,
                data: out
                    .payload
                    .map_or_else(Vec::new, |data| data.bytes()[piece].to_vec()),
                header: out.header,
            };
            let work = self.random.below(JITTER + 1);
            let at = wire.carry(now, work, setup.takes(frame.size())) + LATENCY;
            leaving.push((at, frame));
        }
        let due = circuit.deadline().map(nanos);
        let is_new = due.is_some() && due != end.due;
        end.due = due;
        for (at, frame) in leaving {
            self.plan(at, What::AtSwitch(frame));
        }
        if let Some(at) = due.filter(|_| is_new) {
            self.plan(
                at.max(now),
                What::Due {
                    circuit: number,
                    forth,
                },
            );
        }
    }

    fn outcome(mut self) -> Outcome {
        let end = self.setup.time;
        for flow in &mut self.flows {
            flow.longest_pause = flow.longest_pause.max(end - flow.progress);
        }
        let bytes: Vec<u64> = self.flows.iter().map(|flow| flow.bytes).collect();
        let sum = bytes.iter().sum::<u64>() as f64;
        let squares: f64 = bytes.iter().map(|&bytes| (bytes as f64).powi(2)).sum();
        let could = self.setup.rate as f64 / 8.0 * end as f64 / SECONDS as f64;
        Outcome {
            goodput: sum / could,
            fairness: sum * sum / (squares * bytes.len() as f64).max(1.0),
            longest_pause: self
                .flows
                .iter()
                .map(|flow| flow.longest_pause)
                .max()
                .unwrap_or(0),
            dropped: self.dropped as f64 / self.forwarded.max(1) as f64,
            bytes,
        }
    }
}
