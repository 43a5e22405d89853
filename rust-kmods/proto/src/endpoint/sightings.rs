// SPDX-License-Identifier: GPL-2.0-only

//! Which stations were heard just now, looked up without a lock.
//!
//! Nearly every frame comes from where another one came a moment ago, and the table of peers has
//! nothing to learn from it. So who was taken note of there is not looked up again for a while, as long
//! as the [version](crate::peer::Peers::version) of that table is the same.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Mac;
use crate::gpid::Gpid;
use crate::tgroup::{RailId, MAX_RAILS};
use crate::time::Instant;

/// A sign of life in so many ns, as a power of two, stands for all of them: 67 ms, which is little
/// beside the time after which a rail counts as silent.
const WHILE: u32 = 26;

/// A place for one sighting. Empty at first.
#[derive(Debug, Default)]
pub struct SightingSlot(AtomicU64);

impl SightingSlot {
    /// Nobody was heard.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

/// That a node was heard on a rail, with an address, about now.
///
/// It is one word, so that no lock is needed: what cannot be is that a part of it is another's. Two
/// different ones may be the same word, once in 2^31 pairs; then a sign of life of one of them is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    place: usize,
    word: u64,
}

impl Sighting {
    /// Of a frame of `from`, while the table of peers has this version.
    pub(super) fn new(now: Instant, version: u32, from: Gpid, rail: RailId, mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac;
        let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let mixed = (from.node().raw() ^ mac.rotate_left(16)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Never 0, as an empty place is.
        let who = mixed >> 32 | 1;
        let host = from.host().raw() as usize;
        Self {
            place: host * MAX_RAILS + rail.index(),
            word: who << 32
                | u64::from(version as u16) << 16
                | u64::from((now.as_nanos() >> WHILE) as u16),
        }
    }

    /// Whether it was taken note of. No slots: never.
    pub(super) fn is_noted(self, slots: &[SightingSlot]) -> bool {
        let slot = self.slot(slots);
        slot.is_some_and(|slot| slot.0.load(Ordering::Relaxed) == self.word)
    }

    /// Takes note of it.
    pub(super) fn note(self, slots: &[SightingSlot]) {
        if let Some(slot) = self.slot(slots) {
            slot.0.store(self.word, Ordering::Relaxed);
        }
    }

    fn slot(self, slots: &[SightingSlot]) -> Option<&SightingSlot> {
        slots.get(self.place.checked_rem(slots.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_id::HostId;
    use crate::time::Duration;

    const MAC: Mac = [2, 0, 0, 0, 0, 1];

    #[test]
    fn it_holds_for_the_same_station_and_for_a_while() {
        let slots = [const { SightingSlot::new() }; 64];
        let now = Instant::from_nanos(1 << 40);
        let from = Gpid::new(HostId::new(3), 1, 77);
        let sighting = |now, version, from, rail, mac| Sighting::new(now, version, from, rail, mac);
        let first = sighting(now, 9, from, RailId::R1, MAC);
        assert!(!first.is_noted(&slots) && !first.is_noted(&[]));
        first.note(&[]);
        first.note(&slots);
        assert!(first.is_noted(&slots));
        // Whichever of the node's processes it is.
        let other = Gpid::new(HostId::new(3), 1, 78);
        assert!(sighting(now, 9, other, RailId::R1, MAC).is_noted(&slots));
        let reboot = Gpid::new(HostId::new(3), 2, 77);
        let beyond = Gpid::new(HostId::new(3 + 64), 1, 77);
        for other in [
            sighting(now + Duration::from_millis(68), 9, from, RailId::R1, MAC),
            sighting(now, 10, from, RailId::R1, MAC),
            sighting(now, 9, reboot, RailId::R1, MAC),
            sighting(now, 9, beyond, RailId::R1, MAC),
            sighting(now, 9, from, RailId::R2, MAC),
            sighting(now, 9, from, RailId::R1, [2, 0, 0, 0, 0, 2]),
        ] {
            assert!(!other.is_noted(&slots), "{other:?}");
        }
    }
}
