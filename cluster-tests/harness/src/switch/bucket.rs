// SPDX-License-Identifier: MIT OR Apache-2.0

//! A link of a rate: a token bucket with a bounded queue.

use std::time::Duration;

use crate::fault::Rate;

/// When frames leave; the queue itself is the caller's.
///
/// Instead of tokens there is the time at which the bucket is full again:
/// then nothing is to be done while nothing passes, and a timer that is late
/// takes nothing from the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    full_at: Duration,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate) -> Self {
        let full_at = Duration::ZERO;
        Self { rate, full_at }
    }

    /// When a frame of this length leaves; `None` when the queue has no room for it. Time does
    /// not go backwards.
    pub(super) fn admit(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let full_at = self.full_at.max(now) + self.time(bytes as u64);
        let leaves = full_at
            .saturating_sub(self.time(self.rate.burst()))
            .max(now);
        if leaves - now > self.time(self.rate.queue()) {
            return None;
        }
        self.full_at = full_at;
        Some(leaves)
    }

    /// How long so many bytes take.
    fn time(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 8_000_000_000 / u128::from(self.rate.bits_per_second());
        Duration::from_nanos(nanos as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let rate = Rate::mbit(80);
        let mut bucket = Bucket::new(rate);
        let mut last = START;
        for frame in 0..30 {
            let leaves = bucket.admit(START, 1000).unwrap();
            let late = Duration::from_micros(100 * (frame + 1_u64).saturating_sub(20));
            assert_eq!(leaves, START + late, "frame {frame}");
            last = leaves;
        }
        // After a pause of the queue and half a burst, half a burst passes at once.
        let later = last + Duration::from_millis(1);
        for _ in 0..10 {
            assert_eq!(bucket.admit(later, 1000), Some(later));
        }
        assert!(bucket.admit(later, 1000).unwrap() > later);
    }

    #[test]
    fn the_queue_is_bounded_and_what_it_refuses_takes_no_time() {
        let rate = Rate::mbit(8);
        let mut bucket = Bucket::new(rate);
        let room = (rate.burst() + rate.queue()) / 1000;
        let taken = (0..room + 50).filter_map(|_| bucket.admit(START, 1000));
        assert_eq!(taken.count() as u64, room);
        // 131 ms of frames are in there: as soon as one has left there is room for one.
        assert!(bucket.admit(START, 1000).is_none());
        let next = START + Duration::from_millis(1);
        assert!(bucket.admit(next, 1000).is_some());
        assert!(bucket.admit(next, 1000).is_none());
    }
}
