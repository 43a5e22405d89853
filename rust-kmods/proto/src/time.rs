// SPDX-License-Identifier: GPL-2.0-only

//! Time as the protocol sees it: a number that its caller reads from a monotonic clock.

use core::ops::Add;
pub use core::time::Duration;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A moment: nanoseconds since some fixed moment in the past (`ktime_get_ns()` in the kernel).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment this many nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, nothing if `earlier` is later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    #[inline]
    fn add(self, delay: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(delay)))
    }
}

/// `Duration::as_nanos()` without its 128 bits, which the kernel cannot divide.
#[inline]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(NANOS_PER_SEC)
        .saturating_add(duration.subsec_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        let start = Instant::from_nanos(5);
        assert_eq!(
            start + Duration::from_millis(1),
            Instant::from_nanos(1_000_005)
        );
        assert_eq!(start + Duration::MAX, Instant::from_nanos(u64::MAX));
        assert_eq!(
            start.saturating_duration_since(Instant::from_nanos(9)),
            Duration::ZERO
        );
        assert_eq!(
            Instant::from_nanos(9).saturating_duration_since(start),
            Duration::from_nanos(4)
        );
        assert_eq!(nanos(Duration::from_micros(1_500_000)), 1_500_000_000);
    }
}
