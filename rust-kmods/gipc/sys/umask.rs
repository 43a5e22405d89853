// SPDX-License-Identifier: GPL-2.0-only

//! The permission bits that new files do not get.

use core::ptr;
use kernel::bindings;

/// The current task's umask.
pub(crate) fn of_caller() -> u32 {
    // SAFETY: The current task has a file system context as long as it runs. Who shares it may
    // change the umask at any time: to `umask(2)`, too, it is one word.
    let umask = unsafe {
        let fs = (*bindings::get_current()).fs;
        ptr::read_volatile(&raw const (*fs).umask)
    };
    (umask as u32) & 0o777
}
