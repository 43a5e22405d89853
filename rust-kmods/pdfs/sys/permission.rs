// SPDX-License-Identifier: GPL-2.0-only

//! VFS's check whether something may be done with an inode of ours.

use kernel::bindings;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;

use super::attributes::{S_IFDIR, S_IFLNK, S_IFREG};
use super::{FileSystem, Inode};

/// VFS's `permission`: what the file's mode says, unless [`FileSystem::refused`] says no, as a mount
/// does that is read-only or `noexec`.
///
/// # Safety
///
/// Called by VFS only, with what it says for this operation.
pub(super) unsafe extern "C" fn check<T: FileSystem>(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    mask: c_int,
) -> c_int {
    let asks = |what: u32| mask as u32 & what != 0;
    // SAFETY: VFS gives an inode that is not freed before the call returns.
    let kind = unsafe { (*inode).i_mode } & bindings::S_IFMT as u16;
    let change = asks(bindings::MAY_WRITE) && matches!(kind, S_IFREG | S_IFDIR | S_IFLNK);
    let execute = asks(bindings::MAY_EXEC) && kind == S_IFREG;
    from_result(|| {
        if change || execute {
            if asks(bindings::MAY_NOT_BLOCK) {
                // RCU walk: the node is not there as long as the inode.
                return Err(ECHILD);
            }
            // SAFETY: Outside of RCU walk VFS gives a referenced inode of this file system.
            let refused = T::refused(unsafe { Inode::<T>::from_raw(inode) });
            if change && refused.changes {
                return Err(EROFS);
            }
            if execute && refused.execution {
                return Err(EACCES);
            }
        }
        // SAFETY: Passed on as it came.
        to_result(unsafe { bindings::generic_permission(idmap, inode, mask) })?;
        Ok(0)
    })
}
