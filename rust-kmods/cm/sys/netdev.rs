// SPDX-License-Identifier: GPL-2.0-only

//! Network devices.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use kernel::str::BStr;

/// The network namespace that rails are in.
pub(super) fn init_net() -> *mut bindings::net {
    // The kernel's own is there as long as the kernel.
    &raw mut bindings::init_net
}

/// A reference to a `struct net_device`.
///
/// # Invariants
///
/// `0` is a registered or unregistering device that this value holds a reference of.
pub(crate) struct NetDevice(NonNull<bindings::net_device>);

// SAFETY: A reference of a device can be held and dropped by any thread.
unsafe impl Send for NetDevice {}
// SAFETY: What is read through a shared reference does not change while a device is registered,
// or is read once.
unsafe impl Sync for NetDevice {}

impl Clone for NetDevice {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::dev_hold(self.0.as_ptr()) };
        // INVARIANT: The reference was taken above.
        Self(self.0)
    }
}

impl Drop for NetDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::dev_put(self.0.as_ptr()) };
    }
}

impl NetDevice {
    /// Takes a reference of a device.
    ///
    /// # Safety
    ///
    /// `dev` is valid for the call.
    pub(crate) unsafe fn from_raw(dev: *mut bindings::net_device) -> Option<Self> {
        let dev = NonNull::new(dev)?;
        // SAFETY: By the safety requirement.
        unsafe { bindings::dev_hold(dev.as_ptr()) };
        // INVARIANT: The reference was taken above.
        Some(Self(dev))
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// The caller gives up a reference of `dev`; or the value is never dropped, and the device stays as
    /// long as it is used.
    pub(super) unsafe fn from_reference(dev: NonNull<bindings::net_device>) -> Self {
        // INVARIANT: By the safety requirement.
        Self(dev)
    }

    /// Gives the reference up.
    pub(super) fn into_raw(self) -> NonNull<bindings::net_device> {
        let dev = self.0;
        core::mem::forget(self);
        dev
    }

    /// Whether both are the same device.
    pub(crate) fn is(&self, other: &NetDevice) -> bool {
        self.0 == other.0
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::net_device {
        self.0.as_ptr()
    }

    /// The device's name, without the terminating null.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: By the type invariant the device is valid, and its name is null-terminated; a
        // rename, which swaps the bytes in place, may be seen half done.
        unsafe { CStr::from_char_ptr(bindings::netdev_name(self.0.as_ptr())) }.to_bytes()
    }

    /// The name for a message.
    pub(crate) fn display_name(&self) -> &BStr {
        BStr::from_bytes(self.name())
    }

    /// Whether it is an Ethernet device.
    pub(crate) fn is_ethernet(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { u32::from((*self.0.as_ptr()).type_) == bindings::ARPHRD_ETHER }
    }

    /// The hardware address.
    pub(crate) fn mac(&self) -> [u8; 6] {
        let mut mac = [0; 6];
        // SAFETY: By the type invariant the device is valid; Ethernet devices have addresses of
        // six bytes.
        unsafe {
            core::ptr::copy_nonoverlapping((*self.0.as_ptr()).dev_addr, mac.as_mut_ptr(), 6);
        }
        mac
    }

    /// The hardware address that an Ethernet device was made with, unless it borrows or drew one.
    pub(crate) fn permanent_mac(&self) -> Option<[u8; 6]> {
        // SAFETY: By the type invariant the device is valid; the address is written before the
        // device is announced.
        let address = unsafe { (*self.0.as_ptr()).perm_addr };
        let mac = *address.first_chunk()?;
        (mac != [0; 6]).then_some(mac)
    }

    /// Whether the device belongs to one of this name, or that one to one of this name, and so on
    /// up to the first PCI function. The RTNL lock is held.
    pub(crate) fn is_at(&self, path: &[u8]) -> bool {
        // SAFETY: By the type invariant the device is valid. What it belongs to is set before it is
        // announced, and stays as long as it is registered.
        let mut parent = unsafe { (*self.0.as_ptr()).dev.parent };
        while !parent.is_null() {
            // SAFETY: A device keeps the one that it belongs to, as long as it is registered; names
            // are null-terminated, and drivers' devices are not renamed.
            let name = unsafe { CStr::from_char_ptr(bindings::dev_name(parent)) }.to_bytes();
            if name == path {
                return true;
            }
            // SAFETY: As above; buses are there as long as there are devices on them.
            parent = unsafe {
                match (*parent).bus {
                    bus if bus == &raw const bindings::pci_bus_type => return false,
                    _ => (*parent).parent,
                }
            };
        }
        false
    }

    /// Most bytes of a frame behind its Ethernet header, at most `u16::MAX`.
    pub(crate) fn mtu(&self) -> u16 {
        // SAFETY: By the type invariant the device is valid; the number is one word, and read
        // once.
        let mtu = unsafe { (&raw const (*self.0.as_ptr()).mtu).read_volatile() };
        u16::try_from(mtu).unwrap_or(u16::MAX)
    }

    /// Whether it is up and has a carrier.
    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        // Of C, each bit would cost a call.
        const UP: usize = 1 << bindings::netdev_state_t___LINK_STATE_START;
        const NO_CARRIER: usize = 1 << bindings::netdev_state_t___LINK_STATE_NOCARRIER;
        // SAFETY: By the type invariant the device is valid; its state is one word, and read once.
        let state = unsafe { (&raw const (*self.0.as_ptr()).state).read_volatile() };
        state & (UP | NO_CARRIER) == UP
    }
}
