// SPDX-License-Identifier: GPL-2.0-only

//! The current task.

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

/// Whether this is a kernel thread, and not a program in a system call.
pub(crate) fn is_kernel_thread() -> bool {
    // SAFETY: A task may look at its own flags.
    unsafe { (*bindings::get_current()).flags & bindings::PF_KTHREAD != 0 }
}

/// Gives the current kernel thread a umask of its own, and sets it to nothing: who asks has taken
/// its own umask off already.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn clear_umask() -> Result {
    // SAFETY: The call is for the current task; after it nobody shares its `fs_struct`.
    unsafe {
        to_result(bindings::unshare_fs_struct())?;
        (*(*bindings::get_current()).fs).umask = 0;
    }
    Ok(())
}
