// SPDX-License-Identifier: GPL-2.0-only

//! Looks at all peers, one after the other, as rarely as possible.

use core::ops::DerefMut;

use super::{Peer, PeerSlot};
use crate::host_map::HostMap;
use crate::time::{Duration, Instant};

/// A round over the table that stops where something is found and goes on from there.
///
/// Whoever finds something in a thousand peers at once, as when a switch dies, looks at each once.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// Nothing is to be found before.
    next: Instant,
    /// The slot that the present round has come to.
    at: usize,
    /// When the next round is due, as far as the present one has seen.
    due: Option<Instant>,
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self {
            next: Instant::from_nanos(0),
            at: 0,
            due: None,
        }
    }

    /// Has a round begin at `at` at the latest.
    pub(super) fn not_later_than(&mut self, at: Instant) {
        self.next = self.next.min(at);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The next thing that `find` finds, if a round is due; `due` says when there may be something to
    /// find with a peer. Two rounds are at most `longest` apart.
    pub(super) fn poll<S: DerefMut<Target = [PeerSlot]>, R>(
        &mut self,
        map: &mut HostMap<Peer, S>,
        now: Instant,
        longest: Duration,
        mut find: impl FnMut(&mut Peer) -> Option<R>,
        due: impl Fn(&Peer) -> Option<Instant>,
    ) -> Option<R> {
        if now < self.next {
            return None;
        }
        while self.at < map.capacity() {
            if let Some((_, peer)) = map.slot_mut(self.at) {
                if let Some(found) = find(peer) {
                    return Some(found);
                }
                if let Some(at) = due(peer) {
                    self.due = Some(self.due.map_or(at, |due| due.min(at)));
                }
            }
            self.at += 1;
        }
        self.at = 0;
        let latest = now + longest;
        self.next = self.due.take().map_or(latest, |due| due.min(latest));
        None
    }
}
