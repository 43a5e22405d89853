// SPDX-License-Identifier: GPL-2.0-only

//! Names in a remote tree: what they mean, and how they come and go.

use kernel::prelude::*;
use kernel::str::CString;
use podos_proto::pdfs::{Attr, CreateArgs, Op, RenameArgs, MAX_NAME};

use super::node::{self, Report};
use super::{Dentry, Inode, InodeRef, SuperBlock};
use crate::convert;
use crate::sys::thread;

/// A node does not go on to a third one for somebody else: whoever wants its files asks it himself.
fn refuse_server() -> Result {
    if thread::is_kernel_thread() {
        return Err(EREMOTE);
    }
    Ok(())
}

/// What the name means now.
pub(super) fn attributes(dentry: &Dentry, op: Op) -> Result<Report> {
    let path = dentry.path()?;
    let sessions = dentry.super_block().volume().sessions();
    Report::of(|| {
        let answer = sessions.ask(op, &(), path.as_bytes(), &[])?;
        answer.read::<Attr>().copied()
    })
}

pub(super) fn revalidate(dentry: &Dentry, inode: &Inode) -> Result<bool> {
    refuse_server()?;
    match attributes(dentry, Op::Lookup) {
        Ok(report) if node::is_same(inode, &report.attr) => {
            node::update(inode, &report)?;
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(e) if e == ENOENT || e == ENOTDIR => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn lookup(dentry: &Dentry, sb: &SuperBlock) -> Result<Option<InodeRef>> {
    refuse_server()?;
    if dentry.name_len() > MAX_NAME {
        return Err(ENAMETOOLONG);
    }
    match attributes(dentry, Op::Lookup) {
        Ok(report) => {
            let inode = node::inode(sb, &report)?;
            if !is_another(dentry, &inode, &report.attr)? {
                return Ok(Some(inode));
            }
            // What was just learnt is not its own.
            inode.node().expire();
            node::inode_of_its_own(sb, &report).map(Some)
        }
        Err(e) if e == ENOENT => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the file that the name means is another one than `inode`, though it has the same numbers.
///
/// Not all file systems number their files: those of tracefs have one number all together. A file
/// that has one name, but is found under another one as well, is two.
fn is_another(dentry: &Dentry, inode: &Inode, attr: &Attr) -> Result<bool> {
    if attr.nlink.get() != 1 {
        return Ok(false);
    }
    let Some(other) = inode.name() else {
        return Ok(false);
    };
    if other.path()?.as_bytes() == dentry.path()?.as_bytes() {
        return Ok(false);
    }
    // It may have been renamed.
    let found = attributes(&other, Op::Lookup);
    Ok(found.is_ok_and(|report| node::is_same(inode, &report.attr)))
}

/// Makes a file, a directory or a special file.
pub(super) fn make(
    dentry: &Dentry,
    sb: &SuperBlock,
    op: Op,
    mode: u16,
    rdev: u32,
) -> Result<InodeRef> {
    let (major, minor) = convert::device_parts(rdev);
    let args = CreateArgs {
        mode: u32::from(mode).into(),
        flags: CreateArgs::EXCLUSIVE.into(),
        rdev_major: major.into(),
        rdev_minor: minor.into(),
    };
    let path = dentry.path()?;
    let sessions = sb.volume().sessions();
    let report = Report::of(|| {
        let answer = sessions.ask(op, &args, path.as_bytes(), &[])?;
        answer.read::<Attr>().copied()
    });
    node::inode(sb, &report?)
}

pub(super) fn symlink(dentry: &Dentry, sb: &SuperBlock, target: &CStr) -> Result<InodeRef> {
    let path = dentry.path()?;
    let sessions = sb.volume().sessions();
    let report = Report::of(|| {
        let answer = sessions.ask(Op::Symlink, &(), path.as_bytes(), target.to_bytes())?;
        answer.read::<Attr>().copied()
    });
    node::inode(sb, &report?)
}

pub(super) fn link(old: &Dentry, inode: &Inode, new: &Dentry) -> Result {
    let (from, to) = (old.path()?, new.path()?);
    let to = super::session::relative(to.as_bytes());
    let sessions = old.super_block().volume().sessions();
    let report = Report::of(|| {
        let answer = sessions.ask(Op::Link, &(), from.as_bytes(), to)?;
        answer.read::<Attr>().copied()
    });
    node::update(inode, &report?).map(drop)
}

pub(super) fn unlink(dentry: &Dentry, inode: &Inode) -> Result {
    remove(dentry, Op::Unlink)?;
    inode.drop_link();
    inode.node().expire();
    Ok(())
}

pub(super) fn rmdir(dentry: &Dentry) -> Result {
    remove(dentry, Op::Rmdir)
}

fn remove(dentry: &Dentry, op: Op) -> Result {
    let path = dentry.path()?;
    let sessions = dentry.super_block().volume().sessions();
    sessions.ask(op, &(), path.as_bytes(), &[]).map(drop)
}

pub(super) fn rename(old: &Dentry, new: &Dentry, flags: u32) -> Result {
    let args = RenameArgs {
        flags: flags.into(),
        reserved: 0.into(),
    };
    let (from, to) = (old.path()?, new.path()?);
    let to = super::session::relative(to.as_bytes());
    let sessions = old.super_block().volume().sessions();
    sessions.ask(Op::Rename, &args, from.as_bytes(), to)?;
    for inode in [old.inode(), new.inode()].into_iter().flatten() {
        inode.node().expire();
    }
    Ok(())
}

/// The text of a symbolic link, behind `prefix` if it is absolute.
fn link_text(dentry: &Dentry, prefix: &[u8]) -> Result<CString> {
    refuse_server()?;
    let path = dentry.path()?;
    let sessions = dentry.super_block().volume().sessions();
    let answer = sessions.ask(Op::Readlink, &(), path.as_bytes(), &[])?;
    let target = answer.body()?;
    let mut text = KVec::new();
    if target.starts_with(b"/") {
        text.extend_from_slice(prefix, GFP_KERNEL)?;
    }
    text.extend_from_slice(target, GFP_KERNEL)?;
    text.push(0, GFP_KERNEL)?;
    let text = CStr::from_bytes_with_nul(&text).map_err(|_| EPROTO)?;
    Ok(CString::try_from(text)?)
}

/// The text of a symbolic link as its node has it, so that who copies it makes the same link.
pub(super) fn read_link(dentry: &Dentry) -> Result<CString> {
    link_text(dentry, b"")
}

/// Where a walk goes on. An absolute link means a place in the tree that it is in, which is not at
/// the root here.
pub(super) fn follow_link(dentry: &Dentry) -> Result<CString> {
    link_text(dentry, dentry.super_block().volume().links().to_bytes())
}
