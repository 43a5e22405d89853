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
    /// Greatest retransmission time-out.
    pub max_rto: Duration,
    /// Greatest time-out that missing answers alone lead to, and the time between unanswered probes.
    /// It is what a network of one's own can stand, so that `unheard` is not over after a few tries.
    pub max_backoff: Duration,
    /// How long a circuit asks an other end of which nothing at all comes, after its first time-out,
    /// until it is reset. Above the time after which a dead node is known for dead, so that a node
    /// to which this happens is one that lives and does not hear this one, or cannot answer.
    pub unheard: Duration,
    /// How long a circuit that waits for an answer does so before it is reset, whatever else comes.
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
            max_backoff: Duration::from_millis(100),
            unheard: Duration::from_millis(1600),
            give_up: Duration::from_secs(10),
            ack_delay: Duration::from_millis(5),
            keepalive: Some(Duration::from_secs(5)),
        }
    }
}
