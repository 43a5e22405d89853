// SPDX-License-Identifier: GPL-2.0-only

//! Circuits (the paper's virtual circuits, section 3.2.2): two ordered streams of segments between
//! an active and a passive end, each segment delivered exactly once.
//!
//! A circuit is a state machine without I/O. Its owner
//!
//! - hands in what came: [`Circuit::receive`];
//! - says when the rails to the other end change: [`Circuit::reroute`];
//! - fetches what is to go out with [`Circuit::poll_transmit`] until there is nothing, after every
//!   other call that changes the circuit, if it [wants to](Circuit::wants_to_transmit);
//! - sleeps until [`Circuit::deadline`] and then calls [`Circuit::on_timeout`].

mod activity;
mod config;
mod ending;
mod rail_state;
mod recv;
mod ring;
mod rtt;
mod segment;
mod send;
#[cfg(test)]
mod tests;
mod timers;
mod transmit;

pub use activity::{Activity, ReceiveState, Stats, Transmit};
pub use config::Config;
pub use segment::{Payload, Segment, SendError};

use core::fmt;

use recv::{Accepted, Piece, RecvHalf};
use send::SendHalf;
use timers::Unheard;

use crate::cdt::CdtIndex;
use crate::gpid::Gpid;
use crate::seq::Seq;
use crate::tgroup::{Group, GroupKind, RailId, RailView};
use crate::time::{Duration, Instant};
use crate::wire::{Class, Flags, Header, Kind, ResetReason, MAX_DATA};

/// Most segments that an end keeps for sending, or for its reader.
pub const WINDOW: usize = 64;
/// Of so many round trips over one rail, one is told.
const SAMPLES: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Active,
    Passive,
}

/// One end of a circuit.
pub struct Circuit<B: Payload> {
    patience: Patience,
    role: Role,
    class: Class,
    local: Gpid,
    remote: Gpid,
    active: CdtIndex,
    passive: CdtIndex,
    open_seq: Seq,
    association: u32,
    send: SendHalf<B>,
    recv: RecvHalf<B>,
    reset: Option<ResetReason>,
    /// A reset that is still to be sent.
    reset_due: Option<ResetReason>,
    /// A probe that is still to be sent.
    probe_due: bool,
    /// The opener asked once for the passive index, so that what waits behind the OPEN may go.
    nudged: bool,
    /// When the other end was last heard or last probed; unset before the first frame.
    idle_since: Option<Instant>,
    /// Since when an answer is overdue without which there is no progress.
    waiting_since: Option<Instant>,
    /// What was tried since the other end was last heard.
    unheard: Option<Unheard>,
    /// The rails to the other end are not what they were.
    rerouted: bool,
    /// When to look for a rail again; set while there was none for something to be sent.
    stranded_until: Option<Instant>,
    /// The rail over which the other end last sent what it wants to be acknowledged.
    heard_on: Option<RailId>,
    /// The last round trip that was measured and not yet told.
    sample: Option<(RailId, Duration)>,
    /// The rail of the last one that was told, and how many were not since.
    told: Option<RailId>,
    untold: u8,
    stats: Stats,
}

/// How long a circuit waits for what.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// From one probe to the next.
    probe: Duration,
    /// For a word of an end that says nothing at all, until it is reset.
    word: Duration,
    /// For the answer, until it is reset.
    answer: Duration,
    /// Until it breaks the silence.
    silence: Option<Duration>,
    /// Until it looks for a rail again.
    rail: Duration,
}

impl<B: Payload> fmt::Debug for Circuit<B> {
    /// Names it and says how it stands; what it carries is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("role", &self.role)
            .field("class", &self.class)
            .field("remote", &self.remote)
            .field("active", &self.active)
            .field("passive", &self.passive)
            .field("reset", &self.reset)
            .field("queued", &self.queued())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl<B: Payload> Circuit<B> {
    /// The active end of a new circuit from the process `local` to the node `remote_node`.
    ///
    /// `group` elects the rails of its frames, `active` is its index in the CDT, `open_seq` comes from
    /// [`Peers::next_open_seq`](crate::peer::Peers::next_open_seq). The first segment that is sent
    /// opens the circuit at the other end.
    pub fn open(
        cfg: &Config,
        group: Group,
        local: Gpid,
        remote_node: Gpid,
        class: Class,
        active: CdtIndex,
        open_seq: Seq,
    ) -> Self {
        let ends = (local, remote_node);
        Self::new(
            (cfg, group),
            Role::Active,
            ends,
            class,
            (active, CdtIndex::NONE),
            open_seq,
        )
    }

    /// The same, with what its OPEN says of the starts of both nodes' CM: see
    /// [`association`](crate::peer::association).
    pub fn with_association(self, association: u32) -> Self {
        Self {
            association,
            ..self
        }
    }

    /// The passive end of the circuit that the frame with `header` opens; the frame itself is then
    /// to be [received](Circuit::receive). `passive` is the circuit's index in the CDT.
    pub fn accept(
        cfg: &Config,
        group: Group,
        header: &Header,
        local: Gpid,
        passive: CdtIndex,
    ) -> Self {
        let ends = (local, header.from);
        let indices = (header.active, passive);
        Self::new(
            (cfg, group),
            Role::Passive,
            ends,
            header.class,
            indices,
            header.ack,
        )
    }

    fn new(
        (cfg, group): (&Config, Group),
        role: Role,
        (local, remote): (Gpid, Gpid),
        class: Class,
        (active, passive): (CdtIndex, CdtIndex),
        open_seq: Seq,
    ) -> Self {
        Self {
            patience: Patience {
                probe: cfg.max_backoff,
                word: cfg.unheard,
                answer: cfg.give_up,
                silence: cfg.keepalive,
                rail: cfg.initial_rto,
            },
            role,
            class,
            local,
            remote,
            active,
            passive,
            open_seq,
            association: 0,
            send: SendHalf::new(cfg, group, role == Role::Active),
            recv: RecvHalf::new(cfg),
            reset: None,
            reset_due: None,
            probe_due: false,
            nudged: false,
            idle_since: None,
            waiting_since: None,
            unheard: None,
            rerouted: false,
            stranded_until: None,
            heard_on: None,
            sample: None,
            told: None,
            untold: 0,
            stats: Stats::default(),
        }
    }

    /// The process at the other end; its node (pid 0) until the other end answered.
    pub fn remote(&self) -> Gpid {
        self.remote
    }

    /// The process at this end.
    pub fn local(&self) -> Gpid {
        self.local
    }

    /// Names the process at this end, once the thread that serves the circuit is known.
    pub fn set_local(&mut self, local: Gpid) {
        self.local = local;
    }

    /// The layer that the circuit belongs to.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether this is the end that opened the circuit.
    pub fn is_active(&self) -> bool {
        self.role == Role::Active
    }

    /// The circuit's index at its active end.
    pub fn active_index(&self) -> CdtIndex {
        self.active
    }

    /// The circuit's index at its passive end; [`CdtIndex::NONE`] until the opener was answered.
    pub fn passive_index(&self) -> CdtIndex {
        self.passive
    }

    /// The opener's number of the circuit.
    pub fn open_seq(&self) -> Seq {
        self.open_seq
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many retransmission time-outs there were since the last progress.
    pub fn stalled(&self) -> u32 {
        self.send.backoff()
    }

    /// The smoothed round-trip time, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.send.round_trip()
    }

    /// The last round trip that was measured, and over which rail; each is told once, and of those over
    /// one rail each sixteenth: they are to be smoothed anyway.
    pub fn take_rtt_sample(&mut self) -> Option<(RailId, Duration)> {
        let sample = self.sample.take()?;
        let is_known = self.told == Some(sample.0) && self.untold < SAMPLES - 1;
        if is_known {
            self.untold += 1;
            return None;
        }
        self.untold = 0;
        self.told = Some(sample.0);
        Some(sample)
    }

    /// Segments that were not acknowledged yet, and such that wait for the reader.
    pub fn queued(&self) -> (u32, u32) {
        (self.send.queued(), self.recv.readable())
    }

    /// Which transmission group the circuit has.
    pub fn group(&self) -> GroupKind {
        self.send.rail_state().group().kind()
    }

    /// The rail that was last used for something that asks for an answer.
    pub fn rail(&self) -> Option<RailId> {
        self.send.rail()
    }

    /// How many bytes of data a segment should have that is sent next, so that it goes in one frame;
    /// 0 when there is no rail now. Never more than [`MAX_DATA`].
    pub fn segment_room(&self, rails: &RailView) -> usize {
        usize::from(self.send.rail_state().segment_room(rails)).min(MAX_DATA)
    }

    /// Whether a segment would be taken now.
    pub fn can_send(&self) -> bool {
        self.reset.is_none() && self.send.has_room()
    }

    /// Has [`Circuit::poll_transmit`] look at the rails, since they changed: what is under way on one
    /// that is gone has to be sent again.
    pub fn reroute(&mut self) {
        self.rerouted = true;
    }

    /// Puts a segment into the window. It goes out by [`Circuit::poll_transmit`].
    ///
    /// # Errors
    ///
    /// The payload comes back when there is no room or no memory, when it is too long, after
    /// [`Circuit::shutdown`], and when the circuit was reset.
    pub fn send(&mut self, op: u8, end: bool, payload: B) -> Result<(), SendError<B>> {
        if let Some(reason) = self.reset {
            return Err(SendError::Reset(reason, payload));
        }
        if self.send.is_finished() {
            return Err(SendError::Finished(payload));
        }
        if payload.len() > MAX_DATA {
            return Err(SendError::TooLong(payload));
        }
        self.send.push(op, end, payload)
    }

    /// The next segment in order.
    pub fn recv(&mut self) -> Option<Segment<B>> {
        let segment = self.recv.take();
        if self.reset.is_some() {
            self.recv.cancel_ack();
        }
        segment
    }

    /// Whether whoever receives learns something now: a segment, or that none comes any more.
    pub fn is_readable(&self) -> bool {
        self.can_recv() || self.receive_state() != ReceiveState::Open
    }

    /// Whether [`Circuit::recv`] gives a segment now.
    pub fn can_recv(&self) -> bool {
        self.recv.has_next()
    }

    /// Whether [`Circuit::recv`] gives nothing before the data of this frame are there.
    pub fn needs(&self, header: &Header) -> bool {
        !self.recv.has_next() && Seq::new(header.seq) == self.recv.next()
    }

    /// Whether more can come, once [`Circuit::recv`] gives nothing.
    pub fn receive_state(&self) -> ReceiveState {
        if self.recv.at_end() {
            return ReceiveState::Eof;
        }
        match self.reset {
            Some(reason) if !self.recv.has_next() => ReceiveState::Reset(reason),
            _ => ReceiveState::Open,
        }
    }

    /// Why the circuit was cut off, if it was.
    pub fn reset_reason(&self) -> Option<ResetReason> {
        self.reset
    }

    /// Whether the protocol has come to its end: both streams finished and acknowledged, or reset
    /// and the other end told. The index may be given back; what is left can still be received.
    pub fn is_done(&self) -> bool {
        match self.reset {
            Some(_) => self.reset_due.is_none(),
            None => self.streams_are_over() && !self.recv.ack_is_due(),
        }
    }

    fn streams_are_over(&self) -> bool {
        self.send.fin_is_acknowledged() && self.recv.fin_came()
    }

    /// Takes a frame in that came over `rail`. `payload` is its data; it is dropped when the frame
    /// has none.
    pub fn receive(&mut self, now: Instant, rail: RailId, header: &Header, payload: B) -> Activity {
        if self.reset.is_some() || self.is_done() {
            // The index may belong to another circuit by now, and nobody asks for a deadline any more.
            return Activity::NONE;
        }
        if !self.is_mine(header) || (header.opens() && header.ack != self.open_seq) {
            self.stats.rejected += 1;
            return Activity::NONE;
        }
        if header.kind == Kind::Reset {
            return self.on_reset(header);
        }
        let was_over = self.streams_are_over();
        let had_room = self.send.has_room();
        if !self.on_acknowledgement(now, header) {
            self.stats.rejected += 1;
            return Activity::NONE;
        }
        let mut activity = Activity {
            state: self.learn(header),
            ..Activity::NONE
        };
        self.on_heard(now, rail, header);
        if header.kind == Kind::Data {
            match self.on_data(now, header, payload) {
                Ok(readable) => activity.readable = readable,
                Err(ProtocolError) => {
                    self.reset_due = Some(ResetReason::Protocol);
                    self.cut(ResetReason::Protocol);
                    return Activity::ALL;
                }
            }
        }
        if header.flags.contains(Flags::PROBE) {
            self.recv.ack_at_once();
        }
        if self.streams_are_over() && !was_over {
            // Nothing more will come that the last acknowledgement could ride on.
            self.recv.hurry();
            activity.state = true;
        }
        activity.writable = !had_room && self.send.has_room();
        activity
    }

    /// Whether the frame belongs to this circuit and goes in its direction.
    ///
    /// Either end may still not know the passive index; [`Header::parse`] lets only those frames
    /// go without it that may.
    fn is_mine(&self, header: &Header) -> bool {
        let passive_fits =
            header.passive == self.passive || header.passive.is_none() || self.passive.is_none();
        header.kind.is_circuit()
            && header.class == self.class
            && header.from.same_node(self.remote)
            && header.to.same_node(self.local)
            && header.to_passive() == (self.role == Role::Passive)
            && header.active == self.active
            && passive_fits
    }

    /// Whether what the frame acknowledges could have been sent.
    fn on_acknowledgement(&mut self, now: Instant, header: &Header) -> bool {
        if header.opens() {
            self.send.widen(Seq::ZERO, header.window);
            return true;
        }
        if !header.flags.contains(Flags::ACK_VALID) {
            return false;
        }
        let more_sack = match header.kind {
            Kind::Ack => u64::from(header.seq) << 32,
            _ => 0,
        };
        let sack = more_sack | u64::from(header.sack);
        match self.send.acknowledge(now, header.ack, sack, header.window) {
            Ok(told) => {
                if told.progress {
                    self.waiting_since = self.send.is_outstanding().then_some(now);
                }
                if told.sample.is_some() {
                    self.sample = told.sample;
                }
                true
            }
            Err(send::NeverSent) => false,
        }
    }

    /// Learns from an answer where and what the other end is; whether it is the first answer.
    fn learn(&mut self, header: &Header) -> bool {
        if self.role != Role::Active {
            return false;
        }
        self.remote = header.from;
        let first = self.passive.is_none() && header.passive.is_some();
        if first {
            self.passive = header.passive;
        }
        first
    }

    fn on_heard(&mut self, now: Instant, rail: RailId, header: &Header) {
        self.idle_since = Some(now);
        self.unheard = None;
        if header.kind == Kind::Data || header.flags.contains(Flags::PROBE) {
            self.heard_on = Some(rail);
            if self.role == Role::Passive {
                self.send.rail_state_mut().follow(rail);
            }
        }
        if !self.send.is_outstanding() {
            self.waiting_since = None;
        }
    }

    fn on_data(
        &mut self,
        now: Instant,
        header: &Header,
        payload: B,
    ) -> Result<bool, ProtocolError> {
        let seq = Seq::new(header.seq);
        let accepted = if header.flags.contains(Flags::FIN) {
            self.recv.accept_fin(now, seq)?
        } else {
            let piece = Piece {
                seq,
                offset: usize::from(header.offset),
                more: header.flags.contains(Flags::MORE),
                segment: Segment {
                    op: header.op,
                    end: header.flags.contains(Flags::END),
                    payload,
                },
            };
            self.recv.accept(now, piece)?
        };
        match accepted {
            Accepted::Duplicate => self.stats.duplicates += 1,
            Accepted::Rejected => self.stats.rejected += 1,
            Accepted::Part => {}
            Accepted::Kept(len) | Accepted::Readable(len) => {
                self.stats.received += 1;
                self.stats.bytes_received += len as u64;
            }
        }
        Ok(matches!(accepted, Accepted::Readable(_)))
    }

    #[cfg(test)]
    fn assert_invariants(&self) {
        self.send.assert_invariants();
        self.recv.assert_invariants();
    }
}

/// The other end contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProtocolError;
