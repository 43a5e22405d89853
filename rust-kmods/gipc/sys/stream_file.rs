// SPDX-License-Identifier: GPL-2.0-only

//! Files that are streams: at the active end the opened node directory, at the passive end the
//! standard streams of a program.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, to_result};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::module::this_module;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::types::ForeignOwnable;
use kernel::{bindings, ffi};
use podos_cm::sys::WaitQueue;

use crate::Gipc;

/// What a stream's file does. Context: process, may sleep.
pub(crate) trait Stream: Send + Sync + 'static {
    /// The name in /proc/PID/fd.
    const NAME: &'static CStr;

    /// `read(2)`; without `block` it gives `EAGAIN` instead of waiting.
    fn read(&self, to: &mut IovIterDest<'_>, block: bool) -> Result<usize> {
        let _ = (to, block);
        Err(EBADF)
    }

    /// `write(2)`; without `block` it gives `EAGAIN` instead of waiting.
    fn write(&self, from: &mut IovIterSource<'_>, block: bool) -> Result<usize> {
        let _ = (from, block);
        Err(EBADF)
    }

    /// `poll(2)`: registers with `poller`, and gives the events that are there.
    fn poll(&self, poller: &Poller) -> u32;

    /// `ioctl(2)`.
    fn ioctl(&self, command: u32, argument: usize) -> Result<isize> {
        let _ = (command, argument);
        Err(ENOTTY)
    }

    /// The last descriptor was closed.
    fn release(&self);
}

/// A `poll(2)` that wants to know what to wait for.
///
/// # Invariants
///
/// Both pointers are those that the file's `poll` was called with, and that call lasts.
pub(crate) struct Poller {
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
}

impl Poller {
    /// Data can be read.
    pub(crate) const IN: u32 = 0x0001 | 0x0040;
    /// Data can be written.
    pub(crate) const OUT: u32 = 0x0004 | 0x0100;
    /// Something broke.
    pub(crate) const ERR: u32 = 0x0008;
    /// The other end is gone.
    pub(crate) const HUP: u32 = 0x0010;

    /// Has the poll woken by `queue`, which belongs to the polled stream.
    pub(crate) fn wait_on(&self, queue: &WaitQueue) {
        // SAFETY: By the type invariant. The queue is part of the stream that the file owns, and
        // whoever polls holds the file, or (epoll) is removed before its release.
        unsafe { bindings::poll_wait(self.file, queue.as_ptr(), self.table) }
    }
}

/// The file operations of an `S`.
struct Operations<S>(PhantomData<S>);

impl<S: Stream> Operations<S> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<Gipc>().as_ptr(),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const fn table() -> &'static bindings::file_operations {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// `file` has these operations and is not released during `'a`.
    unsafe fn stream<'a>(file: *mut bindings::file) -> ArcBorrow<'a, S> {
        // SAFETY: Files with these operations own an `Arc<S>` in their private data, from `adopt`
        // or `StreamFile::new`, until `release`.
        unsafe { <Arc<S> as ForeignOwnable>::borrow((*file).private_data) }
    }

    /// # Safety
    ///
    /// `kiocb` is one of a file with these operations.
    unsafe fn may_block(kiocb: *mut bindings::kiocb) -> bool {
        // SAFETY: By the safety requirement.
        unsafe { (*(*kiocb).ki_filp).f_flags & bindings::O_NONBLOCK == 0 }
    }

    /// # Safety
    ///
    /// Called by VFS for a file with these operations, with valid arguments.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let (stream, block) = unsafe { (Self::stream((*kiocb).ki_filp), Self::may_block(kiocb)) };
        // SAFETY: VFS gives a valid iterator to write to, for this call alone.
        let to = unsafe { IovIterDest::from_raw(iter) };
        give(stream.read(to, block))
    }

    /// # Safety
    ///
    /// Called by VFS for a file with these operations, with valid arguments.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let (stream, block) = unsafe { (Self::stream((*kiocb).ki_filp), Self::may_block(kiocb)) };
        // SAFETY: VFS gives a valid iterator to read from, for this call alone.
        let from = unsafe { IovIterSource::from_raw(iter) };
        give(stream.write(from, block))
    }

    /// # Safety
    ///
    /// Called by VFS for a file with these operations, with valid arguments.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: By the safety requirement.
        let stream = unsafe { Self::stream(file) };
        // INVARIANT: They are this call's.
        stream.poll(&Poller { file, table })
    }

    /// # Safety
    ///
    /// Called by VFS for a file with these operations, with valid arguments.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: ffi::c_uint,
        argument: ffi::c_ulong,
    ) -> ffi::c_long {
        // SAFETY: By the safety requirement.
        let stream = unsafe { Self::stream(file) };
        match stream.ioctl(command, argument) {
            Ok(value) => value,
            Err(e) => e.to_errno() as ffi::c_long,
        }
    }

    /// # Safety
    ///
    /// Called by VFS for a file with these operations, once and last.
    unsafe extern "C" fn release(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> ffi::c_int {
        // SAFETY: By the safety requirement nobody uses any more what the file owns.
        let stream = unsafe { <Arc<S> as ForeignOwnable>::from_foreign((*file).private_data) };
        stream.release();
        0
    }
}

fn give(result: Result<usize>) -> isize {
    match result {
        Ok(len) => len as isize,
        Err(e) => e.to_errno() as isize,
    }
}

/// A file inside its `open` operation.
///
/// # Invariants
///
/// `0` is valid, its `open` operation is running, has not set its private data, and will succeed
/// exactly if the function does that was given this value.
pub(crate) struct OpeningFile(*mut bindings::file);

/// What PDFS calls when a node's root is opened with `O_GIPC`.
pub(crate) fn open_root(host: u32, file: *mut bindings::file, program_at_caller: bool) -> Result {
    // INVARIANT: PDFS calls this inside the file's `open`, and gives that our result.
    crate::active::open(host, OpeningFile(file), program_at_caller)
}

/// Makes a file that is being opened the given stream's (the paper's section 5.3.1: the open
/// replaces the file operations).
///
/// # Errors
///
/// `ENODEV` while the module is being unloaded; the open must fail then too.
pub(crate) fn adopt<S: Stream>(file: OpeningFile, stream: Arc<S>) -> Result {
    let operations = Operations::<S>::table();
    // SAFETY: A module's own pointer is valid.
    if !unsafe { bindings::try_module_get(operations.owner) } {
        return Err(ENODEV);
    }
    let OpeningFile(file) = file;
    // SAFETY: By `OpeningFile`'s invariant the file is valid and ours, has operations whose
    // module it holds and no private data yet, and will be released with the new ones, whose
    // module was taken above.
    unsafe {
        bindings::module_put((*(*file).f_op).owner);
        (*file).f_op = operations;
        (*file).private_data = stream.into_foreign();
        // A stream has no position, and no lock for one: a read that waits must not hold up a
        // write.
        bindings::stream_open((*file).f_inode, file);
    }
    Ok(())
}

/// Whether a stream is read or written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read.
    Read,
    /// Written.
    Write,
}

/// A reference to an open file without a name, which is a stream.
///
/// # Invariants
///
/// `0` is a valid file of which this value holds a reference.
pub(crate) struct StreamFile(NonNull<bindings::file>);

// SAFETY: Files are reference-counted and made to be shared.
unsafe impl Send for StreamFile {}
// SAFETY: As above.
unsafe impl Sync for StreamFile {}

impl StreamFile {
    /// A new file.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`.
    pub(crate) fn new<S: Stream>(stream: Arc<S>, mode: Mode) -> Result<Self> {
        let flags = match mode {
            Mode::Read => bindings::O_RDONLY,
            Mode::Write => bindings::O_WRONLY,
        };
        let private = stream.into_foreign();
        // SAFETY: The name and the operations are static; the private data is what they expect.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(
                S::NAME.as_char_ptr(),
                Operations::<S>::table(),
                private,
                flags as c_int,
            )
        });
        match file.and_then(|file| NonNull::new(file).ok_or(ENOMEM)) {
            // INVARIANT: The reference to the new file is ours.
            Ok(file) => Ok(Self(file)),
            Err(e) => {
                // SAFETY: There is no file that took it over.
                drop(unsafe { Arc::<S>::from_foreign(private) });
                Err(e)
            }
        }
    }

    /// Makes the file the current task's descriptor `fd`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EMFILE`.
    pub(super) fn install(&self, fd: u32) -> Result {
        // SAFETY: By the type invariant; the descriptor takes a reference of its own.
        let result = unsafe { bindings::replace_fd(fd, self.0.as_ptr(), 0) };
        to_result(result.min(0))
    }
}

impl Drop for StreamFile {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::fput(self.0.as_ptr()) };
    }
}

/// What a write to a stream without a reader does to the writer, beside `EPIPE`.
pub(crate) fn raise_sigpipe() {
    // SAFETY: The current task is valid.
    unsafe { bindings::send_sig(bindings::SIGPIPE as c_int, bindings::get_current(), 0) };
}
