// SPDX-License-Identifier: GPL-2.0-only

//! A circuit's numbers.

use super::WINDOW;
use crate::time::Duration;

/// How a circuit waits and how much it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Segments kept for the reader, from 1 to [`WINDOW`].
    pub window: u16,
    /// Retransmission time-out before a round trip was measured.
    pub initial_rto: Duration,
    /// Least retransmission time-out; above `ack_delay`, or delayed acknowledgements come too late.
    pub min_rto: Duration,
    /// Greatest retransmission time-out, and the time between unanswered probes.
    pub max_rto: Duration,
    /// How long a circuit that waits for an answer does so before it is reset.
    pub give_up: Duration,
    /// How long an acknowledgement may wait for a segment to ride on.
    pub ack_delay: Duration,
    /// How long a circuit is silent before it asks whether the other end is still there; never if
    /// unset.
    pub keepalive: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            window: WINDOW as u16,
            initial_rto: Duration::from_millis(100),
            min_rto: Duration::from_millis(20),
            max_rto: Duration::from_secs(1),
            give_up: Duration::from_secs(10),
            ack_delay: Duration::from_millis(5),
            keepalive: Some(Duration::from_secs(5)),
        }
    }
}
