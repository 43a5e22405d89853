// SPDX-License-Identifier: MIT OR Apache-2.0

//! Incoming segments: in pieces, too early, or again (section 6).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::audit::Audit;
use crate::wire::{before, flag, Header};

/// A whole segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub seq: u32,
    /// The layer's operation.
    pub op: u8,
    /// The last of its message.
    pub end: bool,
    /// The last of the stream.
    pub fin: bool,
    /// At most 8952 bytes.
    pub data: Vec<u8>,
}

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The next segment, and perhaps some that waited for it.
    InTurn,
    /// A segment for which others have to come first.
    Early,
    /// A segment that was here before.
    Again,
    /// A segment for which there is no room.
    Beyond,
    /// A piece of a segment that is not whole yet.
    Piece,
}

/// Pieces of one segment.
#[derive(Debug)]
struct Pieces {
    op: u8,
    end: bool,
    total: Option<usize>,
    parts: BTreeMap<usize, Vec<u8>>,
}

/// What a segment was when it came first, to compare copies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    op: u8,
    end: bool,
    fin: bool,
    hash: u64,
}

/// How many segments are remembered for comparison.
const REMEMBERED: u32 = 512;
/// How many pieces are kept.
const MAX_PIECES: usize = 64;

/// One stream's receiving end.
#[derive(Debug)]
pub struct ReceiveQueue {
    next: u32,
    room: u32,
    edge: u32,
    early: BTreeMap<u32, Segment>,
    pieces: BTreeMap<u32, Pieces>,
    prints: BTreeMap<u32, Print>,
    fin: Option<u32>,
}

impl ReceiveQueue {
    /// With room for so many segments, from 1 to 64.
    pub fn new(room: u16) -> Self {
        Self {
            next: 0,
            room: u32::from(room),
            edge: u32::from(room),
            early: BTreeMap::new(),
            pieces: BTreeMap::new(),
            prints: BTreeMap::new(),
            fin: None,
        }
    }

    /// The number of the segment that is awaited.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Room from the awaited one on.
    pub fn window(&self) -> u16 {
        self.edge.wrapping_sub(self.next) as u16
    }

    /// Bits for those that came too early: the 32 of `sack`, and the 32 of an Ack's `seq`.
    pub fn sack(&self) -> (u32, u32) {
        let mut bits = 0_u64;
        for seq in self.early.keys() {
            let ahead = seq.wrapping_sub(self.next.wrapping_add(1));
            bits |= 1_u64.checked_shl(ahead).unwrap_or(0);
        }
        (bits as u32, (bits >> 32) as u32)
    }

    /// Whether the stream is over, and all of it came.
    pub fn over(&self) -> bool {
        self.fin.is_some_and(|fin| self.next == fin.wrapping_add(1))
    }

    /// Whether the other end said where its stream ends.
    pub fn has_fin(&self) -> bool {
        self.fin.is_some()
    }

    /// Takes a Data frame; `deliver` is given the segments that are in turn now.
    pub fn take(
        &mut self,
        header: &Header,
        data: &[u8],
        audit: &mut Audit,
        mut deliver: impl FnMut(Segment, &mut Audit),
    ) -> Came {
        let seq = header.seq;
        let fin = header.has(flag::FIN);
        // A FIN needs no room.
        if !before(seq, self.edge.wrapping_add(u32::from(fin))) {
            audit.violation(
                "edge",
                format_args!("segment {seq}, and the edge was {}", self.edge),
            );
            return Came::Beyond;
        }
        if self.contradicts_fin(seq, fin) {
            audit.violation("fin", format_args!("segment {seq} contradicts the FIN"));
            return Came::Beyond;
        }
        let Some(segment) = self.join(header, data, audit) else {
            return Came::Piece;
        };
        self.compare(&segment, audit);
        if before(seq, self.next) || self.early.contains_key(&seq) {
            return Came::Again;
        }
        if fin {
            self.fin = Some(seq);
        }
        if seq != self.next {
            self.early.insert(seq, segment);
            return Came::Early;
        }
        let mut turn = Some(segment);
        while let Some(segment) = turn {
            self.next = self.next.wrapping_add(1);
            self.pieces.remove(&segment.seq);
            deliver(segment, audit);
            turn = self.early.remove(&self.next);
        }
        // Whoever reads here does so at once.
        self.edge = self.next.wrapping_add(self.room);
        Came::InTurn
    }

    fn contradicts_fin(&self, seq: u32, fin: bool) -> bool {
        match self.fin {
            Some(end) if fin => seq != end,
            Some(end) => !before(seq, end),
            None => fin && self.early.keys().any(|early| before(seq, *early)),
        }
    }

    /// The segment, if the frame has all of it or the last piece that was missing.
    fn join(&mut self, header: &Header, data: &[u8], audit: &mut Audit) -> Option<Segment> {
        let (seq, offset) = (header.seq, usize::from(header.offset));
        let (op, end) = (header.op(), header.has(flag::END));
        let more = header.has(flag::MORE);
        let whole = |data| Segment {
            seq,
            op,
            end,
            fin: header.has(flag::FIN),
            data,
        };
        if !more && offset == 0 {
            return Some(whole(data.to_vec()));
        }
        audit.count("pieces");
        if before(seq, self.next)
            || (self.pieces.len() >= MAX_PIECES && !self.pieces.contains_key(&seq))
        {
            return None;
        }
        let pieces = self.pieces.entry(seq).or_insert_with(|| Pieces {
            op,
            end,
            total: None,
            parts: BTreeMap::new(),
        });
        if (pieces.op, pieces.end) != (op, end) {
            audit.violation("pieces", format_args!("pieces of segment {seq} differ"));
            self.pieces.remove(&seq);
            return None;
        }
        if !more {
            pieces.total = Some(offset + data.len());
        }
        pieces.parts.insert(offset, data.to_vec());
        let mut joined = Vec::new();
        let mut gap = false;
        for (start, part) in &pieces.parts {
            match start.cmp(&joined.len()) {
                Ordering::Equal => joined.extend(part),
                Ordering::Greater => gap = true,
                // One starts within what was joined: of another size, so all is thrown away.
                Ordering::Less => {
                    self.pieces.remove(&seq);
                    return None;
                }
            }
            if gap {
                return None;
            }
        }
        (pieces.total == Some(joined.len())).then(|| whole(joined))
    }

    /// A segment keeps its number, op, flags and data whenever it is sent again.
    fn compare(&mut self, segment: &Segment, audit: &mut Audit) {
        let print = Print {
            op: segment.op,
            end: segment.end,
            fin: segment.fin,
            hash: hash(&segment.data),
        };
        let first = *self.prints.entry(segment.seq).or_insert(print);
        let seq = segment.seq;
        audit.demand(
            first == print,
            "again",
            format_args!("segment {seq} was sent again as another: {first:?}, {print:?}"),
        );
        let oldest = self.next.wrapping_sub(REMEMBERED);
        self.prints.remove(&oldest);
    }
}

/// FNV-1a.
fn hash(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{class, kind, Gpid};

    fn frame(seq: u32, flags: u16, offset: u16) -> Header {
        let gpid = Gpid::new(1, 1, 1);
        Header {
            seq,
            offset,
            flags: flags | flag::ACK_VALID,
            ..Header::new(kind::DATA, class::TEST, 1, gpid, gpid)
        }
    }

    struct Case {
        queue: ReceiveQueue,
        audit: Audit,
        got: Vec<Vec<u8>>,
    }

    impl Case {
        fn new(room: u16) -> Self {
            Self {
                queue: ReceiveQueue::new(room),
                audit: Audit::default(),
                got: Vec::new(),
            }
        }

        fn take(&mut self, header: Header, data: &[u8]) -> Came {
            let got = &mut self.got;
            self.queue
                .take(&header, data, &mut self.audit, |segment, _| {
                    got.push(segment.data);
                })
        }
    }

    #[test]
    fn segments_are_delivered_in_turn_and_once() {
        let mut case = Case::new(4);
        assert_eq!(case.take(frame(1, 0, 0), b"b"), Came::Early);
        assert_eq!(case.take(frame(3, 0, 0), b"d"), Came::Early);
        assert_eq!(case.queue.sack(), (0b101, 0));
        assert_eq!(case.queue.window(), 4);
        assert_eq!(case.take(frame(0, 0, 0), b"a"), Came::InTurn);
        assert_eq!(case.take(frame(1, 0, 0), b"b"), Came::Again);
        assert_eq!(case.take(frame(2, 0, 0), b"c"), Came::InTurn);
        assert_eq!(case.got, [b"a", b"b", b"c", b"d"]);
        assert_eq!((case.queue.next(), case.audit.violations()), (4, 0));
        assert_eq!(case.take(frame(8, 0, 0), b"x"), Came::Beyond);
        assert_eq!(case.take(frame(8, flag::FIN, 0), b""), Came::Early);
        assert_eq!(case.audit.violations(), 1);
        assert_eq!(case.take(frame(1, 0, 0), b"B"), Came::Again);
        assert_eq!(case.audit.violations(), 2);
    }

    #[test]
    fn pieces_are_joined_in_any_order() {
        let mut case = Case::new(4);
        assert_eq!(case.take(frame(0, 0, 4), b"ef"), Came::Piece);
        assert_eq!(case.take(frame(0, flag::MORE, 0), b"ab"), Came::Piece);
        assert_eq!(case.take(frame(0, flag::MORE, 2), b"cd"), Came::InTurn);
        assert_eq!(case.got, [b"abcdef"]);
        // In pieces of another size: from the start.
        assert_eq!(case.take(frame(1, flag::MORE, 0), b"gh"), Came::Piece);
        assert_eq!(case.take(frame(1, flag::MORE, 1), b"hi"), Came::Piece);
        assert_eq!(case.take(frame(1, flag::MORE, 0), b"g"), Came::Piece);
        assert_eq!(case.take(frame(1, 0, 1), b"hi"), Came::InTurn);
        assert_eq!(case.got[1], b"ghi");
        assert_eq!(case.audit.violations(), 0);
    }

    #[test]
    fn nothing_follows_the_fin() {
        let mut case = Case::new(4);
        case.take(frame(0, 0, 0), b"a");
        assert!(!case.queue.over());
        case.take(frame(1, flag::FIN, 0), b"");
        assert!(case.queue.over());
        case.take(frame(2, 0, 0), b"b");
        case.take(frame(2, flag::FIN, 0), b"");
        assert_eq!(case.audit.violations(), 2);
    }
}
