// SPDX-License-Identifier: MIT OR Apache-2.0

//! Children, signals and descriptors, for programs with one thread that wait for everything at once
//! and never for one thing alone: process 1, and services that must not hang.

pub mod child;
mod exit;
pub mod reaper;
pub mod signals;
pub mod watch;

pub use exit::Exit;

/// What programs find in their environment, unless told otherwise.
pub const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")];

/// Lets this process, but none of its children, run before all ordinary ones: it is asked things
/// when the node is busy.
pub fn take_precedence() -> std::io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters are read during the call only; 0 is the calling process.
    match unsafe { libc::sched_setscheduler(0, policy, &parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
