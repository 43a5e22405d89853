// SPDX-License-Identifier: GPL-2.0-only

//! The communication descriptor table (paper, section 3.2).

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_proto::cdt::{Cdt, CdtIndex, PeerKey, Slot};
use podos_proto::time::Instant;

use crate::entry::Entry;

/// The slots' memory, as proto wants it.
pub(crate) struct Slots(KVVec<Slot<Arc<Entry>>>);

impl AsRef<[Slot<Arc<Entry>>]> for Slots {
    fn as_ref(&self) -> &[Slot<Arc<Entry>>] {
        &self.0
    }
}

impl AsMut<[Slot<Arc<Entry>>]> for Slots {
    fn as_mut(&mut self) -> &mut [Slot<Arc<Entry>>] {
        &mut self.0
    }
}

/// The table of all circuits of this node.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    cdt: SpinLockIrq<Cdt<Arc<Entry>, Slots>>,
}

impl Table {
    /// A table for `entries` circuits.
    pub(crate) fn new(entries: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            cdt <- {
                let mut slots = KVVec::with_capacity(entries, GFP_KERNEL)?;
                for _ in 0..entries {
                    slots.push(Slot::default(), GFP_KERNEL)?;
                }
                new_spinlock_irq!(Cdt::new(Slots(slots)), "podos_cdt")
            },
        })
    }

    /// The entry of a live circuit; a stale index finds none.
    pub(crate) fn get(&self, index: CdtIndex) -> Option<Arc<Entry>> {
        self.cdt.lock().get(index).cloned()
    }

    /// The passive entry that an active one of another node opened.
    pub(crate) fn find_passive(&self, key: PeerKey) -> Option<Arc<Entry>> {
        let cdt = self.cdt.lock();
        cdt.get(cdt.find_passive(key)?).cloned()
    }

    /// Puts in what `make` gives for the index that it will have.
    ///
    /// # Errors
    ///
    /// `ENOSPC` when the table is full, and what `make` gives. `make` must not sleep.
    pub(crate) fn insert(
        &self,
        passive: Option<PeerKey>,
        make: impl FnOnce(CdtIndex) -> Result<Arc<Entry>>,
    ) -> Result<Arc<Entry>> {
        let mut cdt = self.cdt.lock();
        let index = match passive {
            None => cdt.insert_active(make),
            Some(key) => cdt.insert_passive(key, make),
        }?;
        cdt.get(index).cloned().ok_or(EINVAL)
    }

    /// Takes an entry out; harmless if it is not there.
    pub(crate) fn remove(&self, index: CdtIndex) {
        let removed = self.cdt.lock().remove(index);
        // Outside of the lock: this may be the last reference.
        drop(removed);
    }

    /// Circuits in the table.
    pub(crate) fn len(&self) -> usize {
        self.cdt.lock().len()
    }

    /// Calls `f` for each entry that is due, without the table's lock.
    pub(crate) fn for_each_due(&self, now: Instant, f: impl Fn(&Arc<Entry>)) {
        self.for_each(|entry| entry.is_due(now), f);
    }

    /// Calls `f` for each entry that `wanted` picks, without the table's lock. Entries that come
    /// meanwhile may be left out.
    pub(crate) fn for_each(&self, wanted: impl Fn(&Entry) -> bool, f: impl Fn(&Arc<Entry>)) {
        let mut from = 0;
        while let Some((slot, entry)) = self.next(from, &wanted) {
            f(&entry);
            from = slot + 1;
        }
    }

    fn next(&self, from: usize, wanted: impl Fn(&Entry) -> bool) -> Option<(usize, Arc<Entry>)> {
        let cdt = self.cdt.lock();
        let (index, entry) = cdt.iter_from(from).find(|(_, entry)| wanted(entry))?;
        Some((usize::from(index.index()), entry.clone()))
    }

    /// The earliest deadline of all circuits.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.cdt.lock().iter().filter_map(|(_, entry)| entry.deadline()).min()
    }
}
