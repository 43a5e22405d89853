// SPDX-License-Identifier: MIT OR Apache-2.0

//! The counters, in a file that others read while they are counted up.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// A counter that stays where it is for as long as this process runs.
#[derive(Clone, Copy)]
pub struct Counter(&'static AtomicU64);

impl Counter {
    /// Where it is, for one that adds to it on its own.
    pub fn as_ptr(self) -> *mut u64 {
        self.0.as_ptr()
    }
}

/// The counters of a file: pairs of numbers of 64 bits as the machine has them, an address and what
/// was executed there, until the first pair whose address is 0.
pub struct Counts {
    records: &'static [Record],
    /// The record of each address.
    places: HashMap<u64, usize>,
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
        // ones, so that readers of the file and QEMU's own additions are no data race.
        let records = unsafe { NonNull::slice_from_raw_parts(start, RECORDS).as_ref() };
        Ok(Self {
            records,
            places: HashMap::new(),
        })
    }

    /// The counter of the block at this address, the same each time.
    pub fn counter(&mut self, address: u64) -> Counter {
        let next = self.places.len();
        let last = self.records.len() - 1;
        let place = *self.places.entry(address).or_insert(next.min(last));
        let record = &self.records[place];
        let known = if place == last { ELSEWHERE } else { address };
        record.address.store(known, Ordering::Release);
        Counter(&record.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(counter: Counter, instructions: u64) {
        counter.0.fetch_add(instructions, Ordering::Relaxed);
    }

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
        let mut counts = Counts::create(file.path()).unwrap();
        let first = counts.counter(0xffff_ffff_8100_0000);
        add(first, 5);
        add(counts.counter(0x40_0000), 2);
        // Translated anew.
        let again = counts.counter(0xffff_ffff_8100_0000);
        assert_eq!(first.as_ptr(), again.as_ptr());
        add(again, 5);
        assert_eq!(
            read(file.path()),
            [(0xffff_ffff_8100_0000, 10), (0x40_0000, 2)]
        );
    }

    #[test]
    fn what_is_too_much_counts_as_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut counts = Counts::create(file.path()).unwrap();
        for address in 1..=RECORDS as u64 + 10 {
            add(counts.counter(address), 1);
        }
        let pairs = read(file.path());
        assert_eq!(pairs.len(), RECORDS);
        assert_eq!(pairs[RECORDS - 1], (ELSEWHERE, 11));
        assert_eq!(pairs[RECORDS - 2], (RECORDS as u64 - 1, 1));
    }
}
