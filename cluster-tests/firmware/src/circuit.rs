// SPDX-License-Identifier: MIT OR Apache-2.0

//! One end of a circuit (section 6).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::audit::Audit;
use crate::receive_queue::{Came, ReceiveQueue, Segment};
use crate::send_queue::SendQueue;
use crate::wire::{before, flag, kind, Gpid, Header, MAX_DATA, NONE};

/// Microseconds until what came is acknowledged at the latest.
const ACK_WITHIN: u64 = 5_000;
/// Segments after which is acknowledged at once, and what one that came early counts for.
const ACK_AFTER: u32 = 16;
const EARLY_COUNTS: u32 = 6;
/// Microseconds of silence after which the other end is asked for a sign of life, and again.
const KEEP_ALIVE: u64 = 5_000_000;
const KEEP_ALIVE_AGAIN: u64 = 1_000_000;
/// Microseconds without an answer after which is given up.
const GIVE_UP: u64 = 10_000_000;
/// Longest message.
const MAX_MESSAGE: usize = 1 << 20;

/// Reasons of Resets.
pub mod reset {
    #![expect(missing_docs, reason = "the table of section 6 says what they are")]
    pub const NO_CIRCUIT: u32 = 1;
    pub const REFUSED: u32 = 2;
    pub const FULL: u32 = 3;
    pub const ABORTED: u32 = 4;
    pub const PROTOCOL: u32 = 5;
    pub const TIMED_OUT: u32 = 6;
    pub const PEER_DOWN: u32 = 7;
}

/// A rail that a frame may take, and how many bytes of data fit there.
#[derive(Clone, Copy, Debug)]
pub struct Road {
    /// The rail.
    pub rail: usize,
    /// Bytes.
    pub room: usize,
}

/// A frame to be sent.
#[derive(Debug)]
pub struct Emit {
    /// Over which rail.
    pub rail: usize,
    /// Its header, without what protects it.
    pub header: Header,
    /// Its data.
    pub data: Vec<u8>,
}

/// How a circuit begins.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whether this end opens it.
    pub active: bool,
    /// Its class.
    pub class: u8,
    /// This end's process.
    pub local: Gpid,
    /// The other end's process; pid 0 if it is not known.
    pub remote: Gpid,
    /// This end's index.
    pub index: u32,
    /// The other end's; `None` for an opener.
    pub remote_index: Option<u32>,
    /// Which circuit of the opener to that node this is.
    pub open_seq: u32,
    /// The association.
    pub association: u32,
    /// Segments for which this end has room, from 1 to 64.
    pub window: u16,
    /// Segments for which the other end has room: 1 for an opener.
    pub edge: u32,
    /// Bytes of a segment, at most.
    pub segment: usize,
}

/// How far a circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It lives.
    Open,
    /// Both streams came to their end.
    Done,
    /// It was reset for this reason.
    Broken(u32),
}

/// One end.
#[derive(Debug)]
pub struct Circuit {
    /// How it began.
    pub setup: Setup,
    /// How far it is.
    pub state: State,
    /// Sends each message back.
    pub echo: bool,
    /// Messages that came: op and data.
    pub messages: VecDeque<(u8, Vec<u8>)>,
    /// The sending end.
    pub send_queue: SendQueue,
    receive_queue: ReceiveQueue,
    message: Vec<u8>,
    message_op: Option<u8>,
    owed: u32,
    ack_at: u64,
    ack_now: bool,
    probe_at: u64,
    asked: bool,
    heard: u64,
    progress: u64,
    asking_since: Option<u64>,
    turn: usize,
    last_rail: usize,
    told: Option<(u64, u32, u32)>,
}

impl Circuit {
    /// A circuit at its beginning.
    pub fn new(setup: Setup, now: u64) -> Self {
        Self {
            setup,
            state: State::Open,
            echo: false,
            messages: VecDeque::new(),
            send_queue: SendQueue::new(setup.edge),
            receive_queue: ReceiveQueue::new(setup.window),
            message: Vec::new(),
            message_op: None,
            owed: 0,
            ack_at: u64::MAX,
            ack_now: false,
            probe_at: now + KEEP_ALIVE,
            asked: false,
            heard: now,
            progress: now,
            asking_since: None,
            turn: 0,
            last_rail: 0,
            told: None,
        }
    }

    /// Queues a message.
    pub fn send(&mut self, op: u8, message: &[u8]) {
        self.send_queue.message(op, message, self.setup.segment);
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.send_queue.finish();
    }

    /// Whether the other end sends nothing more, and all of it came.
    pub fn heard_all(&self) -> bool {
        self.receive_queue.over()
    }

    /// A header of this circuit with what it has to say now.
    pub fn header(&self, kind: u8, op: u8, flags: u16) -> Header {
        let setup = &self.setup;
        let remote_index = setup.remote_index.unwrap_or(NONE);
        let (sack, _) = self.receive_queue.sack();
        let mut header = Header {
            flags,
            ack: self.receive_queue.next(),
            sack,
            window: self.receive_queue.window(),
            ..Header::new(kind, setup.class, op, setup.local, setup.remote)
        };
        match setup.active {
            true => {
                header.flags |= flag::TO_PASSIVE;
                (header.active, header.passive) = (setup.index, remote_index);
            }
            false => (header.active, header.passive) = (remote_index, setup.index),
        }
        header
    }

    /// An Ack with what is to be said now.
    pub fn ack(&self, probe: bool) -> Header {
        let probe = if probe { flag::PROBE } else { 0 };
        let mut header = self.header(kind::ACK, 0, flag::ACK_VALID | probe);
        header.seq = self.receive_queue.sack().1;
        header
    }

    /// The Reset that ends this circuit.
    pub fn reset(&self, reason: u32) -> Header {
        Header {
            seq: reason,
            ack: 0,
            sack: 0,
            window: 0,
            ..self.header(kind::RESET, 0, 0)
        }
    }

    /// Takes a frame of this circuit. `order` tells in which order the sender made its frames, if
    /// that can be known.
    pub fn take(
        &mut self,
        rail: usize,
        header: &Header,
        data: &[u8],
        order: Option<u64>,
        now: u64,
        audit: &mut Audit,
    ) {
        self.heard = now;
        self.probe_at = now + KEEP_ALIVE;
        self.asking_since = None;
        if header.kind == kind::RESET {
            return self.broken_by(header, audit);
        }
        if header.has(flag::ACK_VALID) {
            if self.setup.active && self.setup.remote_index.is_none() {
                self.setup.remote_index = Some(header.passive);
            }
            if self.setup.active {
                self.setup.remote = header.from;
            }
            if !self.acknowledged(header, order, now, audit) {
                return;
            }
        }
        if header.has(flag::PROBE) {
            self.ack_now = true;
            self.last_rail = rail;
        }
        if header.kind == kind::DATA {
            self.last_rail = rail;
            self.segment(header, data, now, audit);
        }
    }

    fn acknowledged(
        &mut self,
        header: &Header,
        order: Option<u64>,
        now: u64,
        audit: &mut Audit,
    ) -> bool {
        self.compare_with_told(header, order, audit);
        let more = match header.kind {
            kind::ACK => u64::from(header.seq) << 32,
            _ => 0,
        };
        let bits = more | u64::from(header.sack);
        let before_it = self.send_queue.backlog();
        let window = header.window;
        if !self
            .send_queue
            .acknowledged(header.ack, bits, window, now, audit)
        {
            return false;
        }
        if self.send_queue.backlog() != before_it {
            self.progress = now;
        }
        true
    }

    /// What was told once stays true, so news that are older than others change nothing. A sender may
    /// say them all the same: it may be interrupted, and acknowledge more, between looking and
    /// sending. That is counted.
    fn compare_with_told(&mut self, header: &Header, order: Option<u64>, audit: &mut Audit) {
        let Some(order) = order else { return };
        let edge = header.ack.wrapping_add(u32::from(header.window.min(64)));
        let Some((last, ack, last_edge)) = self.told else {
            self.told = Some((order, header.ack, edge));
            return;
        };
        let (older, newer) = match order > last {
            true => ((ack, last_edge), (header.ack, edge)),
            false => ((header.ack, edge), (ack, last_edge)),
        };
        if before(newer.0, older.0) || before(newer.1, older.1) {
            audit.count("told_late");
        }
        if order > last {
            self.told = Some((order, header.ack, edge));
        }
    }

    fn segment(&mut self, header: &Header, data: &[u8], now: u64, audit: &mut Audit) {
        let (message, op, messages) = (&mut self.message, &mut self.message_op, &mut self.messages);
        let came = self
            .receive_queue
            .take(header, data, audit, |segment, audit| {
                deliver(segment, message, op, messages, audit);
            });
        match came {
            Came::Again | Came::Beyond => self.ack_now = true,
            Came::Early => self.owe(EARLY_COUNTS, now),
            Came::InTurn => self.owe(1, now),
            Came::Piece => {}
        }
        if self.echo {
            while let Some((op, message)) = self.messages.pop_front() {
                self.send(op, &message);
            }
            if self.receive_queue.over() {
                self.finish();
            }
        }
    }

    fn owe(&mut self, count: u32, now: u64) {
        self.owed += count;
        self.ack_at = self.ack_at.min(now + ACK_WITHIN);
        if self.owed >= ACK_AFTER || self.receive_queue.over() {
            self.ack_now = true;
        }
    }

    fn broken_by(&mut self, header: &Header, audit: &mut Audit) {
        let reason = header.seq;
        audit.demand(
            (reset::NO_CIRCUIT..=reset::TIMED_OUT).contains(&reason),
            "reason",
            format_args!("Reset with reason {reason}"),
        );
        let all_said = self.receive_queue.over() && self.send_queue.only_fin_is_left();
        self.state = match reason {
            reset::NO_CIRCUIT if all_said => State::Done,
            reason => State::Broken(reason),
        };
    }

    /// What is to be sent now, over these rails.
    pub fn advance(&mut self, roads: &[Road], now: u64, emits: &mut Vec<Emit>) {
        if self.state != State::Open || roads.is_empty() {
            return;
        }
        let known = self.setup.remote_index.is_some();
        while let Some(due) = self.send_queue.due(now, known) {
            self.emit_segment(&due.segment, due.probe, roads, emits);
        }
        if !known && self.send_queue.waits() && !self.asked && self.send_queue.in_flight() {
            self.asked = true;
            let mut header = self.ack(true);
            (header.ack, header.sack, header.seq) = (0, 0, 0);
            self.emit_alone(header, roads, emits);
        }
        if known {
            self.say_what_is_due(roads, now, emits);
        }
        if self.send_queue.over() && self.receive_queue.over() && !self.ack_now && self.owed == 0 {
            self.state = State::Done;
        }
    }

    fn say_what_is_due(&mut self, roads: &[Road], now: u64, emits: &mut Vec<Emit>) {
        if self.ack_now || now >= self.ack_at {
            let header = self.ack(false);
            self.said();
            let rail = roads
                .iter()
                .find(|road| road.rail == self.last_rail)
                .unwrap_or(&roads[0])
                .rail;
            emits.push(Emit {
                rail,
                header,
                data: Vec::new(),
            });
        }
        // A closed window, or silence.
        let closed = self.send_queue.waits() && !self.send_queue.in_flight();
        if closed && self.probe_at > now + self.send_queue.timeout() {
            self.probe_at = now + self.send_queue.timeout();
        }
        if now >= self.probe_at {
            self.asking_since.get_or_insert(now);
            self.probe_at = now + KEEP_ALIVE_AGAIN;
            let header = self.ack(true);
            self.said();
            self.emit_alone(header, roads, emits);
        }
        let waits_since = match self.send_queue.in_flight() {
            true => self.progress.max(self.heard),
            false => self.asking_since.unwrap_or(now),
        };
        if now.saturating_sub(waits_since) > GIVE_UP {
            self.state = State::Broken(reset::TIMED_OUT);
            let header = self.reset(reset::TIMED_OUT);
            self.emit_alone(header, roads, emits);
        }
    }

    fn said(&mut self) {
        (self.owed, self.ack_at, self.ack_now) = (0, u64::MAX, false);
    }

    fn next_road(&mut self, roads: &[Road]) -> Road {
        self.turn += 1;
        roads[self.turn % roads.len()]
    }

    fn emit_alone(&mut self, header: Header, roads: &[Road], emits: &mut Vec<Emit>) {
        let rail = self.next_road(roads).rail;
        emits.push(Emit {
            rail,
            header,
            data: Vec::new(),
        });
    }

    fn emit_segment(
        &mut self,
        segment: &Segment,
        probe: bool,
        roads: &[Road],
        emits: &mut Vec<Emit>,
    ) {
        let opens = self.setup.active && segment.seq == 0 && self.setup.remote_index.is_none();
        let mut header = self.header(kind::DATA, segment.op, 0);
        header.seq = segment.seq;
        for (is, flag) in [(segment.end, flag::END), (segment.fin, flag::FIN)] {
            header.flags |= if is { flag } else { 0 };
        }
        if opens {
            header.flags |= flag::OPEN;
            (header.ack, header.sack) = (self.setup.open_seq, self.setup.association);
        } else {
            header.flags |= flag::ACK_VALID;
            self.said();
        }
        let road = self.next_road(roads);
        let probe = if probe { flag::PROBE } else { 0 };
        if segment.data.is_empty() {
            header.flags |= probe;
            emits.push(Emit {
                rail: road.rail,
                header,
                data: Vec::new(),
            });
            return;
        }
        let mut offset = 0;
        while offset < segment.data.len() {
            let end = segment.data.len().min(offset + road.room.min(MAX_DATA));
            let last = end == segment.data.len();
            let mut piece = header;
            piece.offset = offset as u16;
            piece.flags |= if last { probe } else { flag::MORE };
            emits.push(Emit {
                rail: road.rail,
                header: piece,
                data: segment.data[offset..end].to_vec(),
            });
            offset = end;
        }
    }
}

fn deliver(
    segment: Segment,
    message: &mut Vec<u8>,
    op: &mut Option<u8>,
    messages: &mut VecDeque<(u8, Vec<u8>)>,
    audit: &mut Audit,
) {
    if segment.fin {
        if op.take().is_some() {
            // The message is void.
            message.clear();
            audit.count("messages_cut_short");
        }
        return;
    }
    let first = *op.get_or_insert(segment.op);
    audit.demand(
        first == segment.op,
        "message",
        format_args!("a message has ops {first} and {}", segment.op),
    );
    message.extend(&segment.data);
    audit.demand(
        message.len() <= MAX_MESSAGE,
        "message",
        "a message is longer than 1 MiB",
    );
    if segment.end {
        *op = None;
        messages.push_back((first, core::mem::take(message)));
    }
}
