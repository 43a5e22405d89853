// SPDX-License-Identifier: GPL-2.0-only

//! A message under construction, in the memory that its frames will refer to.

use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

use crate::node::NODE;
use crate::sys::{self, Fragment, SegmentData};

/// A message that is composed before it is sent: its bytes are copied once, and outside of the
/// locks that the sending may need.
///
/// Made by [`Circuit::compose`](crate::Circuit::compose), for that circuit.
pub struct Outgoing {
    /// All but the last one are full.
    segments: KVec<Fragment>,
    /// Bytes in the last segment.
    filled: usize,
    /// Bytes that a segment should have.
    room: usize,
    /// Bytes.
    len: usize,
}

impl Outgoing {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            segments: KVec::new(),
            filled: 0,
            room,
            len: 0,
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Has `fill` write `len` bytes, piece by piece, until it writes less than it is given.
    fn fill(&mut self, len: usize, mut fill: impl FnMut(&mut [u8]) -> Result<usize>) -> Result {
        let mut left = len;
        while left > 0 {
            let full = self.segments.last().map_or(0, Fragment::len);
            if self.filled == full {
                self.add_segment(left)?;
            }
            let Some(last) = self.segments.last_mut() else {
                return Err(EINVAL);
            };
            let free = &mut last.as_mut_slice()[self.filled..];
            let piece = left.min(free.len());
            let written = fill(&mut free[..piece])?;
            self.filled += written;
            self.len += written;
            left -= written;
            if written < piece {
                break;
            }
        }
        Ok(())
    }

    /// Adds an empty segment, for `wanted` bytes if they fit.
    fn add_segment(&mut self, wanted: usize) -> Result {
        let segment = NODE.get()?.fragments().take(wanted.min(self.room))?;
        self.segments.push(segment, GFP_KERNEL)?;
        self.filled = 0;
        Ok(())
    }

    /// Puts `bytes` behind the others.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the message is of no use then.
    pub fn put(&mut self, bytes: &[u8]) -> Result {
        let mut rest = bytes;
        self.fill(bytes.len(), |piece| {
            let (now, later) = rest.split_at_checked(piece.len()).ok_or(EINVAL)?;
            piece.copy_from_slice(now);
            rest = later;
            Ok(now.len())
        })
    }

    /// Puts `len` bytes of `from` behind the others, or as many as can be read; how many.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the message is of no use then.
    pub fn put_iter(&mut self, from: &mut IovIterSource<'_>, len: usize) -> Result<usize> {
        let before = self.len;
        self.fill(len, |piece| Ok(from.copy_from_iter(piece)))?;
        Ok(self.len - before)
    }

    /// Puts one segment of up to `len` bytes of `from` behind the others; how many.
    ///
    /// # Errors
    ///
    /// `EFAULT` if none can be read, `ENOMEM`; the message is of no use then.
    pub fn put_segment(&mut self, from: &mut IovIterSource<'_>, len: usize) -> Result<usize> {
        self.add_segment(len)?;
        let room = self.segments.last().map_or(0, Fragment::len);
        match self.put_iter(from, room)? {
            0 => Err(EFAULT),
            put => Ok(put),
        }
    }

    /// Puts `bytes` in the place of the first ones.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are not so many in the first segment.
    pub fn set_start(&mut self, bytes: &[u8]) -> Result {
        let first = self.segments.first_mut().ok_or(EINVAL)?;
        let start = first.as_mut_slice().get_mut(..bytes.len()).ok_or(EINVAL)?;
        start.copy_from_slice(bytes);
        Ok(())
    }

    /// Lets `write` write up to `len` bytes behind the others; how many they were.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `write`; the message is as before then.
    pub fn put_with(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut IovIterDest<'_>) -> Result,
    ) -> Result<usize> {
        let (before, filled) = (self.segments.len(), self.filled);
        let written = self.write_behind(len, write);
        let wanted = filled + written.unwrap_or(0);
        // Back to what was there, and then over what was written.
        let mut last = before.saturating_sub(1);
        let mut left = wanted;
        while let Some(segment) = self.segments.get(last) {
            if left <= segment.len() {
                break;
            }
            left -= segment.len();
            last += 1;
        }
        self.filled = left;
        self.segments.truncate(if before == 0 && wanted == 0 {
            0
        } else {
            last + 1
        });
        self.len += written.unwrap_or(0);
        written
    }

    /// Adds segments for `len` bytes, and lets `write` write.
    fn write_behind(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut IovIterDest<'_>) -> Result,
    ) -> Result<usize> {
        let first = self.segments.len().saturating_sub(1);
        let start = self.filled;
        let free = self.segments.last().map_or(0, Fragment::len) - start;
        let mut left = len.saturating_sub(free);
        while left > 0 {
            self.add_segment(left)?;
            left -= self.segments.last().map_or(left, Fragment::len);
        }
        let mut skip = start;
        let mut room = len;
        let pieces = self.segments[first..].iter_mut().map(|segment| {
            let piece = &mut segment.as_mut_slice()[core::mem::take(&mut skip)..];
            let len = piece.len().min(room);
            room -= len;
            &mut piece[..len]
        });
        sys::write_to(pieces, write)
    }

    /// The message's segments, each with whether it is the last one.
    pub(crate) fn into_segments(self) -> impl Iterator<Item = (SegmentData, bool)> {
        let count = self.segments.len();
        let filled = self.filled;
        let full = self.segments.into_iter().enumerate();
        let segments = full.map(move |(i, segment)| {
            let last = i + 1 == count;
            let len = if last { filled } else { segment.len() };
            (segment.freeze(len), last)
        });
        // A message without bytes is one empty segment.
        let empty = (count == 0).then_some((SegmentData::EMPTY, true));
        Iterator::chain(segments, empty)
    }
}
