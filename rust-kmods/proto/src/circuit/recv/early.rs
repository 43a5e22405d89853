// SPDX-License-Identifier: GPL-2.0-only

//! Pieces that came before the pieces or segments in front of them.

use crate::seq::Seq;

/// Most pieces that are kept: on a rail with an MTU of 1500 a segment has at most seven, so that the
/// oldest one always gets together.
const KEPT: usize = 8;

/// A piece that waits.
#[derive(Debug)]
pub(super) struct Early<B> {
    pub(super) seq: Seq,
    pub(super) offset: u16,
    /// Op and end of its segment.
    pub(super) tag: u8,
    /// Whether others follow it.
    pub(super) more: bool,
    pub(super) payload: B,
}

/// The pieces that wait; few, and mostly none.
#[derive(Debug)]
pub(super) struct EarlyPieces<B> {
    kept: [Option<Early<B>>; KEPT],
    count: u8,
}

impl<B> EarlyPieces<B> {
    pub(super) const fn new() -> Self {
        Self {
            kept: [const { None }; KEPT],
            count: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Keeps a piece. Where there is no room, the youngest segment, counted from `oldest` on, has to
    /// do without. Whether the piece was kept.
    pub(super) fn keep(&mut self, oldest: Seq, piece: Early<B>) -> bool {
        let name = (piece.seq, piece.offset);
        let mut kept = self.kept.iter().flatten();
        if kept.any(|other| (other.seq, other.offset) == name) {
            return false;
        }
        let age = |piece: &Early<B>| (oldest.distance_to(piece.seq), piece.offset);
        // A free place counts as younger than any.
        let key = |slot: &Option<Early<B>>| match slot {
            None => (1, (0, 0)),
            Some(piece) => (0, age(piece)),
        };
        let Some(place) = self.kept.iter_mut().max_by_key(|slot| key(slot)) else {
            return false;
        };
        match place {
            Some(youngest) if age(youngest) < age(&piece) => return false,
            Some(_) => {}
            None => self.count += 1,
        }
        *place = Some(piece);
        true
    }

    /// The first kept piece of a segment that starts at `len` or before.
    pub(super) fn take(&mut self, seq: Seq, len: usize) -> Option<Early<B>> {
        if self.is_empty() {
            return None;
        }
        let fits = |slot: &&mut Option<Early<B>>| {
            let piece = slot.as_ref();
            piece.is_some_and(|piece| piece.seq == seq && usize::from(piece.offset) <= len)
        };
        let piece = self.kept.iter_mut().find(fits)?.take();
        self.count -= u8::from(piece.is_some());
        piece
    }

    /// Whether there is a piece of a segment that is `ahead` of `read`, or more.
    pub(super) fn has_from(&self, read: Seq, ahead: u32) -> bool {
        let mut kept = self.kept.iter().flatten();
        kept.any(|piece| read.distance_to(piece.seq) >= ahead)
    }

    /// Throws the pieces of a segment away.
    pub(super) fn drop_all(&mut self, seq: Seq) {
        while self.take(seq, usize::MAX).is_some() {}
    }

    /// Throws everything away.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Early<B>> {
        assert_eq!(self.kept.iter().flatten().count(), usize::from(self.count));
        self.kept.iter().flatten()
    }
}
