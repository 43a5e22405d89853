// SPDX-License-Identifier: GPL-2.0-only

//! The starts of a host that are over.

use crate::seq::Seq;
use crate::time::{Duration, Instant};

/// Starts that are remembered.
const LEN: usize = 8;
/// How long a start counts as over. A frame that is still under way then is on no LAN; whoever speaks
/// then is there, and it was a mistake that another machine was taken for it.
const LATE: Duration = Duration::from_secs(10);

/// One start of CM on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) boot: u16,
    /// 0 if the host was replaced before it told.
    pub(super) incarnation: u32,
}

/// A start that was replaced.
#[derive(Clone, Copy, Debug)]
struct Over {
    start: Start,
    since: Instant,
    /// The last of its open sequences.
    opened: Option<Seq>,
}

/// The last starts that were replaced by others: late frames of theirs revive nobody.
///
/// A boot number alone says little: it comes back where a disk was rolled back. An incarnation is
/// random.
#[derive(Clone, Debug)]
pub(super) struct Past {
    starts: [Option<Over>; LEN],
    next: usize,
}

impl Past {
    pub(super) const fn new() -> Self {
        Self {
            starts: [None; LEN],
            next: 0,
        }
    }

    /// Takes note of a start that is over by now, and of its last open sequence; the oldest is forgotten.
    pub(super) fn add(&mut self, now: Instant, start: Start, opened: Option<Seq>) {
        let over = Over {
            start,
            since: now,
            opened,
        };
        let mut known = self.starts.iter_mut().flatten();
        if let Some(known) = known.find(|known| known.start == start) {
            *known = over;
        } else if let Some(place) = self.starts.get_mut(self.next) {
            *place = Some(over);
            self.next = (self.next + 1) % LEN;
        }
    }

    /// Whether this start is over.
    pub(super) fn has(&self, now: Instant, start: Start) -> bool {
        self.late(now).any(|over| over.start == start)
    }

    /// Whether any start of this boot is over.
    pub(super) fn has_boot(&self, now: Instant, boot: u16) -> bool {
        self.late(now).any(|over| over.start.boot == boot)
    }

    /// The last open sequence of this start, if it was there before.
    pub(super) fn opened(&self, start: Start) -> Option<Seq> {
        let mut known = self.starts.iter().flatten();
        known.find(|over| over.start == start)?.opened
    }

    /// Those whose frames would be late ones.
    fn late(&self, now: Instant) -> impl Iterator<Item = &Over> {
        let known = self.starts.iter().flatten();
        known.filter(move |over| now.saturating_duration_since(over.since) < LATE)
    }
}
