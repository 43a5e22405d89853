// SPDX-License-Identifier: GPL-2.0-only

//! Time.

use core::time::Duration;
use kernel::bindings;
use podos_proto::time::Instant;

/// Now, by the monotonic clock.
pub(crate) fn now() -> Instant {
    // SAFETY: Plain FFI call.
    Instant::from_nanos(unsafe { bindings::ktime_get() }.unsigned_abs())
}

/// Time since boot, sleep included.
pub(crate) fn uptime() -> Duration {
    // SAFETY: Plain FFI call with one of the offsets that there are.
    let nanos = unsafe { bindings::ktime_get_with_offset(bindings::tk_offsets_TK_OFFS_BOOT) };
    Duration::from_nanos(nanos.unsigned_abs())
}
