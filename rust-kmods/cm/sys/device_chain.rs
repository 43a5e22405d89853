// SPDX-License-Identifier: GPL-2.0-only

//! Notifications about network devices.

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;

use super::netdev::{init_net, NetDevice};
use super::notifier::Chain;
use super::Rtnl;

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetDeviceEvent {
    /// It is there. Every device there is at registration is told so too.
    Registered,
    /// It has another name.
    Renamed,
    /// It can send from now on, or can no longer, or frames of another length.
    Changed,
    /// It is going, or leaves the initial network namespace: references have to be given up.
    Unregistering,
}

/// Who wants to know.
pub(crate) trait NetDeviceObserver: Send + Sync + 'static {
    /// One piece of news; may sleep.
    fn notify(&self, event: NetDeviceEvent, dev: NetDevice, rtnl: &Rtnl);
}

/// The chain of the initial network namespace's devices. What users do in namespaces of their own is
/// not heard; a device that is moved there goes, one that is moved back comes. Whoever registers hears
/// of all present devices before registration returns, and of each as if it were going at the end.
pub(crate) struct DeviceChain<O>(pub(crate) Arc<O>);

impl<O: NetDeviceObserver> Chain for DeviceChain<O> {
    unsafe fn add(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the caller's contract.
        unsafe { bindings::register_netdevice_notifier_net(init_net(), block) }
    }

    unsafe fn remove(block: *mut bindings::notifier_block) {
        // SAFETY: By the caller's contract.
        unsafe { bindings::unregister_netdevice_notifier_net(init_net(), block) };
    }

    unsafe fn hear(&self, event: c_ulong, data: *mut c_void) -> c_int {
        let event = match event as u32 {
            bindings::netdev_cmd_NETDEV_REGISTER => NetDeviceEvent::Registered,
            bindings::netdev_cmd_NETDEV_UNREGISTER => NetDeviceEvent::Unregistering,
            bindings::netdev_cmd_NETDEV_CHANGENAME => NetDeviceEvent::Renamed,
            bindings::netdev_cmd_NETDEV_UP
            | bindings::netdev_cmd_NETDEV_DOWN
            | bindings::netdev_cmd_NETDEV_CHANGE
            | bindings::netdev_cmd_NETDEV_CHANGEMTU => NetDeviceEvent::Changed,
            _ => return bindings::NOTIFY_DONE as c_int,
        };
        // SAFETY: `data` is the core's, with a valid device.
        let dev =
            unsafe { NetDevice::from_raw(bindings::netdev_notifier_info_to_dev(data.cast())) };
        if let Some(dev) = dev {
            // SAFETY: The core tells of these events with the lock held.
            self.0.notify(event, dev, &unsafe { Rtnl::held() });
        }
        bindings::NOTIFY_OK as c_int
    }
}
