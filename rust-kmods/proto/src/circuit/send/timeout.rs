// SPDX-License-Identifier: GPL-2.0-only

//! What follows when no acknowledgement comes.

use super::{place, places, Payload, SendHalf};
use crate::tgroup::{PerRail, RailSet};
use crate::time::Instant;

impl<B: Payload> SendHalf<B> {
    /// The timer ran out: what is under way for long counts as lost.
    pub(in crate::circuit) fn on_timeout(&mut self, now: Instant) {
        let patience = self.rtt.timeout(self.backoff);
        self.backoff = self.backoff.saturating_add(1);
        if self.is_outstanding() {
            let mut lost = PerRail::<u32>::default();
            let oldest = place(self.una);
            for place in places(self.flight) {
                let Some(slot) = self.slots.get(place) else {
                    continue;
                };
                if place == oldest || slot.sent_at.age(now) >= patience {
                    lost[slot.rail] += 1;
                    self.lose(place);
                }
            }
            // The oldest is what the other end misses, whatever it said.
            self.lose(oldest);
            self.slow_down(now, &lost);
        }
        self.timer = Some(now + self.rtt.timeout(self.backoff));
    }

    /// Draws the conclusions from what a time-out found `lost`, by rail.
    fn slow_down(&mut self, now: Instant, lost: &PerRail<u32>) {
        let hit = || lost.iter().filter(|(_, count)| **count > 0);
        let mut left = RailSet::EMPTY;
        for (rail, count) in hit() {
            if self.rails.avoids(rail) || self.rails.missed(now, rail, *count) {
                left.insert(rail);
            }
        }
        for place in places(self.flight) {
            let slot = self.slots.get(place);
            if slot.is_some_and(|slot| left.contains(slot.rail)) {
                self.lose(place);
            }
        }
        if !left.is_empty() {
            // Another rail is not to be waited for as long as this one was.
            self.backoff = 0;
        }
        let dead = !left.is_empty() && hit().all(|(rail, _)| left.contains(rail));
        self.congestion.timed_out(self.unsent, dead);
    }
}
