// SPDX-License-Identifier: GPL-2.0-only

//! What was read of a file before a program asked for it (paper, section 4.4.3).

use core::time::Duration;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::time::{Instant, Monotonic};
use podos_cm::Content;

use super::kept::KEPT;

/// How long it is given to programs. It saves round trips to those that read on and on, or open,
/// read and close; longer, and a change made by another node would be seen late.
const FRESH: Duration = Duration::from_millis(20);

/// Bytes that are read ahead at first, once a program reads on where it was, and at most.
const FIRST_WINDOW: usize = 16 * 1024;
const MAX_WINDOW: usize = 256 * 1024;

/// A piece of a file, and how a program goes about reading it.
#[pin_data]
pub(super) struct Ahead {
    #[pin]
    state: Mutex<State>,
}

struct State {
    piece: Option<Arc<Piece>>,
    /// Where a program would read on.
    next: u64,
    window: usize,
    /// Before this nothing is read ahead: something there could not be read.
    spoilt_to: u64,
    /// Changes whenever what was read until then is of no use any more.
    age: u64,
}

/// What to read.
pub(super) struct Plan {
    /// How many bytes.
    pub(super) len: usize,
    age: u64,
}

/// What was read at once.
pub(super) struct Piece {
    start: u64,
    data: Content,
    /// Bytes of `data` before the piece.
    head: usize,
    /// Whether the file ended behind it.
    ended: bool,
    at: Instant<Monotonic>,
}

impl Piece {
    fn new(start: u64, data: Content, head: usize, ended: bool) -> Result<Arc<Self>> {
        let piece = Self {
            start,
            data,
            head,
            ended,
            at: Instant::now(),
        };
        Ok(Arc::new(piece, GFP_KERNEL)?)
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it is still given to programs.
    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed().as_nanos() < FRESH.as_nanos() as i64
    }

    /// Where in `data` the file's byte `position` is, or would be.
    fn offset_of(&self, position: u64) -> Option<usize> {
        let into = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let offset = self.head.checked_add(into)?;
        (offset <= self.data.len()).then_some(offset)
    }
}

/// A look into what is known of a file, for whoever copies it without any lock: the copy may fault
/// a page in, of this very file or by taking memory from others.
pub(super) struct Known {
    piece: Arc<Piece>,
    offset: usize,
}

impl Known {
    /// The bytes from the place on that was looked for.
    pub(super) fn len(&self) -> usize {
        self.piece.data.len() - self.offset
    }

    /// The content, and where in it they are.
    pub(super) fn content(&self) -> (&Content, usize) {
        (&self.piece.data, self.offset)
    }

    /// Whether the file ended behind them.
    pub(super) fn ended(&self) -> bool {
        self.piece.ended
    }
}

impl Ahead {
    /// Nothing was read; programs begin at the beginning.
    pub(super) fn new() -> Result<Arc<Self>> {
        let state = State {
            piece: None,
            next: 0,
            window: 0,
            spoilt_to: 0,
            age: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state, "pdfs_ahead"),
            }),
            GFP_KERNEL,
        )
    }

    /// Keeps what the open brought along, behind the first `head` bytes of its answer.
    pub(super) fn keep_first(self: &Arc<Self>, data: Content, head: usize, ended: bool) {
        // Without memory it is read again.
        if let Ok(piece) = Piece::new(0, data, head, ended) {
            self.put(piece, None);
        }
    }

    /// Keeps what was read as planned, from the file's byte `start` on, unless it is outdated.
    pub(super) fn keep(self: &Arc<Self>, plan: &Plan, start: u64, data: Content) {
        let ended = data.len() < plan.len;
        if let Ok(piece) = Piece::new(start, data, 0, ended) {
            self.put(piece, Some(plan.age));
        }
    }

    fn put(self: &Arc<Self>, piece: Arc<Piece>, age: Option<u64>) {
        let mut state = self.state.lock();
        if age.is_some_and(|age| age != state.age) {
            return;
        }
        let old = state.piece.replace(piece.clone());
        drop(state);
        drop(old);
        if let Ok(kept) = KEPT.get() {
            kept.add(self, piece);
        }
    }

    /// Forgets what was read, and what is being read.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        state.age += 1;
        let old = state.piece.take();
        drop(state);
        drop(old);
    }

    /// Forgets `piece`, if it is the one that is known. Also called when memory is looked for: the
    /// lock is never held while memory is taken, or faulted in.
    pub(super) fn drop_piece(&self, piece: &Arc<Piece>) {
        let mut state = self.state.lock();
        if state.piece.as_ref().is_some_and(|p| Arc::ptr_eq(p, piece)) {
            let old = state.piece.take();
            drop(state);
            drop(old);
        }
    }

    /// What is known of the file from its byte `position` on: no bytes if the file ended there,
    /// `None` if nothing is known.
    pub(super) fn look(&self, position: u64) -> Option<Known> {
        let mut state = self.state.lock();
        let piece = state.piece.as_ref().filter(|piece| piece.is_fresh());
        let known = piece.and_then(|piece| {
            let known = Known {
                offset: piece.offset_of(position)?,
                piece: piece.clone(),
            };
            (known.len() > 0 || known.ended()).then_some(known)
        });
        let old = match known {
            None => state.piece.take(),
            Some(_) => None,
        };
        drop(state);
        drop(old);
        known
    }

    /// Notes up to where a program has read.
    pub(super) fn read_to(&self, position: u64) {
        self.state.lock().next = position;
    }

    /// Notes that of the file's bytes before `position` not all can be read that would be read ahead:
    /// each try may take the other node's disk a long time.
    pub(super) fn spoil_to(&self, position: u64) {
        self.state.lock().spoilt_to = position;
    }

    /// How many bytes to read for a program that wants `len` from the byte `position` on: more, if
    /// it reads on where it was.
    pub(super) fn plan(&self, position: u64, len: usize) -> Plan {
        let mut state = self.state.lock();
        let goes_on = position == state.next && position > 0;
        state.window = if goes_on && position >= state.spoilt_to {
            (state.window * 2).clamp(FIRST_WINDOW, MAX_WINDOW)
        } else {
            0
        };
        state.next = position + len as u64;
        Plan {
            len: len.max(state.window),
            age: state.age,
        }
    }
}
