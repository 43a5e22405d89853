// SPDX-License-Identifier: GPL-2.0-only

//! Files that are streams: the `file_operations` of what is read, written and polled.

use core::marker::PhantomData;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::module::this_module;
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::types::ForeignOwnable;
use kernel::{bindings, ffi, ModuleMetadata};

use crate::WaitQueue;

/// What a stream's file does. Context: process, may sleep.
pub trait Stream: Send + Sync + 'static {
    /// The module that its files keep loaded.
    type Owner: ModuleMetadata;

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
pub struct Poller {
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
}

impl Poller {
    /// Data can be read.
    pub const IN: u32 = 0x0001 | 0x0040;
    /// Data can be written.
    pub const OUT: u32 = 0x0004 | 0x0100;
    /// Something broke.
    pub const ERR: u32 = 0x0008;
    /// The other end is gone.
    pub const HUP: u32 = 0x0010;

    /// Has the poll woken by `queue`, which belongs to the polled stream.
    pub fn wait_on(&self, queue: &WaitQueue) {
        // SAFETY: By the type invariant. The queue is part of the stream that the file owns, and
        // whoever polls holds the file, or (epoll) is removed before its release.
        unsafe { bindings::poll_wait(self.file, queue.as_ptr(), self.table) }
    }
}

/// The file operations of an `S`.
///
/// A file that has them owns, in its private data, an `Arc<S>` as [`ForeignOwnable::into_foreign`]
/// gave it. Whoever makes such a file puts it there before anybody can use the file.
pub const fn stream_operations<S: Stream>() -> &'static bindings::file_operations {
    &Operations::<S>::TABLE
}

struct Operations<S>(PhantomData<S>);

impl<S: Stream> Operations<S> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<S::Owner>().as_ptr(),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` has these operations and is not released during `'a`.
    unsafe fn stream<'a>(file: *mut bindings::file) -> ArcBorrow<'a, S> {
        // SAFETY: Files with these operations own an `Arc<S>` in their private data until
        // `release`, says `stream_operations`.
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
