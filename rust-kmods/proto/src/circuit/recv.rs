// SPDX-License-Identifier: GPL-2.0-only

//! The receiving half: puts segments in order, keeps them for the reader, and knows when to
//! acknowledge.

use super::{Config, ProtocolError, Segment, WINDOW};
use crate::time::{Duration, Instant};

/// Segments after which an acknowledgement waits no longer.
const ACK_EVERY: u16 = 8;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It had come before.
    Duplicate,
    /// It is beyond the window.
    NoRoom,
    /// It waits for an earlier one.
    Kept,
    /// It, and perhaps those that waited for it, can be read.
    Readable,
}

/// # Invariants
///
/// `read <= next <= read + window` (and one more once the FIN came), in the circular order of
/// sequence numbers. Slot `seq % WINDOW` is filled for every `seq` from `read` to `next` (without
/// the FIN), and for those beyond `next` and below `read + window` that came too early.
#[derive(Debug)]
pub(super) struct RecvHalf<B> {
    slots: [Option<Segment<B>>; WINDOW],
    /// The next segment for the reader.
    read: u32,
    /// The next segment that is awaited.
    next: u32,
    /// The number of the FIN, once it came.
    fin: Option<u32>,
    window: u32,
    /// The first segment that the other end believes there is no room for.
    advertised: u32,
    /// Segments since the last acknowledgement.
    unacknowledged: u16,
    ack_now: bool,
    ack_at: Option<Instant>,
    ack_delay: Duration,
}

impl<B> RecvHalf<B> {
    pub(super) fn new(cfg: &Config) -> Self {
        let window = u32::from(cfg.window).clamp(1, WINDOW as u32);
        Self {
            slots: [const { None }; WINDOW],
            read: 0,
            next: 0,
            fin: None,
            window,
            advertised: window,
            unacknowledged: 0,
            ack_now: false,
            ack_at: None,
            ack_delay: cfg.ack_delay,
        }
    }

    /// Takes segment `seq` in; the FIN has no segment.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        seq: u32,
        segment: Option<Segment<B>>,
    ) -> Result<Accepted, ProtocolError> {
        if (seq.wrapping_sub(self.next) as i32) < 0 {
            return Ok(self.duplicate());
        }
        let offset = seq.wrapping_sub(self.read);
        let Some(segment) = segment else {
            return self.accept_fin(now, seq, offset);
        };
        if self
            .fin
            .is_some_and(|fin| seq.wrapping_sub(fin) as i32 >= 0)
        {
            return Err(ProtocolError);
        }
        if offset >= self.window {
            self.ack_now = true;
            return Ok(Accepted::NoRoom);
        }
        let slot = &mut self.slots[place(seq)];
        if slot.is_some() {
            return Ok(self.duplicate());
        }
        *slot = Some(segment);
        Ok(self.arrange(now, seq))
    }

    fn accept_fin(
        &mut self,
        now: Instant,
        seq: u32,
        offset: u32,
    ) -> Result<Accepted, ProtocolError> {
        match self.fin {
            Some(fin) if fin == seq => return Ok(self.duplicate()),
            Some(_) => return Err(ProtocolError),
            None => {}
        }
        // A FIN takes no room, so it may stand just behind the window.
        if offset > self.window {
            self.ack_now = true;
            return Ok(Accepted::NoRoom);
        }
        if (offset..self.window).any(|ahead| self.is_kept(self.read.wrapping_add(ahead))) {
            return Err(ProtocolError);
        }
        self.fin = Some(seq);
        Ok(self.arrange(now, seq))
    }

    fn duplicate(&mut self) -> Accepted {
        self.ack_now = true;
        Accepted::Duplicate
    }

    /// Moves `next` over what is there, after `seq` came.
    fn arrange(&mut self, now: Instant, seq: u32) -> Accepted {
        self.unacknowledged += 1;
        self.ack_at.get_or_insert(now + self.ack_delay);
        if seq != self.next {
            self.ack_now = true;
            return Accepted::Kept;
        }
        let gap_before = self.sack() != 0;
        while self.is_kept(self.next) || self.fin == Some(self.next) {
            self.next = self.next.wrapping_add(1);
        }
        if gap_before || self.unacknowledged >= ACK_EVERY {
            self.ack_now = true;
        }
        Accepted::Readable
    }

    /// Whether segment `seq`, not below `next`, has come.
    fn is_kept(&self, seq: u32) -> bool {
        seq.wrapping_sub(self.read) < self.window && self.slots[place(seq)].is_some()
    }

    /// The next segment for the reader.
    pub(super) fn take(&mut self) -> Option<Segment<B>> {
        if !self.has_next() {
            return None;
        }
        let segment = self.slots[place(self.read)].take();
        self.read = self.read.wrapping_add(1);
        let edge = self.read.wrapping_add(self.window);
        let gained = edge.wrapping_sub(self.advertised);
        if self.fin.is_none() && gained >= (self.window / 2).max(1) {
            self.ack_now = true;
        }
        segment
    }

    pub(super) fn has_next(&self) -> bool {
        self.read != self.next && self.fin != Some(self.read)
    }

    /// Whether the reader has everything and nothing more comes.
    pub(super) fn at_end(&self) -> bool {
        self.fin == Some(self.read) && self.read != self.next
    }

    /// Whether the FIN and everything before it came.
    pub(super) fn fin_came(&self) -> bool {
        self.fin.is_some_and(|fin| self.next == fin.wrapping_add(1))
    }

    /// The number of the next segment that is awaited.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Bit `i`: segment `next + 1 + i` has come.
    pub(super) fn sack(&self) -> u32 {
        (0..32).fold(0, |bits, i| {
            let seq = self.next.wrapping_add(1 + i);
            let came = self.is_kept(seq) || self.fin == Some(seq);
            bits | u32::from(came) << i
        })
    }

    /// Room from `next` on.
    pub(super) fn window(&self) -> u16 {
        let edge = self.read.wrapping_add(self.window);
        u16::try_from(edge.wrapping_sub(self.next) as i32).unwrap_or(0)
    }

    /// Takes note that `next` and the window were just sent.
    pub(super) fn acknowledged(&mut self) {
        self.advertised = self.read.wrapping_add(self.window);
        self.cancel_ack();
    }

    pub(super) fn cancel_ack(&mut self) {
        self.unacknowledged = 0;
        self.ack_now = false;
        self.ack_at = None;
    }

    pub(super) fn ack_at_once(&mut self) {
        self.ack_now = true;
    }

    /// Lets an acknowledgement that is due wait no longer.
    pub(super) fn hurry(&mut self) {
        self.ack_now |= self.ack_at.is_some();
    }

    pub(super) fn ack_due_now(&self) -> bool {
        self.ack_now
    }

    pub(super) fn ack_is_due(&self) -> bool {
        self.ack_now || self.ack_at.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ack_at
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_now = true;
        }
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self) {
        let readable = self.next.wrapping_sub(self.read);
        assert!(readable <= self.window + u32::from(self.fin_came()));
        for ahead in 0..readable - u32::from(self.fin_came() && readable > 0) {
            assert!(self.slots[place(self.read.wrapping_add(ahead))].is_some());
        }
        assert!(self.slots.iter().flatten().count() as u32 <= self.window);
    }

    /// Drops everything that was kept for the reader.
    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
        self.read = self.next;
    }
}

const fn place(seq: u32) -> usize {
    seq as usize % WINDOW
}
