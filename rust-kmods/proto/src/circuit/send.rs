// SPDX-License-Identifier: GPL-2.0-only

//! The sending half: keeps segments until they are acknowledged, and decides which one goes next.

use super::rtt::Rtt;
use super::{Config, WINDOW};
use crate::time::Instant;

/// Segments sent later than another that must arrive before that one counts as lost.
const REORDERING: u32 = 3;
/// Least congestion window after a loss, in segments.
const MIN_CWND: u32 = 4;
/// Congestion window after a time-out, in segments.
const RESTART_CWND: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Never sent.
    Queued,
    /// Sent, nothing heard of it.
    Sent,
    /// Sent, to be sent again.
    Lost,
    /// At the other end, which still misses an earlier one.
    Sacked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Middle,
    End,
    Fin,
}

/// A segment that is not yet acknowledged.
#[derive(Debug)]
pub(super) struct TxSlot<B> {
    payload: Option<B>,
    sent_at: Instant,
    /// Its place in the order of all transmissions.
    transmission: u32,
    op: u8,
    shape: Shape,
    state: State,
    again: bool,
}

impl<B> TxSlot<B> {
    pub(super) fn payload(&self) -> Option<&B> {
        self.payload.as_ref()
    }

    pub(super) fn op(&self) -> u8 {
        self.op
    }

    pub(super) fn is_end(&self) -> bool {
        self.shape == Shape::End
    }

    pub(super) fn is_fin(&self) -> bool {
        self.shape == Shape::Fin
    }
}

/// A segment that goes out now.
#[derive(Debug)]
pub(super) struct Transmission<'a, B> {
    pub(super) slot: &'a TxSlot<B>,
    /// It was sent before.
    pub(super) again: bool,
    /// Nothing more can follow before an acknowledgement comes.
    pub(super) last_for_now: bool,
}

/// The other end acknowledges what was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeverSent;

/// # Invariants
///
/// `una <= unsent <= next <= una + WINDOW` in the circular order of sequence numbers. Slot
/// `seq % WINDOW` is filled for every `seq` from `una` to `next`, and no other. `flight` and `lost`
/// count the slots in these states.
#[derive(Debug)]
pub(super) struct SendHalf<B> {
    slots: [Option<TxSlot<B>>; WINDOW],
    /// The oldest segment that is not acknowledged.
    una: u32,
    /// The oldest segment that was never sent.
    unsent: u32,
    /// The number of the next segment that is queued.
    next: u32,
    /// The first segment that the other end has no room for.
    edge: u32,
    fin: Option<u32>,
    flight: u32,
    lost: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Segments acknowledged since the congestion window last grew.
    grown_by: u32,
    /// Losses of segments below this one belong to a loss that was reacted to.
    recover: u32,
    transmissions: u32,
    /// The latest transmission that is known to have arrived.
    arrived: Option<u32>,
    rtt: Rtt,
    backoff: u32,
    timer: Option<Instant>,
}

impl<B> SendHalf<B> {
    /// `opens`: only the first segment may go before the other end says what it has room for.
    pub(super) fn new(cfg: &Config, opens: bool) -> Self {
        Self {
            slots: [const { None }; WINDOW],
            una: 0,
            unsent: 0,
            next: 0,
            edge: u32::from(opens),
            fin: None,
            flight: 0,
            lost: 0,
            cwnd: WINDOW as u32,
            ssthresh: WINDOW as u32,
            grown_by: 0,
            recover: 0,
            transmissions: 0,
            arrived: None,
            rtt: Rtt::new(cfg),
            backoff: 0,
            timer: None,
        }
    }

    /// Whether a segment would be taken; one slot is kept for the FIN.
    pub(super) fn has_room(&self) -> bool {
        self.fin.is_none() && self.next.wrapping_sub(self.una) < WINDOW as u32 - 1
    }

    pub(super) fn is_finished(&self) -> bool {
        self.fin.is_some()
    }

    /// Queues a segment; gives it back when there is no room.
    pub(super) fn push(&mut self, op: u8, end: bool, payload: B) -> Result<(), B> {
        if !self.has_room() {
            return Err(payload);
        }
        self.queue(
            op,
            if end { Shape::End } else { Shape::Middle },
            Some(payload),
        );
        Ok(())
    }

    /// Queues the FIN.
    pub(super) fn finish(&mut self) {
        if self.fin.is_none() {
            self.fin = Some(self.next);
            self.queue(0, Shape::Fin, None);
        }
    }

    fn queue(&mut self, op: u8, shape: Shape, payload: Option<B>) {
        self.slots[place(self.next)] = Some(TxSlot {
            payload,
            sent_at: Instant::default(),
            transmission: 0,
            op,
            shape,
            state: State::Queued,
            again: false,
        });
        self.next = self.next.wrapping_add(1);
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

    pub(super) fn fin_is_in_flight(&self) -> bool {
        self.fin.is_some_and(|fin| {
            (self.una.wrapping_sub(fin) as i32) <= 0 && (self.unsent.wrapping_sub(fin) as i32) > 0
        })
    }

    pub(super) fn fin_is_acknowledged(&self) -> bool {
        self.fin.is_some_and(|fin| self.una == fin.wrapping_add(1))
    }

    pub(super) fn backoff(&self) -> u32 {
        self.backoff
    }

    /// The segment to send now; `opening`: the other end's index is not known yet.
    pub(super) fn next_to_send(&self, opening: bool) -> Option<u32> {
        if self.flight >= self.cwnd {
            return None;
        }
        if self.lost > 0 {
            let mut sent = Range {
                next: self.una,
                end: self.unsent,
            };
            return sent.find(|&seq| self.state(seq) == Some(State::Lost));
        }
        let allowed = if opening {
            self.unsent == 0
        } else {
            self.fits(self.unsent)
        };
        (self.unsent != self.next && allowed).then_some(self.unsent)
    }

    /// Whether the other end has room for queued segment `seq`; a FIN takes none.
    fn fits(&self, seq: u32) -> bool {
        (seq.wrapping_sub(self.edge) as i32) < 0 || self.fin == Some(seq)
    }

    fn state(&self, seq: u32) -> Option<State> {
        self.slots[place(seq)].as_ref().map(|slot| slot.state)
    }

    /// Takes note that segment `seq`, as [`SendHalf::next_to_send`] gave it, goes out now.
    pub(super) fn transmit(&mut self, now: Instant, seq: u32) -> Option<Transmission<'_, B>> {
        let transmission = self.transmissions;
        let slot = self.slots[place(seq)].as_mut()?;
        let again = match slot.state {
            State::Queued => {
                self.unsent = seq.wrapping_add(1);
                false
            }
            State::Lost => {
                self.lost -= 1;
                true
            }
            State::Sent | State::Sacked => return None,
        };
        slot.state = State::Sent;
        slot.sent_at = now;
        slot.transmission = transmission;
        slot.again |= again;
        self.transmissions = transmission.wrapping_add(1);
        self.flight += 1;
        if again || self.flight == 1 {
            self.timer = Some(now + self.rtt.timeout(self.backoff));
        }
        let more = self.lost > 0 || self.unsent != self.next;
        let blocked = self.flight >= self.cwnd || (self.lost == 0 && !self.fits(self.unsent));
        let slot = self.slots[place(seq)].as_ref()?;
        Some(Transmission {
            slot,
            again,
            last_for_now: again || (more && blocked),
        })
    }

    /// Takes an acknowledgement in; whether it moved the window's start.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        ack: u32,
        sack: u32,
        window: u16,
    ) -> Result<bool, NeverSent> {
        let ahead = ack.wrapping_sub(self.una) as i32;
        let sent = self.unsent.wrapping_sub(self.una) as i32;
        if ahead > sent {
            return Err(NeverSent);
        }
        let mut news = News::default();
        while (ack.wrapping_sub(self.una) as i32) > 0 {
            let slot = self.slots[place(self.una)].take();
            self.una = self.una.wrapping_add(1);
            if let Some(slot) = slot {
                self.arrived(
                    &mut news,
                    slot.state,
                    slot.transmission,
                    slot.sent_at,
                    slot.again,
                );
            }
        }
        self.take_sack(&mut news, ack, sack);
        self.widen(ack, window);
        if let Some(sent_at) = news.sample {
            self.rtt.sample(now.saturating_duration_since(sent_at));
        }
        let progress = ahead > 0;
        if progress {
            self.backoff = 0;
        }
        self.find_losses();
        self.grow(news.count);
        if progress || !self.is_outstanding() {
            self.restart_timer(now);
        }
        Ok(progress)
    }

    /// The other end has room for `window` segments from `from` on. Room is never taken back, so
    /// late news does no harm.
    pub(super) fn widen(&mut self, from: u32, window: u16) {
        let edge = from.wrapping_add(u32::from(window).min(WINDOW as u32));
        if (edge.wrapping_sub(self.edge) as i32) > 0 {
            self.edge = edge;
            if !self.is_outstanding() {
                self.backoff = 0;
                self.timer = None;
            }
        }
    }

    fn take_sack(&mut self, news: &mut News, ack: u32, sack: u32) {
        for i in (0..32).filter(|i| sack & 1 << i != 0) {
            let seq = ack.wrapping_add(1 + i);
            let sent = seq.wrapping_sub(self.una) < self.unsent.wrapping_sub(self.una);
            if !sent {
                continue;
            }
            let Some(slot) = self.slots[place(seq)].as_mut() else {
                continue;
            };
            let before = core::mem::replace(&mut slot.state, State::Sacked);
            let (transmission, sent_at, again) = (slot.transmission, slot.sent_at, slot.again);
            self.arrived(news, before, transmission, sent_at, again);
        }
    }

    /// Counts a segment that was in state `before` as arrived.
    fn arrived(
        &mut self,
        news: &mut News,
        before: State,
        transmission: u32,
        sent_at: Instant,
        again: bool,
    ) {
        match before {
            State::Sent => self.flight -= 1,
            State::Lost => self.lost -= 1,
            State::Sacked | State::Queued => return,
        }
        news.count += 1;
        if !again {
            // Karn: what was sent twice does not tell which one was answered.
            news.sample = news.sample.max(Some(sent_at));
        }
        if self
            .arrived
            .is_none_or(|latest| (transmission.wrapping_sub(latest) as i32) > 0)
        {
            self.arrived = Some(transmission);
        }
    }

    /// Whatever was sent well before something that arrived is lost.
    fn find_losses(&mut self) {
        let Some(latest) = self.arrived else { return };
        let mut found = None;
        for seq in (Range {
            next: self.una,
            end: self.unsent,
        }) {
            let Some(slot) = self.slots[place(seq)].as_mut() else {
                continue;
            };
            let behind = latest.wrapping_sub(slot.transmission) as i32;
            if slot.state == State::Sent && behind >= REORDERING as i32 {
                slot.state = State::Lost;
                self.flight -= 1;
                self.lost += 1;
                found = Some(seq);
            }
        }
        if let Some(seq) = found {
            if seq.wrapping_sub(self.recover) as i32 >= 0 {
                self.ssthresh = (self.cwnd / 2).max(MIN_CWND);
                self.cwnd = self.ssthresh;
                self.recover = self.unsent;
            }
        }
    }

    fn grow(&mut self, count: u32) {
        if self.cwnd < self.ssthresh {
            self.cwnd += count;
        } else {
            self.grown_by += count;
            if self.grown_by >= self.cwnd {
                self.grown_by = 0;
                self.cwnd += 1;
            }
        }
        self.cwnd = self.cwnd.min(WINDOW as u32);
    }

    fn restart_timer(&mut self, now: Instant) {
        self.timer = self
            .is_outstanding()
            .then(|| now + self.rtt.timeout(self.backoff));
    }

    /// Starts the timer of the probe that asks for room, if that is what is missing.
    pub(super) fn watch_window(&mut self, now: Instant) {
        let blocked = !self.is_outstanding() && self.unsent != self.next && !self.fits(self.unsent);
        if blocked && self.timer.is_none() {
            self.timer = Some(now + self.rtt.timeout(self.backoff));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// The timer ran out: everything in flight counts as lost.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.backoff = self.backoff.saturating_add(1);
        if self.is_outstanding() {
            for seq in (Range {
                next: self.una,
                end: self.unsent,
            }) {
                let Some(slot) = self.slots[place(seq)].as_mut() else {
                    continue;
                };
                match slot.state {
                    State::Sent => self.flight -= 1,
                    // The oldest is what the other end misses, whatever it said.
                    State::Sacked if seq == self.una => {}
                    _ => continue,
                }
                slot.state = State::Lost;
                self.lost += 1;
            }
            self.ssthresh = (self.cwnd / 2).max(MIN_CWND);
            self.cwnd = RESTART_CWND;
            self.recover = self.unsent;
        }
        self.timer = Some(now + self.rtt.timeout(self.backoff));
    }

    /// Counts everything as arrived.
    pub(super) fn acknowledge_all(&mut self) {
        self.clear();
        self.una = self.next;
        self.unsent = self.next;
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self) {
        let queued = self.next.wrapping_sub(self.una);
        let sent = self.unsent.wrapping_sub(self.una);
        assert!(sent <= queued && queued <= WINDOW as u32, "{sent} {queued}");
        let count = |state| {
            let slots = self.slots.iter().flatten();
            slots.filter(|slot| slot.state == state).count() as u32
        };
        let filled = self.slots.iter().flatten().count() as u32;
        assert!(filled == queued || filled == 0);
        assert_eq!(
            (self.flight, self.lost),
            (count(State::Sent), count(State::Lost))
        );
        assert!(filled == 0 || self.timer.is_some() || !self.is_outstanding());
        assert!((1..=WINDOW as u32).contains(&self.cwnd));
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
        self.flight = 0;
        self.lost = 0;
        self.timer = None;
    }
}

/// What one acknowledgement brought.
#[derive(Default)]
struct News {
    /// Segments that had not been known to have arrived.
    count: u32,
    /// When the latest of them that was sent only once went out.
    sample: Option<Instant>,
}

/// Sequence numbers from `next` up to, not with, `end`.
struct Range {
    next: u32,
    end: u32,
}

impl Iterator for Range {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.next == self.end {
            return None;
        }
        let seq = self.next;
        self.next = seq.wrapping_add(1);
        Some(seq)
    }
}

const fn place(seq: u32) -> usize {
    seq as usize % WINDOW
}
