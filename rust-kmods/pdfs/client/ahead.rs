// SPDX-License-Identifier: GPL-2.0-only

//! What was read of a file before a program asked for it (paper, section 4.4.3).

use core::time::Duration;
use kernel::iov::IovIterDest;
use kernel::time::{Instant, Monotonic};
use podos_cm::Content;

/// How long it is given to programs. It saves round trips to those that read on and on, or open,
/// read and close; longer, and a change made by another node would be seen late.
const FRESH: Duration = Duration::from_millis(20);

/// Bytes that are read ahead at first, once a program reads on where it was, and at most.
const FIRST_WINDOW: usize = 16 * 1024;
const MAX_WINDOW: usize = 256 * 1024;

/// A piece of a file, and how a program goes about reading it.
pub(super) struct Ahead {
    piece: Option<Piece>,
    /// Where a program would read on.
    next: u64,
    window: usize,
    /// Changes whenever what was read until then is of no use any more.
    age: u64,
}

/// What to read.
pub(super) struct Plan {
    /// How many bytes.
    pub(super) len: usize,
    age: u64,
}

struct Piece {
    start: u64,
    data: Content,
    /// Bytes of `data` before the piece.
    head: usize,
    /// Whether the file ended behind it.
    ended: bool,
    at: Instant<Monotonic>,
}

impl Ahead {
    /// Nothing was read; programs begin at the beginning.
    pub(super) fn new() -> Self {
        Self {
            piece: None,
            next: 0,
            window: 0,
            age: 0,
        }
    }

    /// Keeps what the open brought along, behind the first `head` bytes of its answer.
    pub(super) fn keep_first(&mut self, data: Content, head: usize, ended: bool) {
        self.piece = Some(Piece {
            start: 0,
            data,
            head,
            ended,
            at: Instant::now(),
        });
    }

    /// Keeps what was read as planned, from the file's byte `start` on, unless it is outdated.
    pub(super) fn keep(&mut self, plan: &Plan, start: u64, data: Content) {
        if plan.age == self.age {
            self.piece = Some(Piece {
                start,
                ended: data.len() < plan.len,
                data,
                head: 0,
                at: Instant::now(),
            });
        }
    }

    /// Forgets what was read, and what is being read.
    pub(super) fn forget(&mut self) {
        self.piece = None;
        self.age += 1;
    }

    /// Gives as much as is known of the file from its byte `position` on; the number of bytes, and
    /// whether they are all that there are.
    pub(super) fn give(&mut self, position: u64, to: &mut IovIterDest<'_>) -> (usize, bool) {
        let given = self.known(position).map_or((0, false), |(piece, offset)| {
            let given = piece.data.copy_to_iter(offset, to);
            (given, piece.ended && given == piece.data.len() - offset)
        });
        match given {
            (0, false) => self.piece = None,
            (len, _) => self.next = position + len as u64,
        }
        given
    }

    /// The piece, and where in its data the byte `position` of the file is, or would be.
    fn known(&self, position: u64) -> Option<(&Piece, usize)> {
        let piece = self.piece.as_ref()?;
        if piece.at.elapsed().as_nanos() >= FRESH.as_nanos() as i64 {
            return None;
        }
        let into = usize::try_from(position.checked_sub(piece.start)?).ok()?;
        let offset = piece.head.checked_add(into)?;
        (offset <= piece.data.len()).then_some((piece, offset))
    }

    /// How many bytes to read for a program that wants `len` from the byte `position` on: more, if
    /// it reads on where it was.
    pub(super) fn plan(&mut self, position: u64, len: usize) -> Plan {
        self.window = if position == self.next && position > 0 {
            (self.window * 2).clamp(FIRST_WINDOW, MAX_WINDOW)
        } else {
            0
        };
        self.next = position + len as u64;
        Plan {
            len: len.max(self.window),
            age: self.age,
        }
    }
}
