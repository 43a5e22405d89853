// SPDX-License-Identifier: GPL-2.0-only

//! The communication descriptor table (paper, section 3.2).

use core::mem::MaybeUninit;
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq, UniqueArc};
use podos_proto::cdt::{Cdt, CdtIndex, Full, PeerKey, Slot};
use podos_proto::circuit::Circuit;
use podos_proto::Gpid;

use crate::entry::Entry;
use crate::share::Share;
use crate::sys::{trace, SegmentData};

type Slots = KVVec<Slot<Arc<Entry>>>;

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
                new_spinlock_irq!(Cdt::new(slots), "podos_cdt")
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

    /// Makes a circuit for the index that it will have, and puts it in.
    ///
    /// `room` is memory for it, taken beforehand. `passive` names the active end, for circuits
    /// that another node opens; nobody has been charged for these.
    ///
    /// # Errors
    ///
    /// `ENFILE` when the table is full.
    pub(crate) fn insert(
        &self,
        room: UniqueArc<MaybeUninit<Entry>>,
        passive: Option<PeerKey>,
        peer: Gpid,
        share: Share,
        make: impl FnOnce(CdtIndex) -> Circuit<SegmentData>,
    ) -> Result<Arc<Entry>> {
        let mut inserted = None;
        let make = |index| {
            let entry = Entry::new(index, peer, make(index), share);
            let entry: Arc<Entry> = match room.pin_init_with(entry) {
                Ok(entry) => entry.into(),
                Err(never) => match never {},
            };
            inserted = Some(entry.clone());
            entry
        };
        let mut cdt = self.cdt.lock();
        match passive {
            None => cdt.insert_active(make),
            Some(key) => cdt.insert_passive(key, make),
        }
        .map_err(|Full| ENFILE)?;
        drop(cdt);
        inserted.ok_or(ENFILE)
    }

    /// Takes an entry out; harmless if it is not there.
    pub(crate) fn remove(&self, index: CdtIndex) {
        let removed = self.cdt.lock().remove(index);
        // Outside of the lock: this may be the last reference.
        if let Some(entry) = removed {
            trace::circuit_ended(|| entry.epitaph());
        }
    }

    /// Circuits in the table.
    pub(crate) fn len(&self) -> usize {
        self.cdt.lock().len()
    }

    /// Circuits that there is room for.
    pub(crate) fn size(&self) -> usize {
        self.cdt.lock().capacity()
    }

    /// Calls `f` for each entry that `wanted` picks, without the table's lock. Entries that come
    /// meanwhile may be left out.
    pub(crate) fn for_each(&self, wanted: impl Fn(&Entry) -> bool, mut f: impl FnMut(&Arc<Entry>)) {
        let mut from = Some(0);
        while let Some((index, entry)) = from.and_then(|from| self.next(from, &wanted)) {
            f(&entry);
            from = index.index().checked_add(1);
        }
    }

    fn next(&self, from: u16, wanted: impl Fn(&Entry) -> bool) -> Option<(CdtIndex, Arc<Entry>)> {
        let cdt = self.cdt.lock();
        let (index, entry) = cdt.iter_from(from).find(|(_, entry)| wanted(entry))?;
        Some((index, entry.clone()))
    }
}
