// SPDX-License-Identifier: GPL-2.0-only

//! Whether this node is the only one of its name.
//!
//! Two machines with one host id are a mistake of their administrator. The first one goes on; the
//! other one says so, and nothing else, until the first is gone.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Mac;
use crate::time::{nanos, Duration, Instant};

/// How long a node that begins listens for another one of its name before it is settled.
const PROBATION: Duration = Duration::from_secs(2);
/// How long the other one must have been silent before this one speaks again.
const SILENCE: Duration = Duration::from_secs(5);
/// Time between two times that the same is told.
const REMINDER: Duration = Duration::from_secs(10);

/// The other machine of this node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// The address that it was last heard from.
    pub mac: Mac,
    /// When.
    pub heard: Instant,
}

/// See the module. Its owner need not lock it: changes are made by frames of a rare kind and by the
/// clock, and what they might miss of each other comes again.
#[derive(Debug, Default)]
pub struct Identity {
    /// When the node began, in ns; 0 if it has not.
    since: AtomicU64,
    /// The other one's address; 0 if there is none.
    other: AtomicU64,
    /// When it was last heard, and when it was last told of, in ns.
    heard: AtomicU64,
    told: AtomicU64,
    yielded: AtomicBool,
}

impl Identity {
    /// That of a node that has not begun.
    pub const fn new() -> Self {
        Self {
            since: AtomicU64::new(0),
            other: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            told: AtomicU64::new(0),
            yielded: AtomicBool::new(false),
        }
    }

    /// Whether the node keeps silent because another one has its name.
    pub fn has_yielded(&self) -> bool {
        self.yielded.load(Ordering::Relaxed)
    }

    /// The other machine, if there is one.
    pub fn namesake(&self) -> Option<Namesake> {
        let other = self.other.load(Ordering::Relaxed);
        let [_, _, mac @ ..] = other.to_be_bytes();
        (other != 0).then_some(Namesake {
            mac,
            heard: Instant::from_nanos(self.heard.load(Ordering::Relaxed)),
        })
    }

    /// The node begins, if it has not.
    pub(super) fn begin(&self, now: Instant) {
        if self.since.load(Ordering::Relaxed) == 0 {
            let since = now.as_nanos().max(1);
            self.since.store(since, Ordering::Relaxed);
        }
    }

    /// Whether the node has had its name for some time.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let age = now.saturating_duration_since(Instant::from_nanos(since));
        since != 0 && !self.has_yielded() && age >= PROBATION
    }

    /// Another machine, which is there now, has this node's name, too. Whether this one has to yield
    /// by that, or has done so: who is settled stays, and of two that are alike the one that
    /// `is_first` of both. And whether that is to be told.
    pub(super) fn claim(
        &self,
        now: Instant,
        mac: Mac,
        settled: bool,
        is_first: bool,
    ) -> (bool, bool) {
        let [a, b, c, d, e, f] = mac;
        let other = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        self.heard.store(now.as_nanos(), Ordering::Relaxed);
        // A machine has an address on each rail.
        let is_known = self.other.swap(other, Ordering::Relaxed) != 0;
        let yields = match (self.is_settled(now), settled) {
            (true, false) => false,
            (false, true) => true,
            _ => !is_first,
        };
        let was = self.yielded.fetch_or(yields, Ordering::Relaxed);
        let last = Instant::from_nanos(self.told.load(Ordering::Relaxed));
        let is_old = now.saturating_duration_since(last) >= REMINDER;
        let tell = !is_known || is_old || (yields && !was);
        if tell {
            self.told.store(now.as_nanos(), Ordering::Relaxed);
        }
        (yields || was, tell)
    }

    /// Lets go of another machine that is gone; whether this node speaks again by that.
    pub(super) fn recover(&self, now: Instant) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        let silence = nanos(now.saturating_duration_since(Instant::from_nanos(heard)));
        if self.other.load(Ordering::Relaxed) == 0 || silence < nanos(SILENCE) {
            return false;
        }
        self.other.store(0, Ordering::Relaxed);
        let yielded = self.yielded.swap(false, Ordering::Relaxed);
        if yielded {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
        yielded
    }
}
