// SPDX-License-Identifier: GPL-2.0-only

//! The Communication Descriptor Table (paper, section 3.2): where circuits live.
//!
//! A fixed table. An index carries its slot's generation, so one that outlives its entry finds
//! nothing, rather than somebody else's. Slots are reused in the order in which they were freed, so
//! a generation returns as late as it can, and a slot remembers whether its last entry ended well:
//! late frames of a circuit are answered by that. Entries of the passive end are also found by what
//! names them at the active end, through hash chains whose links lie in the slots themselves.

use core::fmt;
use core::ops::DerefMut;

use crate::gpid::Gpid;

/// Most slots of a table.
pub const MAX_SLOTS: usize = NIL as usize;

/// No slot.
const NIL: u16 = u16::MAX;

/// Where an entry is, and which one of those that were ever there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CdtIndex {
    index: u16,
    generation: u16,
}

impl CdtIndex {
    /// No entry: all bits set on the wire.
    pub const NONE: CdtIndex = CdtIndex {
        index: NIL,
        generation: u16::MAX,
    };

    /// The index of slot `index`'s entry number `generation`.
    pub const fn new(index: u16, generation: u16) -> Self {
        Self { index, generation }
    }

    /// From the wire: generation (16 bits) | slot (16 bits).
    pub const fn from_raw(raw: u32) -> Self {
        Self {
            index: raw as u16,
            generation: (raw >> 16) as u16,
        }
    }

    /// As on the wire.
    pub const fn raw(self) -> u32 {
        (self.generation as u32) << 16 | self.index as u32
    }

    /// The slot.
    pub const fn index(self) -> u16 {
        self.index
    }

    /// The slot's generation.
    pub const fn generation(self) -> u16 {
        self.generation
    }

    /// Whether this may name an entry.
    pub const fn is_some(self) -> bool {
        self.index != NIL
    }

    /// Whether this names none.
    pub const fn is_none(self) -> bool {
        self.index == NIL
    }
}

impl fmt::Display for CdtIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        write!(f, "{}.{}", self.index, self.generation)
    }
}

impl fmt::Debug for CdtIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CdtIndex({self})")
    }
}

/// What names a circuit at the end that opened it, as its passive end sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerKey {
    /// The node that opened the circuit: host and boot (see [`Gpid::node`]).
    pub node: Gpid,
    /// The circuit's index in that node's table.
    pub active: CdtIndex,
}

impl PeerKey {
    /// The key of the circuit that `from`'s node knows as `active`.
    pub const fn new(from: Gpid, active: CdtIndex) -> Self {
        Self {
            node: from.node(),
            active,
        }
    }

    fn hash(self) -> u32 {
        // Fibonacci hashing: the product's high half depends on every bit below it.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let node = (self.node.raw() >> 16).wrapping_mul(GOLDEN);
        let both = (node ^ u64::from(self.active.raw())).wrapping_mul(GOLDEN);
        (both >> 32) as u32
    }
}

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the communication descriptor table is full")
    }
}

impl core::error::Error for Full {}

/// Room for one entry. Besides, slot `n` holds the head of hash chain `n`.
#[derive(Debug)]
pub struct Slot<T> {
    value: Option<T>,
    key: Option<PeerKey>,
    generation: u16,
    /// The last generation whose circuit finished.
    finished: Option<u16>,
    /// Free: the next free slot. Passive: the next slot of the same hash chain.
    next: u16,
    /// Passive: the previous slot of the same hash chain.
    prev: u16,
    /// The first slot of the hash chain with this slot's number.
    chain: u16,
}

impl<T> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self {
            value: None,
            key: None,
            generation: 0,
            finished: None,
            next: NIL,
            prev: NIL,
            chain: NIL,
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The table, over slots that its owner provides (a vector, a box, a borrowed slice).
///
/// # Invariants
///
/// Every slot without a value is on the free list, every slot with a key is on the hash chain of
/// its key, and no slot is on two lists.
#[derive(Debug)]
pub struct Cdt<T, S: DerefMut<Target = [Slot<T>]>> {
    slots: S,
    free_head: u16,
    free_tail: u16,
    len: u16,
}

impl<T, S: DerefMut<Target = [Slot<T>]>> Cdt<T, S> {
    /// An empty table over `slots`, of which the first [`MAX_SLOTS`] are used.
    pub fn new(mut slots: S) -> Self {
        let count = slots.len().min(MAX_SLOTS) as u16;
        for (index, slot) in (0..count).zip(slots.iter_mut()) {
            *slot = Slot::new();
            slot.next = if index + 1 < count { index + 1 } else { NIL };
        }
        let (free_head, free_tail) = if count == 0 {
            (NIL, NIL)
        } else {
            (0, count - 1)
        };
        Self {
            slots,
            free_head,
            free_tail,
            len: 0,
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.free_head == NIL
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there can be.
    pub fn capacity(&self) -> usize {
        self.slots.len().min(MAX_SLOTS)
    }

    /// Enters what `make` makes of its index: a circuit that this node opens.
    ///
    /// # Errors
    ///
    /// [`Full`], and `make` was not called.
    pub fn insert_active(&mut self, make: impl FnOnce(CdtIndex) -> T) -> Result<CdtIndex, Full> {
        let index = self.free_head;
        let slot = self.slot_mut(index).ok_or(Full)?;
        let next = core::mem::replace(&mut slot.next, NIL);
        slot.generation = slot.generation.wrapping_add(1);
        // It may have come round.
        slot.finished = slot.finished.filter(|last| *last != slot.generation);
        let at = CdtIndex::new(index, slot.generation);
        slot.value = Some(make(at));
        self.free_head = next;
        if next == NIL {
            self.free_tail = NIL;
        }
        self.len += 1;
        Ok(at)
    }

    /// Enters what `make` makes of its index: a circuit that another node opens and knows by
    /// `key`. The caller has seen that there is none with this key.
    ///
    /// # Errors
    ///
    /// [`Full`], and `make` was not called.
    pub fn insert_passive(
        &mut self,
        key: PeerKey,
        make: impl FnOnce(CdtIndex) -> T,
    ) -> Result<CdtIndex, Full> {
        let at = self.insert_active(make)?;
        let chain = self.chain_of(key);
        let head = self.chain_head(chain);
        if let Some(slot) = self.slot_mut(at.index) {
            slot.key = Some(key);
            slot.next = head;
            slot.prev = NIL;
        }
        if let Some(slot) = self.slot_mut(head) {
            slot.prev = at.index;
        }
        self.set_chain_head(chain, at.index);
        Ok(at)
    }

    /// The entry with this index, unless it is gone.
    pub fn get(&self, at: CdtIndex) -> Option<&T> {
        let slot = self.slot(at.index)?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == at.generation)
    }

    /// The entry with this index, to be changed.
    pub fn get_mut(&mut self, at: CdtIndex) -> Option<&mut T> {
        let slot = self.slot_mut(at.index)?;
        let generation = slot.generation;
        slot.value.as_mut().filter(|_| generation == at.generation)
    }

    /// Takes the entry with this index out; the index and its copies find nothing from now on.
    pub fn remove(&mut self, at: CdtIndex) -> Option<T> {
        let slot = self.slot_mut(at.index)?;
        if slot.generation != at.generation {
            return None;
        }
        let value = slot.value.take()?;
        let (key, next, prev) = (slot.key.take(), slot.next, slot.prev);
        slot.next = NIL;
        slot.prev = NIL;
        if let Some(key) = key {
            self.unchain(key, next, prev);
        }
        match self.slot_mut(self.free_tail) {
            Some(tail) => tail.next = at.index,
            None => self.free_head = at.index,
        }
        self.free_tail = at.index;
        self.len -= 1;
        Some(value)
    }

    /// As [`Cdt::remove`], of a circuit of which either end has had all that the other one sent.
    pub fn remove_finished(&mut self, at: CdtIndex) -> Option<T> {
        let value = self.remove(at)?;
        if let Some(slot) = self.slot_mut(at.index) {
            slot.finished = Some(at.generation);
        }
        Some(value)
    }

    /// Whether the entry that had this index was [taken out finished](Cdt::remove_finished). Known
    /// until the slot's next entry has finished, too.
    pub fn has_finished(&self, at: CdtIndex) -> bool {
        let slot = self.slot(at.index);
        slot.is_some_and(|slot| slot.finished == Some(at.generation))
    }

    /// The index of the circuit that another node opened and knows by `key`.
    pub fn find_passive(&self, key: PeerKey) -> Option<CdtIndex> {
        let mut index = self.chain_head(self.chain_of(key));
        while let Some(slot) = self.slot(index) {
            if slot.key == Some(key) {
                return Some(CdtIndex::new(index, slot.generation));
            }
            index = slot.next;
        }
        None
    }

    /// Every entry with its index, in the order of the slots.
    pub fn iter(&self) -> impl Iterator<Item = (CdtIndex, &T)> {
        self.window(0, self.capacity())
    }

    /// The entries in `count` slots from slot `first` on, with their indices: for walks that are
    /// interrupted.
    pub fn window(&self, first: u16, count: usize) -> impl Iterator<Item = (CdtIndex, &T)> {
        let slots = self.slots.iter().skip(usize::from(first)).take(count);
        (first..NIL).zip(slots).filter_map(|(index, slot)| {
            Some((CdtIndex::new(index, slot.generation), slot.value.as_ref()?))
        })
    }

    /// Every entry with its index, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (CdtIndex, &mut T)> {
        (0..NIL)
            .zip(self.slots.iter_mut())
            .filter_map(|(index, slot)| {
                Some((CdtIndex::new(index, slot.generation), slot.value.as_mut()?))
            })
    }

    /// Slot `index`; none for [`NIL`], though the slots may go on behind it.
    fn slot(&self, index: u16) -> Option<&Slot<T>> {
        self.slots.get(usize::from(index)).filter(|_| index != NIL)
    }

    fn slot_mut(&mut self, index: u16) -> Option<&mut Slot<T>> {
        self.slots
            .get_mut(usize::from(index))
            .filter(|_| index != NIL)
    }

    fn chain_of(&self, key: PeerKey) -> usize {
        // Scales the hash to the number of chains without a division.
        ((u64::from(key.hash()) * self.capacity() as u64) >> 32) as usize
    }

    fn chain_head(&self, chain: usize) -> u16 {
        self.slots.get(chain).map_or(NIL, |slot| slot.chain)
    }

    fn set_chain_head(&mut self, chain: usize, index: u16) {
        if let Some(slot) = self.slots.get_mut(chain) {
            slot.chain = index;
        }
    }

    fn unchain(&mut self, key: PeerKey, next: u16, prev: u16) {
        match self.slot_mut(prev) {
            Some(slot) => slot.next = next,
            None => self.set_chain_head(self.chain_of(key), next),
        }
        if let Some(slot) = self.slot_mut(next) {
            slot.prev = prev;
        }
    }
}

#[cfg(test)]
mod tests;
