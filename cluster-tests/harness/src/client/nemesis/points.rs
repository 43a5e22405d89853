// SPDX-License-Identifier: MIT OR Apache-2.0

//! The progress of a workload, in points.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Points that a workload passed, for all its threads.
#[derive(Debug, Default)]
pub struct Points {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    passed: u64,
    over: bool,
}

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The point was passed.
    Point,
    /// No point was passed for a while.
    Stalled,
    /// The workload is over.
    Over,
}

impl Points {
    /// None passed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more operation came back, however it ended.
    pub fn pass(&self) {
        self.lock().passed += 1;
        self.changed.notify_all();
    }

    /// How many were passed.
    pub fn passed(&self) -> u64 {
        self.lock().passed
    }

    /// The workload ends: no more faults are to come.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Whether it ends.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Waits until this point is passed, or none is for so long.
    pub(super) fn reach(&self, point: u64, patience: Duration) -> Reached {
        let mut inner = self.lock();
        let (mut passed, mut since) = (inner.passed, Instant::now());
        loop {
            if inner.over {
                return Reached::Over;
            }
            if inner.passed >= point {
                return Reached::Point;
            }
            if inner.passed != passed {
                (passed, since) = (inner.passed, Instant::now());
            }
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Reached::Stalled;
            }
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
