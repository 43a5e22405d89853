// SPDX-License-Identifier: GPL-2.0-only

//! Attributes of files and file systems, with Linux's meanings.

use zerocopy::big_endian::{U32, U64};

use crate::codec::Timestamp;
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A file's attributes: 116 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Attr {
    /// Inode number, unique together with `dev`.
    pub ino: U64,
    /// Which of the server's file systems: its device number, `major << 20 | minor`.
    pub dev: U64,
    /// Size in bytes.
    pub size: U64,
    /// Occupied blocks of 512 bytes.
    pub blocks: U64,
    /// Counts an inode number's reuse; 0 where the file system does not tell.
    pub generation: U32,
    /// Type and permission bits, as in `st_mode`.
    pub mode: U32,
    /// Number of names.
    pub nlink: U32,
    /// Owner.
    pub uid: U32,
    /// Group.
    pub gid: U32,
    /// Device that a device file stands for, major number.
    pub rdev_major: U32,
    /// Device that a device file stands for, minor number.
    pub rdev_minor: U32,
    /// Preferred size of reads and writes, in bytes.
    pub blksize: U32,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the data.
    pub mtime: Timestamp,
    /// Last change of the attributes.
    pub ctime: Timestamp,
    /// Birth; 0 where the file system does not tell.
    pub btime: Timestamp,
    /// What the mount that the file was reached by forbids: the constants of this type, which are
    /// the `ST_*` of `statfs(2)`. Bits without a meaning are not looked at.
    pub mount_flags: U32,
}

impl Attr {
    /// Nothing can be changed.
    pub const READ_ONLY: u32 = 1 << 0;
    /// Set-id bits and file capabilities mean nothing.
    pub const NO_SUID: u32 = 1 << 1;
    /// Device nodes are no devices.
    pub const NO_DEV: u32 = 1 << 2;
    /// Nothing can be executed.
    pub const NO_EXEC: u32 = 1 << 3;
}

/// Changes of a file's attributes: 48 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct SetAttr {
    /// Which of the fields count: the constants of this type.
    pub valid: U32,
    /// Permission bits.
    pub mode: U32,
    /// Owner.
    pub uid: U32,
    /// Group.
    pub gid: U32,
    /// Size in bytes.
    pub size: U64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the data.
    pub mtime: Timestamp,
}

impl SetAttr {
    /// `mode` counts.
    pub const MODE: u32 = 1 << 0;
    /// `uid` counts.
    pub const UID: u32 = 1 << 1;
    /// `gid` counts.
    pub const GID: u32 = 1 << 2;
    /// `size` counts.
    pub const SIZE: u32 = 1 << 3;
    /// Access time becomes `atime`.
    pub const ATIME: u32 = 1 << 4;
    /// Modification time becomes `mtime`.
    pub const MTIME: u32 = 1 << 5;
    /// Access time becomes the server's present time.
    pub const ATIME_NOW: u32 = 1 << 6;
    /// Modification time becomes the server's present time.
    pub const MTIME_NOW: u32 = 1 << 7;
    /// All bits that have a meaning.
    pub const KNOWN: u32 = 0xff;
}

/// A file system, as `statfs(2)` tells it: 64 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Statfs {
    /// Which kind: its magic number.
    pub fs_type: U64,
    /// All blocks, of `frsize` bytes.
    pub blocks: U64,
    /// Free blocks.
    pub bfree: U64,
    /// Free blocks for users other than root.
    pub bavail: U64,
    /// All inodes.
    pub files: U64,
    /// Free inodes.
    pub ffree: U64,
    /// Preferred size of reads and writes, in bytes.
    pub bsize: U32,
    /// Size of a block, in bytes.
    pub frsize: U32,
    /// Longest name.
    pub namelen: U32,
    /// Mount flags (`ST_*`), as in [`Attr::mount_flags`].
    pub flags: U32,
}
