// SPDX-License-Identifier: GPL-2.0-only

//! What a circuit does when time passes and nothing comes.

use super::{Activity, Circuit, Payload};
use crate::time::{Duration, Instant};
use crate::wire::ResetReason;

/// Tries to hear of the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unheard {
    /// When the first of them had not been answered in time.
    since: Instant,
    /// How many there were.
    tries: usize,
}

/// The earlier of two moments that there need not be. It is asked for with every frame.
#[inline]
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

impl<B: Payload> Circuit<B> {
    /// When [`Circuit::on_timeout`] is to be called, unless something else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        if self.reset.is_some() || self.is_done() {
            return None;
        }
        let first = earlier(self.send.deadline(), self.recv.deadline());
        let first = earlier(first, self.idle_deadline());
        let first = earlier(first, self.stranded_until);
        earlier(first, self.give_up_at())
    }

    /// A deadline that comes up from now on and is nearer than this may wait that long: somebody who has
    /// a look before that anyway need not ask for one.
    pub fn least_delay(&self) -> Duration {
        self.recv.ack_delay()
    }

    /// When silence calls for a probe; none while the send half asks anyway.
    fn idle_deadline(&self) -> Option<Instant> {
        if self.send.deadline().is_some() {
            return None;
        }
        if !self.is_known_there() {
            return None;
        }
        let patience = match self.waiting_since {
            Some(_) => self.patience.probe,
            None => self.patience.silence?,
        };
        Some(self.idle_since? + patience)
    }

    /// When there is no more hope of an answer. Time alone does not take it if nothing came at all:
    /// whoever stood still for a while has tried nothing in it.
    fn give_up_at(&self) -> Option<Instant> {
        let answer = self.waiting_since? + self.patience.answer;
        let Some(unheard) = self.unheard else {
            return Some(answer);
        };
        let word = unheard.since + self.patience.word;
        match unheard.tries >= self.send.rail_state().tries() {
            true => Some(word.min(answer)),
            false => Some(answer),
        }
    }

    /// Takes note that an answer did not come in time.
    fn note_silence(&mut self, now: Instant) {
        let unheard = self.unheard.get_or_insert(Unheard {
            since: now,
            tries: 0,
        });
        unheard.tries = unheard.tries.saturating_add(1);
    }

    /// Does what is due by `now`; then [`Circuit::poll_transmit`] may have frames.
    pub fn on_timeout(&mut self, now: Instant) -> Activity {
        if self.reset.is_some() || self.is_done() {
            return Activity::NONE;
        }
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let asks = is_due(self.idle_deadline());
        let asks_again = !asks && is_due(self.send.deadline());
        if self.waiting_since.is_some() && (asks || asks_again) {
            self.note_silence(now);
        }
        if is_due(self.give_up_at()) {
            // It may be that only its frames do not come through.
            self.reset_due = Some(ResetReason::TimedOut);
            return self.fail(ResetReason::TimedOut);
        }
        self.recv.on_timeout(now);
        self.stranded_until = self.stranded_until.filter(|at| *at > now);
        if asks {
            self.probe(now);
        } else if asks_again {
            if self.send.is_outstanding() {
                self.stats.timeouts += 1;
            } else {
                self.probe(now);
            }
            self.send.on_timeout(now);
        }
        Activity::NONE
    }

    fn probe(&mut self, now: Instant) {
        if self.waiting_since.is_some() {
            // So was an earlier one, or a segment.
            self.send.probe_missed(now);
        } else {
            // It may stay as silent.
            self.send.shrink();
            self.recv.shrink();
        }
        self.probe_due = true;
        self.idle_since = Some(now);
        self.waiting_since.get_or_insert(now);
    }
}
