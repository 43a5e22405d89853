// SPDX-License-Identifier: MIT OR Apache-2.0

//! The counters, in a file that others read while they are counted up.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{mmap, MapFlags, ProtFlags};

/// Blocks that have counters of their own. A node's kernel and programs have some 50,000.
const RECORDS: usize = 1 << 20;

/// Begins where no block does, and counts those that are one too many.
const ELSEWHERE: u64 = u64::MAX;

/// One line of the file.
#[repr(C)]
struct Record {
    /// Where the block begins, as the processor has it.
    address: AtomicU64,
    /// Instructions executed in it.
    instructions: AtomicU64,
}

/// A translated block in one word, which QEMU keeps until it executes the block: the place of its
/// record, and its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(usize);

impl Block {
    /// Bits that the instructions take. QEMU's blocks have 512 at most.
    const INSTRUCTIONS: u32 = 16;

    fn new(place: usize, instructions: usize) -> Self {
        let most = (1 << Self::INSTRUCTIONS) - 1;
        Self(place << Self::INSTRUCTIONS | instructions.min(most))
    }

    /// The block of a word that [`Block::raw`] made.
    pub fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    /// It as a word.
    pub fn raw(self) -> usize {
        self.0
    }

    fn place(self) -> usize {
        self.0 >> Self::INSTRUCTIONS
    }

    fn instructions(self) -> u64 {
        (self.0 & ((1 << Self::INSTRUCTIONS) - 1)) as u64
    }
}

/// The counters of a file: pairs of numbers of 64 bits as the machine has them, an address and what
/// was executed there, until the first pair whose address is 0.
pub struct Counts {
    records: &'static [Record],
    /// The record of each address.
    places: Mutex<HashMap<u64, usize>>,
}

impl Counts {
    /// Makes the file anew.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let size = RECORDS * size_of::<Record>();
        file.set_len(size as u64)?;
        // SAFETY: A new mapping where the kernel likes. It is never unmapped; who shortens the file
        // meanwhile has this process killed by SIGBUS, and nobody does.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast::<Record>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: The mapping is of this size, aligned to a page, and stays. Its numbers are atomic
        // ones, so that readers of the file are no data race.
        let records = unsafe { NonNull::slice_from_raw_parts(start, RECORDS).as_ref() };
        Ok(Self {
            records,
            places: Mutex::default(),
        })
    }

    /// A block at this address, whose record is the same each time.
    pub fn block(&self, address: u64, instructions: usize) -> Block {
        // A panic inside leaves a table that is whole.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.records.len() - 1;
        let next = places.len().min(last);
        let place = *places.entry(address).or_insert(next);
        drop(places);
        let known = if place == last { ELSEWHERE } else { address };
        self.records[place].address.store(known, Ordering::Release);
        Block::new(place, instructions)
    }

    /// A processor executes the block.
    pub fn executed(&self, block: Block) {
        if let Some(record) = self.records.get(block.place()) {
            let count = &record.instructions;
            count.fetch_add(block.instructions(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Vec<(u64, u64)> {
        let bytes = std::fs::read(path).unwrap();
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
        let pairs = bytes.chunks_exact(16);
        let pairs = pairs.map(|pair| (word(&pair[..8]), word(&pair[8..])));
        pairs.take_while(|(address, _)| *address != 0).collect()
    }

    #[test]
    fn a_block_has_one_counter() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let counts = Counts::create(file.path()).unwrap();
        let first = counts.block(0xffff_ffff_8100_0000, 5);
        counts.executed(first);
        counts.executed(counts.block(0x40_0000, 2));
        // Translated anew, and another length this time.
        counts.executed(counts.block(0xffff_ffff_8100_0000, 4));
        // As QEMU gives it back.
        counts.executed(Block::from_raw(first.raw()));
        assert_eq!(
            read(file.path()),
            [(0xffff_ffff_8100_0000, 14), (0x40_0000, 2)]
        );
    }

    #[test]
    fn what_is_too_much_counts_as_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let counts = Counts::create(file.path()).unwrap();
        for address in 1..=RECORDS as u64 + 10 {
            counts.executed(counts.block(address, 1));
        }
        let pairs = read(file.path());
        assert_eq!(pairs.len(), RECORDS);
        assert_eq!(pairs[RECORDS - 1], (ELSEWHERE, 11));
        assert_eq!(pairs[RECORDS - 2], (RECORDS as u64 - 1, 1));
    }
}
