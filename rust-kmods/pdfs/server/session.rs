// SPDX-License-Identifier: GPL-2.0-only

//! Requests that name files by path, from this node's root directory.

use kernel::prelude::*;
use kernel::str::CString;
use podos_proto::codec::Creds;
use podos_proto::pdfs::{CreateArgs, Request, SetAttr};

use super::directory;
use super::request::body;
use crate::client::Pdfs;
use crate::convert;
use crate::sys::{FileSystem, OpenFlags, OwnFile, Path};

/// Answers a request that names files by path, acting for its caller.
pub(super) fn answer(request: &Request<'_>) -> Result<KVVec<u8>> {
    let _acting = convert::ids_from_wire(creds(request)?)?.assume()?;
    match *request {
        Request::Lookup { path, .. } | Request::Getattr { path, .. } => {
            // A directory that leads to a node is a directory of this one, too.
            let at = Path::root().walk(&string(path)?).map_err(third_node)?;
            attributes(&if is_remote(&at) { at.covered()? } else { at })
        }
        Request::Setattr { path, args, .. } => set_attributes(path, args),
        Request::Readdir { path, args, .. } => {
            let (cursor, max) = (args.cursor.get(), args.max.get());
            directory::read(walk_to_directory(path)?, cursor, max as usize)
        }
        Request::Fsyncdir { path, datasync, .. } => {
            OwnFile::open_directory(walk_to_directory(path)?)?.sync(datasync)?;
            Ok(KVVec::new())
        }
        Request::Readlink { path, .. } => {
            let target = walk(path)?.read_link()?;
            let mut answer = KVVec::new();
            answer.extend_from_slice(target.to_bytes(), GFP_KERNEL)?;
            Ok(answer)
        }
        Request::Statfs { path, .. } => {
            body(&convert::statistics_to_wire(&walk(path)?.statistics()?))
        }
        Request::Create { path, args, .. } => create(path, args),
        Request::Mkdir { path, args, .. } => {
            let (dir, name) = parent(path)?;
            let mode = (args.mode.get() & 0o7777) as u16;
            let made = dir.change()?.mkdir(name, mode)?;
            attributes(&made)
        }
        Request::Mknod { path, args, .. } => {
            let (dir, name) = parent(path)?;
            let device = convert::device(args.rdev_major.get(), args.rdev_minor.get());
            let mode = u16::try_from(args.mode.get()).map_err(|_| EINVAL)?;
            let made = dir.change()?.mknod(name, mode, device)?;
            attributes(&made)
        }
        Request::Symlink { path, target, .. } => {
            let (dir, name) = parent(path)?;
            let made = dir.change()?.symlink(name, &string(target)?)?;
            attributes(&made)
        }
        Request::Link { path, new_path, .. } => {
            let file = walk(path)?;
            let (dir, name) = parent(new_path)?;
            let made = dir.change()?.link(&file, name)?;
            attributes(&made)
        }
        Request::Unlink { path, .. } => {
            let (dir, name) = parent(path)?;
            dir.change()?.unlink(name)?;
            Ok(KVVec::new())
        }
        Request::Rmdir { path, .. } => {
            let (dir, name) = parent(path)?;
            dir.change()?.rmdir(name)?;
            Ok(KVVec::new())
        }
        Request::Rename {
            path,
            new_path,
            args,
            ..
        } => {
            let (from, old) = parent(path)?;
            let (to, new) = parent(new_path)?;
            from.change()?.rename(old, &to, new, args.flags.get())?;
            Ok(KVVec::new())
        }
        _ => Err(EINVAL),
    }
}

pub(super) fn creds<'a>(request: &Request<'a>) -> Result<&'a Creds> {
    match *request {
        Request::Lookup { creds, .. }
        | Request::Getattr { creds, .. }
        | Request::Setattr { creds, .. }
        | Request::Readdir { creds, .. }
        | Request::Fsyncdir { creds, .. }
        | Request::Readlink { creds, .. }
        | Request::Statfs { creds, .. }
        | Request::Create { creds, .. }
        | Request::Mkdir { creds, .. }
        | Request::Mknod { creds, .. }
        | Request::Symlink { creds, .. }
        | Request::Link { creds, .. }
        | Request::Unlink { creds, .. }
        | Request::Rmdir { creds, .. }
        | Request::Rename { creds, .. }
        | Request::Open { creds, .. } => Ok(creds),
        _ => Err(EBADF),
    }
}

/// The bytes as a string; `proto` has seen to it that there is no null among them.
fn string(bytes: &[u8]) -> Result<CString> {
    let mut text = KVVec::with_capacity(bytes.len() + 1, GFP_KERNEL)?;
    text.extend_from_slice(bytes, GFP_KERNEL)?;
    text.push(0, GFP_KERNEL)?;
    let text = CStr::from_bytes_with_nul(&text).map_err(|_| EINVAL)?;
    Ok(CString::try_from(text)?)
}

fn is_remote(path: &Path) -> bool {
    path.is_of(Pdfs::file_system_type())
}

/// A node serves its own files, not those of a third one.
fn own(path: Path) -> Result<Path> {
    if is_remote(&path) {
        return Err(ELOOP);
    }
    Ok(path)
}

/// What our own file system says to a walk of a thread that serves, for whoever asked.
fn third_node(e: Error) -> Error {
    if e == EREMOTE {
        ELOOP
    } else {
        e
    }
}

/// What the path means, for whom the thread acts.
pub(super) fn walk(path: &[u8]) -> Result<Path> {
    own(Path::root().walk(&string(path)?).map_err(third_node)?)
}

/// The directory that the path means.
fn walk_to_directory(path: &[u8]) -> Result<Path> {
    let found = Path::root().walk_to_directory(&string(path)?);
    own(found.map_err(third_node)?)
}

/// The directory that the last name of the path is in, and that name.
fn parent(path: &[u8]) -> Result<(Path, &[u8])> {
    let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    };
    Ok((walk_to_directory(dir)?, name))
}

fn attributes(at: &Path) -> Result<KVVec<u8>> {
    body(&convert::attributes_to_wire(&at.attributes()?))
}

/// Makes a regular file; one that is there already will do if the request says so.
fn create(path: &[u8], args: &CreateArgs) -> Result<KVVec<u8>> {
    let (dir, name) = parent(path)?;
    let mode = (args.mode.get() & 0o7777) as u16;
    let exclusive = args.flags.get() & CreateArgs::EXCLUSIVE != 0;
    let change = dir.change()?;
    match change.create(name, mode) {
        Err(e) if e == EEXIST && !exclusive => attributes(&walk(path)?),
        made => attributes(&made?),
    }
}

/// Makes a regular file and opens it.
///
/// # Errors
///
/// `EEXIST` if there is something of that name.
pub(super) fn create_open(path: &[u8], mode: u16, flags: OpenFlags) -> Result<OwnFile> {
    let (dir, name) = parent(path)?;
    let change = dir.change()?;
    change.create_open(name, mode, flags)
}

fn set_attributes(path: &[u8], args: &SetAttr) -> Result<KVVec<u8>> {
    let mut changes = convert::changes_from_wire(args);
    let at = walk(path)?;
    if let Some(size) = changes.size.take() {
        at.truncate(size)?;
        // The size brought the time of the change along.
        changes.mtime = None;
    }
    at.set_attributes(&changes)?;
    attributes(&at)
}
