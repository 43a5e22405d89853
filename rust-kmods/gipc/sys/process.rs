// SPDX-License-Identifier: GPL-2.0-only

//! Processes that become programs.
//!
//! Each is the child of a thread of this module that waits for its end. The kernel's usermode
//! helpers are children of a worker of the unbound workqueue; those workers are few and shared by
//! everybody, and a program may run for months.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use podos_proto::gipc::{Limit, ProcessCreds, LIMITS};

use super::{credentials, limits, StreamFile, StringList};

extern "C" {
    /// `setsid(2)`: declared in `linux/syscalls.h`, which is not bound for this one function.
    fn ksys_setsid() -> c_int;
}

/// How a program's process is set up.
pub(crate) trait Setup: Sync {
    /// Called in the new process, before it becomes the program.
    ///
    /// # Errors
    ///
    /// Any: there will be no program, and [`run`] gives the error.
    fn prepare(&self, child: &mut Child) -> Result;
}

/// The new process, which is the current task.
///
/// # Invariants
///
/// `cred` is valid, this value holds the reference to it, and it is no task's.
pub(crate) struct Child {
    cred: *mut bindings::cred,
    program: KVec<u8>,
}

/// What the new process is told, and tells.
struct Start<'a> {
    argv: &'a [*mut c_char],
    envp: &'a [*mut c_char],
    setup: &'a dyn Setup,
    /// Why there is no program; the process's alone until it has ended.
    failure: UnsafeCell<Option<Error>>,
}

/// Runs a program in a process under the given limits, and waits for its end: its wait status.
///
/// Called in a kernel thread that does nothing else: the limits become its own.
///
/// # Errors
///
/// Those of [`Setup::prepare`] and of `execve(2)`, and those of `fork(2)`; `EINVAL` without
/// arguments, `ENOMEM`.
pub(crate) fn run(
    argv: &StringList,
    envp: &StringList,
    limits: &[Limit; LIMITS],
    setup: &dyn Setup,
) -> Result<i32> {
    let (argv, envp) = (argv.pointers()?, envp.pointers()?);
    if argv.first().is_none_or(|first| first.is_null()) {
        return Err(EINVAL);
    }
    let start = Start {
        argv: &argv,
        envp: &envp,
        setup,
        failure: UnsafeCell::new(None),
    };
    // They are the child's from its first moment, so that its timers go by them.
    limits::set_own(limits);
    // SAFETY: Plain FFI call; the default of this signal is to do nothing. A parent that ignores
    // it, as kernel threads do, is not told how its children end.
    unsafe { bindings::kernel_sigaction(bindings::SIGCHLD as c_int, None) };
    // SAFETY: `start` stays where it is until the process has ended: the loop below does not end
    // before.
    let pid = unsafe {
        bindings::user_mode_thread(
            Some(become_program),
            (&raw const start).cast_mut().cast(),
            bindings::SIGCHLD as c_ulong,
        )
    };
    to_result(pid.min(0))?;
    let mut status = 0;
    // SAFETY: Plain FFI call. An error would mean that there is no such child any more, but for
    // this one: nothing signals this thread, but whatever did must not have it leave early.
    while unsafe { bindings::kernel_wait(pid, &mut status) } == ERESTARTSYS.to_errno() {}
    match start.failure.into_inner() {
        Some(error) => Err(error),
        None => Ok(status),
    }
}

/// The new process's function. It returns into the program.
///
/// # Safety
///
/// Called by [`run`], which waits for the end of this process, with its `Start`.
unsafe extern "C" fn become_program(start: *mut c_void) -> c_int {
    // SAFETY: By the safety requirement it lives as long as this process.
    let start = unsafe { &*start.cast::<Start<'_>>() };
    if let Err(error) = start.enter() {
        // A signal that ends it may be why it did not become the program: then it is the signal that
        // ended it.
        if !is_ending() {
            // SAFETY: Nobody else looks at it before this process has ended.
            unsafe { *start.failure.get() = Some(error) };
        }
        // SAFETY: A process may end at any time; nothing is left here that is to be dropped.
        unsafe { bindings::do_exit(0) };
    }
    0
}

/// Whether a signal, or another thread, has ended the current task's process.
fn is_ending() -> bool {
    // SAFETY: The current task has its signals' state as long as it runs; the flags are one word, and
    // read once.
    let flags = unsafe {
        let signals = (*bindings::get_current()).signal;
        (&raw const (*signals).flags).read_volatile()
    };
    flags & bindings::SIGNAL_GROUP_EXIT != 0
}

impl Start<'_> {
    /// Becomes the program: this process is it when this returns.
    fn enter(&self) -> Result {
        // SAFETY: The task is this process's only thread. A kernel thread's child ignores signals,
        // which the program would inherit.
        unsafe {
            let current = bindings::get_current();
            let lock = &raw mut (*(*current).sighand).siglock;
            bindings::spin_lock_irq_disable(lock);
            bindings::flush_signal_handlers(current, 1);
            bindings::spin_unlock_irq_enable(lock);
        }
        let mut child = Child::new()?;
        self.setup.prepare(&mut child)?;
        let program = child.commit();
        // SAFETY: The path and the strings are null-terminated, the arrays end with a null pointer,
        // and all of them stay until this process's parent knows of its end.
        to_result(unsafe {
            bindings::kernel_execve(
                program.as_ptr().cast(),
                self.argv.as_ptr().cast(),
                self.envp.as_ptr().cast(),
            )
        })
    }
}

/// How a path leads to something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Program,
    Directory,
}

impl Child {
    /// A process with credentials of the kernel's, which are to be changed.
    fn new() -> Result<Self> {
        // SAFETY: The current task is valid. INVARIANT: The reference is ours alone.
        let cred = unsafe { bindings::prepare_kernel_cred(bindings::get_current()) };
        if cred.is_null() {
            return Err(ENOMEM);
        }
        Ok(Self {
            cred,
            program: KVec::new(),
        })
    }

    /// Makes the credentials the process's own; the program's path.
    fn commit(mut self) -> KVec<u8> {
        let program = core::mem::take(&mut self.program);
        // SAFETY: By the type invariant; the call takes the reference over, and `self` is not
        // dropped. The task acts with its own credentials: every `AsUser` is gone.
        unsafe { bindings::commit_creds(self.cred) };
        core::mem::forget(self);
        program
    }

    /// Makes the process a session and a group of its own.
    ///
    /// # Errors
    ///
    /// `EPERM` if it is one.
    pub(crate) fn new_session(&mut self) -> Result {
        // SAFETY: Plain FFI call, in a process that has one thread.
        to_result(unsafe { ksys_setsid() }.min(0))
    }

    /// Makes the process what its caller is, in a place where no more is gained than there.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the user runs as many processes as it may, `EINVAL` if there are too many
    /// groups, `ENOMEM`.
    pub(crate) fn assume(&mut self, creds: &ProcessCreds) -> Result {
        // SAFETY: By the type invariant.
        unsafe { credentials::assume(self.cred, creds)? };
        if creds.flags.get() & ProcessCreds::NO_NEW_PRIVS != 0 {
            // SAFETY: The current task is valid.
            unsafe { bindings::task_set_no_new_privs(bindings::get_current()) };
        }
        Ok(())
    }

    /// Sets which permission bits files that the process makes do not get.
    pub(crate) fn set_umask(&mut self, umask: u32) {
        // SAFETY: The current task has a file system context of its own, and its only thread is
        // here.
        unsafe { (*(*bindings::get_current()).fs).umask = (umask & 0o777) as c_int };
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
        self.program.clear();
        self.program
            .extend_from_slice(path.to_bytes_with_nul(), GFP_KERNEL)?;
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

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::abort_creds(self.cred) };
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
        // the child is.
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
