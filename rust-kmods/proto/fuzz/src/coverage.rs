// SPDX-License-Identifier: GPL-2.0-only

//! What code an input reached, if the compiler was told to count: see `README.md`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use podos_proto_fuzz::engine::Coverage;

/// Where the counters of the instrumented code are, one byte for each place.
static START: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Called by each instrumented object before `main`, with the counters of all of them.
///
/// # Safety
///
/// `start` and `stop` must be the bounds of the counters' section.
// SAFETY: the name belongs to LLVM's sanitizer coverage; nothing else defines it, for this program
// is not linked with libFuzzer.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    START.store(start, Ordering::Relaxed);
    COUNT.store(stop as usize - start as usize, Ordering::Relaxed);
}

/// Called likewise, with the places' addresses, which nobody asks for here.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_start: *const usize, _stop: *const usize) {}

/// The counters, and which of them ever counted how much.
#[derive(Debug)]
pub struct Counters {
    /// For each place the magnitudes that were reached, as bits.
    reached: Vec<u8>,
}

impl Counters {
    /// The counters of this program.
    pub fn new() -> Self {
        Self {
            reached: vec![0; COUNT.load(Ordering::Relaxed)],
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.reached.len()
    }

    /// How many ever counted.
    pub fn reached(&self) -> usize {
        self.reached.iter().filter(|&&bits| bits != 0).count()
    }

    fn counters(&mut self) -> &mut [u8] {
        let start = START.load(Ordering::Relaxed);
        if start.is_null() {
            return &mut [];
        }
        // SAFETY: `start` and the length are those of a section of this program, which lives as
        // long as it does; only the instrumented code, which runs on this thread, writes to it, and
        // not while this slice is borrowed.
        unsafe { std::slice::from_raw_parts_mut(start, self.reached.len()) }
    }
}

impl Coverage for Counters {
    fn clear(&mut self) {
        self.counters().fill(0);
    }

    fn is_new(&mut self) -> bool {
        let counts = self.counters().to_vec();
        let mut new = false;
        for (reached, count) in self.reached.iter_mut().zip(counts) {
            if count > 0 {
                // 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more: as AFL counts.
                let magnitude = match count {
                    1..=3 => 1 << (count - 1),
                    4..=7 => 8,
                    8..=15 => 16,
                    16..=31 => 32,
                    32..=127 => 64,
                    _ => 128,
                };
                new |= *reached & magnitude == 0;
                *reached |= magnitude;
            }
        }
        new
    }
}
