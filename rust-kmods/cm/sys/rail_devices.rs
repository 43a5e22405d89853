// SPDX-License-Identifier: GPL-2.0-only

//! The rails' devices, for those who send and receive: they take neither a lock nor a reference.

use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::bindings;
use kernel::sync::rcu;
use podos_proto::tgroup::{PerRail, RailId, RailSet, MAX_RAILS};

use super::{synchronize_net, NetDevice, Rtnl};

/// Which device each rail is.
///
/// # Invariants
///
/// A place is null, or a device of which it has a reference. One that was taken out of its place is
/// given up only when all RCU read sections are over that may have found it there.
pub(crate) struct RailDevices {
    places: PerRail<AtomicPtr<bindings::net_device>>,
}

impl RailDevices {
    /// No rail has one.
    pub(crate) const fn new() -> Self {
        Self {
            places: PerRail::new([const { AtomicPtr::new(ptr::null_mut()) }; MAX_RAILS]),
        }
    }

    /// Has `rail` be `device` from now on; whether it was another one. Nobody uses that any more when
    /// this returns. Context: process.
    pub(crate) fn set(&self, rail: RailId, device: Option<NetDevice>, _: &Rtnl) -> bool {
        let new = device.map_or(ptr::null_mut(), |device| device.into_raw().as_ptr());
        // INVARIANT: The place takes over the reference.
        let old = self.places[rail].swap(new, Ordering::AcqRel);
        if let Some(old) = NonNull::new(old) {
            if old.as_ptr() != new {
                synchronize_net();
            }
            // SAFETY: By the type invariant the place had a reference; it is out of the place, and no
            // read section is left that found it there.
            drop(unsafe { NetDevice::from_reference(old) });
        }
        old != new
    }

    /// Shows `look` the rail's device, if it has one. Context: any; `look` does not sleep.
    #[inline]
    pub(crate) fn with<R>(&self, rail: RailId, look: impl FnOnce(&NetDevice) -> R) -> Option<R> {
        let _reading = rcu::read_lock();
        let device = self.find(rail)?;
        Some(look(&device))
    }

    /// What `look` gives of each rail's device. Context: any; `look` does not sleep.
    #[inline]
    pub(crate) fn map<R>(&self, look: impl Fn(&NetDevice) -> R) -> PerRail<Option<R>> {
        let _reading = rcu::read_lock();
        PerRail::from_fn(|rail| self.find(rail).map(|device| look(&device)))
    }

    /// The rails whose devices `look` chooses. Context: any; `look` does not sleep.
    #[inline]
    pub(crate) fn select(&self, look: impl Fn(&NetDevice) -> bool) -> RailSet {
        let _reading = rcu::read_lock();
        let mut chosen = RailSet::EMPTY;
        for rail in RailId::ALL {
            if self.find(rail).is_some_and(|device| look(&device)) {
                chosen.insert(rail);
            }
        }
        chosen
    }

    /// The device, for as long as the read section lasts that the caller is in.
    #[inline]
    fn find(&self, rail: RailId) -> Option<ManuallyDrop<NetDevice>> {
        let device = NonNull::new(self.places[rail].load(Ordering::Acquire))?;
        // SAFETY: By the type invariant the place's reference keeps it until the read section is over;
        // the value does not give that up.
        Some(ManuallyDrop::new(unsafe {
            NetDevice::from_reference(device)
        }))
    }

    /// The rail that a device is.
    #[inline]
    pub(crate) fn number(&self, device: &NetDevice) -> Option<RailId> {
        let is_it = |place: &AtomicPtr<_>| ptr::eq(place.load(Ordering::Relaxed), device.as_ptr());
        let found = self.places.iter().find(|(_, place)| is_it(place));
        found.map(|(rail, _)| rail)
    }
}

impl Drop for RailDevices {
    fn drop(&mut self) {
        for (_, place) in self.places.iter_mut() {
            let device = NonNull::new(*place.get_mut());
            // SAFETY: By the type invariant the place had a reference; nobody looks at it any more.
            drop(device.map(|device| unsafe { NetDevice::from_reference(device) }));
        }
    }
}
