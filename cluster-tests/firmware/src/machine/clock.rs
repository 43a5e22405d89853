// SPDX-License-Identifier: MIT OR Apache-2.0

//! Time: the processor's counter, measured against the interval timer.

use core::arch::x86_64::_rdtsc;

use super::port::{in8, out8};

/// The interval timer's second channel, its command port, and the port with its gate and output.
const CHANNEL: u16 = 0x42;
const COMMAND: u16 = 0x43;
const GATE: u16 = 0x61;
/// The timer's rate.
const TIMER_HERTZ: u64 = 1_193_182;
/// Its ticks that are waited for: a twentieth of a second.
const TICKS: u64 = 59_659;

/// A clock that started when it was made.
pub struct Clock {
    start: u64,
    hertz: u64,
}

impl Clock {
    /// Takes a twentieth of a second.
    pub fn new() -> Self {
        // The gate on, the speaker off.
        out8(GATE, in8(GATE) & !2 | 1);
        // Channel 2, both bytes, mode 0: its output goes up at the end.
        out8(COMMAND, 0xb0);
        out8(CHANNEL, TICKS as u8);
        out8(CHANNEL, (TICKS >> 8) as u8);
        let start = counter();
        while in8(GATE) & 0x20 == 0 {
            core::hint::spin_loop();
        }
        let hertz = (counter() - start) * TIMER_HERTZ / TICKS;
        Self { start, hertz }
    }

    /// Microseconds since the start.
    pub fn now(&self) -> u64 {
        let ticks = u128::from(counter() - self.start);
        (ticks * 1_000_000 / u128::from(self.hertz.max(1))) as u64
    }

    /// Ticks of the counter in a second.
    pub fn hertz(&self) -> u64 {
        self.hertz
    }
}

fn counter() -> u64 {
    // SAFETY: every processor with long mode has the counter, and nothing forbids its use.
    unsafe { _rdtsc() }
}
