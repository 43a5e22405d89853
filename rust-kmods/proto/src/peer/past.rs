// SPDX-License-Identifier: GPL-2.0-only

//! The starts of a host that are over.

/// Starts that are remembered.
const LEN: usize = 8;

/// One start of CM on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) boot: u16,
    /// 0 if the host was replaced before it told.
    pub(super) incarnation: u32,
}

/// The last starts that were replaced by others: late frames of theirs revive nobody.
///
/// A boot number alone says little: it comes back where a disk was rolled back. An incarnation is
/// random.
#[derive(Clone, Debug)]
pub(super) struct Past {
    starts: [Option<Start>; LEN],
    next: usize,
}

impl Past {
    pub(super) const fn new() -> Self {
        Self {
            starts: [None; LEN],
            next: 0,
        }
    }

    /// Takes note of a start that is over; the oldest is forgotten.
    pub(super) fn add(&mut self, start: Start) {
        if let Some(place) = self.starts.get_mut(self.next) {
            *place = Some(start);
            self.next = (self.next + 1) % LEN;
        }
    }

    /// Whether this start is over.
    pub(super) fn has(&self, start: Start) -> bool {
        self.starts.contains(&Some(start))
    }

    /// Whether any start of this boot is over.
    pub(super) fn has_boot(&self, boot: u16) -> bool {
        let starts = self.starts.iter().flatten();
        starts.map(|start| start.boot).any(|past| past == boot)
    }
}
