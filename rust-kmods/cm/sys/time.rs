// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock.

use kernel::bindings;

/// Nanoseconds since boot, time asleep not counted.
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: Plain FFI call, from any context.
    unsafe { bindings::ktime_get() }.unsigned_abs()
}
