// SPDX-License-Identifier: GPL-2.0-only

//! Two ends of a circuit and a network that does whatever the bytes say: what arrives is what was
//! sent, in order and once.

use std::collections::VecDeque;

use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::{Circuit, Config, Payload, ReceiveState, Segment, WINDOW};
use podos_proto::tgroup::{Group, GroupKind, RailId, RailSet, RailStatus, RailView};
use podos_proto::time::{Duration, Instant};
use podos_proto::wire::{Class, Header, ResetReason};
use podos_proto::{Gpid, HostId, Seq};

use super::{frames, Target};
use crate::bytes::{Bytes, Outcome};

pub(super) const CIRCUIT: Target = Target {
    name: "circuit",
    run: |bytes| {
        let mut bytes = Bytes::new(bytes);
        let mut pair = Pair::new(&mut bytes);
        while !bytes.is_empty() {
            pair.step(&mut bytes);
        }
        pair.settle();
        pair.outcome()
    },
    seeds: || {
        // Two segments, all that is on the way, two reads, and again the other way.
        let calm = [
            0, 9, 9, 1, 2, 0, 1, 2, 9, 6, 0, 6, 0, 7, 0, 7, 0, 0, 1, 5, 1, 1, 9, 6, 0,
        ];
        let finish = [
            2, 200, 100, 0, 1, 30, 6, 0, 4, 0, 6, 0, 6, 0, 4, 1, 6, 0, 6, 0,
        ];
        let lossy = [
            1, 80, 40, 0, 0, 255, 3, 0, 3, 0, 2, 0, 5, 200, 6, 0, 8, 1, 6, 0, 5, 250, 6, 0,
        ];
        vec![
            ("calm", calm.to_vec()),
            ("finish", finish.to_vec()),
            ("lossy", lossy.to_vec()),
        ]
    },
};

/// A segment's data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Data(pub(super) Vec<u8>);

impl Payload for Data {
    type Ring<T> = Vec<T>;

    fn ring<T>(len: usize, make: impl FnMut() -> T) -> Option<Vec<T>> {
        Some(std::iter::repeat_with(make).take(len).collect())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn append(&mut self, next: Self) {
        self.0.extend(next.0);
    }
}

/// Where both ends start.
const OPENER: Gpid = Gpid::new(HostId::new(1), 1, 10);
const ACCEPTOR: Gpid = Gpid::new(HostId::new(2), 1, 0);
const INDICES: [CdtIndex; 2] = [CdtIndex::new(7, 1), CdtIndex::new(9, 3)];
const OPEN_SEQ: Seq = Seq::new(41);

/// A rail with little room, so that segments travel in pieces, and an ordinary one.
const ROOMS: [u16; 2] = [1208, 1452];

fn rails(usable: RailSet) -> RailView {
    let mut view = RailView::EMPTY;
    for rail in usable.iter() {
        let status = RailStatus {
            queued_bytes: 0,
            rtt_us: 0,
            room: ROOMS[rail.index() % ROOMS.len()],
        };
        view.insert(rail, status);
    }
    view
}

/// A frame on its way.
struct Flying {
    to: usize,
    rail: RailId,
    bytes: Vec<u8>,
}

/// One end and its user.
struct End {
    circuit: Option<Circuit<Data>>,
    /// Its index was given back.
    closed: bool,
    sent: u32,
    received: u32,
    finished: bool,
    eof: bool,
    cut: Option<ResetReason>,
}

struct Pair {
    now: Instant,
    ends: [End; 2],
    groups: [GroupKind; 2],
    flying: VecDeque<Flying>,
    usable: RailSet,
    aborted: bool,
}

/// Segment `seq` of end `from`: op, end of message, data.
fn segment(from: usize, seq: u32) -> (u8, bool, Vec<u8>) {
    let hash = (u64::from(seq) << 1 | from as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = match hash >> 60 {
        0 => 1452,
        1..=3 => 333,
        _ => (hash >> 50 & 0x3f) as usize,
    };
    let mut data = vec![hash as u8; len];
    data.extend_from_slice(&seq.to_be_bytes());
    data.push(from as u8);
    ((hash >> 20 & 31) as u8, hash >> 30 & 1 == 1, data)
}

impl Pair {
    fn new(bytes: &mut Bytes<'_>) -> Self {
        let groups = [(); 2].map(|()| GroupKind::ALL[bytes.below(GroupKind::ALL.len())]);
        let end = || End {
            circuit: None,
            closed: false,
            sent: 0,
            received: 0,
            finished: false,
            eof: false,
            cut: None,
        };
        let mut ends = [end(), end()];
        let group = Group::new(groups[0], 0);
        let (cfg, class) = (Config::default(), Class::Test);
        let circuit = Circuit::open(&cfg, group, OPENER, ACCEPTOR, class, INDICES[0], OPEN_SEQ);
        ends[0].circuit = Some(circuit);
        Self {
            now: Instant::from_nanos(1),
            ends,
            groups,
            flying: VecDeque::new(),
            usable: RailSet::from_bits(0b11),
            aborted: false,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let action = bytes.below(10);
        let argument = bytes.u8();
        let end = usize::from(argument & 1);
        match action {
            0 | 1 => {
                for _ in 0..=argument >> 3 {
                    self.send(end);
                }
            }
            // The frame that flies first, or one that overtakes it, arrives, gets lost, or comes
            // twice.
            2 | 6 => {
                for _ in 0..=argument >> 4 {
                    self.deliver(0);
                }
            }
            3 => drop(self.flying.remove(usize::from(argument))),
            7 => self.deliver(usize::from(argument)),
            8 => {
                let copy = self.flying.get(usize::from(argument));
                let copy = copy.map(|it| (it.to, it.rail, it.bytes.clone()));
                if let (Some((to, rail, bytes)), true) = (copy, self.flying.len() < 512) {
                    self.flying.push_back(Flying { to, rail, bytes });
                }
            }
            4 => {
                self.finish(end);
            }
            5 => self.pass(Duration::from_micros(1 << (argument >> 4))),
            _ => match argument >> 5 {
                0 => {
                    self.aborted = true;
                    self.drive(end, |circuit, _| circuit.abort(ResetReason::Aborted));
                }
                1 => {
                    self.usable = RailSet::from_bits(argument >> 1 & 0b11);
                    self.drive(0, |circuit, _| circuit.reroute());
                    self.drive(1, |circuit, _| circuit.reroute());
                }
                _ => self.read(end, usize::from(argument >> 1)),
            },
        }
    }

    /// Lets a circuit do something and what it sends fly.
    fn drive<R>(
        &mut self,
        end: usize,
        change: impl FnOnce(&mut Circuit<Data>, Instant) -> R,
    ) -> Option<R> {
        let rails = rails(self.usable);
        let circuit = self.ends[end].circuit.as_mut()?;
        let result = change(circuit, self.now);
        let wanted = circuit.wants_to_transmit();
        let (mut count, mut more) = (0, true);
        while let Some(next) = circuit.poll_transmit(self.now, &rails) {
            assert!(more, "a circuit that said that nothing follows");
            more = next.more;
            let start = usize::from(next.header.offset);
            let piece = start..start + usize::from(next.header.len);
            let data = next.payload.map_or(&[][..], |data| &data.0[piece]);
            let bytes = frames::frame(&next.header, data);
            assert!(
                data.len() <= usize::from(rails.room(next.rail)),
                "a piece too long"
            );
            self.flying.push_back(Flying {
                to: 1 - end,
                rail: next.rail,
                bytes,
            });
            assert!(wanted, "a circuit that sends what it did not want to");
            count += 1;
            // All pieces of a whole window, once again, and then some.
            assert!(count < WINDOW * 64, "a circuit that never stops sending");
        }
        self.ends[end].closed |= circuit.is_done();
        Some(result)
    }

    fn send(&mut self, end: usize) {
        let ready = self.ends[end]
            .circuit
            .as_ref()
            .is_some_and(Circuit::can_send);
        if !ready || self.ends[end].finished {
            return;
        }
        let (op, last, data) = segment(end, self.ends[end].sent);
        self.ends[end].sent += 1;
        let sent = self.drive(end, |circuit, _| circuit.send(op, last, Data(data)));
        assert!(
            matches!(sent, Some(Ok(()))),
            "a circuit that could send did not"
        );
    }

    fn finish(&mut self, end: usize) {
        // One that never sent anything has opened nothing, and ends at once.
        if self.ends[end].circuit.is_some() && self.ends[end].sent > 0 {
            self.ends[end].finished = true;
            self.drive(end, |circuit, _| circuit.shutdown());
        }
    }

    fn deliver(&mut self, at: usize) {
        let Some(frame) = self.flying.remove(at) else {
            return;
        };
        let (header, data) = Header::parse(&frame.bytes).expect("circuits send frames that parse");
        let end = &mut self.ends[frame.to];
        if frame.to == 1 && header.opens() && end.circuit.is_none() {
            let group = Group::new(self.groups[1], 1);
            let cfg = Config::default();
            end.circuit = Some(Circuit::accept(&cfg, group, &header, ACCEPTOR, INDICES[1]));
        }
        if end.circuit.is_none() || end.closed {
            let node = [OPENER, ACCEPTOR][frame.to];
            let gone = end.circuit.as_ref();
            let finished = gone.is_some_and(|circuit| circuit.reset_reason().is_none());
            if let Some(reply) = header.stray_reply(node, finished) {
                self.flying.push_back(Flying {
                    to: 1 - frame.to,
                    rail: frame.rail,
                    bytes: frames::frame(&reply, &[]),
                });
            }
            return;
        }
        let data = Data(data.to_vec());
        self.drive(frame.to, |circuit, now| {
            circuit.receive(now, frame.rail, &header, data)
        });
        self.look(frame.to);
    }

    fn read(&mut self, end: usize, most: usize) {
        for _ in 0..most.max(1) {
            let Some(Some(got)) = self.drive(end, |circuit, _| recv(circuit)) else {
                break;
            };
            let seq = self.ends[end].received;
            let (op, last, data) = segment(1 - end, seq);
            assert!(
                seq < self.ends[1 - end].sent,
                "segment {seq} was never sent"
            );
            assert_eq!(
                (got.op, got.end),
                (op, last),
                "segment {seq} is another one"
            );
            assert!(got.payload.0 == data, "segment {seq} has other data");
            self.ends[end].received += 1;
        }
        self.look(end);
    }

    /// Takes note of how an end's stream stands.
    fn look(&mut self, end: usize) {
        let Some(circuit) = &self.ends[end].circuit else {
            return;
        };
        let (queued, readable) = circuit.queued();
        assert!(queued as usize <= WINDOW && readable as usize <= WINDOW);
        match circuit.receive_state() {
            ReceiveState::Open => {}
            ReceiveState::Eof => {
                self.ends[end].eof = true;
                let other = &self.ends[1 - end];
                assert!(other.finished, "an end that nobody made");
                assert_eq!(self.ends[end].received, other.sent, "an early end");
            }
            ReceiveState::Reset(reason) => self.ends[end].cut = Some(reason),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for end in 0..2 {
            let due = |circuit: &Circuit<Data>| circuit.deadline().is_some_and(|at| at <= self.now);
            if self.ends[end].circuit.as_ref().is_some_and(due) {
                self.drive(end, |circuit, now| circuit.on_timeout(now));
                self.look(end);
            }
        }
    }

    /// The network behaves from now on, and both users read and finish: everything arrives.
    fn settle(&mut self) {
        self.usable = RailSet::from_bits(0b11);
        for _ in 0..4_000 {
            for end in 0..2 {
                self.drive(end, |_, _| ());
                self.read(end, usize::MAX);
                self.finish(end);
            }
            while !self.flying.is_empty() {
                self.deliver(0);
            }
            let over = |end: &End| end.circuit.is_none() || end.closed;
            if self.ends.iter().all(over) {
                break;
            }
            // The passive end sends something, or its FIN could not follow.
            self.send(1);
            let deadlines = self
                .ends
                .iter()
                .filter_map(|end| end.circuit.as_ref()?.deadline());
            match deadlines.min() {
                Some(at) => {
                    let wait = at.saturating_duration_since(self.now);
                    self.pass(wait.max(Duration::from_micros(100)));
                }
                None => self.pass(Duration::from_millis(1)),
            }
        }
        // What came in order can be read after the protocol's end.
        for end in 0..2 {
            self.read(end, usize::MAX);
        }
        let cut = self.aborted || self.ends.iter().any(|end| end.cut.is_some());
        for (number, end) in self.ends.iter().enumerate() {
            let Some(circuit) = &end.circuit else {
                continue;
            };
            // One that never sent anything has opened nothing.
            if self.ends[0].sent == 0 {
                continue;
            }
            assert!(end.closed, "end {number} does not come to its end");
            if !cut {
                assert_eq!(circuit.receive_state(), ReceiveState::Eof);
                assert_eq!(end.received, self.ends[1 - number].sent);
            }
        }
        // Without an abort only silence breaks a circuit.
        for end in &self.ends {
            let legitimate = [ResetReason::TimedOut, ResetReason::NoCircuit];
            let excused = |reason| self.aborted || legitimate.contains(&reason);
            assert!(end.cut.is_none_or(excused), "cut off: {:?}", end.cut);
        }
    }

    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::PLAIN.and(self.aborted);
        for end in &self.ends {
            let stats = end.circuit.as_ref().map(Circuit::stats).unwrap_or_default();
            let log = |count: u64| (count + 1).ilog2();
            outcome = outcome
                .and(end.cut)
                .and((
                    log(stats.sent),
                    log(stats.retransmitted),
                    log(stats.timeouts),
                ))
                .and((log(stats.duplicates), log(stats.rejected), log(stats.acks)))
                .and((end.eof, end.closed));
        }
        outcome
    }
}

/// The next segment; what is to be sent after that is what the circuit says in short.
fn recv(circuit: &mut Circuit<Data>) -> Option<Segment<Data>> {
    let wanted = circuit.wants_to_transmit();
    let segment = circuit.recv();
    let wants = circuit.wants_to_transmit_after_recv();
    assert!(wanted || circuit.wants_to_transmit() == wants);
    segment
}
