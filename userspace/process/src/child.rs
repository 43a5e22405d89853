// SPDX-License-Identifier: MIT OR Apache-2.0

//! New processes, made so that their parent never waits for what may hang: neither for an exec of a
//! file on a dead node, nor for an exit status.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::Pid;

use crate::signals;

/// A child on its way to a program.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id, in use until the reaper takes its status.
    pub pid: Pid,
    /// Where it says why it could not become the program.
    failure: File,
}

impl Spawned {
    /// Why the child could not become the program; `None` if it did. Waits for the answer, which is
    /// there at the latest when the child has ended.
    pub fn failure(&mut self) -> Option<i32> {
        let mut errno = [0; 4];
        // The pipe closes by the exec, or by the child's end.
        let failed = self.failure.read_exact(&mut errno).is_ok();
        failed.then(|| i32::from_ne_bytes(errno))
    }
}

/// Starts `command` in a child, which calls `prepare` first.
pub fn spawn(
    mut command: Command,
    prepare: impl FnOnce() -> io::Result<()>,
) -> io::Result<Spawned> {
    let (failure, report) = pipe_with(PipeFlags::CLOEXEC)?;
    let pid = fork(move || {
        let error = match prepare() {
            Ok(()) => command.exec(),
            Err(error) => error,
        };
        let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
        // When the parent is not there to hear it, there is nothing left to say.
        let _ = rustix::io::write(&report, &errno.to_ne_bytes());
        127
    })?;
    Ok(Spawned {
        pid,
        failure: failure.into(),
    })
}

/// Runs `work` in a child that leaves its parent's files open; what it gives is the child's exit
/// status. The calling process has one thread.
pub fn fork(work: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the process has one thread, so the child is a whole copy of it, and whatever runs in it
    // may allocate and lock. (Tests have more threads: there it is glibc that makes its allocator
    // and standard I/O usable in the child, and the children use nothing else that locks.) The
    // child ends in _exit and never returns into the parent's frames.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = match signals::unblock_all() {
                Ok(()) => work(),
                Err(_) => 127,
            };
            // SAFETY: _exit ends the process at once and touches nothing of it.
            unsafe { libc::_exit(i32::from(status)) }
        }
        pid => Ok(Pid::from_raw(pid).expect("fork gives the parent a positive number")),
    }
}

/// Closes all files but the standard three and `keep`. For children that stay what they are: they
/// would hold other commands' pipes open.
pub fn close_all_but(keep: &OwnedFd) {
    let keep = keep.as_raw_fd() as libc::c_uint;
    for (first, last) in [(3, keep.saturating_sub(1)), (keep + 1, libc::c_uint::MAX)] {
        if first <= last {
            // SAFETY: only called in a forked child before it opens anything; the owners of what is
            // closed live on the frames that _exit abandons, so none of them is used or dropped.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Sends `signal` to the process group that `leader` leads or led. The leader must not have been
/// reaped, or the number may be another group's by now.
pub fn signal_group(leader: Pid, signal: i32) {
    // SAFETY: kill takes two numbers and touches no memory. It fails for a group that has ended and
    // for a signal that there is not; both are no news to the caller.
    unsafe { libc::kill(-leader.as_raw_nonzero().get(), signal) };
}
