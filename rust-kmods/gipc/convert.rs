// SPDX-License-Identifier: GPL-2.0-only

//! From what another node tells to what this node's programs are told.

use kernel::prelude::*;

/// The first of the error numbers that mean something inside the kernel only, from `ERESTARTSYS` on.
const INTERNAL: i32 = 512;

/// An error as a program may see it: none that has it call again, or that is the kernel's own.
pub(crate) fn told(error: Error) -> Error {
    match -error.to_errno() {
        INTERNAL.. => EIO,
        _ if error == EAGAIN || error == EINTR => EIO,
        _ => error,
    }
}
