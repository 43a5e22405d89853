// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is done to a cluster from the outside, as it goes into the timeline.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;

/// What happened to a cluster from the outside, in order.
pub(crate) struct Events {
    clock: Clock,
    log: Mutex<fs::File>,
}

impl Events {
    pub(crate) fn create(path: PathBuf, clock: Clock) -> io::Result<Self> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        let events = Self {
            clock,
            log: Mutex::new(log),
        };
        let start = clock.start_since_1970();
        let (seconds, micros) = (start.as_secs(), start.subsec_micros());
        events.note(
            "cluster",
            &format!("0.0 here is {seconds}.{micros:06} in captures"),
        );
        Ok(events)
    }

    /// Notes something that `who` (a node, or `cluster`) was made to do.
    pub(crate) fn note(&self, who: &str, what: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk costs the record, never the cluster.
        let _ = writeln!(
            log,
            "{} {who} * {}",
            self.clock.stamp(),
            what.replace('\n', " ")
        );
    }
}
