// SPDX-License-Identifier: GPL-2.0-only

//! The System State Table (paper, section 6 and table 5): what every node last said of itself.
//!
//! It tells the state of nodes, not whether they are alive: a beacon goes over one rail and is not
//! sent again, so a missing one says nothing about its node's life. The Communication Manager,
//! which hears nodes on every rail, knows who is alive.

use core::ops::DerefMut;

use crate::gpid::Gpid;
use crate::host_id::HostId;
use crate::host_map::{HostMap, HostSlot};
use crate::rm::Beacon;
use crate::time::Instant;

/// What is known of one node.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    node: Gpid,
    beacon: Beacon,
    heard_at: Instant,
    /// The node was gone since, so that it may number its beacons anew.
    lost: bool,
}

impl Entry {
    /// The node: host and boot.
    pub fn node(&self) -> Gpid {
        self.node
    }

    /// What it last said.
    pub fn beacon(&self) -> &Beacon {
        &self.beacon
    }

    /// When it said so, by the receiver's clock.
    pub fn heard_at(&self) -> Instant {
        self.heard_at
    }
}

/// What a beacon means for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SstEvent {
    /// A node that was never heard of.
    Appeared,
    /// A node that was lost, or that has booted anew.
    Returned,
    /// News of a node that is known.
    Refreshed,
    /// An old or repeated beacon; nothing was changed.
    Stale,
    /// There is no room for another node.
    Full,
}

/// Room for one node.
pub type SstSlot = HostSlot<Entry>;

/// The table, over slots that its owner provides.
#[derive(Debug)]
pub struct Sst<S: DerefMut<Target = [SstSlot]>> {
    map: HostMap<Entry, S>,
}

impl<S: DerefMut<Target = [SstSlot]>> Sst<S> {
    /// An empty table over `slots`.
    pub fn new(slots: S) -> Self {
        Self {
            map: HostMap::new(slots),
        }
    }

    /// Takes note of the beacon of `from`'s node.
    pub fn update(&mut self, now: Instant, from: Gpid, beacon: &Beacon) -> SstEvent {
        let fresh = Entry {
            node: from.node(),
            beacon: *beacon,
            heard_at: now,
            lost: false,
        };
        let Some(entry) = self.map.get_mut(from.host()) else {
            return match self.map.get_or_insert_with(from.host(), || fresh) {
                Some(_) => SstEvent::Appeared,
                None => SstEvent::Full,
            };
        };
        let same_boot = entry.node == fresh.node;
        let refreshed = same_boot && !entry.lost;
        if refreshed && !beacon.seq().is_after(entry.beacon.seq()) {
            return SstEvent::Stale;
        }
        *entry = fresh;
        if refreshed {
            SstEvent::Refreshed
        } else {
            SstEvent::Returned
        }
    }

    /// Takes note that `host` is gone: its next beacon is that of a node that returns, whatever its
    /// number.
    pub fn lose(&mut self, host: HostId) {
        if let Some(entry) = self.map.get_mut(host) {
            entry.lost = true;
        }
    }

    /// What is known of `host`.
    pub fn get(&self, host: HostId) -> Option<&Entry> {
        self.map.get(host)
    }

    /// Every node that was ever heard of.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &Entry)> {
        self.map.iter()
    }

    /// How many nodes were ever heard of.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use std::vec::Vec;
    use zerocopy::big_endian::U32;

    fn sst(room: usize) -> Sst<Vec<SstSlot>> {
        Sst::new((0..room).map(|_| SstSlot::new()).collect())
    }

    fn beacon(seq: u32) -> Beacon {
        Beacon {
            seq: U32::new(seq),
            ..Beacon::default()
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    #[test]
    fn beacons_that_overtook_each_other() {
        let mut sst = sst(4);
        let node = Gpid::new(HostId::new(2), 7, 0);
        let first = sst.update(at(0), node, &beacon(u32::MAX));
        assert_eq!(first, SstEvent::Appeared);
        assert_eq!(sst.update(at(500), node, &beacon(0)), SstEvent::Refreshed);
        let late = sst.update(at(501), node, &beacon(u32::MAX));
        assert_eq!(late, SstEvent::Stale);
        assert_eq!(sst.get(HostId::new(2)).unwrap().heard_at(), at(500));
    }

    #[test]
    fn silence_makes_a_state_old_and_nothing_else() {
        let mut sst = sst(4);
        let node = Gpid::new(HostId::new(2), 7, 0);
        sst.update(at(0), node, &beacon(5));
        assert_eq!(
            sst.update(at(90_000), node, &beacon(6)),
            SstEvent::Refreshed
        );
        assert_eq!(sst.get(HostId::new(2)).unwrap().heard_at(), at(90_000));
        assert_eq!(sst.get(HostId::new(2)).unwrap().beacon().seq.get(), 6);
    }

    #[test]
    fn who_was_lost_may_count_anew() {
        let mut sst = sst(4);
        let node = Gpid::new(HostId::new(2), 7, 0);
        sst.update(at(0), node, &beacon(5));
        sst.lose(HostId::new(2));
        sst.lose(HostId::new(3));
        assert_eq!(sst.get(HostId::new(2)).unwrap().heard_at(), at(0));
        assert_eq!(sst.update(at(2), node, &beacon(1)), SstEvent::Returned);
        assert_eq!(sst.update(at(3), node, &beacon(1)), SstEvent::Stale);
        assert!(sst.get(HostId::new(3)).is_none());
    }

    #[test]
    fn a_reboot_starts_the_count_anew() {
        let mut sst = sst(4);
        sst.update(at(0), Gpid::new(HostId::new(2), 7, 0), &beacon(90));
        assert_eq!(
            sst.update(at(10), Gpid::new(HostId::new(2), 8, 55), &beacon(1)),
            SstEvent::Returned
        );
        assert_eq!(
            sst.get(HostId::new(2)).unwrap().node(),
            Gpid::new(HostId::new(2), 8, 0)
        );
    }

    #[test]
    fn a_full_table_takes_no_more() {
        let mut sst = sst(2);
        for host in 1..=3 {
            let event = sst.update(at(0), Gpid::new(HostId::new(host), 1, 0), &beacon(1));
            assert_eq!(
                event,
                if host < 3 {
                    SstEvent::Appeared
                } else {
                    SstEvent::Full
                }
            );
        }
        assert_eq!(
            sst.update(at(1), Gpid::new(HostId::new(1), 1, 0), &beacon(2)),
            SstEvent::Refreshed
        );
        assert_eq!(sst.len(), 2);
    }
}
