// SPDX-License-Identifier: GPL-2.0-only

//! The user to whom the current task is accounted.

use kernel::bindings;
use podos_proto::share::ROOT;

/// The user of the current task, as process limits count: its real user id, whomever it acts for at
/// the moment, as in a file system that lies over ours. Kernel threads are root's.
///
/// Inside of a user namespace it is who made the outermost one: a user may have thousands of ids
/// there. Ids in a namespace that root made count by themselves.
pub(crate) fn caller_uid() -> u32 {
    // SAFETY: The current task is valid, and its own credentials stay as they are while it looks at
    // them. They hold their user namespace, which holds those that it is in; what is read of
    // these never changes.
    unsafe {
        let cred = &*(*bindings::get_current()).real_cred;
        let mut namespace = cred.user_ns;
        while (*namespace).level > 1 {
            namespace = (*namespace).parent;
        }
        match (*namespace).owner.val {
            owner if (*namespace).level == 1 && owner != ROOT => owner,
            _ => cred.uid.val,
        }
    }
}
