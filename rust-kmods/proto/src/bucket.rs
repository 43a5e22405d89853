// SPDX-License-Identifier: GPL-2.0-only

//! Rate limits: of what strangers may cause, and of lines in the log.

use core::num::NonZeroU64;

use crate::time::{nanos, Duration, Instant};

/// A bucket of tokens that fills up as time passes.
#[derive(Clone, Debug)]
pub struct Bucket {
    tokens: u16,
    size: u16,
    /// Nanoseconds in which one token is added.
    each: NonZeroU64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket of `size` tokens that gets one in each period of `each`, which is not 0.
    pub const fn new(size: u16, each: Duration) -> Self {
        Self {
            tokens: size,
            size,
            each: match NonZeroU64::new(nanos(each)) {
                Some(each) => each,
                None => NonZeroU64::MIN,
            },
            filled: Instant::from_nanos(0),
        }
    }

    /// Takes a token out; whether there was one.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.as_nanos().saturating_sub(self.filled.as_nanos());
        let new = passed / self.each;
        if new >= u64::from(self.size - self.tokens) {
            self.tokens = self.size;
            self.filled = now;
        } else {
            self.tokens += new as u16;
            self.filled = Instant::from_nanos(self.filled.as_nanos() + new * self.each.get());
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut bucket = Bucket::new(3, Duration::from_millis(10));
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let count = |bucket: &mut Bucket, ms| (0..9).filter(|_| bucket.take(at(ms))).count();
        assert_eq!(count(&mut bucket, 1000), 3);
        assert_eq!(count(&mut bucket, 1009), 0);
        assert_eq!(count(&mut bucket, 1010), 1);
        assert_eq!(count(&mut bucket, 1029), 1);
        assert_eq!(count(&mut bucket, 1030), 1);
        assert_eq!(count(&mut bucket, 900), 0);
        assert_eq!(count(&mut bucket, 5000), 3);
    }
}
