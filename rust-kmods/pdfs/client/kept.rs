// SPDX-License-Identifier: GPL-2.0-only

//! The memory that data read ahead take, for all files together.
//!
//! A piece is of use for a few milliseconds, but would stay until its file is read again or closed:
//! many files, each read a little and left open, would take memory that nobody could get back. So
//! this memory is bounded, released soon, and earlier when memory is short.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_sys::Global;

use super::ahead::{Ahead, Piece};
use crate::sys::Shrinkable;

/// Bytes of data that are kept at most. The frames that they came in take up to twice as much.
const MAX_BYTES: usize = 16 << 20;
/// Pieces that are kept at most.
const MAX_PIECES: usize = 1024;

/// The one place where pieces are counted.
pub(crate) static KEPT: Global<Kept> = Global::new();

/// All pieces that are kept.
#[pin_data]
pub(crate) struct Kept {
    #[pin]
    state: Mutex<State>,
}

/// A ring, the oldest first. No memory is taken while it is locked.
struct State {
    ring: KVVec<Option<Entry>>,
    first: usize,
    count: usize,
    bytes: usize,
}

/// A piece, which its file may have given up meanwhile.
struct Entry {
    of: Arc<Ahead>,
    piece: Arc<Piece>,
}

impl State {
    fn oldest(&self) -> Option<&Entry> {
        self.ring.get(self.first).and_then(Option::as_ref)
    }

    /// Has the oldest one given up; how many bytes it had.
    fn drop_oldest(&mut self) -> Option<usize> {
        let Entry { of, piece } = self.ring.get_mut(self.first)?.take()?;
        let len = piece.len();
        self.first = (self.first + 1) % MAX_PIECES;
        self.count -= 1;
        self.bytes -= len;
        of.drop_piece(&piece);
        Some(len)
    }

    fn put(&mut self, entry: Entry) {
        while self.count == MAX_PIECES || self.bytes + entry.piece.len() > MAX_BYTES {
            if self.drop_oldest().is_none() {
                break;
            }
        }
        let len = entry.piece.len();
        let at = (self.first + self.count) % MAX_PIECES;
        if let Some(place) = self.ring.get_mut(at) {
            *place = Some(entry);
            self.count += 1;
            self.bytes += len;
        }
    }
}

impl Kept {
    /// None yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let mut ring = KVVec::with_capacity(MAX_PIECES, GFP_KERNEL)?;
        for _ in 0..MAX_PIECES {
            ring.push(None, GFP_KERNEL)?;
        }
        let state = State {
            ring,
            first: 0,
            count: 0,
            bytes: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state, "pdfs_kept"),
            }),
            GFP_KERNEL,
        )
    }

    /// Counts a piece that a file keeps.
    pub(super) fn add(&self, of: &Arc<Ahead>, piece: Arc<Piece>) {
        let of = of.clone();
        self.state.lock().put(Entry { of, piece });
    }

    /// Has those given up that are not given to programs any more.
    pub(crate) fn drop_stale(&self) {
        let mut state = self.state.lock();
        while state.oldest().is_some_and(|entry| !entry.piece.is_fresh()) {
            let _ = state.drop_oldest();
        }
    }
}

impl Shrinkable for Kept {
    fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    fn shrink(&self, bytes: usize) -> usize {
        let mut state = self.state.lock();
        let mut freed = 0;
        while freed < bytes {
            match state.drop_oldest() {
                Some(len) => freed += len,
                None => break,
            }
        }
        freed
    }
}
