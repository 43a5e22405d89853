// SPDX-License-Identifier: GPL-2.0-only

//! Process ids that signals are sent to.

use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::{bindings, error::to_result};

/// A `struct pid`: names one process for ever, also when its number is used again.
///
/// # Invariants
///
/// `0` is valid, and this value holds a reference to it.
pub(crate) struct Pid(NonNull<bindings::pid>);

// SAFETY: A `struct pid` is reference-counted and has locks of its own.
unsafe impl Send for Pid {}
// SAFETY: As above.
unsafe impl Sync for Pid {}

impl Pid {
    /// The current task's.
    pub(crate) fn current() -> Result<Self> {
        // SAFETY: The current task is valid and has a pid as long as it runs.
        let pid = unsafe { bindings::get_pid(bindings::task_pid(bindings::get_current())) };
        // INVARIANT: `get_pid` took a reference.
        NonNull::new(pid).map(Self).ok_or(ESRCH)
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    ///
    /// `ESRCH` if it has ended, `EINVAL` if there is no such signal.
    pub(crate) fn signal(&self, signal: i32) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::kill_pid(self.0.as_ptr(), signal, FROM_KERNEL) })
    }

    /// Sends a signal to all processes of the group that it led.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there are none left, `EINVAL` if there is no such signal.
    pub(crate) fn signal_group(&self, signal: i32) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::kill_pgrp(self.0.as_ptr(), signal, FROM_KERNEL) })
    }
}

/// No process of this node is the sender.
const FROM_KERNEL: c_int = 1;

impl Drop for Pid {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}
