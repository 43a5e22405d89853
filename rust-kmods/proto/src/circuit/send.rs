// SPDX-License-Identifier: GPL-2.0-only

//! The sending half: keeps segments until they are acknowledged, and decides which one goes next
//! and over which rail.

mod acknowledge;
mod congestion;
mod slot;
mod timeout;

pub(in crate::circuit) use acknowledge::NeverSent;

use core::ops::Range;

use super::rail_state::RailState;
use super::recv::ACK_WEIGHT;
use super::ring::Ring;
use super::rtt::Rtt;
use super::{Config, Payload, SendError, WINDOW};
use crate::seq::Seq;
use crate::tgroup::{Group, RailId, RailView};
use crate::time::{Duration, Instant};

use congestion::Congestion;
use slot::{Shape, Tick, TxSlot};

/// A frame that goes out now: a segment, or a piece of one.
#[derive(Debug)]
pub(super) struct Transmission<'a, B> {
    pub(super) slot: &'a TxSlot<B>,
    pub(super) rail: RailId,
    /// The bytes of the segment that are in the frame.
    pub(super) range: Range<usize>,
    /// More pieces of the segment follow.
    pub(super) more: bool,
    /// It is the first, or only, piece.
    pub(super) first: bool,
    /// The segment was sent before.
    pub(super) again: bool,
    /// An acknowledgement is wanted at once: nothing more can follow before one comes, or the window is
    /// small and half of it is under way since the last that was asked for.
    pub(super) asks: bool,
    /// Other segments can go now.
    pub(super) others: bool,
}

/// A segment of which some pieces went out and others did not.
#[derive(Clone, Copy, Debug)]
struct Rest {
    seq: Seq,
    offset: usize,
}

/// # Invariants
///
/// `una <= unsent <= next <= una + WINDOW` in the circular order of sequence numbers. Segment `seq`
/// of those from `una` to `next` is in slot `seq % WINDOW`, the others are empty. Bits in `flight`
/// and `lost` stand for slots with segments from `una` to `unsent`; those of them that are in neither
/// are known to have come, and none is in both.
pub(super) struct SendHalf<B: Payload> {
    slots: Ring<B, TxSlot<B>>,
    /// Sent, nothing heard of it.
    flight: u64,
    /// Sent, to be sent again.
    lost: u64,
    /// The oldest segment that is not acknowledged.
    una: Seq,
    /// The oldest segment that was never sent.
    unsent: Seq,
    /// The number of the next segment that is queued.
    next: Seq,
    /// The first segment that the other end has no room for.
    edge: Seq,
    /// Nothing more will be queued but the FIN.
    finished: bool,
    /// The number of the FIN, once it is queued.
    fin: Option<Seq>,
    rest: Option<Rest>,
    congestion: Congestion,
    /// Segments that went out since the last one that asked for an acknowledgement.
    unasked: u32,
    rails: RailState,
    /// The rail of the last frame that asked for an answer.
    rail: Option<RailId>,
    rtt: Rtt,
    backoff: u32,
    timer: Option<Instant>,
}

impl<B: Payload> SendHalf<B> {
    /// `opens`: only the first segment may go before the other end says what it has room for.
    pub(super) fn new(cfg: &Config, group: Group, opens: bool) -> Self {
        Self {
            slots: Ring::new(),
            flight: 0,
            lost: 0,
            una: Seq::ZERO,
            unsent: Seq::ZERO,
            next: Seq::ZERO,
            edge: Seq::new(opens.into()),
            finished: false,
            fin: None,
            rest: None,
            congestion: Congestion::new(),
            unasked: 0,
            rails: RailState::new(group),
            rail: None,
            rtt: Rtt::new(cfg),
            backoff: 0,
            timer: None,
        }
    }

    pub(super) fn rail_state(&self) -> &RailState {
        &self.rails
    }

    pub(super) fn rail_state_mut(&mut self) -> &mut RailState {
        &mut self.rails
    }

    /// The rail of the last frame that asked for an answer.
    pub(super) fn rail(&self) -> Option<RailId> {
        self.rail
    }

    /// The smoothed round-trip time.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// Whether a segment would be taken; one slot is kept for the FIN.
    pub(super) fn has_room(&self) -> bool {
        !self.finished && self.queued() < WINDOW as u32 - 1
    }

    /// Segments that are not acknowledged, the FIN among them.
    pub(super) fn queued(&self) -> u32 {
        self.una.distance_to(self.next)
    }

    fn outstanding(&self) -> u32 {
        self.una.distance_to(self.unsent)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Queues a segment; gives it back when there is no room.
    pub(super) fn push(&mut self, op: u8, end: bool, payload: B) -> Result<(), SendError<B>> {
        if !self.has_room() {
            return Err(SendError::Full(payload));
        }
        if !self.slots.provide(TxSlot::empty) {
            return Err(SendError::NoMemory(payload));
        }
        let shape = if end { Shape::End } else { Shape::Middle };
        self.queue(TxSlot::new(op, shape, Some(payload)));
        Ok(())
    }

    /// Queues the FIN; where there is no memory, [`SendHalf::look`] does it later.
    pub(super) fn finish(&mut self) {
        self.finished = true;
        if self.fin.is_none() && self.slots.provide(TxSlot::empty) {
            self.fin = Some(self.next);
            self.queue(TxSlot::new(0, Shape::Fin, None));
        }
    }

    fn queue(&mut self, slot: TxSlot<B>) {
        if let Some(free) = self.slots.get_mut(place(self.next)) {
            *free = slot;
            self.next = self.next + 1;
        }
    }

    /// Whether the FIN could not be queued yet.
    pub(super) fn lacks_memory(&self) -> bool {
        self.finished && self.fin.is_none()
    }

    /// Gives memory back that is not needed now.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.slots.release();
        }
    }

    /// Whether anything sent is not acknowledged.
    pub(super) fn is_outstanding(&self) -> bool {
        self.una != self.unsent
    }

    /// Whether nothing is queued or unacknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.una == self.next
    }

    /// Whether something cannot go before the OPEN is answered.
    pub(super) fn waits_behind_open(&self) -> bool {
        self.is_outstanding() && self.unsent != self.next
    }

    /// Whether everything is acknowledged but the FIN, which went out.
    pub(super) fn only_fin_is_in_flight(&self) -> bool {
        self.fin == Some(self.una) && self.is_outstanding()
    }

    pub(super) fn fin_is_acknowledged(&self) -> bool {
        self.fin.is_some_and(|fin| self.una == fin.next())
    }

    pub(super) fn backoff(&self) -> u32 {
        self.backoff
    }

    /// Takes note of which rails can be used: what is under way on one that cannot is lost.
    pub(super) fn look(&mut self, now: Instant, rails: &RailView) {
        if self.lacks_memory() {
            self.finish();
        }
        let dead = self.rails.look(now, rails);
        if dead.is_empty() {
            return;
        }
        for place in places(self.flight) {
            let slot = self.slots.get(place);
            if slot.is_some_and(|slot| dead.contains(slot.rail)) {
                self.lose(place);
            }
        }
    }

    /// Whether something is to be sent now, or to be decided about what can't be; `opening`: the other
    /// end's index is not known yet.
    pub(super) fn has_work(&self, opening: bool) -> bool {
        self.lacks_memory() || self.next_to_send(opening).is_some() || self.lacks_room()
    }

    /// The segment to send now; `opening`: the other end's index is not known yet.
    pub(super) fn next_to_send(&self, opening: bool) -> Option<Seq> {
        if let Some(rest) = self.rest {
            return Some(rest.seq);
        }
        if (self.lost == 0 && self.unsent == self.next) || self.is_full() {
            return None;
        }
        if self.lost != 0 {
            let ahead = self.lost.rotate_right(self.una.raw()).trailing_zeros();
            return Some(self.una + ahead);
        }
        let allowed = if opening {
            self.unsent == Seq::ZERO
        } else {
            self.fits(self.unsent)
        };
        allowed.then_some(self.unsent)
    }

    /// Whether as much is under way as may be.
    fn is_full(&self) -> bool {
        // To count bits takes its time where there is no instruction for it.
        self.flight != 0 && self.flight.count_ones() >= self.congestion.window()
    }

    /// Whether the other end has room for queued segment `seq`; a FIN takes none.
    fn fits(&self, seq: Seq) -> bool {
        !seq.is_at_or_after(self.edge) || self.fin == Some(seq)
    }

    /// Takes note that segment `seq`, as [`SendHalf::next_to_send`] gave it, goes out now, or the
    /// next piece of it. `None` if no rail takes it.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        seq: Seq,
        rails: &RailView,
    ) -> Option<Transmission<'_, B>> {
        let place = place(seq);
        let len = self.slots.get(place)?.len();
        let (rail, start, again) = match self.rest {
            Some(rest) => {
                let slot = self.slots.get(place)?;
                (slot.rail, rest.offset, slot.is_again())
            }
            None => {
                let rail = self.rails.elect(rails, len)?;
                let again = self.lost & 1 << place != 0;
                self.begin(now, seq, rail, again, rails);
                (rail, 0, again)
            }
        };
        let end = len.min(start + usize::from(rails.room(rail)));
        let more = end < len;
        self.rest = more.then_some(Rest { seq, offset: end });
        let waits = self.lost != 0 || self.unsent != self.next;
        let blocked = self.is_full() || (self.lost == 0 && !self.fits(self.unsent));
        let asks = !more && (again || (waits && (blocked || self.is_half_unasked())));
        self.unasked = match asks {
            true => 0,
            // Whoever sends one at a time never asks: it counts without an end.
            false => self.unasked.saturating_add(u32::from(start == 0)),
        };
        Some(Transmission {
            slot: self.slots.get(place)?,
            rail,
            range: start..end,
            more,
            first: start == 0,
            again,
            asks,
            others: waits && !blocked,
        })
    }

    /// Whether half of a small window went out since an acknowledgement was asked for. Of a large one
    /// the other end acknowledges parts unasked.
    fn is_half_unasked(&self) -> bool {
        let half = self.congestion.window() / 2;
        half < u32::from(ACK_WEIGHT) && self.unasked >= half.saturating_sub(1)
    }

    /// Counts segment `seq` as sent over `rail`.
    fn begin(&mut self, now: Instant, seq: Seq, rail: RailId, again: bool, rails: &RailView) {
        let place = place(seq);
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        if self.congestion.window() == 0 {
            self.congestion.begin(rails.room(rail));
        }
        slot.sent_at = Tick::of(now);
        slot.rail = rail;
        slot.number = self.rails.sent(rail, slot.len());
        if again {
            slot.set_again();
            self.lost &= !(1 << place);
        } else {
            self.unsent = seq.next();
        }
        let alone = self.flight == 0;
        self.flight |= 1 << place;
        self.rail = Some(rail);
        if again || alone {
            if let Some(status) = rails.get(rail) {
                self.rtt.expect(status.rtt_us);
            }
            self.timer = Some(now + self.rtt.timeout(self.backoff));
        }
    }

    /// The other end has room for `window` segments from `from` on. Room is never taken back, so
    /// late news does no harm.
    pub(super) fn widen(&mut self, from: Seq, window: u16) {
        let edge = from + u32::from(window).min(WINDOW as u32);
        if edge.is_after(self.edge) {
            self.edge = edge;
            if !self.is_outstanding() {
                self.backoff = 0;
                self.timer = None;
            }
        }
    }

    /// Counts a segment that is under way as lost.
    fn lose(&mut self, place: usize) {
        let bit = 1 << place;
        if let Some(slot) = self.slots.get(place) {
            if self.flight & bit != 0 {
                self.flight &= !bit;
                self.rails.left(slot.rail, slot.len());
            }
            self.lost |= bit;
            self.drop_rest(place);
        }
    }

    /// Sends no more pieces of a segment.
    fn drop_rest(&mut self, of: usize) {
        if self.rest.is_some_and(|rest| place(rest.seq) == of) {
            self.rest = None;
        }
    }

    /// The number of the segment, of those from `una` on, that is in a slot.
    fn seq_at(&self, place: usize) -> Seq {
        let ahead = self.una.distance_to(Seq::new(place as u32)) % WINDOW as u32;
        self.una + ahead
    }

    fn restart_timer(&mut self, now: Instant) {
        self.timer = self
            .is_outstanding()
            .then(|| now + self.rtt.timeout(self.backoff));
    }

    /// Starts the timer of the probe that asks for room, if that is what is missing.
    pub(super) fn watch_window(&mut self, now: Instant) {
        if self.lacks_room() {
            self.timer = Some(now + self.rtt.timeout(self.backoff));
        }
    }

    /// Whether room is what is missing and no timer runs.
    fn lacks_room(&self) -> bool {
        let is_blocked = || self.unsent != self.next && !self.fits(self.unsent);
        self.timer.is_none() && !self.is_outstanding() && is_blocked()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Takes note that a probe went out over `rail`.
    pub(super) fn probed(&mut self, rail: RailId) {
        self.rail = Some(rail);
    }

    /// Takes note that the last probe was not answered.
    pub(super) fn probe_missed(&mut self, now: Instant) {
        if let Some(rail) = self.rail {
            self.rails.missed(now, rail, 1);
        }
    }

    /// Counts everything as arrived.
    pub(super) fn acknowledge_all(&mut self) {
        self.clear();
        self.una = self.next;
        self.unsent = self.next;
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        for place in places(self.flight) {
            self.lose(place);
        }
        self.lost = 0;
        self.slots.release();
        self.timer = None;
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self) {
        let (queued, sent) = (self.queued(), self.outstanding());
        assert!(sent <= queued && queued <= WINDOW as u32, "{sent} {queued}");
        assert_eq!(self.flight & self.lost, 0);
        let filled = self.slots.iter().filter(|slot| slot.payload().is_some());
        assert!(filled.count() as u32 <= queued);
        for place in places(self.flight | self.lost) {
            assert!(self.una.distance_to(self.seq_at(place)) < sent);
            let slot = &self.slots[place];
            assert!(slot.len() <= crate::wire::MAX_DATA);
        }
        let in_flight = places(self.flight).map(|place| {
            let slot = &self.slots[place];
            (slot.rail, slot.len())
        });
        self.rails.assert_invariants(in_flight);
        if let Some(rest) = self.rest {
            assert!(self.flight & 1 << place(rest.seq) != 0);
        }
        let is_clear = self.slots.iter().all(|slot| slot.payload().is_none());
        assert!(is_clear || self.timer.is_some() || !self.is_outstanding());
        assert!(self.congestion.window() <= WINDOW as u32);
    }
}

/// The places of the bits that are set.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (place < WINDOW).then_some(place)
    })
}

/// Where the segment with this number is kept.
const fn place(seq: Seq) -> usize {
    seq.raw() as usize % WINDOW
}
