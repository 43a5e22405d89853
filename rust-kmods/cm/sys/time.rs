// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock, and whether another task wants the processor.

use kernel::bindings;

/// Nanoseconds since boot, time asleep not counted.
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: Plain FFI call, from any context.
    unsafe { bindings::ktime_get() }.unsigned_abs()
}

/// Whether no task but the current one wants the processor that it runs on, so that it takes nothing
/// from anybody by not giving it away.
pub(crate) fn is_alone() -> bool {
    // SAFETY: Plain FFI call, from any context.
    unsafe { bindings::single_task_running() }
}
