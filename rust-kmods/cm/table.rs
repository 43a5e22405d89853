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
use crate::sys::{trace, Published, SegmentData};

/// Slots that are looked at under the table's lock at a time.
const WINDOW: usize = 32;

type Slots = KVVec<Slot<Arc<Entry>>>;

/// The table of all circuits of this node.
#[pin_data]
pub(crate) struct Table {
    #[pin]
    cdt: SpinLockIrq<Cdt<Arc<Entry>, Slots>>,
    /// The same entries, by their slots: what frames name is found without the lock. Changed under
    /// it.
    published: Published<Entry>,
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
            published: Published::new(entries)?,
        })
    }

    /// The entry of a live circuit; a stale index finds none.
    pub(crate) fn get(&self, index: CdtIndex) -> Option<Arc<Entry>> {
        let is_meant = |entry: &Entry| entry.index() == index;
        self.published.find(index.index().into(), is_meant)
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
        if cdt.is_full() {
            // What was given goes after the lock does: a share has a lock of its own.
            return Err(ENFILE);
        }
        match passive {
            None => cdt.insert_active(make),
            Some(key) => cdt.insert_passive(key, make),
        }
        .map_err(|Full| ENFILE)?;
        let inserted = inserted.ok_or(ENFILE)?;
        let place = inserted.index().index();
        self.published.put(place.into(), inserted.clone());
        Ok(inserted)
    }

    /// Takes an entry out; whether it was there. `finished`: its circuit came to its end, and was not
    /// cut off.
    pub(crate) fn remove(&self, index: CdtIndex, finished: bool) -> bool {
        let (removed, withdrawn) = {
            let mut cdt = self.cdt.lock();
            let removed = match finished {
                true => cdt.remove_finished(index),
                false => cdt.remove(index),
            };
            let place = removed.as_ref().map(|_| index.index().into());
            (
                removed,
                place.and_then(|place| self.published.withdraw(place)),
            )
        };
        // Outside of the lock: this is work.
        drop(withdrawn);
        match removed {
            Some(entry) => {
                entry.left_table();
                trace::circuit_ended(|| entry.epitaph());
                true
            }
            None => false,
        }
    }

    /// Whether a circuit of this index was here, and finished.
    pub(crate) fn has_finished(&self, index: CdtIndex) -> bool {
        self.cdt.lock().has_finished(index)
    }

    /// Circuits in the table.
    pub(crate) fn len(&self) -> usize {
        self.cdt.lock().len()
    }

    /// Circuits that there is room for besides.
    pub(crate) fn free(&self) -> usize {
        let cdt = self.cdt.lock();
        cdt.capacity() - cdt.len()
    }

    /// Circuits that there is room for.
    pub(crate) fn size(&self) -> usize {
        self.cdt.lock().capacity()
    }

    /// Calls `f` for each entry, without the table's lock. Entries that come meanwhile may be left
    /// out.
    ///
    /// The lock, and interrupts, are held up for a few slots at a time, whatever the table's size.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<Entry>)) {
        let mut first = Some(0);
        while let Some(from) = first {
            let mut found = [const { None }; WINDOW];
            let size = {
                let cdt = self.cdt.lock();
                let entries = cdt.window(from, WINDOW).map(|(_, entry)| entry.clone());
                for (place, entry) in found.iter_mut().zip(entries) {
                    *place = Some(entry);
                }
                cdt.capacity()
            };
            found.iter().flatten().for_each(&mut f);
            let next = from.checked_add(WINDOW as u16);
            first = next.filter(|next| usize::from(*next) < size);
        }
    }
}
