// SPDX-License-Identifier: GPL-2.0-only

//! The receiving half: puts pieces together and segments in order, keeps them for the reader, and
//! knows when to acknowledge.

mod early;

use early::{Early, EarlyPieces};

use super::ring::Ring;
use super::{Config, Payload, ProtocolError, Segment, WINDOW};
use crate::seq::Seq;
use crate::time::{Duration, Instant};

/// Weight of what came at which an acknowledgement waits no longer: a quarter of the window. A sender
/// that can't send so much asks for one.
pub(super) const ACK_WEIGHT: u16 = 16;
/// Weight of a segment that came in order.
const IN_ORDER: u16 = 1;
/// Weight of one that came early: the third makes an acknowledgement due, when the other end can
/// first tell a loss from a detour.
const EARLY: u16 = 6;

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It had come before.
    Duplicate,
    /// It is beyond the window, or fits nothing that is there.
    Rejected,
    /// More pieces must come before its segment is whole.
    Part,
    /// It made a segment of this many bytes whole, which waits for an earlier one.
    Kept(usize),
    /// It made a segment of this many bytes whole, which can be read, and perhaps those that
    /// waited for it.
    Readable(usize),
}

/// A segment, or a piece of one, as it came.
#[derive(Debug)]
pub(super) struct Piece<B> {
    pub(super) seq: Seq,
    /// Where in the segment it starts, in bytes.
    pub(super) offset: usize,
    /// Whether others follow it.
    pub(super) more: bool,
    pub(super) segment: Segment<B>,
}

/// # Invariants
///
/// `read <= next <= read + window` (and one more once the FIN came), in the circular order of
/// sequence numbers. Bits and slots stand for the sequence numbers from `read` to `read + window`,
/// each at its number modulo [`WINDOW`]. A slot is filled exactly if its bit is set in `whole` or in
/// `parts`, never in both; `whole` has all bits from `read` to `next` (without the FIN).
pub(super) struct RecvHalf<B: Payload> {
    slots: Ring<B, Option<B>>,
    /// Op and end of the segments, see [`tag`].
    tags: [u8; WINDOW],
    /// Segments that came and were not read.
    whole: u64,
    /// Segments of which the first pieces came.
    parts: u64,
    early: EarlyPieces<B>,
    /// The next segment for the reader.
    read: Seq,
    /// The next segment that is awaited.
    next: Seq,
    /// The number of the FIN, once it came.
    fin: Option<Seq>,
    window: u32,
    /// The first segment that the other end believes there is no room for.
    advertised: Seq,
    /// Weight of what came since the last acknowledgement.
    unacknowledged: u16,
    ack_now: bool,
    ack_at: Option<Instant>,
    ack_delay: Duration,
}

impl<B: Payload> RecvHalf<B> {
    pub(super) fn new(cfg: &Config) -> Self {
        let window = u32::from(cfg.window).clamp(1, WINDOW as u32);
        Self {
            slots: Ring::new(),
            tags: [0; WINDOW],
            whole: 0,
            parts: 0,
            early: EarlyPieces::new(),
            read: Seq::ZERO,
            next: Seq::ZERO,
            fin: None,
            window,
            advertised: Seq::ZERO + window,
            unacknowledged: 0,
            ack_now: false,
            ack_at: None,
            ack_delay: cfg.ack_delay,
        }
    }

    /// Takes a piece in.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        piece: Piece<B>,
    ) -> Result<Accepted, ProtocolError> {
        let Piece { seq, more, .. } = piece;
        if self.came(seq) {
            // Once for each segment is enough.
            self.ack_now |= !more;
            return Ok(Accepted::Duplicate);
        }
        if self.fin.is_some_and(|fin| seq.is_at_or_after(fin)) {
            return Err(ProtocolError);
        }
        if self.read.distance_to(seq) >= self.window {
            self.ack_now |= !more;
            return Ok(Accepted::Rejected);
        }
        if !self.slots.provide(|| None) {
            // As good as lost: it will be sent again.
            return Ok(Accepted::Rejected);
        }
        let len = match self.join(piece) {
            Ok((len, false)) => len,
            Ok((_, true)) => return Ok(Accepted::Part),
            Err(useless) => return Ok(useless),
        };
        let bit = 1 << place(seq);
        self.parts &= !bit;
        self.whole |= bit;
        self.early.drop_all(seq);
        Ok(match self.arrange(now, seq) {
            true => Accepted::Readable(len),
            false => Accepted::Kept(len),
        })
    }

    /// Puts a piece to those of its segment that came, and behind it those that had to wait for it:
    /// how many bytes there are then, and whether more are missing. Else what is wrong with it.
    fn join(&mut self, piece: Piece<B>) -> Result<(usize, bool), Accepted> {
        let Piece {
            seq,
            offset,
            more,
            segment,
        } = piece;
        let place = place(seq);
        let tag = tag(&segment);
        let end = offset + segment.payload.len();
        let (Some(slot), Some(tag_slot)) = (self.slots.get_mut(place), self.tags.get_mut(place))
        else {
            return Err(Accepted::Rejected);
        };
        let had = slot.as_ref().map_or(0, Payload::len);
        match slot {
            // What is whole, or has more than came, takes the place of that.
            _ if offset == 0 && (!more || end > had || slot.is_none()) => {
                *slot = Some(segment.payload);
                *tag_slot = tag;
                self.parts |= 1 << place;
            }
            Some(start) if offset == had && tag == *tag_slot => {
                start.append(segment.payload);
                if start.len() != end {
                    return Err(Accepted::Rejected);
                }
            }
            Some(_) if end <= had => return Err(Accepted::Duplicate),
            Some(_) if offset <= had => {
                // This time the segment was cut in another way: what came then and what comes now
                // don't fit together.
                *slot = None;
                self.parts &= !(1 << place);
                self.early.drop_all(seq);
                return Err(Accepted::Rejected);
            }
            _ => {
                let early = Early {
                    seq,
                    offset: u16::try_from(offset).unwrap_or(u16::MAX),
                    tag,
                    more,
                    payload: segment.payload,
                };
                return match self.early.keep(self.read, early) {
                    true => Ok((0, true)),
                    false => Err(Accepted::Rejected),
                };
            }
        }
        Ok(self.join_early(seq, end, more))
    }

    /// Puts those pieces behind a segment's first `len` bytes that came before these.
    fn join_early(&mut self, seq: Seq, mut len: usize, mut more: bool) -> (usize, bool) {
        let place = place(seq);
        while more {
            let Some(next) = self.early.take(seq, len) else {
                break;
            };
            let (Some(Some(start)), Some(tag)) = (self.slots.get_mut(place), self.tags.get(place))
            else {
                break;
            };
            if usize::from(next.offset) != len || next.tag != *tag {
                continue;
            }
            let end = len + next.payload.len();
            start.append(next.payload);
            if start.len() != end {
                break;
            }
            len = end;
            more = next.more;
        }
        (len, more)
    }

    /// Takes the FIN in.
    pub(super) fn accept_fin(&mut self, now: Instant, seq: Seq) -> Result<Accepted, ProtocolError> {
        match self.fin {
            Some(fin) if fin == seq => {
                self.ack_now = true;
                return Ok(Accepted::Duplicate);
            }
            Some(_) => return Err(ProtocolError),
            None if !seq.is_at_or_after(self.next) => {
                self.ack_now = true;
                return Ok(Accepted::Duplicate);
            }
            None => {}
        }
        let ahead = self.read.distance_to(seq);
        // A FIN takes no room, so it may stand just behind the window.
        if ahead > self.window {
            self.ack_now = true;
            return Ok(Accepted::Rejected);
        }
        let kept = (self.whole | self.parts).rotate_right(self.read.raw());
        let beyond = kept.checked_shr(ahead).unwrap_or(0);
        if beyond != 0 || self.early.has_from(self.read, ahead) {
            return Err(ProtocolError);
        }
        self.fin = Some(seq);
        Ok(match self.arrange(now, seq) {
            true => Accepted::Readable(0),
            false => Accepted::Kept(0),
        })
    }

    /// Whether segment `seq`, or the FIN of this number, came.
    fn came(&self, seq: Seq) -> bool {
        !seq.is_at_or_after(self.next)
            || (self.read.distance_to(seq) < self.window && self.whole & 1 << place(seq) != 0)
    }

    /// Moves `next` over what is there, after `seq` came; whether it moved.
    fn arrange(&mut self, now: Instant, seq: Seq) -> bool {
        let early = seq != self.next;
        let weight = if early { EARLY } else { IN_ORDER };
        self.unacknowledged = self.unacknowledged.saturating_add(weight);
        self.ack_now |= self.unacknowledged >= ACK_WEIGHT;
        self.ack_at.get_or_insert(now + self.ack_delay);
        if early {
            return false;
        }
        self.next = self.next + self.ahead().trailing_ones();
        if self.fin == Some(self.next) {
            self.next = self.next + 1;
        }
        true
    }

    /// Bit `i`: segment `next + i` came.
    fn ahead(&self) -> u64 {
        // The FIN may lead `next` one beyond the window.
        let room = self.window.saturating_sub(self.read.distance_to(self.next));
        let bits = self.whole.rotate_right(self.next.raw());
        match u64::MAX.checked_shl(room) {
            Some(beyond) => bits & !beyond,
            None => bits,
        }
    }

    /// The next segment for the reader.
    pub(super) fn take(&mut self) -> Option<Segment<B>> {
        if !self.has_next() {
            return None;
        }
        let place = place(self.read);
        let payload = self.slots.get_mut(place)?.take()?;
        let tag = *self.tags.get(place)?;
        self.whole &= !(1 << place);
        self.read = self.read.next();
        let gained = self.advertised.distance_to(self.edge());
        if self.fin.is_none() && gained >= (self.window / 2).max(1) {
            self.ack_now = true;
        }
        Some(Segment {
            op: tag & OP,
            end: tag & END != 0,
            payload,
        })
    }

    pub(super) fn has_next(&self) -> bool {
        self.read != self.next && self.fin != Some(self.read)
    }

    /// Segments that wait for the reader.
    pub(super) fn readable(&self) -> u32 {
        let fin = u32::from(self.fin_came() && self.read != self.next);
        self.read.distance_to(self.next) - fin
    }

    /// Whether the reader has everything and nothing more comes.
    pub(super) fn at_end(&self) -> bool {
        self.fin == Some(self.read) && self.read != self.next
    }

    /// Whether the FIN and everything before it came.
    pub(super) fn fin_came(&self) -> bool {
        self.fin.is_some_and(|fin| self.next == fin.next())
    }

    /// The number of the next segment that is awaited.
    pub(super) fn next(&self) -> Seq {
        self.next
    }

    /// Bit `i`: segment `next + 1 + i` has come.
    pub(super) fn sack(&self) -> u64 {
        let fin = self.fin.map_or(0, |fin| {
            let ahead = (self.next + 1).distance_to(fin);
            1u64.checked_shl(ahead).unwrap_or(0)
        });
        self.ahead() >> 1 | fin
    }

    /// Room from `next` on.
    pub(super) fn window(&self) -> u16 {
        u16::try_from(self.edge().ahead_of(self.next)).unwrap_or(0)
    }

    /// The first segment that there is no room for.
    fn edge(&self) -> Seq {
        self.read + self.window
    }

    /// Takes note that `next` and the window were just sent.
    pub(super) fn acknowledged(&mut self) {
        self.advertised = self.edge();
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

    /// How long an acknowledgement waits.
    pub(super) fn ack_delay(&self) -> Duration {
        self.ack_delay
    }

    /// When an acknowledgement becomes due, if it is not already.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ack_at.filter(|_| !self.ack_now)
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_now = true;
        }
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self) {
        let readable = self.read.distance_to(self.next);
        assert!(readable <= self.window + u32::from(self.fin_came()));
        for ahead in 0..self.readable() {
            assert!(self.whole & 1 << place(self.read + ahead) != 0);
        }
        assert_eq!(self.whole & self.parts, 0);
        for (place, slot) in self.slots.iter().enumerate() {
            let bit = (self.whole | self.parts) >> place & 1 != 0;
            assert_eq!(slot.is_some(), bit);
        }
        assert!(self.slots.iter().flatten().count() as u32 <= self.window);
        for piece in self.early.iter() {
            assert!(self.read.distance_to(piece.seq) < self.window && !self.came(piece.seq));
        }
    }

    /// Gives memory back that is not needed now.
    pub(super) fn shrink(&mut self) {
        if self.whole | self.parts == 0 {
            self.slots.release();
        }
    }

    /// Drops everything that was kept for the reader.
    pub(super) fn clear(&mut self) {
        self.slots.release();
        self.whole = 0;
        self.parts = 0;
        self.early.clear();
        self.read = self.next;
    }
}

/// The op's five bits in a tag.
const OP: u8 = 0x1f;
/// The end's bit in a tag.
const END: u8 = 0x80;

/// Op and end of a segment.
fn tag<B>(segment: &Segment<B>) -> u8 {
    segment.op & OP | if segment.end { END } else { 0 }
}

/// Where the segment with this number is kept.
const fn place(seq: Seq) -> usize {
    seq.raw() as usize % WINDOW
}
