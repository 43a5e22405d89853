// SPDX-License-Identifier: GPL-2.0-only

//! Changes that have to wait until somebody else gives up the file: until a delegation of nfsd's is
//! returned.

use core::ptr;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

/// Makes a change that VFS refuses while the file, or its directory, is delegated: the change tells
/// by the pointer that it is given to whom, and is made again when that one has let go.
///
/// `change` must hold no lock when it returns.
pub(super) fn with_deleg_broken<T>(
    mut change: impl FnMut(*mut bindings::delegated_inode) -> Result<T>,
) -> Result<T> {
    loop {
        let mut delegated = bindings::delegated_inode {
            di_inode: ptr::null_mut(),
        };
        let done = change(&mut delegated);
        if delegated.di_inode.is_null() {
            return done;
        }
        // SAFETY: VFS put an inode there, with the references that the call gives back.
        to_result(unsafe { bindings::break_deleg_wait(&mut delegated) })?;
    }
}
