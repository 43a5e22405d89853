// SPDX-License-Identifier: GPL-2.0-only

//! Two nodes and a network that misbehaves as its seed says: a deterministic world in which every
//! frame goes through its wire format.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec;
use std::vec::Vec;

use crate::cdt::CdtIndex;
use crate::circuit::{Circuit, Config, Payload, ReceiveState, Segment};
use crate::gpid::Gpid;
use crate::time::{Duration, Instant};
use crate::wire::{Class, Header, ResetReason, HEADER_LEN};

impl Payload for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
}

/// Steele, Lea and Flood's SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What the network does to frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) loss_percent: u64,
    pub(super) duplicate_percent: u64,
    /// Frames take from 50 us to this much longer, so they overtake each other.
    pub(super) jitter_micros: u64,
}

impl Faults {
    pub(super) const NONE: Faults = Faults {
        loss_percent: 0,
        duplicate_percent: 0,
        jitter_micros: 0,
    };
}

/// What one node's user does with its end.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Segments to send, then the stream is finished.
    pub(super) segments: Vec<Segment<Vec<u8>>>,
    /// Time between two reads; each takes up to `read_at_once` segments.
    pub(super) read_every: Duration,
    pub(super) read_at_once: usize,
    /// Cut the circuit off at this time.
    pub(super) abort_at: Option<Instant>,
}

impl Script {
    pub(super) fn sends(segments: Vec<Segment<Vec<u8>>>) -> Self {
        Self {
            segments,
            read_every: Duration::ZERO,
            read_at_once: usize::MAX,
            abort_at: None,
        }
    }
}

/// One node: at most one circuit, and what its user saw.
pub(super) struct Node {
    gpid: Gpid,
    pub(super) circuit: Option<Circuit<Vec<u8>>>,
    /// The circuit's index was given back, so its frames are answered with resets.
    closed: bool,
    script: Script,
    sent: usize,
    pub(super) received: Vec<Segment<Vec<u8>>>,
    read_at: Option<Instant>,
}

impl Node {
    fn new(host: u32, script: Script) -> Self {
        Self {
            gpid: Gpid::new(host, 1, 100),
            circuit: None,
            closed: false,
            script,
            sent: 0,
            received: Vec::new(),
            read_at: None,
        }
    }

    fn act(&mut self, now: Instant) {
        let Some(circuit) = &mut self.circuit else {
            return;
        };
        if self.script.abort_at.is_some_and(|at| at <= now) {
            self.script.abort_at = None;
            circuit.abort(ResetReason::Aborted);
        }
        while self.sent < self.script.segments.len() && circuit.can_send() {
            let Segment { op, end, payload } = self.script.segments[self.sent].clone();
            circuit.send(op, end, payload).unwrap();
            self.sent += 1;
        }
        if self.sent == self.script.segments.len() {
            circuit.shutdown();
        }
        if self.read_at.is_none_or(|at| at <= now) {
            let mut taken = 0;
            while taken < self.script.read_at_once {
                let Some(segment) = circuit.recv() else { break };
                self.received.push(segment);
                taken += 1;
            }
            self.read_at = (circuit.can_recv()).then(|| now + self.script.read_every);
        }
        self.closed |= circuit.is_done();
    }

    pub(super) fn state(&self) -> Option<ReceiveState> {
        self.circuit.as_ref().map(Circuit::receive_state)
    }
}

/// A frame on its way: when it arrives, in which order it was sent, to whom, and its bytes.
type Frame = Reverse<(Instant, u64, usize, Vec<u8>)>;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nodes: [Node; 2],
    cfg: Config,
    faults: Faults,
    random: Random,
    frames: BinaryHeap<Frame>,
    pub(super) frames_sent: u64,
    /// No frame arrives from now on.
    pub(super) cut: bool,
}

impl World {
    /// Node 0 opens a circuit to node 1.
    pub(super) fn new(cfg: Config, faults: Faults, seed: u64, scripts: [Script; 2]) -> Self {
        let [opener, acceptor] = scripts;
        let mut nodes = [Node::new(1, opener), Node::new(2, acceptor)];
        let (local, remote) = (nodes[0].gpid, nodes[1].gpid.node());
        let index = CdtIndex::new(7, 1);
        nodes[0].circuit = Some(Circuit::open(&cfg, local, remote, Class::Pdfs, index, 41));
        Self {
            now: Instant::from_nanos(1),
            nodes,
            cfg,
            faults,
            random: Random(seed),
            frames: BinaryHeap::new(),
            frames_sent: 0,
            cut: false,
        }
    }

    /// Lets the world go on until nothing is left to happen, or until `end`.
    pub(super) fn run(&mut self, end: Instant) {
        loop {
            for node in 0..2 {
                self.settle(node);
            }
            let frame_at = self.frames.peek().map(|Reverse((at, ..))| *at);
            let wakes = self.nodes.iter().flat_map(|node| {
                let deadline = node.circuit.as_ref().and_then(Circuit::deadline);
                [
                    deadline,
                    node.read_at,
                    node.circuit.as_ref().and(node.script.abort_at),
                ]
            });
            let Some(next) = wakes.chain([frame_at]).flatten().min() else {
                return;
            };
            if next > end {
                return;
            }
            self.now = self.now.max(next);
            while let Some(Reverse((at, ..))) = self.frames.peek() {
                if *at > self.now {
                    break;
                }
                let Some(Reverse((_, _, to, bytes))) = self.frames.pop() else {
                    break;
                };
                self.deliver(to, &bytes);
            }
            for node in &mut self.nodes {
                if let Some(circuit) = &mut node.circuit {
                    if circuit.deadline().is_some_and(|at| at <= self.now) {
                        circuit.on_timeout(self.now);
                    }
                }
            }
        }
    }

    /// Lets the user of a node act, and its frames go out, until neither has anything to do.
    fn settle(&mut self, from: usize) {
        loop {
            self.nodes[from].act(self.now);
            let now = self.now;
            let Some(circuit) = &mut self.nodes[from].circuit else {
                return;
            };
            let mut out = Vec::new();
            while let Some((header, payload)) = circuit.poll_transmit(now) {
                out.push(frame(&header, payload.map_or(&[], |payload| payload)));
            }
            circuit.assert_invariants();
            if out.is_empty() {
                return;
            }
            for bytes in out {
                self.transmit(1 - from, bytes);
            }
        }
    }

    fn transmit(&mut self, to: usize, bytes: Vec<u8>) {
        self.frames_sent += 1;
        let copies = 1 + u64::from(self.random.percent(self.faults.duplicate_percent));
        for _ in 0..copies {
            if self.cut || self.random.percent(self.faults.loss_percent) {
                continue;
            }
            let micros = 50 + self.random.below(self.faults.jitter_micros);
            let at = self.now + Duration::from_micros(micros);
            let order = self.random.next() >> 1;
            // Without jitter the network keeps the order.
            let order = if self.faults.jitter_micros == 0 {
                self.frames_sent
            } else {
                order
            };
            self.frames.push(Reverse((at, order, to, bytes.clone())));
        }
    }

    fn deliver(&mut self, to: usize, bytes: &[u8]) {
        let (header, data) = Header::parse(bytes).expect("circuits send frames that parse");
        let node = &mut self.nodes[to];
        if header.opens() && node.circuit.is_none() && to == 1 {
            let index = CdtIndex::new(3, 9);
            node.circuit = Some(Circuit::accept(&self.cfg, &header, node.gpid, index));
        }
        match &mut node.circuit {
            Some(circuit) if !node.closed => {
                let could_send = circuit.can_send();
                let activity = circuit.receive(self.now, &header, data.to_vec());
                circuit.assert_invariants();
                assert!(could_send || !circuit.can_send() || activity.writable);
            }
            _ => {
                let reply = header.reset_reply(node.gpid, ResetReason::NoCircuit);
                if let Some(reply) = reply {
                    self.transmit(1 - to, frame(&reply, &[]));
                }
            }
        }
    }

    /// Both ends came to their end, having got exactly what the other one sent.
    pub(super) fn assert_complete(&self) {
        for (node, other) in [(0, 1), (1, 0)] {
            assert_eq!(self.nodes[node].received, self.nodes[other].script.segments);
            assert_eq!(self.nodes[node].state(), Some(ReceiveState::Eof));
            assert!(
                self.nodes[node].closed,
                "node {node} is not done at {:?}",
                self.now
            );
        }
    }

    /// Whatever happened, nobody got anything that was not sent, or in another order.
    pub(super) fn assert_prefix(&self) {
        for (node, other) in [(0, 1), (1, 0)] {
            let (got, sent) = (
                &self.nodes[node].received,
                &self.nodes[other].script.segments,
            );
            assert_eq!(got[..], sent[..got.len()]);
        }
    }
}

fn frame(header: &Header, data: &[u8]) -> Vec<u8> {
    assert_eq!(usize::from(header.len), data.len());
    let mut raw = [0; HEADER_LEN];
    header.write(&mut raw);
    let mut bytes = vec![];
    bytes.extend_from_slice(&raw);
    bytes.extend_from_slice(data);
    bytes
}

/// `count` segments, each telling its number, in messages of random lengths.
pub(super) fn segments(count: usize, seed: u64) -> Vec<Segment<Vec<u8>>> {
    let mut random = Random(seed);
    (0..count)
        .map(|number| {
            let mut payload = vec![random.next() as u8; random.below(60) as usize];
            payload.extend_from_slice(&(number as u32).to_be_bytes());
            Segment {
                op: random.below(32) as u8,
                end: random.percent(40),
                payload,
            }
        })
        .collect()
}
