// SPDX-License-Identifier: MIT OR Apache-2.0

//! Time: the high precision event timer, which reports its own rate.
//!
//! The processor's counter would be quicker to read, but it would have to be measured against
//! another clock first, and on a crowded host that measures how crowded it is.

use core::ptr;

/// Where QEMU's PC has it.
const TIMER: usize = 0xfed0_0000;
/// Femtoseconds of one count.
const PERIOD: usize = TIMER + 4;
const CONFIGURATION: usize = TIMER + 0x10;
/// It counts.
const ENABLE: u32 = 1;
const COUNTER: usize = TIMER + 0xf0;

/// A clock that started when it was made.
pub struct Clock {
    start: u64,
    /// Femtoseconds of one count.
    period: u32,
}

impl Clock {
    /// Starts the timer; `None` if there is none.
    pub fn new() -> Option<Self> {
        let period = read(PERIOD);
        // At most 100 ns, says its specification; nothing at all reads as ones.
        if !(1..=100_000_000).contains(&period) {
            return None;
        }
        // SAFETY: it is a register of a device, and nobody else's.
        unsafe { ptr::write_volatile(CONFIGURATION as *mut u32, read(CONFIGURATION) | ENABLE) };
        let start = counter();
        Some(Self { start, period })
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        let femtoseconds = u128::from(counter() - self.start) * u128::from(self.period);
        (femtoseconds / 1_000_000_000) as u64
    }
}

/// Both halves, which may go on between.
fn counter() -> u64 {
    loop {
        let (high, low) = (read(COUNTER + 4), read(COUNTER));
        if read(COUNTER + 4) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: it is a register of a device, which is mapped; reading it changes nothing.
    unsafe { ptr::read_volatile(register as *const u32) }
}
