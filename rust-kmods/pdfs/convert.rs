// SPDX-License-Identifier: GPL-2.0-only

//! Between the values on the wire and VFS's: attributes, credentials, errors.

use kernel::pr_warn_once;
use kernel::prelude::*;
use podos_proto::codec::{Creds, Malformed, Timestamp};
use podos_proto::pdfs::{Attr, ReplyError, SetAttr, Statfs};

use crate::sys::attributes::{
    AttributeChanges, Attributes, MountFlags, Statistics, Time, TimeChange,
};
use crate::sys::Ids;

/// Among the flags of an open: the file is to be executed, for which it need not be readable.
/// VFS's `FMODE_EXEC`; programs can't set it.
pub(crate) const FOR_EXEC: u32 = 1 << 5;

/// Bits of a `dev_t` that number the devices of one driver.
const MINOR_BITS: u32 = 20;

fn time_to_wire(time: Time) -> Timestamp {
    Timestamp::new(time.sec, time.nsec)
}

fn time_from_wire(time: &Timestamp) -> Time {
    Time {
        sec: time.sec.get(),
        nsec: time.nsec.get().min(999_999_999),
    }
}

fn mount_flags_to_wire(flags: MountFlags) -> u32 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(flags.read_only, Attr::READ_ONLY)
        | bit(flags.no_suid, Attr::NO_SUID)
        | bit(flags.no_dev, Attr::NO_DEV)
        | bit(flags.no_exec, Attr::NO_EXEC)
}

fn mount_flags_from_wire(flags: u32) -> MountFlags {
    MountFlags {
        read_only: flags & Attr::READ_ONLY != 0,
        no_suid: flags & Attr::NO_SUID != 0,
        no_dev: flags & Attr::NO_DEV != 0,
        no_exec: flags & Attr::NO_EXEC != 0,
    }
}

/// A file's attributes, for another node.
pub(crate) fn attributes_to_wire(attributes: &Attributes) -> Attr {
    Attr {
        ino: attributes.ino.into(),
        dev: u64::from(attributes.dev).into(),
        size: attributes.size.into(),
        blocks: attributes.blocks.into(),
        generation: attributes.generation.into(),
        mode: u32::from(attributes.mode).into(),
        nlink: attributes.nlink.into(),
        uid: attributes.uid.into(),
        gid: attributes.gid.into(),
        rdev_major: (attributes.rdev >> MINOR_BITS).into(),
        rdev_minor: (attributes.rdev & ((1 << MINOR_BITS) - 1)).into(),
        blksize: attributes.blksize.into(),
        atime: time_to_wire(attributes.atime),
        mtime: time_to_wire(attributes.mtime),
        ctime: time_to_wire(attributes.ctime),
        btime: Timestamp::default(),
        mount_flags: mount_flags_to_wire(attributes.mount).into(),
    }
}

/// The device number with these parts.
pub(crate) fn device(major: u32, minor: u32) -> u32 {
    major << MINOR_BITS | (minor & ((1 << MINOR_BITS) - 1))
}

/// The parts of a device number.
pub(crate) fn device_parts(device: u32) -> (u32, u32) {
    (device >> MINOR_BITS, device & ((1 << MINOR_BITS) - 1))
}

/// Another node's file's attributes.
///
/// # Errors
///
/// `EPROTO` for what can't be.
pub(crate) fn attributes_from_wire(attr: &Attr) -> Result<Attributes> {
    Ok(Attributes {
        ino: attr.ino.get(),
        dev: u32::try_from(attr.dev.get()).map_err(|_| EPROTO)?,
        generation: attr.generation.get(),
        mode: u16::try_from(attr.mode.get()).map_err(|_| EPROTO)?,
        nlink: attr.nlink.get(),
        uid: attr.uid.get(),
        gid: attr.gid.get(),
        rdev: device(attr.rdev_major.get(), attr.rdev_minor.get()),
        size: attr.size.get().min(i64::MAX as u64),
        blocks: attr.blocks.get(),
        blksize: attr.blksize.get(),
        atime: time_from_wire(&attr.atime),
        mtime: time_from_wire(&attr.mtime),
        ctime: time_from_wire(&attr.ctime),
        mount: mount_flags_from_wire(attr.mount_flags.get()),
    })
}

/// Changes of attributes, for another node.
pub(crate) fn changes_to_wire(changes: &AttributeChanges) -> SetAttr {
    let mut wire = SetAttr::default();
    let mut valid = 0;
    if let Some(mode) = changes.mode {
        valid |= SetAttr::MODE;
        wire.mode.set(mode.into());
    }
    if let Some(uid) = changes.uid {
        valid |= SetAttr::UID;
        wire.uid.set(uid);
    }
    if let Some(gid) = changes.gid {
        valid |= SetAttr::GID;
        wire.gid.set(gid);
    }
    if let Some(size) = changes.size {
        valid |= SetAttr::SIZE;
        wire.size.set(size);
    }
    match changes.atime {
        Some(TimeChange::Now) => valid |= SetAttr::ATIME_NOW,
        Some(TimeChange::To(time)) => {
            valid |= SetAttr::ATIME;
            wire.atime = time_to_wire(time);
        }
        None => {}
    }
    match changes.mtime {
        Some(TimeChange::Now) => valid |= SetAttr::MTIME_NOW,
        Some(TimeChange::To(time)) => {
            valid |= SetAttr::MTIME;
            wire.mtime = time_to_wire(time);
        }
        None => {}
    }
    wire.valid.set(valid);
    wire
}

/// Changes of attributes that another node asks for.
pub(crate) fn changes_from_wire(wire: &SetAttr) -> AttributeChanges {
    let valid = |bit| wire.valid.get() & bit != 0;
    let time = |now, to, time: &Timestamp| {
        if valid(now) {
            Some(TimeChange::Now)
        } else {
            valid(to).then(|| TimeChange::To(time_from_wire(time)))
        }
    };
    AttributeChanges {
        mode: valid(SetAttr::MODE).then(|| (wire.mode.get() & 0o7777) as u16),
        uid: valid(SetAttr::UID).then(|| wire.uid.get()),
        gid: valid(SetAttr::GID).then(|| wire.gid.get()),
        size: valid(SetAttr::SIZE).then(|| wire.size.get()),
        atime: time(SetAttr::ATIME_NOW, SetAttr::ATIME, &wire.atime),
        mtime: time(SetAttr::MTIME_NOW, SetAttr::MTIME, &wire.mtime),
    }
}

/// A file system's figures, for another node.
pub(crate) fn statistics_to_wire(figures: &Statistics) -> Statfs {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).into();
    Statfs {
        fs_type: figures.kind.into(),
        blocks: figures.blocks.into(),
        bfree: figures.blocks_free.into(),
        bavail: figures.blocks_available.into(),
        files: figures.files.into(),
        ffree: figures.files_free.into(),
        bsize: small(figures.block_size),
        frsize: small(figures.fragment_size),
        namelen: small(figures.name_len),
        flags: mount_flags_to_wire(figures.mount).into(),
    }
}

/// Another node's file system's figures.
pub(crate) fn statistics_from_wire(wire: &Statfs) -> Statistics {
    Statistics {
        kind: wire.fs_type.get(),
        block_size: wire.bsize.get().into(),
        fragment_size: wire.frsize.get().into(),
        blocks: wire.blocks.get(),
        blocks_free: wire.bfree.get(),
        blocks_available: wire.bavail.get(),
        files: wire.files.get(),
        files_free: wire.ffree.get(),
        name_len: wire.namelen.get().into(),
        mount: mount_flags_from_wire(wire.flags.get()),
    }
}

/// The current task's credentials, for another node.
pub(crate) fn creds_of_task() -> Creds {
    let ids = Ids::of_task();
    let groups = ids.groups().iter().copied();
    Creds::new(ids.uid, ids.gid, ids.capabilities, groups)
}

/// For whom another node asks.
///
/// # Errors
///
/// `EPROTO` for what can't be.
pub(crate) fn ids_from_wire(creds: &Creds) -> Result<Ids> {
    let groups = creds.groups.get().map_err(malformed)?;
    Ok(Ids::new(
        creds.fsuid.get(),
        creds.fsgid.get(),
        creds.effective.get(),
        groups.iter().map(|group| group.get()),
    ))
}

/// What a damaged message is to whoever waits for it.
pub(crate) fn malformed(why: Malformed) -> Error {
    pr_warn_once!("a damaged message, told of once: {why:?}\n");
    EPROTO
}

/// Whether a file system that has told this error gives it again for as long as its reason lasts, so
/// that nobody needs to keep it: there is no room, or no memory now.
pub(crate) fn is_told_again(error: Error) -> bool {
    [ENOSPC, EDQUOT, EFBIG, EAGAIN, ENOMEM, EINTR, ERESTARTSYS].contains(&error)
}

/// What an answer without a body is to whoever waits for it.
pub(crate) fn reply_error(error: ReplyError) -> Error {
    match error {
        ReplyError::Status(errno) => Error::from_errno(errno),
        ReplyError::Malformed(why) => malformed(why),
    }
}
