// SPDX-License-Identifier: GPL-2.0-only

//! Files of this node that the server has open.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

use super::attributes::{AttributeChanges, Attributes};
use super::Path;

/// An open file or directory of this node.
///
/// # Invariants
///
/// `file` is an open file of which this value holds the one reference, opened by `path`.
pub(crate) struct OwnFile {
    file: NonNull<bindings::file>,
    path: Path,
}

/// How a file is to be opened.
#[derive(Clone, Copy)]
pub(crate) struct OpenFlags {
    /// To be read.
    pub(crate) read: bool,
    /// To be executed: may be read without permission to.
    pub(crate) execute: bool,
    /// To be written.
    pub(crate) write: bool,
    /// Every write goes to the end.
    pub(crate) append: bool,
    /// Every write goes to the disk: `O_SYNC`, `O_DSYNC` or 0.
    pub(crate) sync: u32,
}

impl OwnFile {
    /// Opens the file at `path`, for whom the current task acts; `made` says that it was made just
    /// now, on its behalf, so that its permissions don't matter yet.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EPERM`, `EROFS`, `ETXTBSY` and the file system's.
    pub(crate) fn open(path: Path, flags: OpenFlags, made: bool) -> Result<Self> {
        let mut mask = bindings::MAY_OPEN;
        let mut bits = bindings::O_LARGEFILE | flags.sync;
        bits |= match (flags.read, flags.write) {
            (true, true) => bindings::O_RDWR,
            (false, true) => bindings::O_WRONLY,
            _ => bindings::O_RDONLY,
        };
        if flags.execute {
            mask |= bindings::MAY_EXEC;
        } else if flags.read {
            mask |= bindings::MAY_READ;
        }
        if flags.write {
            mask |= bindings::MAY_WRITE;
        }
        if flags.append {
            mask |= bindings::MAY_APPEND;
            bits |= bindings::O_APPEND;
        }
        if !made {
            // SAFETY: By the path's type invariant.
            to_result(unsafe {
                bindings::inode_permission(path.idmap(), path.inode(), mask as c_int)
            })?;
        }
        // SAFETY: By the path's type invariant.
        let append_only = unsafe { (*path.inode()).i_flags } & bindings::S_APPEND != 0;
        if append_only && flags.write && !flags.append {
            return Err(EPERM);
        }
        Self::open_checked(path, bits)
    }

    /// Opens the directory at `path` to read its entries, for whom the current task acts.
    ///
    /// # Errors
    ///
    /// `EACCES`, `ENOTDIR` and the file system's.
    pub(crate) fn open_directory(path: Path) -> Result<Self> {
        let mask = bindings::MAY_OPEN | bindings::MAY_READ;
        // SAFETY: By the path's type invariant.
        to_result(unsafe {
            bindings::inode_permission(path.idmap(), path.inode(), mask as c_int)
        })?;
        Self::open_checked(path, bindings::O_DIRECTORY | bindings::O_RDONLY)
    }

    fn open_checked(path: Path, bits: u32) -> Result<Self> {
        // SAFETY: By the path's type invariant; the credentials are the current task's own.
        let file = from_err_ptr(unsafe {
            bindings::dentry_open(
                path.as_ptr(),
                bits as c_int,
                (*bindings::get_current()).cred,
            )
        })?;
        // INVARIANT: Opened just now.
        Ok(Self {
            file: NonNull::new(file).ok_or(EIO)?,
            path,
        })
    }

    fn as_ptr(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    fn has_mode(&self, mode: bindings::fmode_t) -> Result {
        // SAFETY: By the type invariant; the mode of an open file stays.
        if unsafe { (*self.as_ptr()).f_mode } & mode == 0 {
            return Err(EBADF);
        }
        Ok(())
    }

    /// Bytes from the file's byte `position` to its end, as far as it tells its size: some, like
    /// those of procfs, are 0 bytes large and not empty.
    pub(crate) fn left_from(&self, position: u64) -> usize {
        // SAFETY: By the path's type invariant; the size may change at any time.
        let size = unsafe { core::ptr::read_volatile(&raw const (*self.path.inode()).i_size) };
        match size as u64 {
            0 => usize::MAX,
            size => size
                .saturating_sub(position)
                .try_into()
                .unwrap_or(usize::MAX),
        }
    }

    /// Fills `to` from the file's byte `position`; all of it, unless the file ends before.
    ///
    /// # Errors
    ///
    /// `EBADF` if not open for reading; the file system's, if nothing was read before.
    pub(crate) fn read(&self, position: u64, to: &mut IovIterDest<'_>) -> Result {
        self.has_mode(bindings::FMODE_READ)?;
        let mut position = i64::try_from(position).map_err(|_| EINVAL)?;
        let mut done = false;
        while !to.is_empty() {
            // What a file system leaves of an iterator is not to be trusted: those on netfs, read
            // without their cache, say how much they read and leave the iterator anywhere. So
            // they get a copy, and what was filled is what they say.
            // SAFETY: By the type invariant; the copy is of an iterator over kernel memory, which
            // owns nothing, and the memory is borrowed for longer than the call.
            let read = unsafe {
                let mut iter = to.as_raw().read();
                bindings::vfs_iter_read(self.as_ptr(), &mut iter, &mut position, 0)
            };
            match usize::try_from(read) {
                Ok(0) => break,
                Ok(read) if read > to.len() => return Err(EIO),
                Ok(read) => {
                    to.advance(read);
                    done = true;
                }
                Err(_) if done => break,
                Err(_) => return Err(Error::from_errno(read as c_int)),
            }
        }
        Ok(())
    }

    /// Writes `data` at the file's byte `position`, or at its end if it was opened so; gives the
    /// number of bytes and the position after them.
    ///
    /// # Errors
    ///
    /// `EBADF` if not open for writing; the file system's, if nothing was written before.
    pub(crate) fn write(
        &self,
        position: u64,
        data: &mut IovIterSource<'_>,
    ) -> Result<(usize, u64)> {
        self.has_mode(bindings::FMODE_WRITE)?;
        let mut position = i64::try_from(position).map_err(|_| EINVAL)?;
        let mut done = 0;
        while !data.is_empty() {
            // SAFETY: By the type invariant; a copy, for the reason that `read` gives.
            let written = unsafe {
                let mut iter = data.as_raw().read();
                bindings::vfs_iter_write(self.as_ptr(), &mut iter, &mut position, 0)
            };
            match usize::try_from(written) {
                Ok(0) => break,
                Ok(written) if written > data.len() => return Err(EIO),
                Ok(written) => {
                    data.advance(written);
                    done += written;
                }
                Err(_) if done > 0 => break,
                Err(_) => return Err(Error::from_errno(written as c_int)),
            }
        }
        Ok((done, position as u64))
    }

    /// Makes what was written last.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(crate) fn sync(&self, data_only: bool) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::vfs_fsync(self.as_ptr(), data_only.into()) })
    }

    /// Sets the size.
    ///
    /// # Errors
    ///
    /// Those of `ftruncate(2)`.
    pub(crate) fn truncate(&self, size: u64) -> Result {
        self.has_mode(bindings::FMODE_WRITE)?;
        let mut attr = bindings::iattr {
            ia_valid: bindings::ATTR_SIZE
                | bindings::ATTR_MTIME
                | bindings::ATTR_CTIME
                | bindings::ATTR_OPEN
                | bindings::ATTR_FILE,
            ia_size: i64::try_from(size).map_err(|_| EFBIG)?,
            ia_file: self.as_ptr(),
            ..Default::default()
        };
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::mnt_want_write_file(self.as_ptr()) })?;
        let done = self.path.notify_change(&mut attr);
        // SAFETY: Got above.
        unsafe { bindings::mnt_drop_write_file(self.as_ptr()) };
        done
    }

    /// Its attributes.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        self.path.attributes()
    }

    /// Changes attributes but the size.
    ///
    /// # Errors
    ///
    /// Those of `fchmod(2)` and its like.
    pub(crate) fn set_attributes(&self, changes: &AttributeChanges) -> Result {
        self.path.set_attributes(changes)
    }

    /// Gives the directory's entries from the position `from` on to `take` until it returns false
    /// or the directory ends; each with its name, inode number, type (`DT_*`) and own position.
    /// Returns the position to go on from.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a position that can't be; the file system's.
    pub(crate) fn entries<F>(&self, from: u64, take: &mut F) -> Result<u64>
    where
        F: FnMut(&[u8], u64, u8, u64) -> bool,
    {
        let from = i64::try_from(from).map_err(|_| EINVAL)?;
        // SAFETY: By the type invariant; nobody else uses the file's position.
        unsafe {
            let at = bindings::vfs_llseek(self.as_ptr(), from, bindings::SEEK_SET as c_int);
            if at < 0 {
                return Err(Error::from_errno(at as c_int));
            }
        }
        let mut reader = Reader {
            context: bindings::dir_context {
                actor: Some(Reader::<F>::actor),
                // As large as can be: the reader has its own idea of when it is full.
                count: c_int::MAX,
                ..Default::default()
            },
            take,
            seen: 0,
            full: false,
        };
        loop {
            reader.seen = 0;
            // SAFETY: By the type invariant; the context is the first member of a `Reader`, as the
            // actor expects.
            to_result(unsafe {
                bindings::iterate_dir(self.as_ptr(), core::ptr::from_mut(&mut reader).cast())
            })?;
            if reader.seen == 0 || reader.full {
                return Ok(reader.context.pos as u64);
            }
        }
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // Closed when this returns, not at some later time: whoever closed it at the other end may
        // look at once whether it is.
        // SAFETY: By the type invariant; kernel threads may do so.
        unsafe { bindings::__fput_sync(self.file.as_ptr()) };
    }
}

/// A `struct dir_context` on the receiving side.
#[repr(C)]
struct Reader<'a, F> {
    context: bindings::dir_context,
    take: &'a mut F,
    seen: usize,
    full: bool,
}

impl<F: FnMut(&[u8], u64, u8, u64) -> bool> Reader<'_, F> {
    /// VFS's `actor`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn actor(
        context: *mut bindings::dir_context,
        name: *const c_char,
        len: c_int,
        position: bindings::loff_t,
        ino: u64,
        kind: c_uint,
    ) -> bool {
        // SAFETY: `entries` gave the context to `iterate_dir`, and nobody else uses it; the name
        // has the length that is given.
        let (reader, name) = unsafe {
            (
                &mut *context.cast::<Self>(),
                core::slice::from_raw_parts(name.cast::<u8>(), len as usize),
            )
        };
        reader.seen += 1;
        if !(reader.take)(name, ino, kind as u8, position as u64) {
            reader.full = true;
        }
        !reader.full
    }
}
