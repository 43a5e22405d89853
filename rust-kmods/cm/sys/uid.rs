// SPDX-License-Identifier: GPL-2.0-only

//! Whom the current task's doings are accounted to.

use kernel::bindings;

/// The user of the current task, as process limits count: its real user id. Kernel threads are
/// root's.
pub(crate) fn caller_uid() -> u32 {
    // SAFETY: The current task is valid, and its own credentials stay as they are while it looks at
    // them.
    unsafe { (*(*bindings::get_current()).cred).uid.val }
}
