// SPDX-License-Identifier: GPL-2.0-only

//! Rails: the network interfaces that carry PODOS frames.
//!
//! Rails of the same number are one network (paper, section 2: eth0-eth0, eth1-eth1, eth2-eth2). A
//! rule says which device rail N is; without one it is `ethN`. Only devices of the initial network
//! namespace are considered.

use core::sync::atomic::{AtomicU32, Ordering};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::str::BStr;
use kernel::sync::SpinLockIrq;
use podos_proto::peer::LocalRail;
use podos_proto::rails::{self, Device, Offer, RailTable, Rule, Rules};
use podos_proto::tgroup::{Dealer, Group, GroupKind, PerRail, RailId, RailSet};

use crate::sys::{self, NetDevice, NetDeviceEvent, RailDevices, Rtnl};

/// This node's rails, by number.
#[pin_data]
pub(crate) struct Rails {
    /// Changed with RTNL held.
    #[pin]
    table: SpinLockIrq<RailTable<NetDevice>>,
    /// The table's devices.
    devices: RailDevices,
    /// A number that changes with what is told of them, but for what is queued and whether they run.
    version: AtomicU32,
    /// Circuits that were given a group.
    groups: AtomicU32,
    /// The [`GroupKind`] of circuits whose opener names none, as its number.
    default_group: AtomicU32,
    #[pin]
    dealer: SpinLockIrq<Dealer>,
}

impl Rails {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            table <- new_spinlock_irq!(RailTable::new(Rule::USUAL), "podos_rails"),
            devices: RailDevices::new(),
            version: AtomicU32::new(0),
            groups: AtomicU32::new(0),
            default_group: AtomicU32::new(GroupKind::default() as u32),
            dealer <- new_spinlock_irq!(Dealer::default(), "podos_dealer"),
        })
    }

    /// Takes a device up as a rail, or gives it back.
    pub(crate) fn update(&self, event: NetDeviceEvent, dev: NetDevice, rtnl: &Rtnl) {
        match event {
            NetDeviceEvent::Registered | NetDeviceEvent::Renamed => self.offer(dev, rtnl),
            NetDeviceEvent::Unregistering => self.remove(&dev, rtnl),
            NetDeviceEvent::Changed => self.changed(),
        }
    }

    /// Takes note that what was kept of the devices is old.
    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// See the field.
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    fn offer(&self, dev: NetDevice, rtnl: &Rtnl) {
        if !dev.is_ethernet() {
            return;
        }
        let shown = dev.clone();
        // What is not taken is given up outside of the lock: the last reference may do some work.
        let offer = self.table.lock().offer(dev);
        match offer {
            Offer::Taken(rail) => {
                pr_info!("rail {} is {}\n", rail.index(), shown.display_name());
                self.devices.set(rail, Some(shown), rtnl);
                self.changed();
            }
            Offer::Late(rail, dev) => pr_info!(
                "{} is not rail {}, which has another device\n",
                dev.display_name(),
                rail.index()
            ),
            Offer::Known(_) | Offer::Unwanted(_) => {}
        }
    }

    /// Says that a rail has lost its device.
    fn lose(&self, rail: RailId, dev: &NetDevice, rtnl: &Rtnl) {
        self.devices.set(rail, None, rtnl);
        self.changed();
        pr_info!("rail {} is {} no more\n", rail.index(), dev.display_name());
    }

    fn remove(&self, dev: &NetDevice, rtnl: &Rtnl) {
        let removed = self.table.lock().remove(dev);
        if let Some((rail, dev)) = removed {
            self.lose(rail, &dev, rtnl);
            // Another one may fit that rail, which came when it had this one.
            rtnl.devices(|other| {
                if !other.is(&dev) {
                    self.offer(other, rtnl);
                }
            });
        }
    }

    /// Which device each rail is to be.
    pub(crate) fn rules(&self) -> Rules {
        *self.table.lock().rules()
    }

    /// Changes the rules as `text` says, a line for each rail, and takes up the devices that they
    /// mean. Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a line is no rule: which one and why is in the log.
    pub(crate) fn set_rules(&self, text: &[u8]) -> Result {
        // Names stay as they are meanwhile.
        let rtnl = Rtnl::lock();
        let lost = {
            let mut table = self.table.lock();
            let rules = rails::changed(table.rules(), text);
            rules.map(|rules| table.set_rules(rules))
        };
        let lost = lost.map_err(|(line, error)| {
            let text = text
                .split(|&byte| byte == b'\n')
                .nth(line.saturating_sub(1));
            let text = BStr::from_bytes(text.unwrap_or_default());
            pr_warn!(
                "rail_devices, line {line}, `{text}`: {}\n",
                core::format_args!("{error}")
            );
            EINVAL
        })?;
        for (rail, dev) in lost.iter() {
            if let Some(dev) = dev {
                self.lose(rail, dev, &rtnl);
            }
        }
        drop(lost);
        rtnl.devices(|dev| self.offer(dev, &rtnl));
        Ok(())
    }

    /// Shows `look` the rail's device, if it has one. Context: any; `look` does not sleep.
    pub(crate) fn with_device<R>(
        &self,
        rail: RailId,
        look: impl FnOnce(&NetDevice) -> R,
    ) -> Option<R> {
        self.devices.with(rail, look)
    }

    /// The rails' hardware addresses.
    pub(crate) fn addresses(&self) -> PerRail<Option<[u8; 6]>> {
        self.devices.map(NetDevice::mac)
    }

    /// The rail that a device is.
    pub(crate) fn number(&self, dev: &NetDevice) -> Option<RailId> {
        self.devices.number(dev)
    }

    /// The rails that can send now.
    pub(crate) fn usable(&self) -> RailSet {
        self.devices.select(NetDevice::is_running)
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
    pub(crate) fn local(&self) -> PerRail<Option<LocalRail>> {
        let running = |dev: &NetDevice| dev.is_running().then(|| dev.mtu());
        let mtus = self.devices.map(running);
        PerRail::from_fn(|rail| {
            Some(LocalRail {
                mtu: mtus[rail].flatten()?,
                queued_bytes: u32::try_from(sys::queued_bytes(rail)).unwrap_or(u32::MAX),
            })
        })
    }

    /// One of `candidates`, in turn, for an ephemeral packet.
    pub(crate) fn elect(&self, candidates: &RailSet) -> Option<RailId> {
        self.dealer.lock().deal(*candidates)
    }
}

impl Device for NetDevice {
    fn is(&self, other: &Self) -> bool {
        self.is(other)
    }

    fn name(&self) -> &[u8] {
        self.name()
    }

    fn permanent_mac(&self) -> Option<[u8; 6]> {
        self.permanent_mac()
    }

    fn is_at(&self, path: &[u8]) -> bool {
        self.is_at(path)
    }
}
