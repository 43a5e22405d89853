// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bytes per time.

use std::time::{Duration, Instant};

/// Holds a sender to a rate, measured from its start: what a late wake-up loses is made good.
pub struct Pace {
    bits_per_second: u64,
    start: Instant,
    /// What was sent, in bits.
    sent: u64,
}

impl Pace {
    pub fn new(bits_per_second: u64) -> Self {
        Self {
            bits_per_second,
            start: Instant::now(),
            sent: 0,
        }
    }

    /// Waits until so many more bytes may be sent.
    pub fn wait(&mut self, bytes: usize) {
        let due = self.due();
        if let Some(left) = due.checked_sub(self.start.elapsed()) {
            std::thread::sleep(left);
        }
        self.sent += bytes as u64 * 8;
    }

    /// When, after the start, all that was sent so far should have been.
    fn due(&self) -> Duration {
        Duration::from_secs_f64(self.sent as f64 / self.bits_per_second as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_takes_its_time() {
        let mut pace = Pace::new(1_000_000);
        assert_eq!(pace.due(), Duration::ZERO);
        (0..10).for_each(|_| pace.wait(125));
        assert_eq!(pace.due(), Duration::from_millis(10));
        assert!(pace.start.elapsed() >= Duration::from_millis(9));
    }
}
