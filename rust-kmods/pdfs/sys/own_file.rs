// SPDX-License-Identifier: GPL-2.0-only

//! Files of this node that the server has open.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

use super::attributes::{AttributeChanges, Attributes, S_IFREG};
use super::user_window::{self, UserWindow};
use super::{Path, WriteHow, WriteSync};

impl WriteSync {
    fn rwf(self) -> bindings::rwf_t {
        match self {
            Self::No => 0,
            Self::Data => bindings::RWF_DSYNC,
            Self::All => bindings::RWF_DSYNC | bindings::RWF_SYNC,
        }
    }
}

/// What became of a write.
pub(crate) struct Wrote {
    pub(crate) len: usize,
    /// The position after the bytes.
    pub(crate) end: u64,
    /// Why there are no more of them, if an error is why. The file system has told it, and will not
    /// do so again.
    pub(crate) stopped: Option<Error>,
}

/// An open file or directory of this node.
///
/// # Invariants
///
/// `file` is an open file of which this value holds the one reference, opened by `path`.
pub(crate) struct OwnFile {
    file: NonNull<bindings::file>,
    path: Path,
    /// Where the data go of a file that knows a program's memory only.
    window: Option<UserWindow>,
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
    /// To be emptied first.
    pub(crate) truncate: bool,
    /// Every write goes to the end.
    pub(crate) append: bool,
    /// Every write goes to the disk: `O_SYNC`, `O_DSYNC` or 0.
    pub(crate) sync: u32,
}

impl OpenFlags {
    /// As `O_*`, but for what is done to the file before it is open.
    pub(super) fn bits(self) -> u32 {
        let access = match (self.read, self.write) {
            (true, true) => bindings::O_RDWR,
            (false, true) => bindings::O_WRONLY,
            _ => bindings::O_RDONLY,
        };
        let append = if self.append { bindings::O_APPEND } else { 0 };
        bindings::O_LARGEFILE | access | append | self.sync
    }

    /// What the file's permissions have to allow: `MAY_*`.
    fn mask(self) -> u32 {
        let mut mask = bindings::MAY_OPEN;
        if self.execute {
            mask |= bindings::MAY_EXEC;
        } else if self.read {
            mask |= bindings::MAY_READ;
        }
        if self.write || self.truncate {
            mask |= bindings::MAY_WRITE;
        }
        if self.append {
            mask |= bindings::MAY_APPEND;
        }
        mask
    }
}

impl OwnFile {
    /// Opens the regular file at `path`, for whom the current task acts.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EPERM`, `EROFS`, `ETXTBSY` and the file system's.
    pub(crate) fn open(path: Path, flags: OpenFlags) -> Result<Self> {
        if flags.execute && path.is_noexec() {
            return Err(EACCES);
        }
        path.permission(flags.mask())?;
        // SAFETY: By the path's type invariant.
        let append_only = unsafe { (*path.inode()).i_flags } & bindings::S_APPEND != 0;
        if append_only && (flags.write && !flags.append || flags.truncate) {
            return Err(EPERM);
        }
        let file = Self::open_checked(path, flags.bits())?;
        if flags.truncate {
            file.empty(flags)?;
        }
        Ok(file)
    }

    /// Opens the file at `path` that was made just now, on behalf of whom the current task acts:
    /// its permissions don't matter yet.
    pub(super) fn open_made(path: Path, flags: OpenFlags) -> Result<Self> {
        Self::open_checked(path, flags.bits())
    }

    /// The file that VFS made at `path` and opened at once.
    ///
    /// # Errors
    ///
    /// That of `path`; `EEXIST` if the file is not open: it was there.
    ///
    /// # Safety
    ///
    /// `file` is a file of which nobody else has the reference, opened by `path` if it is open.
    pub(super) unsafe fn from_created(
        file: *mut bindings::file,
        path: Result<Path>,
    ) -> Result<Self> {
        let file = NonNull::new(file).ok_or(EIO)?;
        // SAFETY: By the safety requirement.
        let is_open = unsafe { file.as_ref() }.f_mode & bindings::FMODE_OPENED != 0;
        match path {
            // INVARIANT: By the safety requirement, and looked at just now.
            Ok(path) if is_open => Self {
                file,
                path,
                window: None,
            }
            .with_window(),
            path => {
                // SAFETY: By the safety requirement.
                unsafe { bindings::fput(file.as_ptr()) };
                Err(path.err().unwrap_or(EEXIST))
            }
        }
    }

    /// Opens the directory at `path` to read its entries, for whom the current task acts.
    ///
    /// # Errors
    ///
    /// `EACCES`, `ENOTDIR` and the file system's.
    pub(crate) fn open_directory(path: Path) -> Result<Self> {
        path.permission(bindings::MAY_OPEN | bindings::MAY_READ)?;
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
        Self {
            file: NonNull::new(file).ok_or(EIO)?,
            path,
            window: None,
        }
        .with_window()
    }

    /// Gives it a window if it can't do without.
    fn with_window(mut self) -> Result<Self> {
        if self.path.kind() != S_IFREG {
            return Ok(self);
        }
        let of_program = {
            let ops = self.ops();
            let reads = ops.read.is_some() && ops.read_iter.is_none();
            let writes = ops.write.is_some() && ops.write_iter.is_none();
            self.has_mode(bindings::FMODE_READ).is_ok() && reads
                || self.has_mode(bindings::FMODE_WRITE).is_ok() && writes
        };
        if of_program {
            self.window = Some(UserWindow::new()?);
        }
        if self.is_direct() {
            // A thread that waits in a file's own operations can't be called back: one that would
            // wait says so.
            // SAFETY: By the type invariant nobody else uses the file yet.
            unsafe { (*self.as_ptr()).f_flags |= bindings::O_NONBLOCK };
        }
        Ok(self)
    }

    fn ops(&self) -> &bindings::file_operations {
        // SAFETY: By the type invariant; an open file keeps its operations.
        unsafe { &*(*self.as_ptr()).f_op }
    }

    /// Whether there is no page cache behind the file: to read it is to call its maker, which may
    /// have effects, and its size says nothing.
    pub(crate) fn is_direct(&self) -> bool {
        let Some(splice_read) = self.ops().splice_read else {
            return true;
        };
        // Files that are made up as they are read have no pages (`empty_aops`), or have them for
        // form's sake like those of sysfs, but then nothing of them that could be spliced.
        let copies = core::ptr::fn_addr_eq(
            splice_read,
            bindings::copy_splice_read as unsafe extern "C" fn(_, _, _, _, _) -> _,
        );
        // SAFETY: By the path's type invariant; the operations of an inode's mapping stay.
        let pages = unsafe { (*(*self.path.inode()).i_mapping).a_ops };
        copies || core::ptr::eq(pages, &raw const bindings::empty_aops)
    }

    /// Whether its file system lets it be mapped, as far as can be told without doing so.
    pub(crate) fn can_be_mapped(&self) -> bool {
        let ops = self.ops();
        if ops.mmap.is_none() && ops.mmap_prepare.is_none() {
            return false;
        }
        // SAFETY: By the path's type invariant; neither changes while a file is open.
        let (pages, flags) = unsafe {
            let inode = self.path.inode();
            ((*(*inode).i_mapping).a_ops, (*(*inode).i_sb).s_iflags)
        };
        // The kernel's own file systems, from which nothing can be executed, have the operation for
        // some of their files, and refuse it for all others.
        let is_made_up = flags & bindings::SB_I_NOEXEC as c_ulong != 0
            || core::ptr::eq(pages, &raw const bindings::empty_aops);
        !(self.is_direct() && is_made_up)
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
        match self.size() {
            0 => usize::MAX,
            size => size
                .saturating_sub(position)
                .try_into()
                .unwrap_or(usize::MAX),
        }
    }

    /// Fills `to` from the file's byte `position`; all of it, unless the file ends before, or is a
    /// direct one, which is asked once.
    ///
    /// # Errors
    ///
    /// `EBADF` if not open for reading; the file system's, also behind bytes that were read, which
    /// would look like the file's end without it.
    pub(crate) fn read(&self, position: u64, to: &mut IovIterDest<'_>) -> Result {
        self.has_mode(bindings::FMODE_READ)?;
        let mut position = i64::try_from(position).map_err(|_| EINVAL)?;
        let once = self.is_direct();
        while !to.is_empty() {
            let read = self.read_once(&mut position, to)?;
            if read == 0 || once {
                break;
            }
        }
        Ok(())
    }

    fn read_once(&self, position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
        if self.ops().read_iter.is_none() {
            let window = self.window.as_ref().ok_or(EINVAL)?;
            // SAFETY: By the type invariant; the memory is the window's.
            let fill = |start, len| unsafe {
                from_count(bindings::vfs_read(self.as_ptr(), start, len, position))
            };
            return window.fill(to.len(), fill, |piece| {
                to.copy_to_iter(piece);
            });
        }
        // What a file system leaves of an iterator is not to be trusted: those on netfs, read
        // without their cache, say how much they read and leave the iterator anywhere. So they get
        // a copy, and what was filled is what they say.
        // SAFETY: By the type invariant; the copy is of an iterator over kernel memory, which owns
        // nothing, and the memory is borrowed for longer than the call.
        let read = from_count(unsafe {
            let mut iter = to.as_raw().read();
            bindings::vfs_iter_read(self.as_ptr(), &mut iter, position, 0)
        })?;
        if read > to.len() {
            return Err(EIO);
        }
        to.advance(read);
        Ok(read)
    }

    /// Writes `data` at the file's byte `position`, or at its end if `how` says so.
    ///
    /// # Errors
    ///
    /// `EBADF` if not open for writing; `EOPNOTSUPP` if the file can't do what `how` says; the
    /// file system's, if nothing was written before.
    pub(crate) fn write(
        &self,
        position: u64,
        how: WriteHow,
        data: &mut IovIterSource<'_>,
    ) -> Result<Wrote> {
        self.has_mode(bindings::FMODE_WRITE)?;
        self.set_append(how.append)?;
        let mut position = i64::try_from(position).map_err(|_| EINVAL)?;
        let mut done = 0;
        let mut stopped = None;
        while !data.is_empty() {
            let wanted = data.len();
            match self.write_once(&mut position, how, data) {
                Ok(0) => break,
                Ok(written) => {
                    done += written;
                    // Of a file that takes what it likes the rest is the writer's business.
                    if self.window.is_some() && written < wanted.min(user_window::SIZE) {
                        break;
                    }
                }
                Err(e) if done > 0 => {
                    stopped = Some(e);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Wrote {
            len: done,
            end: position as u64,
            stopped,
        })
    }

    /// Has it be written at its end, or not, from now on. It is done as by `fcntl(2)`, since not every
    /// file system passes on what a single write says.
    ///
    /// # Errors
    ///
    /// `EPERM` if nothing but its end may be written.
    fn set_append(&self, append: bool) -> Result {
        let file = self.as_ptr();
        // SAFETY: By the type invariant; nobody else has the file, so that nobody looks at its flags
        // meanwhile. An inode's flags may change at any time.
        unsafe {
            if ((*file).f_flags & bindings::O_APPEND != 0) == append {
                return Ok(());
            }
            let inode = (&raw const (*self.path.inode()).i_flags).read_volatile();
            if !append && inode & bindings::S_APPEND != 0 {
                return Err(EPERM);
            }
            (*file).f_flags ^= bindings::O_APPEND;
            (*file).f_iocb_flags &= !(bindings::IOCB_APPEND as c_uint);
            if append {
                (*file).f_iocb_flags |= bindings::IOCB_APPEND as c_uint;
            }
        }
        Ok(())
    }

    /// Bytes of the file, as it tells its size.
    pub(crate) fn size(&self) -> u64 {
        // SAFETY: By the path's type invariant; the size may change at any time.
        let size = unsafe { (&raw const (*self.path.inode()).i_size).read_volatile() };
        size as u64
    }

    fn write_once(
        &self,
        position: &mut i64,
        how: WriteHow,
        data: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        if self.ops().write_iter.is_none() {
            // SAFETY: By the type invariant; only this value's users look at the flags.
            let always = unsafe { (*self.as_ptr()).f_flags } & bindings::O_DSYNC != 0;
            if how.sync != WriteSync::No && !always {
                // As VFS has it: such a file is not told.
                return Err(EOPNOTSUPP);
            }
            let window = self.window.as_ref().ok_or(EINVAL)?;
            // SAFETY: By the type invariant; the memory is the window's.
            let drain = |start, len| unsafe {
                from_count(bindings::vfs_write(self.as_ptr(), start, len, position))
            };
            return window.drain(data.len(), |piece| data.copy_from_iter(piece), drain);
        }
        // SAFETY: By the type invariant; a copy, for the reason that `read_once` gives.
        let written = from_count(unsafe {
            let mut iter = data.as_raw().read();
            bindings::vfs_iter_write(self.as_ptr(), &mut iter, position, how.sync.rwf())
        })?;
        if written > data.len() {
            return Err(EIO);
        }
        data.advance(written);
        Ok(written)
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
        self.set_size(size)
    }

    /// Empties the file, as its opening asked for.
    fn empty(&self, flags: OpenFlags) -> Result {
        if flags.write {
            self.set_size(0)
        } else {
            // Nobody has seen to it yet that the file is not being executed, or leased.
            self.path.truncate(0)
        }
    }

    fn set_size(&self, size: u64) -> Result {
        // SAFETY: By the type invariant.
        let privileges =
            unsafe { bindings::setattr_should_drop_suidgid(self.path.idmap(), self.path.inode()) };
        let attr = bindings::iattr {
            // As ftruncate(2) does: what others wrote does not get the power of the file's owner.
            ia_valid: bindings::ATTR_SIZE
                | bindings::ATTR_MTIME
                | bindings::ATTR_CTIME
                | bindings::ATTR_OPEN
                | bindings::ATTR_FILE
                | bindings::ATTR_FORCE
                | bindings::ATTR_KILL_PRIV
                | privileges as c_uint,
            ia_size: i64::try_from(size).map_err(|_| EFBIG)?,
            ia_file: self.as_ptr(),
            ..Default::default()
        };
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::mnt_want_write_file(self.as_ptr()) })?;
        let done = self.path.notify_change(&attr);
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

/// A number of bytes, or a negative error number.
fn from_count(count: isize) -> Result<usize> {
    usize::try_from(count).map_err(|_| Error::from_errno(count as c_int))
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
