// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of files, as plain values: `kstat`, `iattr` and `kstatfs`.

use kernel::bindings;
use kernel::prelude::*;

/// A moment: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970.
    pub sec: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nsec: u32,
}

impl Time {
    pub(super) fn to_c(self) -> bindings::timespec64 {
        bindings::timespec64 {
            tv_sec: self.sec,
            tv_nsec: self.nsec.min(999_999_999) as c_long,
        }
    }

    pub(super) fn from_c(ts: &bindings::timespec64) -> Self {
        Self {
            sec: ts.tv_sec,
            nsec: u32::try_from(ts.tv_nsec).unwrap_or(0),
        }
    }
}

/// What `stat` tells of a file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Inode number.
    pub ino: u64,
    /// The device number of the file system that the inode is in.
    pub dev: u32,
    /// Which use of the inode number this is, where the file system can say.
    pub generation: u32,
    /// Type and permissions.
    pub mode: u16,
    /// Names.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Of a device node: which device.
    pub rdev: u32,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Preferred size of reads and writes.
    pub blksize: u32,
    /// Last read.
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the content or the attributes.
    pub ctime: Time,
}

/// The type bits of a mode.
pub const S_IFMT: u16 = bindings::S_IFMT as u16;
/// Regular file.
pub const S_IFREG: u16 = bindings::S_IFREG as u16;
/// Directory.
pub const S_IFDIR: u16 = bindings::S_IFDIR as u16;
/// Symbolic link.
pub const S_IFLNK: u16 = bindings::S_IFLNK as u16;

impl Attributes {
    /// The type bits.
    pub fn kind(&self) -> u16 {
        self.mode & S_IFMT
    }
}

/// How a time stamp is to change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TimeChange {
    /// To the current time.
    Now,
    /// To this.
    To(Time),
}

/// Which attributes are to change, and to what.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct AttributeChanges {
    /// Permissions (the type bits don't change).
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Last read.
    pub atime: Option<TimeChange>,
    /// Last change of the content.
    pub mtime: Option<TimeChange>,
}

/// What `statfs` tells of a file system.
#[derive(Clone, Copy, Default)]
pub struct Statistics {
    /// Its magic number.
    pub kind: u64,
    /// Preferred size of reads and writes, in bytes.
    pub block_size: u64,
    /// Bytes in a block.
    pub fragment_size: u64,
    /// Blocks.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Blocks that an ordinary user may have.
    pub blocks_available: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Bytes in the longest name.
    pub name_len: u64,
}
