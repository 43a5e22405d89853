// SPDX-License-Identifier: GPL-2.0-only

//! The owning type of `struct notifier_block`.

use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::{bindings, error::to_result};

/// One of the kernel's notifier chains, with the observer that hears it.
pub(crate) trait Chain: Send + Sync + 'static {
    /// Puts `block` on the chain. Returns 0 or an error number below it.
    ///
    /// # Safety
    ///
    /// `block` has its function, is on no chain, and stays valid until it is removed.
    unsafe fn add(block: *mut bindings::notifier_block) -> c_int;

    /// Takes `block` off the chain; no call is under way when it returns.
    ///
    /// # Safety
    ///
    /// `block` is on this chain.
    unsafe fn remove(block: *mut bindings::notifier_block);

    /// Hears one piece of news. Returns a `NOTIFY_` value.
    ///
    /// # Safety
    ///
    /// `event` and `data` are as this chain gives them.
    unsafe fn hear(&self, event: c_ulong, data: *mut c_void) -> c_int;
}

/// A registered `struct notifier_block` of the chain `C`.
///
/// # Invariants
///
/// `block` is on the chain, and it is the first field, so that its address is this value's.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Notifier<C: Chain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    chain: C,
}

// SAFETY: The C object has the notifier chain's lock.
unsafe impl<C: Chain> Send for Notifier<C> {}
// SAFETY: As above.
unsafe impl<C: Chain> Sync for Notifier<C> {}

impl<C: Chain> Notifier<C> {
    /// Registers `chain`'s observer.
    ///
    /// # Errors
    ///
    /// What the registration gives, `ENOMEM` above all.
    pub(crate) fn register(chain: C) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            chain,
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: `slot` is valid for writes and stays where it is; `chain`, which the
                // calls back read, is initialised before. All zeroes is a valid value.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).notifier_call = Some(notify::<C>);
                    to_result(C::add(slot))
                }
            }),
        })
    }
}

#[pinned_drop]
impl<C: Chain> PinnedDrop for Notifier<C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is on the chain.
        unsafe { C::remove(self.block.get()) };
    }
}

/// The notifier's function.
///
/// # Safety
///
/// Called by the chain `C`; `block` is that of a `Notifier<C>`.
unsafe extern "C" fn notify<C: Chain>(
    block: *mut bindings::notifier_block,
    event: c_ulong,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the type invariant the block's address is that of the whole, whose `chain` is
    // initialised; the arguments are that chain's.
    unsafe { (*block.cast::<Notifier<C>>()).chain.hear(event, data) }
}
