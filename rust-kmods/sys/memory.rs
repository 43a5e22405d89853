// SPDX-License-Identifier: GPL-2.0-only

//! The node's memory.

use core::mem::MaybeUninit;
use kernel::bindings;

/// The node's memory, in bytes.
pub struct Memory {
    /// What the kernel has for all that it does.
    pub total: u64,
    /// What nobody uses.
    pub free: u64,
}

impl Memory {
    /// The figures now.
    pub fn now() -> Self {
        let mut info = MaybeUninit::<bindings::sysinfo>::zeroed();
        // SAFETY: `info` is valid for writes; zeroes are a `sysinfo`, so it is initialised
        // whatever the call leaves out.
        let info = unsafe {
            bindings::si_meminfo(info.as_mut_ptr());
            info.assume_init()
        };
        let bytes = |units: usize| (units as u64).saturating_mul(info.mem_unit.into());
        Self {
            total: bytes(info.totalram),
            free: bytes(info.freeram),
        }
    }
}
