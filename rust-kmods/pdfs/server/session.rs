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
use crate::sys::{FileSystem, Path};

/// Answers a request that names files by path, acting for its caller.
pub(super) fn answer(request: &Request<'_>) -> Result<KVVec<u8>> {
    let _acting = convert::ids_from_wire(creds(request)?)?.assume()?;
    match *request {
        Request::Lookup { path, .. } | Request::Getattr { path, .. } => {
            // A directory that leads to a node is a directory of this one, too.
            let at = Path::root().walk(&string(path)?)?;
            let at = if is_remote(&at) { at.covered()? } else { at };
            body(&convert::attributes_to_wire(&at.attributes()?))
        }
        Request::Setattr { path, args, .. } => set_attributes(path, args),
        Request::Readdir { path, args, .. } => {
            directory::read(walk(path)?, args.cursor.get(), args.max.get() as usize)
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
        Request::Create { path, args, .. } => {
            let exclusive = args.flags.get() & CreateArgs::EXCLUSIVE != 0;
            create(path, args.mode.get() as u16, exclusive)?;
            attributes(path)
        }
        Request::Mkdir { path, args, .. } => {
            let (dir, name) = parent(path)?;
            dir.change()?
                .mkdir(name, (args.mode.get() & 0o7777) as u16)?;
            attributes(path)
        }
        Request::Mknod { path, args, .. } => {
            let (dir, name) = parent(path)?;
            let device = convert::device(args.rdev_major.get(), args.rdev_minor.get());
            let mode = u16::try_from(args.mode.get()).map_err(|_| EINVAL)?;
            dir.change()?.mknod(name, mode, device)?;
            attributes(path)
        }
        Request::Symlink { path, target, .. } => {
            let (dir, name) = parent(path)?;
            dir.change()?.symlink(name, &string(target)?)?;
            attributes(path)
        }
        Request::Link { path, new_path, .. } => {
            let file = walk(path)?;
            let (dir, name) = parent(new_path)?;
            dir.change()?.link(&file, name)?;
            attributes(new_path)
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

fn creds<'a>(request: &Request<'a>) -> Result<&'a Creds> {
    match *request {
        Request::Lookup { creds, .. }
        | Request::Getattr { creds, .. }
        | Request::Setattr { creds, .. }
        | Request::Readdir { creds, .. }
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
    let mut text = KVec::with_capacity(bytes.len() + 1, GFP_KERNEL)?;
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

/// What the path means, for whom the thread acts.
pub(super) fn walk(path: &[u8]) -> Result<Path> {
    own(Path::root().walk(&string(path)?)?)
}

/// The directory that the last name of the path is in, and that name.
fn parent(path: &[u8]) -> Result<(Path, &[u8])> {
    let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    };
    let dir = own(Path::root().walk_to_directory(&string(dir)?)?)?;
    Ok((dir, name))
}

fn attributes(path: &[u8]) -> Result<KVVec<u8>> {
    body(&convert::attributes_to_wire(&walk(path)?.attributes()?))
}

/// Makes a regular file; false if there is something already, which is an error if `exclusive`.
pub(super) fn create(path: &[u8], mode: u16, exclusive: bool) -> Result<bool> {
    let (dir, name) = parent(path)?;
    let created = dir.change()?.create(name, mode & 0o7777);
    match created {
        Ok(()) => Ok(true),
        Err(e) if e == EEXIST && !exclusive => Ok(false),
        Err(e) => Err(e),
    }
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
    body(&convert::attributes_to_wire(&at.attributes()?))
}
