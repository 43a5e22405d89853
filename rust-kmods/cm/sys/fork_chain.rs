// SPDX-License-Identifier: GPL-2.0-only

//! The notification that this virtual machine was copied.

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;

use super::notifier::Chain;

/// Who wants to know.
pub(crate) trait VmForkObserver: Send + Sync + 'static {
    /// This machine goes on from a snapshot, from which others may go on, too; the random pool is
    /// its own already. May sleep.
    fn forked(&self);
}

/// The random pool's chain of such news.
pub(crate) struct VmForkChain<O>(pub(crate) Arc<O>);

impl<O: VmForkObserver> Chain for VmForkChain<O> {
    unsafe fn add(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the caller's contract.
        unsafe { bindings::register_random_vmfork_notifier(block) }
    }

    unsafe fn remove(block: *mut bindings::notifier_block) {
        // SAFETY: By the caller's contract.
        unsafe { bindings::unregister_random_vmfork_notifier(block) };
    }

    unsafe fn hear(&self, _event: c_ulong, _data: *mut c_void) -> c_int {
        self.0.forked();
        bindings::NOTIFY_OK as c_int
    }
}
