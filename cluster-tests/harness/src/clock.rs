// SPDX-License-Identifier: MIT OR Apache-2.0

//! The one clock of a cluster: everything that is recorded is stamped by it.

use std::fmt;
use std::time::{Duration, Instant};

/// Time since the supervisor started.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time now.
    pub fn stamp(self) -> Stamp {
        Stamp(self.0.elapsed())
    }
}

/// A point in a cluster's life; prints as seconds, and sorts as text for 11 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Duration);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}
