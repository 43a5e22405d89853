// SPDX-License-Identifier: GPL-2.0-only

//! Files that are streams: at the active end the opened node directory, at the passive end the
//! standard streams of a program.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::ForeignOwnable;
use podos_proto::HostId;
use podos_sys::{stream_operations, Stream};

/// A file inside its `open` operation.
///
/// # Invariants
///
/// `0` is valid, its `open` operation is running, has not set its private data, and will succeed
/// exactly if the function does that was given this value.
pub(crate) struct OpeningFile(*mut bindings::file);

/// What PDFS calls when a node's root is opened with `O_GIPC`.
pub(crate) fn open_root(
    host: HostId,
    file: *mut bindings::file,
    program_at_caller: bool,
) -> Result {
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
    let operations = stream_operations::<S>();
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
                stream_operations::<S>(),
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
