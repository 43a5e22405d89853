// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's log.

use kernel::bindings;
use kernel::prelude::*;

/// Whether the log may be told of one more thing that others can bring about as often as they
/// like.
pub(crate) fn has_room() -> bool {
    // SAFETY: The name is null-terminated.
    unsafe { bindings::__printk_ratelimit(c"podos_gipc".as_char_ptr()) != 0 }
}
