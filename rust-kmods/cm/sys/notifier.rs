// SPDX-License-Identifier: GPL-2.0-only

//! News of network devices.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;
use kernel::{bindings, error::to_result};

use super::netdev::{init_net, NetDevice};

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetDeviceEvent {
    /// It is there. Every device there is at registration is told so too.
    Registered,
    /// It has another name.
    Renamed,
    /// It can send from now on, or can no longer.
    Changed,
    /// It is going, or leaves the initial network namespace: references have to be given up.
    Unregistering,
}

/// Who wants to know.
pub(crate) trait NetDeviceObserver: Send + Sync + 'static {
    /// One piece of news. Called with the RTNL lock held; may sleep.
    fn notify(&self, event: NetDeviceEvent, dev: NetDevice);
}

/// A registered `struct notifier_block` of the initial network namespace's devices. What users do in
/// namespaces of their own is not heard; a device that is moved there goes, one that is moved back
/// comes.
///
/// # Invariants
///
/// `block` is registered for `init_net`, and it is the first field, so that its address is this value's.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct NetDeviceNotifier<O: NetDeviceObserver> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    observer: Arc<O>,
}

// SAFETY: The C object has the notifier chain's lock.
unsafe impl<O: NetDeviceObserver> Send for NetDeviceNotifier<O> {}
// SAFETY: As above.
unsafe impl<O: NetDeviceObserver> Sync for NetDeviceNotifier<O> {}

impl<O: NetDeviceObserver> NetDeviceNotifier<O> {
    /// Registers `observer`; it hears of all present devices before this returns.
    ///
    /// # Errors
    ///
    /// What the registration gives, `ENOMEM` above all.
    pub(crate) fn register(observer: Arc<O>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            observer,
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: `slot` is valid for writes and stays where it is; `observer`, which the
                // calls back read, is initialised before. All zeroes is a valid value.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).notifier_call = Some(notify::<O>);
                    to_result(bindings::register_netdevice_notifier_net(init_net(), slot))
                }
            }),
        })
    }
}

#[pinned_drop]
impl<O: NetDeviceObserver> PinnedDrop for NetDeviceNotifier<O> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered. The observer hears of every device as
        // if it were going.
        unsafe { bindings::unregister_netdevice_notifier_net(init_net(), self.block.get()) };
    }
}

/// The notifier's function.
///
/// # Safety
///
/// Called by the networking core; `block` is that of a `NetDeviceNotifier<O>`.
unsafe extern "C" fn notify<O: NetDeviceObserver>(
    block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let event = match event as u32 {
        bindings::netdev_cmd_NETDEV_REGISTER => NetDeviceEvent::Registered,
        bindings::netdev_cmd_NETDEV_UNREGISTER => NetDeviceEvent::Unregistering,
        bindings::netdev_cmd_NETDEV_CHANGENAME => NetDeviceEvent::Renamed,
        bindings::netdev_cmd_NETDEV_UP
        | bindings::netdev_cmd_NETDEV_DOWN
        | bindings::netdev_cmd_NETDEV_CHANGE => NetDeviceEvent::Changed,
        _ => return bindings::NOTIFY_DONE as c_int,
    };
    // SAFETY: `info` is the core's, with a valid device.
    let dev = unsafe { NetDevice::from_raw(bindings::netdev_notifier_info_to_dev(info.cast())) };
    // SAFETY: By the type invariant the block's address is that of the whole, whose `observer` is
    // initialised.
    let observer = unsafe { &(*block.cast::<NetDeviceNotifier<O>>()).observer };
    if let Some(dev) = dev {
        observer.notify(event, dev);
    }
    bindings::NOTIFY_OK as c_int
}
