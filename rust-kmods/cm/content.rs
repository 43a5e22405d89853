// SPDX-License-Identifier: GPL-2.0-only

//! Received data, left in the socket buffers until they are copied to where they are wanted.

use kernel::alloc::{Allocator, Vec};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use podos_proto::circuit::{Payload, Segment};

use crate::sys::{self, SegmentData};

/// A received segment: a part of a message, or all of it.
pub struct Incoming {
    op: u8,
    end: bool,
    data: SegmentData,
}

impl From<Segment<SegmentData>> for Incoming {
    fn from(segment: Segment<SegmentData>) -> Self {
        Self {
            op: segment.op,
            end: segment.end,
            data: segment.payload,
        }
    }
}

impl Incoming {
    /// The message's op.
    pub fn op(&self) -> u8 {
        self.op
    }

    /// Whether it is the last segment of its message.
    pub fn is_end(&self) -> bool {
        self.end
    }

    /// Bytes of data.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The data in one place, to be decoded. They are put there if they are not; what is only to
    /// be copied somewhere is better off with the other functions.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn linear(&mut self) -> Result<&[u8]> {
        self.data.linear()
    }

    /// Copies the bytes from `offset` on, as far as there are any and `to` has room; how many.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        copy_to(self.parts_from(offset), to)
    }

    /// As [`Incoming::copy_to`]; fewer bytes also if the memory can't be written.
    pub fn copy_to_iter(&self, offset: usize, to: &mut IovIterDest<'_>) -> usize {
        copy_to_iter(self.parts_from(offset), to)
    }

    /// Puts all bytes behind those in `buffer`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn append_to<A: Allocator>(&self, buffer: &mut Vec<u8, A>) -> Result {
        for part in self.data.parts() {
            buffer.extend_from_slice(part, GFP_KERNEL)?;
        }
        Ok(())
    }

    fn parts_from(&self, offset: usize) -> impl Iterator<Item = &[u8]> {
        skip(self.data.parts(), offset)
    }
}

/// Received bytes, of one or several messages, in the order in which they were put in.
pub struct Content {
    parts: KVVec<Part>,
    len: usize,
}

struct Part {
    /// Bytes of the content up to the end of this part.
    end: usize,
    /// Bytes of the segment that don't belong to the content.
    skip: usize,
    segment: Incoming,
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    /// No bytes.
    pub const fn new() -> Self {
        Self {
            parts: KVVec::new(),
            len: 0,
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts the bytes of `segment` behind the others, but for the first `skip`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn push(&mut self, segment: Incoming, skip: usize) -> Result {
        let Some(len @ 1..) = segment.len().checked_sub(skip) else {
            return Ok(());
        };
        let part = Part {
            end: self.len + len,
            skip,
            segment,
        };
        self.parts.push(part, GFP_KERNEL)?;
        self.len += len;
        Ok(())
    }

    /// Keeps only the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        let kept = self.parts.partition_point(|part| part.end < len);
        self.parts.truncate(kept + usize::from(len > 0));
        self.len = len;
    }

    /// Copies the bytes from `offset` on, as far as there are any and `to` has room; how many.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        copy_to(self.slices_from(offset), to)
    }

    /// As [`Content::copy_to`]; fewer bytes also if the memory can't be written.
    pub fn copy_to_iter(&self, offset: usize, to: &mut IovIterDest<'_>) -> usize {
        copy_to_iter(self.slices_from(offset), to)
    }

    /// Lets `read` read the bytes from `offset` on, without a copy.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn with_source<R>(
        &self,
        offset: usize,
        read: impl FnOnce(&mut IovIterSource<'_>) -> R,
    ) -> Result<R> {
        sys::read_from(self.slices_from(offset), read)
    }

    /// The bytes from `offset` on, piece by piece.
    pub fn slices_from(&self, offset: usize) -> impl Iterator<Item = &[u8]> {
        let first = self.parts.partition_point(|part| part.end <= offset);
        let before = match first.checked_sub(1) {
            Some(before) => self.parts[before].end,
            None => 0,
        };
        let mut left = self.len.saturating_sub(offset);
        let parts = self.parts[first..].iter();
        let slices = parts.flat_map(|part| part.segment.parts_from(part.skip));
        // What was cut off at the end may be a part of a part.
        skip(slices, offset - before).map_while(move |slice| {
            let slice = &slice[..slice.len().min(left)];
            left -= slice.len();
            (!slice.is_empty()).then_some(slice)
        })
    }
}

/// All but the first `offset` bytes; only slices that are not empty.
fn skip<'a>(
    slices: impl Iterator<Item = &'a [u8]>,
    offset: usize,
) -> impl Iterator<Item = &'a [u8]> {
    let mut left = offset;
    slices.filter_map(move |slice| {
        let (skipped, rest) = slice.split_at(left.min(slice.len()));
        left -= skipped.len();
        (!rest.is_empty()).then_some(rest)
    })
}

fn copy_to<'a>(slices: impl Iterator<Item = &'a [u8]>, to: &mut [u8]) -> usize {
    let mut copied = 0;
    for slice in slices {
        let room = &mut to[copied..];
        let len = slice.len().min(room.len());
        room[..len].copy_from_slice(&slice[..len]);
        copied += len;
        if len < slice.len() {
            break;
        }
    }
    copied
}

fn copy_to_iter<'a>(slices: impl Iterator<Item = &'a [u8]>, to: &mut IovIterDest<'_>) -> usize {
    let mut copied = 0;
    for slice in slices {
        let len = to.copy_to_iter(slice);
        copied += len;
        if len < slice.len() || to.is_empty() {
            break;
        }
    }
    copied
}
