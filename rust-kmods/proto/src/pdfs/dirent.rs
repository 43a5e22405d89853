// SPDX-License-Identifier: GPL-2.0-only

//! Directory entries, packed one behind the other.

use core::fmt;

use zerocopy::big_endian::{U16, U64};

use super::MAX_NAME;
use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The fixed part of an entry: 20 bytes, then the name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct DirentHead {
    /// Inode number.
    pub ino: U64,
    /// Where to go on reading behind this entry.
    pub next: U64,
    /// Type of the file: a `DT_*` value, 0 where it is not known.
    pub kind: u8,
    /// Reserved: sent as 0, not looked at.
    pub reserved: u8,
    /// Bytes of the name.
    pub name_len: U16,
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirent<'a> {
    /// Inode number.
    pub ino: u64,
    /// Where to go on reading behind this entry: the `cursor` of the next request.
    pub next: u64,
    /// Type of the file: a `DT_*` value, 0 where it is not known.
    pub kind: u8,
    /// From 1 to [`MAX_NAME`] bytes, no slash, no NUL.
    pub name: &'a [u8],
}

/// The entries of a Readdir answer; ends after the first damaged one.
#[derive(Clone, Debug)]
pub struct Dirents<'a> {
    rest: &'a [u8],
}

impl<'a> Dirents<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self) -> Result<Dirent<'a>, Malformed> {
        let (head, rest) = codec::split::<DirentHead>(self.rest)?;
        let (name, rest) = codec::split_len(rest, usize::from(head.name_len.get()))?;
        if !is_name(name) {
            return Err(Malformed::Name);
        }
        self.rest = rest;
        Ok(Dirent {
            ino: head.ino.get(),
            next: head.next.get(),
            kind: head.kind,
            name,
        })
    }
}

impl<'a> Iterator for Dirents<'a> {
    type Item = Result<Dirent<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

/// Whether these bytes may be one component of a path; `.` and `..` may stand in a directory.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.iter().any(|&b| b == 0 || b == b'/')
}

/// An entry that does not fit any more, or has no proper name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the directory entry does not fit")
    }
}

impl core::error::Error for NoRoom {}

/// Packs entries into a buffer.
#[derive(Debug)]
pub struct DirentWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
    count: u32,
}

impl<'a> DirentWriter<'a> {
    /// A writer that fills `buffer` from its start.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            used: 0,
            count: 0,
        }
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// [`NoRoom`], and nothing was appended.
    pub fn push(&mut self, entry: &Dirent<'_>) -> Result<(), NoRoom> {
        let name_len = u16::try_from(entry.name.len()).map_err(|_| NoRoom)?;
        if !is_name(entry.name) {
            return Err(NoRoom);
        }
        let head = DirentHead {
            ino: U64::new(entry.ino),
            next: U64::new(entry.next),
            kind: entry.kind,
            reserved: 0,
            name_len: U16::new(name_len),
        };
        let free = self.buffer.get_mut(self.used..).ok_or(NoRoom)?;
        let (head_bytes, free) = free
            .split_at_mut_checked(size_of::<DirentHead>())
            .ok_or(NoRoom)?;
        let name_bytes = free.get_mut(..entry.name.len()).ok_or(NoRoom)?;
        head_bytes.copy_from_slice(head.as_bytes());
        name_bytes.copy_from_slice(entry.name);
        self.used += size_of::<DirentHead>() + entry.name.len();
        self.count += 1;
        Ok(())
    }

    /// How many entries were appended.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes of the buffer they take.
    pub fn used(&self) -> usize {
        self.used
    }
}
