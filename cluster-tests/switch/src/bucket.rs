// SPDX-License-Identifier: MIT OR Apache-2.0

//! A link of a rate: a token bucket with a bounded queue.

use std::time::Duration;

use crate::faults::Rate;

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
        // As soon as there is any token: a long frame leaves a debt.
        let burst = self.time(self.rate.burst());
        let leaves = self.full_at.saturating_sub(burst).max(now);
        if leaves - now > self.time(self.rate.queue()) {
            return None;
        }
        self.full_at = self.full_at.max(now) + self.time(bytes as u64);
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
            let late = Duration::from_micros(100 * (frame + 1_u64).saturating_sub(11));
            assert_eq!(leaves, START + late, "frame {frame}");
            last = leaves;
        }
        // After a pause in which half a burst comes together, so much passes at once, and the
        // frame that takes the last token.
        let later = last + Duration::from_micros(600);
        for _ in 0..6 {
            assert_eq!(bucket.admit(later, 1000), Some(later));
        }
        assert!(bucket.admit(later, 1000).unwrap() > later);
    }

    #[test]
    fn a_frame_longer_than_the_burst_passes_and_is_paid_for() {
        let rate = Rate::mbit(8);
        let mut bucket = Bucket::new(rate);
        assert_eq!(bucket.admit(START, 9000), Some(START));
        let paid = START + Duration::from_millis(9000 / 1000 - rate.burst() / 1000);
        assert_eq!(bucket.admit(START, 9000), Some(paid));
    }

    #[test]
    fn the_queue_is_bounded_and_what_it_refuses_takes_no_time() {
        let rate = Rate::mbit(8);
        let mut bucket = Bucket::new(rate);
        let room = (rate.burst() + rate.queue()) / 1000 + 1;
        let taken = (0..room + 50).filter_map(|_| bucket.admit(START, 1000));
        assert_eq!(taken.count() as u64, room);
        // 131 ms of frames are in there: as soon as one has left there is room for one.
        assert!(bucket.admit(START, 1000).is_none());
        let next = START + Duration::from_millis(1);
        assert!(bucket.admit(next, 1000).is_some());
        assert!(bucket.admit(next, 1000).is_none());
    }
}
