// SPDX-License-Identifier: GPL-2.0-only

//! The messages of the distributed file system (paper, section 4).
//!
//! A *session* circuit carries requests that name files by path; a *file* circuit begins with
//! [`Op::Open`] and carries the requests to that one open file. On both, a request is one message
//! and is answered by one message with the same operation, in order. Every answer begins with a
//! [`Reply`]; what follows it is there only when the status is 0.
//!
//! Paths are relative to the root directory of the asked node: no leading slash, no empty, `.` or
//! `..` component, no NUL; the empty path is the root directory itself.

mod attr;
mod dirent;
mod request;

pub use attr::{Attr, SetAttr, Statfs};
pub use dirent::{Dirent, DirentHead, DirentWriter, Dirents, NoRoom};
pub use request::{
    CreateArgs, FsyncArgs, OpenArgs, PathArgs, ReadArgs, ReaddirArgs, RenameArgs, Request,
    SetattrArgs, TruncateArgs, WriteArgs,
};

use core::fmt;

use zerocopy::big_endian::{I32, U32, U64};

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Longest path, as everywhere in Linux with its last NUL.
pub const MAX_PATH: usize = 4095;
/// Longest name of one directory entry.
pub const MAX_NAME: usize = 255;
/// Most bytes that one Read or Write moves, or one Readdir answers with.
pub const MAX_IO: u32 = 512 * 1024;

/// What a request asks for: the `op` of its last segment, and of its answer's segments. All segments
/// of a request have the same one, unless it is [cut](Op::Cut).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// Attributes of the file at a path, symbolic links not followed; ENOENT when there is none.
    Lookup = 1,
    /// Attributes of the file at a path that is known to exist.
    Getattr = 2,
    /// Change attributes of the file at a path.
    Setattr = 3,
    /// Entries of the directory at a path.
    Readdir = 4,
    /// The target of the symbolic link at a path.
    Readlink = 5,
    /// The file system that a path lies in.
    Statfs = 6,
    /// Make a regular file.
    Create = 7,
    /// Make a directory.
    Mkdir = 8,
    /// Make a device file, FIFO or socket.
    Mknod = 9,
    /// Make a symbolic link.
    Symlink = 10,
    /// Make another name of a file.
    Link = 11,
    /// Take away a name that is not a directory's.
    Unlink = 12,
    /// Take away an empty directory.
    Rmdir = 13,
    /// Give a file another name.
    Rename = 14,
    /// Bring the entries of the directory at a path to its disk.
    Fsyncdir = 15,
    /// Open a file: the first message of a file circuit.
    Open = 16,
    /// Read from the open file.
    Read = 17,
    /// Write to the open file.
    Write = 18,
    /// Bring the open file's data to its disk.
    Fsync = 19,
    /// Set the open file's size.
    Truncate = 20,
    /// Attributes of the open file.
    Fgetattr = 21,
    /// Change attributes of the open file.
    Fsetattr = 22,
    /// Close the open file: it is closed when the answer comes. Then both ends finish the circuit.
    Close = 23,
    /// The end of a message that its sender could not finish, whatever operation its first segments
    /// say: what there is of it is thrown away, and answered with ECANCELED.
    Cut = 31,
}

impl Op {
    /// The operation with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            1 => Op::Lookup,
            2 => Op::Getattr,
            3 => Op::Setattr,
            4 => Op::Readdir,
            5 => Op::Readlink,
            6 => Op::Statfs,
            7 => Op::Create,
            8 => Op::Mkdir,
            9 => Op::Mknod,
            10 => Op::Symlink,
            11 => Op::Link,
            12 => Op::Unlink,
            13 => Op::Rmdir,
            14 => Op::Rename,
            15 => Op::Fsyncdir,
            16 => Op::Open,
            17 => Op::Read,
            18 => Op::Write,
            19 => Op::Fsync,
            20 => Op::Truncate,
            21 => Op::Fgetattr,
            22 => Op::Fsetattr,
            23 => Op::Close,
            31 => Op::Cut,
            _ => return None,
        })
    }

    /// Whether requests of this operation name files by path, and so begin with a [`PathArgs`].
    pub const fn has_path(self) -> bool {
        (self as u8) <= Op::Open as u8
    }
}

/// How every answer begins: 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Reply {
    /// 0, or a negative errno of Linux on x86.
    pub status: I32,
}

impl Reply {
    /// Success.
    pub const OK: Reply = Reply { status: I32::ZERO };

    /// Failure with `errno`, given positive or negative; 0 and numbers that no errno has count as
    /// EIO.
    pub fn error(errno: i32) -> Self {
        Self {
            status: I32::new(codec::negative_errno(errno)),
        }
    }

    /// Takes an answer apart into what follows the status, or the errno it failed with.
    ///
    /// # Errors
    ///
    /// [`ReplyError::Status`] with the server's errno, [`ReplyError::Malformed`] when there is no
    /// whole status.
    pub fn decode(bytes: &[u8]) -> Result<&[u8], ReplyError> {
        let (reply, rest) = codec::split::<Reply>(bytes)?;
        match reply.status.get() {
            0 => Ok(rest),
            status => Err(ReplyError::Status(codec::negative_errno(status))),
        }
    }

    /// An answer that has nothing but its status.
    ///
    /// # Errors
    ///
    /// As [`Reply::decode`], and [`Malformed::Trailing`].
    pub fn decode_empty(bytes: &[u8]) -> Result<(), ReplyError> {
        match Self::decode(bytes)? {
            [] => Ok(()),
            _ => Err(Malformed::Trailing.into()),
        }
    }

    /// An answer whose body is exactly one `T`: [`Attr`], [`Statfs`], [`WriteReply`].
    ///
    /// # Errors
    ///
    /// As [`Reply::decode`], and [`Malformed`] for another length.
    pub fn decode_as<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        bytes: &[u8],
    ) -> Result<&T, ReplyError> {
        Ok(codec::whole(Self::decode(bytes)?)?)
    }

    /// The answer to [`Op::Readdir`].
    ///
    /// # Errors
    ///
    /// As [`Reply::decode`], and [`Malformed`] for a damaged head; damaged entries are found by the
    /// iterator.
    pub fn decode_readdir(bytes: &[u8]) -> Result<(&ReaddirReply, Dirents<'_>), ReplyError> {
        let (head, entries) = codec::split::<ReaddirReply>(Self::decode(bytes)?)?;
        Ok((head, Dirents::new(entries)))
    }

    /// The answer to [`Op::Open`], and the file's first bytes where the server sent them along.
    ///
    /// # Errors
    ///
    /// As [`Reply::decode`], and [`Malformed`] for a damaged head.
    pub fn decode_open(bytes: &[u8]) -> Result<(&OpenReply, &[u8]), ReplyError> {
        Ok(codec::split::<OpenReply>(Self::decode(bytes)?)?)
    }
}

/// Why an answer has no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The server failed with this errno: from -4095 to -1.
    Status(i32),
    /// The answer is damaged.
    Malformed(Malformed),
}

impl From<Malformed> for ReplyError {
    fn from(error: Malformed) -> Self {
        ReplyError::Malformed(error)
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::Status(errno) => write!(f, "the server failed with errno {}", -errno),
            ReplyError::Malformed(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReplyError {}

/// What follows the status of an [`Op::Open`] answer: 124 bytes, then the file's first bytes if
/// they were asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OpenReply {
    /// Attributes of the opened file.
    pub attr: Attr,
    /// Bits: the constants of this type.
    pub flags: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
}

impl OpenReply {
    /// The open made the file.
    pub const CREATED: u32 = 1 << 0;
    /// The file has no page cache behind it, as those of procfs and sysfs: each Read is a call of
    /// its own, may have effects and may give less than it asked for before the file's end, so that
    /// nothing is to be read before somebody asks for it. Its size says nothing.
    pub const DIRECT_IO: u32 = 1 << 1;
    /// Its file system does not let it be mapped.
    pub const UNMAPPABLE: u32 = 1 << 2;
}

/// What follows the status of an [`Op::Write`] answer: 48 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct WriteReply {
    /// Where the data went: differs from the request's offset with [`WriteArgs::APPEND`].
    pub offset: U64,
    /// How many bytes were written.
    pub written: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
    /// The file's size after it.
    pub size: U64,
    /// The file's modification time after it.
    pub mtime: crate::codec::Timestamp,
    /// The file's status change time after it.
    pub ctime: crate::codec::Timestamp,
}

/// What follows the status of an [`Op::Readdir`] answer: 8 bytes, then the entries.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ReaddirReply {
    /// How many entries follow.
    pub count: U32,
    /// [`ReaddirReply::EOF`] or 0.
    pub flags: U32,
}

impl ReaddirReply {
    /// There are no entries after these.
    pub const EOF: u32 = 1;
}

#[cfg(test)]
mod tests;
