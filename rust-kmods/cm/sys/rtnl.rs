// SPDX-License-Identifier: GPL-2.0-only

//! The lock under which network devices come, go and get other names.

use core::ops::Deref;
use kernel::{bindings, container_of};

use super::netdev::{init_net, NetDevice};

/// Shows that the RTNL lock is held.
///
/// # Invariants
///
/// It is held for as long as the value, or a reference to it, lives.
pub(crate) struct Rtnl(());

impl Rtnl {
    /// For who was called with the lock held.
    ///
    /// # Safety
    ///
    /// The lock is held for as long as the value lives.
    pub(super) unsafe fn held() -> Self {
        // INVARIANT: By the safety requirement.
        Self(())
    }

    /// Takes the lock. Context: process, without a lock that is taken under this one.
    pub(crate) fn lock() -> RtnlGuard {
        // SAFETY: Plain FFI call.
        unsafe { bindings::rtnl_lock() };
        // INVARIANT: Taken above; the guard gives it back when it goes.
        RtnlGuard(Self(()))
    }

    /// Shows `each` every device of the initial network namespace.
    pub(crate) fn devices(&self, mut each: impl FnMut(NetDevice)) {
        // SAFETY: The namespace is the kernel's own. By the type invariant its list of devices stays as
        // it is, so that all that is linked there is a device.
        unsafe {
            let head = &raw mut (*init_net()).dev_base_head;
            let mut at = (*head).next;
            while at != head {
                let dev = container_of!(at, bindings::net_device, dev_list);
                if let Some(dev) = NetDevice::from_raw(dev) {
                    each(dev);
                }
                at = (*at).next;
            }
        }
    }
}

/// The lock, until the value is dropped.
pub(crate) struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: By its type's invariant the lock is held, and `lock` took it.
        unsafe { bindings::rtnl_unlock() };
    }
}
