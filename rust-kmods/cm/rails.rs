// SPDX-License-Identifier: GPL-2.0-only

//! Rails: the network interfaces that carry PODOS frames.
//!
//! Rail N is the Ethernet device `ethN`; rails of the same number are one network (paper,
//! section 2: eth0-eth0, eth1-eth1, eth2-eth2).

use core::sync::atomic::{AtomicU32, Ordering};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::SpinLockIrq;
use podos_proto::tgroup::{Dealer, Group, GroupKind, RailSet, MAX_RAILS};

use crate::sys::{self, NetDevice, NetDeviceEvent};

/// This node's end of a rail, now.
#[derive(Clone, Copy)]
pub(crate) struct LocalRail {
    /// Most bytes of a frame without its Ethernet header.
    pub(crate) mtu: u16,
    /// Bytes that the device was given and has not sent yet.
    pub(crate) queued_bytes: u32,
}

/// This node's rails, by number.
#[pin_data]
pub(crate) struct Rails {
    #[pin]
    devices: SpinLockIrq<[Option<NetDevice>; MAX_RAILS]>,
    /// Circuits that were given a group.
    groups: AtomicU32,
    /// The [`GroupKind`] of circuits whose opener names none, as its number.
    default_group: AtomicU32,
    #[pin]
    dealer: SpinLockIrq<Dealer>,
}

/// The number in a name such as `eth2`, if the device can be a rail.
fn rail_number(dev: &NetDevice) -> Option<usize> {
    if !dev.is_ethernet() {
        return None;
    }
    match dev.name().strip_prefix(b"eth") {
        Some(&[digit @ b'0'..=b'9']) => {
            let rail = usize::from(digit - b'0');
            (rail < MAX_RAILS).then_some(rail)
        }
        _ => None,
    }
}

impl Rails {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            devices <- new_spinlock_irq!([const { None }; MAX_RAILS], "podos_rails"),
            groups: AtomicU32::new(0),
            default_group: AtomicU32::new(GroupKind::default() as u32),
            dealer <- new_spinlock_irq!(Dealer::default(), "podos_dealer"),
        })
    }

    /// Takes a device up as a rail, or gives it back.
    pub(crate) fn update(&self, event: NetDeviceEvent, dev: NetDevice) {
        let Some(rail) = rail_number(&dev) else {
            return;
        };
        let new = match event {
            NetDeviceEvent::Registered => {
                pr_info!("rail {} is {}\n", rail, dev.display_name());
                Some(dev)
            }
            NetDeviceEvent::Unregistering => None,
            // Who looks at a rail asks its device.
            NetDeviceEvent::Changed => return,
        };
        let old = core::mem::replace(&mut self.devices.lock()[rail], new);
        // Outside of the lock: the last reference may do some work.
        drop(old);
    }

    /// The rail's device.
    pub(crate) fn device(&self, rail: usize) -> Option<NetDevice> {
        self.devices.lock().get(rail)?.clone()
    }

    /// The rails' hardware addresses.
    pub(crate) fn addresses(&self) -> [Option<[u8; 6]>; MAX_RAILS] {
        let devices = self.devices.lock();
        core::array::from_fn(|rail| devices[rail].as_ref().map(NetDevice::mac))
    }

    /// The rail that a device is.
    pub(crate) fn number(&self, dev: &NetDevice) -> Option<usize> {
        let devices = self.devices.lock();
        devices
            .iter()
            .position(|d| d.as_ref().is_some_and(|d| d.is(dev)))
    }

    /// The rails that can send now.
    pub(crate) fn usable(&self) -> RailSet {
        self.filter(NetDevice::is_running)
    }

    fn filter(&self, wanted: impl Fn(&NetDevice) -> bool) -> RailSet {
        let devices = self.devices.lock();
        let rails = devices.iter().enumerate();
        let wanted = rails.filter(|(_, dev)| dev.as_ref().is_some_and(&wanted));
        wanted.map(|(rail, _)| rail).collect()
    }

    /// A transmission group for a new circuit (paper, section 3.3): of this kind, or of the
    /// cluster's.
    pub(crate) fn new_group(&self, kind: Option<GroupKind>) -> Group {
        let turn = self.groups.fetch_add(1, Ordering::Relaxed);
        Group::new(kind.unwrap_or_else(|| self.default_group()), turn)
    }

    /// The kind of transmission group of circuits whose opener names none.
    pub(crate) fn default_group(&self) -> GroupKind {
        GroupKind::from_raw(self.default_group.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Sets what [`Rails::default_group`] gives; circuits that are open keep theirs.
    pub(crate) fn set_default_group(&self, kind: GroupKind) {
        self.default_group.store(kind as u32, Ordering::Relaxed);
    }

    /// The rails that can send now, with what a circuit wants to know of them.
    pub(crate) fn local(&self) -> [Option<LocalRail>; MAX_RAILS] {
        let devices = self.devices.lock();
        core::array::from_fn(|rail| {
            let device = devices[rail].as_ref().filter(|dev| dev.is_running())?;
            Some(LocalRail {
                mtu: device.mtu(),
                queued_bytes: u32::try_from(sys::queued_bytes(rail)).unwrap_or(u32::MAX),
            })
        })
    }

    /// One of `candidates`, in turn, for an ephemeral packet.
    pub(crate) fn elect(&self, candidates: &RailSet) -> Option<usize> {
        self.dealer.lock().deal(*candidates)
    }
}
