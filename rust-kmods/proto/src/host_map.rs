// SPDX-License-Identifier: GPL-2.0-only

//! A table from host ids to values that only grows: open addressing over its owner's slots.
//!
//! A cluster's nodes come back under the same host id, so nothing is ever taken out.

use core::ops::DerefMut;

use crate::host_id::HostId;

/// Slots that are looked at for one host: in a full table a stranger's frames cost no more.
const MAX_PROBES: usize = 64;

/// Room for one host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostSlot<V> {
    entry: Option<(HostId, V)>,
}

impl<V> HostSlot<V> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self { entry: None }
    }
}

/// The table, over slots that its owner provides.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct HostMap<V, S: DerefMut<Target = [HostSlot<V>]>> {
    slots: S,
    len: usize,
    marker: core::marker::PhantomData<V>,
}

impl<V, S: DerefMut<Target = [HostSlot<V>]>> HostMap<V, S> {
    /// An empty table over `slots`; twice as many as there are hosts keep it fast.
    pub fn new(mut slots: S) -> Self {
        for slot in slots.iter_mut() {
            *slot = HostSlot::new();
        }
        Self {
            slots,
            len: 0,
            marker: core::marker::PhantomData,
        }
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of `host`.
    pub fn get(&self, host: HostId) -> Option<&V> {
        let at = self.find(host)?;
        match &self.slots.get(at)?.entry {
            Some((_, value)) => Some(value),
            None => None,
        }
    }

    /// The value of `host`, to be changed.
    pub fn get_mut(&mut self, host: HostId) -> Option<&mut V> {
        let at = self.find(host)?;
        match &mut self.slots.get_mut(at)?.entry {
            Some((_, value)) => Some(value),
            None => None,
        }
    }

    /// The value of `host`, made by `make` if there is none yet; `None` when there is no room for it.
    pub fn get_or_insert_with(&mut self, host: HostId, make: impl FnOnce() -> V) -> Option<&mut V> {
        let at = self.find(host)?;
        let slot = self.slots.get_mut(at)?;
        if slot.entry.is_none() {
            self.len += 1;
        }
        let (_, value) = slot.entry.get_or_insert_with(|| (host, make()));
        Some(value)
    }

    /// Every host with its value.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &V)> {
        self.slots
            .iter()
            .filter_map(|slot| slot.entry.as_ref().map(|(host, value)| (*host, value)))
    }

    /// Every host with its value, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (HostId, &mut V)> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.entry.as_mut().map(|(host, value)| (*host, value)))
    }

    /// How many slots there are.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// What is in the slot with this number, to be changed: for walks that are interrupted.
    pub fn slot_mut(&mut self, at: usize) -> Option<(HostId, &mut V)> {
        let entry = self.slots.get_mut(at)?.entry.as_mut();
        entry.map(|(host, value)| (*host, value))
    }

    /// Where `host` is or would be put; `None` when it is not there and there is no room for it
    /// near enough.
    fn find(&self, host: HostId) -> Option<usize> {
        let count = self.slots.len();
        let hash = host.raw().wrapping_mul(0x9e37_79b9);
        let start = ((u64::from(hash) * count as u64) >> 32) as usize;
        (start..count)
            .chain(0..start)
            .take(MAX_PROBES)
            .find(|&at| match self.slots.get(at) {
                Some(HostSlot {
                    entry: Some((other, _)),
                }) => *other == host,
                _ => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn agrees_with_a_hash_map_until_it_is_full() {
        let slots: Vec<HostSlot<u64>> = (0..50).map(|_| HostSlot::new()).collect();
        let mut map = HostMap::new(slots);
        let mut model = HashMap::new();
        // 7 * i: neighbours collide often in so small a table.
        for i in 0..60u32 {
            let (host, value) = (HostId::new(i * 7 + 1), u64::from(i));
            let entered = map.get_or_insert_with(host, || value).is_some();
            assert_eq!(entered, model.len() < 50);
            if entered {
                model.insert(host, value);
            }
        }
        for (&host, &value) in &model {
            assert_eq!(map.get(host), Some(&value));
        }
        assert_eq!(map.get(HostId::new(2)), None);
        assert_eq!(map.len(), 50);
        let eight = HostId::new(8);
        *map.get_mut(eight).unwrap() = 99;
        assert_eq!(
            map.iter().find(|(host, _)| *host == eight),
            Some((eight, &99))
        );
        assert_eq!(map.iter_mut().count(), 50);
        let by_number = (0..map.capacity()).filter(|&at| map.slot_mut(at).is_some());
        assert_eq!(by_number.count(), 50);
    }

    #[test]
    fn no_room_at_all() {
        let mut map: HostMap<u8, Vec<HostSlot<u8>>> = HostMap::new(Vec::new());
        let host = HostId::new(1);
        assert!(map.get_or_insert_with(host, || 1).is_none());
        assert!(map.is_empty() && map.get(host).is_none());
    }

    #[test]
    fn strangers_of_a_full_table_are_soon_refused() {
        let slots: Vec<HostSlot<HostId>> = (0..4096).map(|_| HostSlot::new()).collect();
        let mut map = HostMap::new(slots);
        let entered: Vec<HostId> = (1..20_000)
            .map(HostId::new)
            .filter(|&host| map.get_or_insert_with(host, || host).is_some())
            .collect();
        // Nearly all slots are used, and who is in is found.
        assert!(entered.len() > 4000, "{}", entered.len());
        assert!(entered.iter().all(|&host| map.get(host) == Some(&host)));
        assert_eq!(map.len(), entered.len());
    }
}
