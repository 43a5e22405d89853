// SPDX-License-Identifier: GPL-2.0-only

//! New descriptors of the current process.

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::ForeignOwnable;
use podos_sys::{stream_operations, Stream};

/// Opens a file without a name that is `stream`, close-on-exec; its descriptor.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`, `ENOMEM`.
pub(crate) fn new_descriptor<S: Stream>(stream: Arc<S>) -> Result<c_int> {
    let private = stream.into_foreign();
    // SAFETY: The name and the operations are static; the private data is what they expect.
    let fd = unsafe {
        bindings::anon_inode_getfd(
            S::NAME.as_char_ptr(),
            stream_operations::<S>(),
            private,
            (bindings::O_RDWR | bindings::O_CLOEXEC) as c_int,
        )
    };
    if fd < 0 {
        // SAFETY: There is no file that took it over.
        drop(unsafe { Arc::<S>::from_foreign(private) });
        return Err(Error::from_errno(fd));
    }
    Ok(fd)
}
