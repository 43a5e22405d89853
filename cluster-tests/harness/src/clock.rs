// SPDX-License-Identifier: MIT OR Apache-2.0

//! The one clock of a cluster: everything that is recorded is stamped by it.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Time since the supervisor started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    since_1970: Duration,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            start: Instant::now(),
            since_1970: since_1970.unwrap_or_default(),
        }
    }

    /// When it started, as captures have their times: since 1970, as far as the machine knows.
    pub fn start_since_1970(self) -> Duration {
        self.since_1970
    }

    /// The time now.
    pub fn stamp(self) -> Stamp {
        Stamp(self.start.elapsed())
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
