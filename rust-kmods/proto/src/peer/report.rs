// SPDX-License-Identifier: GPL-2.0-only

//! What a node tells a peer about the rails on which it hears it.
//!
//! A rail can be dead one way, and the sender cannot know that: to be told, it must be heard on
//! another rail, or its receiver must remember where it was. So a node that hears a peer on fewer
//! rails than the peer says hello on tells it so. Between nodes that hear each other on all rails
//! nothing is said.

use crate::hello;
use crate::time::{Duration, Instant};

/// How long after a peer came it is expected on all its rails.
const SETTLING: Duration = Duration::from_millis(1000);
/// Longest time between two reports to a peer that is not heard at all: it may be gone for good.
const LONGEST: Duration = Duration::from_secs(16);
/// Reports that all is well again.
const LAST_WORDS: u8 = 8;

/// When the next report is due.
#[derive(Clone, Debug)]
pub(super) struct Report {
    at: Option<Instant>,
    interval: Duration,
    /// Reports that are still to be sent when nothing is missing any more.
    last_words: u8,
}

impl Report {
    pub(super) const fn new() -> Self {
        Self {
            at: None,
            interval: hello::INTERVAL,
            last_words: 0,
        }
    }

    /// Whether one is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| now >= at)
    }

    /// When the next one is due, if any.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// The peer is heard on a further rail: whoever was told that it is not is told at once.
    pub(super) fn found(&mut self, now: Instant) {
        match self.last_words {
            0 => {
                self.expect(now);
            }
            _ => self.at = Some(now),
        }
    }

    /// The peer should be heard on more rails: whether it is will be looked at soon, and when.
    pub(super) fn expect(&mut self, now: Instant) -> Instant {
        *self.at.get_or_insert(now + SETTLING)
    }

    /// A rail on which the peer was heard is lost: a report is due at once.
    pub(super) fn lost(&mut self, now: Instant) {
        self.interval = hello::INTERVAL;
        self.at = Some(now);
    }

    /// Whether a report is due, and how long it holds; takes note of it. `heard` is on how many rails
    /// the peer is heard, `expected` on how many it could be.
    pub(super) fn poll(&mut self, now: Instant, heard: usize, expected: usize) -> Option<Duration> {
        if !self.is_due(now) {
            return None;
        }
        if heard < expected {
            self.last_words = LAST_WORDS;
            if heard > 0 {
                self.interval = hello::INTERVAL;
            }
            let interval = self.interval;
            if heard == 0 {
                self.interval = interval.saturating_mul(2).min(LONGEST);
            }
            self.at = Some(now + interval);
            return Some(interval.saturating_mul(3));
        }
        let word = self.last_words.checked_sub(1);
        self.last_words = word.unwrap_or(0);
        self.at = word.map(|_| now + hello::INTERVAL);
        word.map(|_| hello::INTERVAL.saturating_mul(3))
    }
}
