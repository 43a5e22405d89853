// SPDX-License-Identifier: GPL-2.0-only

//! Two nodes and rails between them that misbehave as a seed says: a deterministic world in which
//! every frame goes through its wire format.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec;
use std::vec::Vec;

use podos_random::SplitMix64;

use crate::cdt::CdtIndex;
use crate::circuit::{Circuit, Config, Payload, ReceiveState, Segment, Transmit};
use crate::gpid::Gpid;
use crate::host_id::HostId;
use crate::seq::Seq;
use crate::tgroup::{Group, GroupKind, RailId, RailSet, RailStatus, RailView};
use crate::time::{nanos, Duration, Instant};
use crate::wire::{Class, Header, ResetReason, HEADER_LEN};

/// How long a rail must be silent before its node takes it for dead, as in `peer`.
const DETECTION: Duration = Duration::from_millis(1200);
/// How long a rail must work again before its node sees it.
const RETURN: Duration = Duration::from_millis(300);

impl Payload for Vec<u8> {
    type Ring<T> = Vec<T>;

    fn ring<T>(len: usize, make: impl FnMut() -> T) -> Option<Vec<T>> {
        Some(std::iter::repeat_with(make).take(len).collect())
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn append(&mut self, next: Self) {
        self.extend(next);
    }
}

/// Chance, from a seed.
#[derive(Clone, Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// A remainder: the worlds of these tests are those that their seeds always meant.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a rail does to frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) loss_percent: u64,
    pub(super) duplicate_percent: u64,
    /// Frames take up to this much longer, so they overtake each other.
    pub(super) jitter_micros: u64,
    /// Frames in which a bit changes.
    pub(super) flip_percent: u64,
}

impl Faults {
    pub(super) const NONE: Faults = Faults {
        loss_percent: 0,
        duplicate_percent: 0,
        jitter_micros: 0,
        flip_percent: 0,
    };
}

/// One network between both nodes.
#[derive(Clone, Debug)]
pub(super) struct Rail {
    /// Bytes of data in a frame.
    pub(super) room: u16,
    pub(super) latency: Duration,
    /// Bytes per second in each direction, Ethernet's own around a frame among them; 0: no limit.
    pub(super) rate: u64,
    pub(super) faults: Faults,
    /// When it carries nothing, which the nodes have to find out.
    pub(super) cuts: Vec<(Instant, Instant)>,
}

impl Rail {
    /// A rail without flaw, 50 us long.
    pub(super) fn perfect() -> Self {
        Self {
            room: 1452,
            latency: Duration::from_micros(50),
            rate: 0,
            faults: Faults::NONE,
            cuts: Vec::new(),
        }
    }

    pub(super) fn with(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::perfect()
        }
    }

    fn carries(&self, at: Instant) -> bool {
        !self
            .cuts
            .iter()
            .any(|(start, end)| *start <= at && at < *end)
    }

    /// Whether the nodes take it for alive.
    fn is_usable(&self, now: Instant) -> bool {
        !self.cuts.iter().any(|(start, end)| {
            let noticed = *end > *start + DETECTION;
            noticed && *start + DETECTION <= now && now < *end + RETURN
        })
    }

    /// When the nodes change their mind.
    fn changes(&self) -> impl Iterator<Item = Instant> + '_ {
        self.cuts
            .iter()
            .flat_map(|(start, end)| [*start + DETECTION, *end + RETURN])
    }
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
    /// The rails that it could use when it last looked.
    usable: RailSet,
    sent: usize,
    pub(super) received: Vec<Segment<Vec<u8>>>,
    /// When it last got something to read, and the longest that it ever waited for it.
    pub(super) last_received: Instant,
    pub(super) longest_gap: Duration,
    read_at: Option<Instant>,
}

impl Node {
    fn new(host: HostId, script: Script) -> Self {
        Self {
            gpid: Gpid::new(host, 1, 100),
            circuit: None,
            closed: false,
            script,
            usable: RailSet::EMPTY,
            sent: 0,
            received: Vec::new(),
            last_received: Instant::default(),
            longest_gap: Duration::ZERO,
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
                let wanted = circuit.wants_to_transmit();
                let Some(segment) = circuit.recv() else { break };
                let wants = circuit.wants_to_transmit_after_recv();
                assert!(wanted || circuit.wants_to_transmit() == wants);
                self.received.push(segment);
                taken += 1;
            }
            if taken > 0 {
                let gap = now.saturating_duration_since(self.last_received);
                self.longest_gap = self.longest_gap.max(gap);
                self.last_received = now;
            }
            self.read_at = (circuit.can_recv()).then(|| now + self.script.read_every);
        }
        self.closed |= circuit.is_done();
    }

    pub(super) fn state(&self) -> Option<ReceiveState> {
        self.circuit.as_ref().map(Circuit::receive_state)
    }
}

/// A frame on its way: when it arrives, in which order it was sent, to whom, over which rail, and
/// its bytes.
type Frame = Reverse<(Instant, u64, usize, RailId, Vec<u8>)>;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nodes: [Node; 2],
    cfg: Config,
    groups: [GroupKind; 2],
    rails: Vec<Rail>,
    /// Until when each direction of each rail is busy.
    busy_until: Vec<[Instant; 2]>,
    random: Random,
    frames: BinaryHeap<Frame>,
    pub(super) frames_sent: u64,
    /// Frames sent, by rail.
    pub(super) sent_on: Vec<u64>,
    /// Frames that arrived but did not parse.
    pub(super) unreadable: u64,
}

impl World {
    /// Node 0 opens a circuit to node 1, over one rail.
    pub(super) fn new(cfg: Config, faults: Faults, seed: u64, scripts: [Script; 2]) -> Self {
        let rails = vec![Rail::with(faults)];
        Self::on_rails(cfg, GroupKind::Single, rails, seed, scripts)
    }

    /// Node 0 opens a circuit to node 1.
    pub(super) fn on_rails(
        cfg: Config,
        group: GroupKind,
        rails: Vec<Rail>,
        seed: u64,
        scripts: [Script; 2],
    ) -> Self {
        let [opener, acceptor] = scripts;
        let mut nodes = [
            Node::new(HostId::new(1), opener),
            Node::new(HostId::new(2), acceptor),
        ];
        let (local, remote) = (nodes[0].gpid, nodes[1].gpid.node());
        let index = CdtIndex::new(7, 1);
        let circuit = Circuit::open(
            &cfg,
            Group::new(group, seed as u32),
            local,
            remote,
            Class::Pdfs,
            index,
            Seq::new(41),
        );
        nodes[0].circuit = Some(circuit);
        Self {
            now: Instant::from_nanos(1),
            nodes,
            cfg,
            groups: [group; 2],
            busy_until: vec![[Instant::default(); 2]; rails.len()],
            sent_on: vec![0; rails.len()],
            rails,
            random: Random::new(seed),
            frames: BinaryHeap::new(),
            frames_sent: 0,
            unreadable: 0,
        }
    }

    /// Gives the passive end another group.
    pub(super) fn answer_by(&mut self, group: GroupKind) {
        self.groups[1] = group;
    }

    /// The rails as a node sees them.
    fn view(&self, from: usize) -> RailView {
        let mut view = RailView::EMPTY;
        for (number, rail) in RailId::ALL.into_iter().zip(&self.rails) {
            if rail.is_usable(self.now) {
                let wait =
                    self.busy_until[number.index()][from].saturating_duration_since(self.now);
                let queued = u128::from(nanos(wait)) * u128::from(rail.rate) / 1_000_000_000;
                let status = RailStatus {
                    queued_bytes: queued as u32,
                    rtt_us: 0,
                    room: rail.room,
                };
                view.insert(number, status);
            }
        }
        view
    }

    /// Lets the world go on until nothing is left to happen, or until `end`.
    pub(super) fn run(&mut self, end: Instant) {
        loop {
            for node in 0..2 {
                self.settle(node);
            }
            let frame_at = self.frames.peek().map(|Reverse((at, ..))| *at);
            let wakes = self.nodes.iter().flat_map(|node| {
                let circuit = node.circuit.as_ref().filter(|_| !node.closed);
                let abort_at = circuit.and(node.script.abort_at);
                [circuit.and_then(Circuit::deadline), node.read_at, abort_at]
            });
            let is_open = self.nodes.iter().any(|node| !node.closed);
            let changes = self.rails.iter().flat_map(Rail::changes);
            let changes = changes.filter(|at| *at > self.now && is_open).map(Some);
            let Some(next) = wakes.chain([frame_at]).chain(changes).flatten().min() else {
                return;
            };
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while let Some(Reverse((at, ..))) = self.frames.peek() {
                if *at > self.now {
                    break;
                }
                let Some(Reverse((_, _, to, rail, bytes))) = self.frames.pop() else {
                    break;
                };
                self.deliver(to, rail, &bytes);
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
            let mut any = false;
            // It has said that nothing follows.
            let mut ended = false;
            loop {
                let view = self.view(from);
                let node = &mut self.nodes[from];
                let Some(circuit) = &mut node.circuit else {
                    return;
                };
                if node.usable != view.usable() {
                    node.usable = view.usable();
                    circuit.reroute();
                    ended = false;
                }
                // Who does not want to must have nothing to send and nothing to wait for.
                let wanted = circuit.wants_to_transmit();
                let deadline = circuit.deadline();
                let Some(out) = circuit.poll_transmit(now, &view) else {
                    assert!((wanted && !ended) || circuit.deadline() == deadline);
                    assert!(!circuit.wants_to_transmit() || view.usable().is_empty());
                    break;
                };
                assert!(wanted && !ended);
                ended = !out.more;
                any = true;
                assert!(view.usable().contains(out.rail));
                assert!(out.header.len <= view.room(out.rail));
                let (rail, bytes) = (out.rail, frame(&out));
                circuit.assert_invariants();
                self.transmit(1 - from, rail, bytes);
            }
            if !any {
                return;
            }
        }
    }

    fn transmit(&mut self, to: usize, rail: RailId, mut bytes: Vec<u8>) {
        self.frames_sent += 1;
        let at = rail.index();
        self.sent_on[at] += 1;
        let Rail {
            latency,
            rate,
            faults,
            ..
        } = self.rails[at];
        let busy = &mut self.busy_until[at][1 - to];
        // Preamble, addresses, type, check sequence and gap.
        let size = (bytes.len() as u64 + 38) * 1_000_000_000;
        *busy = match size.checked_div(rate) {
            Some(takes) => (*busy).max(self.now) + Duration::from_nanos(takes),
            None => self.now,
        };
        let leaves = *busy;
        let copies = 1 + u64::from(self.random.percent(faults.duplicate_percent));
        for _ in 0..copies {
            if self.random.percent(faults.loss_percent) || !self.rails[at].carries(leaves) {
                continue;
            }
            if self.random.percent(faults.flip_percent) {
                let place = self.random.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << self.random.below(8);
            }
            let jitter = Duration::from_micros(self.random.below(faults.jitter_micros));
            let order = self.random.next() >> 1;
            // Without jitter a rail keeps the order.
            let order = if faults.jitter_micros == 0 {
                self.frames_sent
            } else {
                order
            };
            let arrives = leaves + latency + jitter;
            self.frames
                .push(Reverse((arrives, order, to, rail, bytes.clone())));
        }
    }

    fn deliver(&mut self, to: usize, rail: RailId, bytes: &[u8]) {
        let Ok((header, data)) = Header::parse(bytes) else {
            assert!(self.rails[rail.index()].faults.flip_percent > 0);
            self.unreadable += 1;
            return;
        };
        let node = &mut self.nodes[to];
        if header.opens() && node.circuit.is_none() && to == 1 {
            let index = CdtIndex::new(3, 9);
            let group = Group::new(self.groups[1], self.random.next() as u32);
            let circuit = Circuit::accept(&self.cfg, group, &header, node.gpid, index);
            node.circuit = Some(circuit);
        }
        match &mut node.circuit {
            Some(circuit) if !node.closed => {
                let could_send = circuit.can_send();
                let activity = circuit.receive(self.now, rail, &header, data.to_vec());
                circuit.assert_invariants();
                assert!(could_send || !circuit.can_send() || activity.writable);
            }
            _ => {
                let gone = node.circuit.as_ref();
                let finished = gone.is_some_and(|circuit| circuit.reset_reason().is_none());
                let reply = header.stray_reply(node.gpid, finished);
                if let Some(header) = reply {
                    let reply = frame(&Transmit {
                        header,
                        payload: None,
                        rail,
                        again: false,
                        more: false,
                    });
                    self.transmit(1 - to, rail, reply);
                }
            }
        }
    }

    /// Both ends came to their end, having got exactly what the other one sent.
    pub(super) fn assert_complete(&self) {
        self.assert_prefix();
        for (node, other) in [(0, 1), (1, 0)] {
            let (got, sent) = (
                self.nodes[node].received.len(),
                self.nodes[other].script.segments.len(),
            );
            assert_eq!(got, sent, "node {node} at {:?}", self.now);
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
            assert!(got.len() <= sent.len());
            for (number, (got, sent)) in got.iter().zip(sent).enumerate() {
                assert!(got == sent, "segment {number} of node {node}");
            }
        }
    }
}

fn frame(out: &Transmit<'_, Vec<u8>>) -> Vec<u8> {
    let mut raw = [0; HEADER_LEN];
    out.header.write(&mut raw);
    let mut bytes = raw.to_vec();
    bytes.extend_from_slice(&data(out));
    bytes
}

/// The data of a frame.
pub(super) fn data(out: &Transmit<'_, Vec<u8>>) -> Vec<u8> {
    let start = usize::from(out.header.offset);
    let piece = start..start + usize::from(out.header.len);
    match out.payload {
        Some(payload) => payload[piece].to_vec(),
        None => {
            assert!(piece.is_empty());
            Vec::new()
        }
    }
}

/// `count` segments of up to `most` bytes, each byte telling its place, in messages of random
/// lengths.
pub(super) fn segments_of(count: usize, most: usize, seed: u64) -> Vec<Segment<Vec<u8>>> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|number| {
            let len = random.below(most as u64 + 1) as usize;
            let byte = |place: usize| (number * 31 + place * 7 + (place >> 8)) as u8;
            Segment {
                op: random.below(32) as u8,
                end: random.percent(40),
                payload: (0..len).map(byte).collect(),
            }
        })
        .collect()
}

/// `count` short segments.
pub(super) fn segments(count: usize, seed: u64) -> Vec<Segment<Vec<u8>>> {
    segments_of(count, 60, seed)
}

/// `count` segments of `len` bytes, all in one message.
pub(super) fn segments_of_length(count: usize, len: usize) -> Vec<Segment<Vec<u8>>> {
    let segment = |number: usize| Segment {
        op: 1,
        end: number + 1 == count,
        payload: vec![number as u8; len],
    };
    (0..count).map(segment).collect()
}
