// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of files, as plain values: `kstat`, `iattr` and `kstatfs`.

use kernel::bindings;
use kernel::prelude::*;

/// A moment: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Time {
    /// Seconds since 1970.
    pub(crate) sec: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub(crate) nsec: u32,
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
pub(crate) struct Attributes {
    /// Inode number.
    pub(crate) ino: u64,
    /// The device number of the file system that the inode is in.
    pub(crate) dev: u32,
    /// Which use of the inode number this is, where the file system can say.
    pub(crate) generation: u32,
    /// Type and permissions.
    pub(crate) mode: u16,
    /// Names.
    pub(crate) nlink: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Of a device node: which device.
    pub(crate) rdev: u32,
    /// Bytes.
    pub(crate) size: u64,
    /// Blocks of 512 bytes.
    pub(crate) blocks: u64,
    /// Preferred size of reads and writes.
    pub(crate) blksize: u32,
    /// Last read.
    pub(crate) atime: Time,
    /// Last change of the content.
    pub(crate) mtime: Time,
    /// Last change of the content or the attributes.
    pub(crate) ctime: Time,
    /// What the mount forbids that the file was reached by.
    pub(crate) mount: MountFlags,
}

/// What a mount forbids.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MountFlags {
    /// Changes.
    pub(crate) read_only: bool,
    /// Set-id bits and file capabilities.
    pub(crate) no_suid: bool,
    /// Devices.
    pub(crate) no_dev: bool,
    /// Execution.
    pub(crate) no_exec: bool,
}

/// The type bits of a mode.
pub(crate) const S_IFMT: u16 = bindings::S_IFMT as u16;
/// Regular file.
pub(crate) const S_IFREG: u16 = bindings::S_IFREG as u16;
/// Directory.
pub(crate) const S_IFDIR: u16 = bindings::S_IFDIR as u16;
/// Symbolic link.
pub(crate) const S_IFLNK: u16 = bindings::S_IFLNK as u16;
/// The bits by which a program gets its file's user or group.
pub(crate) const S_ISETID: u16 = (bindings::S_ISUID | bindings::S_ISGID) as u16;

impl Attributes {
    /// The type bits.
    pub(crate) fn kind(&self) -> u16 {
        self.mode & S_IFMT
    }
}

/// How a time stamp is to change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeChange {
    /// To the current time.
    Now,
    /// To this.
    To(Time),
}

/// Which attributes are to change, and to what.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttributeChanges {
    /// Permissions (the type bits don't change).
    pub(crate) mode: Option<u16>,
    /// Owner.
    pub(crate) uid: Option<u32>,
    /// Group.
    pub(crate) gid: Option<u32>,
    /// Bytes.
    pub(crate) size: Option<u64>,
    /// Last read.
    pub(crate) atime: Option<TimeChange>,
    /// Last change of the content.
    pub(crate) mtime: Option<TimeChange>,
}

/// What `statfs` tells of a file system.
#[derive(Clone, Copy, Default)]
pub(crate) struct Statistics {
    /// Its magic number.
    pub(crate) kind: u64,
    /// Preferred size of reads and writes, in bytes.
    pub(crate) block_size: u64,
    /// Bytes in a block.
    pub(crate) fragment_size: u64,
    /// Blocks.
    pub(crate) blocks: u64,
    /// Free blocks.
    pub(crate) blocks_free: u64,
    /// Blocks that an ordinary user may have.
    pub(crate) blocks_available: u64,
    /// Inodes.
    pub(crate) files: u64,
    /// Free inodes.
    pub(crate) files_free: u64,
    /// Bytes in the longest name.
    pub(crate) name_len: u64,
    /// What the mount forbids.
    pub(crate) mount: MountFlags,
}
