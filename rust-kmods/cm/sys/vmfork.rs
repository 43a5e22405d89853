// SPDX-License-Identifier: GPL-2.0-only

//! News that this virtual machine was copied, and the wait for the random pool.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;
use kernel::{bindings, error::to_result};

/// Who wants to know.
pub(crate) trait VmForkObserver: Send + Sync + 'static {
    /// This machine goes on from a snapshot, from which others may go on, too; the random pool is
    /// its own already. May sleep.
    fn forked(&self);
}

/// A registered `struct notifier_block` of the random pool's chain of such news.
///
/// # Invariants
///
/// `block` is registered, and it is the first field, so that its address is this value's.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct VmForkNotifier<O: VmForkObserver> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    observer: Arc<O>,
}

// SAFETY: The C object has the notifier chain's lock.
unsafe impl<O: VmForkObserver> Send for VmForkNotifier<O> {}
// SAFETY: As above.
unsafe impl<O: VmForkObserver> Sync for VmForkNotifier<O> {}

impl<O: VmForkObserver> VmForkNotifier<O> {
    /// Registers `observer`.
    ///
    /// # Errors
    ///
    /// What the registration gives.
    pub(crate) fn register(observer: Arc<O>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            observer,
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: `slot` is valid for writes and stays where it is; `observer`, which the
                // calls back read, is initialised before. All zeroes is a valid value.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).notifier_call = Some(notify::<O>);
                    to_result(bindings::register_random_vmfork_notifier(slot))
                }
            }),
        })
    }
}

#[pinned_drop]
impl<O: VmForkObserver> PinnedDrop for VmForkNotifier<O> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::unregister_random_vmfork_notifier(self.block.get()) };
    }
}

/// The notifier's function.
///
/// # Safety
///
/// Called by the random pool; `block` is that of a `VmForkNotifier<O>`.
unsafe extern "C" fn notify<O: VmForkObserver>(
    block: *mut bindings::notifier_block,
    _event: c_ulong,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: By the type invariant the block's address is that of the whole, whose `observer` is
    // initialised.
    let observer = unsafe { &(*block.cast::<VmForkNotifier<O>>()).observer };
    observer.forked();
    bindings::NOTIFY_OK as c_int
}

/// Waits until the random pool gives numbers that nobody can guess. Context: process.
///
/// # Errors
///
/// `ERESTARTSYS` if a signal comes before.
pub(crate) fn wait_for_random_bytes() -> Result {
    // SAFETY: Plain FFI call, from a context that may sleep.
    to_result(unsafe { bindings::wait_for_random_bytes() })
}
