// SPDX-License-Identifier: GPL-2.0-only

//! Programs started by the kernel.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use podos_proto::codec::Creds;

use super::{credentials, StreamFile, StringList};

extern "C" {
    /// `setsid(2)`: declared in `linux/syscalls.h`, which is not bound for this one function.
    fn ksys_setsid() -> c_int;
}

/// How a program's process is set up.
pub(crate) trait Helper: Send + Sync {
    /// Called in the new process, before it becomes the program.
    ///
    /// # Errors
    ///
    /// Any: there will be no program, and [`run`] gives the error.
    fn prepare(&self, child: &mut Child<'_>) -> Result;
}

/// The new process, which is the current task.
///
/// # Invariants
///
/// `cred` is valid and not yet the task's; `info` is the helper's that this process runs for.
pub(crate) struct Child<'a> {
    cred: *mut bindings::cred,
    info: *mut bindings::subprocess_info,
    path: &'a UnsafeCell<KVec<u8>>,
}

/// What the process finds behind `subprocess_info.data`.
struct Run<'a> {
    helper: &'a dyn Helper,
    /// The program's path, null-terminated, if `prepare` set one.
    path: UnsafeCell<KVec<u8>>,
}

/// Runs a program and waits for its end: its wait status.
///
/// `argv[0]` is the program's path if [`Child::set_program`] does not set another one.
///
/// # Errors
///
/// Those of [`Helper::prepare`] and of `execve(2)`; `EINVAL` without arguments, `ENOMEM`.
pub(crate) fn run(argv: &StringList, envp: &StringList, helper: &dyn Helper) -> Result<i32> {
    let (mut argv, mut envp) = (argv.pointers()?, envp.pointers()?);
    let path = argv.first().copied().filter(|path| !path.is_null());
    let path = path.ok_or(EINVAL)?;
    let run = Run {
        helper,
        path: UnsafeCell::new(KVec::new()),
    };
    // SAFETY: The strings, the arrays and `run` outlive the process's start, for the call below
    // waits for the process's end.
    let info = unsafe {
        bindings::call_usermodehelper_setup(
            path,
            argv.as_mut_ptr(),
            envp.as_mut_ptr(),
            bindings::GFP_KERNEL,
            Some(prepare),
            None,
            (&raw const run).cast_mut().cast(),
        )
    };
    if info.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: `info` was set up above, and is freed by the call.
    let status =
        unsafe { bindings::call_usermodehelper_exec(info, bindings::UMH_WAIT_PROC as c_int) };
    to_result(status.min(0))?;
    Ok(status)
}

/// The init callback.
///
/// # Safety
///
/// Called by the usermode helper in the new process, with an `info` of [`run`].
unsafe extern "C" fn prepare(
    info: *mut bindings::subprocess_info,
    cred: *mut bindings::cred,
) -> c_int {
    // SAFETY: `run` waits, so its local variable is still there; nobody else but this process
    // uses its `path`.
    let run = unsafe { &*(*info).data.cast::<Run<'_>>() };
    // INVARIANT: By the safety requirement.
    let mut child = Child {
        cred,
        info,
        path: &run.path,
    };
    match run.helper.prepare(&mut child) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// How a path leads to something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Program,
    Directory,
}

impl Child<'_> {
    /// Makes the process a session and a group of its own.
    ///
    /// # Errors
    ///
    /// `EPERM` if it is one.
    pub(crate) fn new_session(&mut self) -> Result {
        // SAFETY: Plain FFI call, in a process that has one thread.
        to_result(unsafe { ksys_setsid() }.min(0))
    }

    /// Makes the process a user's.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are too many groups, `ENOMEM`.
    pub(crate) fn assume(&mut self, creds: &Creds) -> Result {
        // SAFETY: By the type invariant.
        unsafe { credentials::assume(self.cred, creds) }
    }

    /// Makes a stream the process's descriptor `fd`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn install(&mut self, fd: u32, file: &StreamFile) -> Result {
        file.install(fd)
    }

    /// Sets the working directory.
    ///
    /// # Errors
    ///
    /// Those of `chdir(2)`.
    pub(crate) fn change_directory(&mut self, path: &CStr) -> Result {
        let path = self.look_up(path, Wanted::Directory)?;
        // SAFETY: The current task has a file system context of its own, and `path` is valid.
        unsafe { bindings::set_fs_pwd((*bindings::get_current()).fs, &path.0) };
        Ok(())
    }

    /// Whether the process's user may run the file at `path`.
    ///
    /// # Errors
    ///
    /// `EACCES` if it is no file or not for this user to run, else those of looking it up.
    pub(crate) fn check_program(&mut self, path: &CStr) -> Result {
        self.look_up(path, Wanted::Program).map(drop)
    }

    /// Sets the path of the program to become.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn set_program(&mut self, path: &CStr) -> Result {
        let mut bytes = KVec::new();
        bytes.extend_from_slice(path.to_bytes_with_nul(), GFP_KERNEL)?;
        // SAFETY: This process alone uses the cell while `run` waits, and the pointer in `info`
        // is replaced together with what it may point to.
        unsafe {
            let place = &mut *self.path.get();
            *place = bytes;
            (*self.info).path = place.as_ptr().cast();
        }
        Ok(())
    }

    /// Walks a path as the process's user.
    fn look_up(&mut self, path: &CStr, wanted: Wanted) -> Result<Path> {
        let (flags, mask) = match wanted {
            Wanted::Program => (bindings::LOOKUP_FOLLOW, bindings::MAY_EXEC),
            Wanted::Directory => (
                bindings::LOOKUP_FOLLOW | bindings::LOOKUP_DIRECTORY,
                bindings::MAY_EXEC | bindings::MAY_CHDIR,
            ),
        };
        let _user = AsUser::new(self.cred);
        let mut found = MaybeUninit::<bindings::path>::uninit();
        // SAFETY: `path` is null-terminated, and `found` valid for writes.
        to_result(unsafe { bindings::kern_path(path.as_char_ptr(), flags, found.as_mut_ptr()) })?;
        // SAFETY: `kern_path` succeeded, so it filled `found` in. INVARIANT: And gave a reference.
        let found = Path(unsafe { found.assume_init() });
        // SAFETY: The path is valid by `Path`'s invariant, and leads to an inode.
        unsafe {
            to_result(bindings::path_permission(&found.0, mask as c_int))?;
            let mode = u32::from((*(*found.0.dentry).d_inode).i_mode);
            if wanted == Wanted::Program && mode & bindings::S_IFMT != bindings::S_IFREG {
                return Err(EACCES);
            }
        }
        Ok(found)
    }
}

/// A `struct path`.
///
/// # Invariants
///
/// `0` is valid, leads to an inode, and this value holds its references.
struct Path(bindings::path);

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::path_put(&self.0) };
    }
}

/// Lets the current task act with credentials that are being prepared.
///
/// # Invariants
///
/// `previous` are the task's own.
struct AsUser {
    previous: *const bindings::cred,
}

impl AsUser {
    fn new(cred: *mut bindings::cred) -> Self {
        // SAFETY: `Child`'s `cred` is valid for longer than this value, which is dropped before
        // the callback returns.
        let previous = unsafe { bindings::override_creds(cred) };
        Self { previous }
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::revert_creds(self.previous) };
    }
}
