// SPDX-License-Identifier: GPL-2.0-only

//! Mounts that expire when nobody uses them.

use kernel::bindings;
use kernel::prelude::*;
use kernel::types::Opaque;

use super::Mount;

/// A list of mounts to be unmounted once they are idle.
///
/// # Invariants
///
/// `list` is an initialised list head that only VFS, under its own locks, puts mounts of this
/// module's file system into. Such a mount keeps the module, and with it this value, which is
/// dropped by the module's exit only: by then the list is empty.
#[pin_data]
pub(crate) struct IdleMounts {
    #[pin]
    list: Opaque<bindings::list_head>,
}

// SAFETY: VFS's locks guard the list.
unsafe impl Send for IdleMounts {}
// SAFETY: As above.
unsafe impl Sync for IdleMounts {}

impl IdleMounts {
    /// An empty list.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- Opaque::ffi_init(|slot: *mut bindings::list_head| {
                // SAFETY: `slot` is valid for writes and will not move.
                unsafe {
                    (*slot).next = slot;
                    (*slot).prev = slot;
                }
            }),
        })
    }

    /// Has `mount`, which is in no tree yet, go when it is idle.
    pub(crate) fn add(&self, mount: &Mount) {
        // SAFETY: Both are valid; the list outlives the mount by the type invariant.
        unsafe { bindings::mnt_set_expiry(mount.as_ptr(), self.list.get()) };
    }

    /// Unmounts those that nobody used since the last call. May sleep.
    pub(crate) fn expire(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::mark_mounts_for_expiry(self.list.get()) };
    }
}
