// SPDX-License-Identifier: GPL-2.0-only

//! The `dentry_operations` of our file system.

use kernel::bindings;
use kernel::prelude::*;

use super::{Dentry, FileSystem};

struct Table<T>(core::marker::PhantomData<T>);

/// The table for all dentries.
pub(super) fn table<T: FileSystem>() -> &'static bindings::dentry_operations {
    Table::<T>::TABLE
}

impl<T: FileSystem> Table<T> {
    const TABLE: &'static bindings::dentry_operations = &bindings::dentry_operations {
        d_revalidate: Some(Self::revalidate),
        ..pin_init::zeroed()
    };

    /// VFS's `revalidate`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn revalidate(
        _dir: *mut bindings::inode,
        _name: *const bindings::qstr,
        dentry: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        if flags & bindings::LOOKUP_RCU != 0 {
            // We will have to ask: come again when it is allowed to sleep.
            return ECHILD.to_errno();
        }
        // SAFETY: Outside of RCU walk VFS gives a referenced dentry of this file system.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        // That there was nothing is never taken on trust.
        let Some(inode) = dentry.inode() else {
            return 0;
        };
        kernel::error::from_result(|| T::revalidate(dentry, inode).map(c_int::from))
    }
}
