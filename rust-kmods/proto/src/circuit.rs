// SPDX-License-Identifier: GPL-2.0-only

//! Circuits (the paper's virtual circuits, section 3.2.2): two ordered streams of segments between
//! an active and a passive end, each segment delivered exactly once.
//!
//! A circuit is a state machine without I/O. Its owner
//!
//! - hands in what came: [`Circuit::receive`];
//! - fetches what is to go out with [`Circuit::poll_transmit`] until there is nothing, after every
//!   other call that changes the circuit;
//! - sleeps until [`Circuit::deadline`] and then calls [`Circuit::on_timeout`].

mod config;
mod news;
mod recv;
mod rtt;
mod segment;
mod send;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use news::{Activity, ReceiveState, Stats};
pub use segment::{Payload, Segment, SendError};

use recv::{Accepted, RecvHalf};
use send::SendHalf;

use crate::cdt::CdtIndex;
use crate::gpid::Gpid;
use crate::time::Instant;
use crate::wire::{Class, Flags, Header, Kind, ResetReason};

/// Most segments that an end keeps for sending, or for its reader.
pub const WINDOW: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Active,
    Passive,
}

/// One end of a circuit.
#[derive(Debug)]
pub struct Circuit<B> {
    cfg: Config,
    role: Role,
    class: Class,
    local: Gpid,
    remote: Gpid,
    active: CdtIndex,
    passive: CdtIndex,
    open_seq: u32,
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
    stats: Stats,
}

impl<B: Payload> Circuit<B> {
    /// The active end of a new circuit from the process `local` to the node `remote_node`.
    ///
    /// `active` is its index in the CDT, `open_seq` comes from
    /// [`Peers::next_open_seq`](crate::peer::Peers::next_open_seq). The first segment that is sent
    /// opens the circuit at the other end.
    pub fn open(
        cfg: &Config,
        local: Gpid,
        remote_node: Gpid,
        class: Class,
        active: CdtIndex,
        open_seq: u32,
    ) -> Self {
        let ends = (local, remote_node);
        Self::new(
            cfg,
            Role::Active,
            ends,
            class,
            (active, CdtIndex::NONE),
            open_seq,
        )
    }

    /// The passive end of the circuit that the frame with `header` opens; the frame itself is then
    /// to be [received](Circuit::receive). `passive` is the circuit's index in the CDT.
    pub fn accept(cfg: &Config, header: &Header, local: Gpid, passive: CdtIndex) -> Self {
        let ends = (local, header.from);
        let indices = (header.active, passive);
        Self::new(cfg, Role::Passive, ends, header.class, indices, header.ack)
    }

    fn new(
        cfg: &Config,
        role: Role,
        (local, remote): (Gpid, Gpid),
        class: Class,
        (active, passive): (CdtIndex, CdtIndex),
        open_seq: u32,
    ) -> Self {
        Self {
            cfg: *cfg,
            role,
            class,
            local,
            remote,
            active,
            passive,
            open_seq,
            send: SendHalf::new(cfg, role == Role::Active),
            recv: RecvHalf::new(cfg),
            reset: None,
            reset_due: None,
            probe_due: false,
            nudged: false,
            idle_since: None,
            waiting_since: None,
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
    pub fn open_seq(&self) -> u32 {
        self.open_seq
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many retransmission time-outs there were since the last progress: from 2 on, another
    /// rail is worth a try.
    pub fn stalled(&self) -> u32 {
        self.send.backoff()
    }

    /// Whether a segment would be taken now.
    pub fn can_send(&self) -> bool {
        self.reset.is_none() && self.send.has_room()
    }

    /// Puts a segment into the window. It goes out by [`Circuit::poll_transmit`].
    ///
    /// # Errors
    ///
    /// The payload comes back when there is no room, after [`Circuit::shutdown`], and when the
    /// circuit was reset.
    pub fn send(&mut self, op: u8, end: bool, payload: B) -> Result<(), SendError<B>> {
        if let Some(reason) = self.reset {
            return Err(SendError::Reset(reason, payload));
        }
        if self.send.is_finished() {
            return Err(SendError::Finished(payload));
        }
        self.send.push(op, end, payload).map_err(SendError::Full)
    }

    /// Finishes this end's stream: the other end reads to its end. Receiving goes on.
    ///
    /// An opener that never sent anything has opened nothing, so its circuit just ends.
    pub fn shutdown(&mut self) {
        if self.reset.is_some() {
            return;
        }
        if !self.is_known_there() && self.send.is_empty() {
            self.cut(ResetReason::Aborted);
        } else {
            self.send.finish();
        }
    }

    /// Cuts the circuit off, with all that was not delivered, and tells the other end.
    pub fn abort(&mut self, reason: ResetReason) {
        if self.reset.is_some() {
            return;
        }
        if !self.is_done() && self.is_known_there() {
            self.reset_due = Some(reason);
        }
        self.cut(reason);
        self.recv.clear();
    }

    /// Whether the other end may know of the circuit.
    fn is_known_there(&self) -> bool {
        self.role == Role::Passive || self.stats.sent > 0
    }

    /// Cuts the circuit off without telling the other end, which is gone. What had come in order
    /// can still be received.
    pub fn fail(&mut self, reason: ResetReason) -> Activity {
        if self.reset.is_some() || self.is_done() {
            return Activity::NONE;
        }
        self.cut(reason);
        Activity::ALL
    }

    fn cut(&mut self, reason: ResetReason) {
        self.reset = Some(reason);
        self.send.clear();
        self.recv.cancel_ack();
        self.probe_due = false;
        self.waiting_since = None;
    }

    /// The next segment in order.
    pub fn recv(&mut self) -> Option<Segment<B>> {
        let segment = self.recv.take();
        if self.reset.is_some() {
            self.recv.cancel_ack();
        }
        segment
    }

    /// Whether [`Circuit::recv`] gives a segment now.
    pub fn can_recv(&self) -> bool {
        self.recv.has_next()
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

    /// Takes a frame in. `payload` is its data; it is dropped when the frame has none.
    pub fn receive(&mut self, now: Instant, header: &Header, payload: B) -> Activity {
        if self.reset.is_some() {
            return Activity::NONE;
        }
        if !self.is_mine(header) || (header.opens() && header.ack != self.open_seq) {
            self.stats.rejected += 1;
            return Activity::NONE;
        }
        if header.kind == Kind::Reset {
            return self.on_reset(ResetReason::from_raw(header.seq));
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
        self.on_heard(now);
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

    fn on_reset(&mut self, reason: ResetReason) -> Activity {
        // The other end had everything and is gone; only its last acknowledgement was lost.
        let fin_went = self.send.fin_is_in_flight() || self.send.fin_is_acknowledged();
        if reason == ResetReason::NoCircuit && self.recv.fin_came() && fin_went {
            self.send.acknowledge_all();
            self.recv.cancel_ack();
            self.waiting_since = None;
        } else {
            self.cut(reason);
        }
        Activity::ALL
    }

    /// Whether what the frame acknowledges could have been sent.
    fn on_acknowledgement(&mut self, now: Instant, header: &Header) -> bool {
        if header.opens() {
            self.send.widen(0, header.window);
            return true;
        }
        if !header.flags.contains(Flags::ACK_VALID) {
            return false;
        }
        match self
            .send
            .acknowledge(now, header.ack, header.sack, header.window)
        {
            Ok(progress) => {
                if progress {
                    self.waiting_since = self.send.is_outstanding().then_some(now);
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

    fn on_heard(&mut self, now: Instant) {
        self.idle_since = Some(now);
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
        let segment = Segment {
            op: header.op,
            end: header.flags.contains(Flags::END),
            payload,
        };
        let fin = header.flags.contains(Flags::FIN);
        let accepted = self
            .recv
            .accept(now, header.seq, (!fin).then_some(segment))?;
        match accepted {
            Accepted::Duplicate => self.stats.duplicates += 1,
            Accepted::NoRoom => self.stats.rejected += 1,
            Accepted::Kept | Accepted::Readable => self.stats.received += 1,
        }
        Ok(accepted == Accepted::Readable)
    }

    /// The next frame to send, with its data; to be called until there is none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Header, Option<&B>)> {
        if let Some(reason) = self.reset_due.take() {
            let mut header = self.header(Kind::Reset);
            header.seq = reason as u32;
            return Some((header, None));
        }
        if self.reset.is_some() {
            return None;
        }
        self.idle_since.get_or_insert(now);
        let opening = self.passive.is_none();
        if let Some(seq) = self.send.next_to_send(opening) {
            return self.transmit(now, seq);
        }
        if opening && !self.nudged && self.send.waits_behind_open() {
            self.nudged = true;
            self.probe_due = true;
        }
        if self.probe_due || self.recv.ack_due_now() {
            let mut header = self.header(Kind::Ack);
            if core::mem::take(&mut self.probe_due) {
                header.flags |= Flags::PROBE;
            }
            self.put_acknowledgement(&mut header);
            self.stats.acks += 1;
            return Some((header, None));
        }
        self.send.watch_window(now);
        None
    }

    fn transmit(&mut self, now: Instant, seq: u32) -> Option<(Header, Option<&B>)> {
        let mut header = self.header(Kind::Data);
        header.seq = seq;
        if seq == 0 && self.role == Role::Active && self.passive.is_none() {
            header.flags |= Flags::OPEN;
            header.ack = self.open_seq;
            header.window = self.recv.window();
        } else {
            self.put_acknowledgement(&mut header);
        }
        self.waiting_since.get_or_insert(now);
        let sent = self.send.transmit(now, seq)?;
        self.stats.sent += 1;
        if sent.again {
            self.stats.retransmitted += 1;
        }
        if sent.last_for_now {
            header.flags |= Flags::PROBE;
            self.nudged = true;
        }
        if sent.slot.is_end() {
            header.flags |= Flags::END;
        }
        if sent.slot.is_fin() {
            header.flags |= Flags::FIN;
        }
        header.op = sent.slot.op();
        header.len = sent
            .slot
            .payload()
            .map_or(0, |payload| payload.len() as u16);
        Some((header, sent.slot.payload()))
    }

    fn header(&self, kind: Kind) -> Header {
        let mut header = Header::new(kind, self.class, self.local, self.remote);
        if self.role == Role::Active {
            header.flags |= Flags::TO_PASSIVE;
        }
        header.active = self.active;
        header.passive = self.passive;
        header
    }

    fn put_acknowledgement(&mut self, header: &mut Header) {
        header.flags |= Flags::ACK_VALID;
        header.ack = self.recv.next();
        header.sack = self.recv.sack();
        header.window = self.recv.window();
        self.recv.acknowledged();
    }

    /// When [`Circuit::on_timeout`] is to be called, unless something else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        if self.reset.is_some() || self.is_done() {
            return None;
        }
        let give_up = self.waiting_since.map(|since| since + self.cfg.give_up);
        [
            self.send.deadline(),
            self.recv.deadline(),
            self.idle_deadline(),
            give_up,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When silence calls for a probe; none while the send half asks anyway.
    fn idle_deadline(&self) -> Option<Instant> {
        if self.send.deadline().is_some() {
            return None;
        }
        if !self.is_known_there() {
            return None;
        }
        let patience = match self.waiting_since {
            Some(_) => self.cfg.max_rto,
            None => self.cfg.keepalive?,
        };
        Some(self.idle_since? + patience)
    }

    /// Does what is due by `now`; then [`Circuit::poll_transmit`] may have frames.
    pub fn on_timeout(&mut self, now: Instant) -> Activity {
        if self.reset.is_some() || self.is_done() {
            return Activity::NONE;
        }
        if self
            .waiting_since
            .is_some_and(|since| since + self.cfg.give_up <= now)
        {
            // It may be that only its frames do not come through.
            self.reset_due = Some(ResetReason::TimedOut);
            return self.fail(ResetReason::TimedOut);
        }
        self.recv.on_timeout(now);
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if is_due(self.idle_deadline()) {
            self.probe(now);
        } else if is_due(self.send.deadline()) {
            if self.send.is_outstanding() {
                self.stats.timeouts += 1;
            } else {
                self.probe(now);
            }
            self.send.on_timeout(now);
        }
        Activity::NONE
    }

    #[cfg(test)]
    fn assert_invariants(&self) {
        self.send.assert_invariants();
        self.recv.assert_invariants();
    }

    fn probe(&mut self, now: Instant) {
        self.probe_due = true;
        self.idle_since = Some(now);
        self.waiting_since.get_or_insert(now);
    }
}

/// The other end contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProtocolError;
