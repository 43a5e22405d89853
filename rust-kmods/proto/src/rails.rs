// SPDX-License-Identifier: GPL-2.0-only

//! Which network device is which rail.
//!
//! A [`Rule`] says how the device of a rail is recognised. What a rail then has is the *device*,
//! not the name by which it was found: a device that is renamed stays a rail, one that takes its
//! former name does not become it.

mod rule;
#[cfg(test)]
mod tests;

pub use rule::{changed, Rule, RuleError, Rules};

use crate::tgroup::{PerRail, RailId, MAX_RAILS};

/// A network device, as far as rules look at it.
pub trait Device {
    /// Whether both are the same device.
    fn is(&self, other: &Self) -> bool;

    /// Its name now.
    fn name(&self) -> &[u8];

    /// The hardware address that it was made with, if it has one of its own.
    fn permanent_mac(&self) -> Option<[u8; 6]>;

    /// Whether this is where it is plugged in: the name of the device that it belongs to, or of one
    /// on the way from there to the PCI function, which is the last that counts.
    fn is_at(&self, path: &[u8]) -> bool;
}

/// What became of a device that was [offered](RailTable::offer).
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<D> {
    /// It is this rail from now on.
    Taken(RailId),
    /// It is this rail already, and stays it.
    Known(RailId),
    /// It fits this rail, which has another device.
    Late(RailId, D),
    /// No rail is to have it.
    Unwanted(D),
}

/// The devices of a node's rails. Each device is one rail at most.
#[derive(Debug)]
pub struct RailTable<D> {
    rules: Rules,
    devices: PerRail<Option<D>>,
}

impl<D: Device> RailTable<D> {
    /// No devices yet.
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            devices: PerRail::new([const { None }; MAX_RAILS]),
        }
    }

    /// The rules, by rail.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The devices, by rail.
    pub fn devices(&self) -> &PerRail<Option<D>> {
        &self.devices
    }

    /// The rail that a device is.
    pub fn number(&self, device: &D) -> Option<RailId> {
        let is_it = |d: &Option<D>| d.as_ref().is_some_and(|d| d.is(device));
        let found = self.devices.iter().find(|(_, d)| is_it(d));
        found.map(|(rail, _)| rail)
    }

    /// Shows it a device that appeared or got another name: it may become a rail.
    pub fn offer(&mut self, device: D) -> Offer<D> {
        if let Some(rail) = self.number(&device) {
            return Offer::Known(rail);
        }
        let mut late = None;
        for (rail, place) in self.devices.iter_mut() {
            match (self.rules[rail].fits(&device), &place) {
                (false, _) => {}
                (true, None) => {
                    *place = Some(device);
                    return Offer::Taken(rail);
                }
                (true, Some(_)) => late = late.or(Some(rail)),
            }
        }
        match late {
            Some(rail) => Offer::Late(rail, device),
            None => Offer::Unwanted(device),
        }
    }

    /// Lets go of a device that goes, whatever its name is now; gives its rail, and the table's
    /// hold of it.
    pub fn remove(&mut self, device: &D) -> Option<(RailId, D)> {
        let rail = self.number(device)?;
        let held = self.devices[rail].take()?;
        Some((rail, held))
    }

    /// Changes the rules; gives the devices that their rails lose by that. All devices that there
    /// are have to be offered again.
    pub fn set_rules(&mut self, rules: Rules) -> PerRail<Option<D>> {
        let old = core::mem::replace(&mut self.rules, rules);
        PerRail::from_fn(|rail| {
            let (old, new) = (&old[rail], &self.rules[rail]);
            // A rule that did not change does not ask what its device is called by now.
            self.devices[rail].take_if(|device| old != new && !new.fits(device))
        })
    }
}
