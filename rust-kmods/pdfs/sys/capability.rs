// SPDX-License-Identifier: GPL-2.0-only

//! What the current task may do to the whole node.

use kernel::bindings;
use kernel::prelude::*;

/// Whether the current task may change how the node works: `CAP_SYS_ADMIN`, in the first user
/// namespace.
pub(crate) fn is_administrator() -> bool {
    // SAFETY: Every task may ask for itself.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}
