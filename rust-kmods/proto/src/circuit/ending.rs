// SPDX-License-Identifier: GPL-2.0-only

//! How a circuit comes to its end: finished, or cut off by either end.

use super::{Activity, Circuit, Payload, Role};
use crate::wire::{Header, ResetReason};

impl<B: Payload> Circuit<B> {
    /// Finishes this end's stream: the other end reads to its end. Receiving goes on.
    ///
    /// An opener that never sent anything has opened nothing, so its circuit just ends.
    pub fn shutdown(&mut self) {
        if self.reset.is_some() {
            return;
        }
        if !self.is_known_there() && self.send.is_empty() {
            self.cut(ResetReason::Aborted);
        } else {
            self.send.finish();
        }
    }

    /// Cuts the circuit off, with all that was not delivered, and tells the other end.
    pub fn abort(&mut self, reason: ResetReason) {
        if self.reset.is_some() {
            return;
        }
        if !self.is_done() && self.is_known_there() {
            self.reset_due = Some(reason);
        }
        self.cut(reason);
        self.recv.clear();
    }

    /// Whether the other end may know of the circuit.
    pub(super) fn is_known_there(&self) -> bool {
        self.role == Role::Passive || self.stats.sent > 0
    }

    /// Cuts the circuit off without telling the other end, which is gone. What had come in order
    /// can still be received.
    pub fn fail(&mut self, reason: ResetReason) -> Activity {
        if self.reset.is_some() || self.is_done() {
            return Activity::NONE;
        }
        self.cut(reason);
        Activity::ALL
    }

    pub(super) fn cut(&mut self, reason: ResetReason) {
        self.reset = Some(reason);
        self.send.clear();
        self.recv.cancel_ack();
        self.probe_due = false;
        self.waiting_since = None;
        self.unheard = None;
        self.stranded_until = None;
    }

    /// Takes a Reset in that is this circuit's.
    pub(super) fn on_reset(&mut self, header: &Header) -> Activity {
        let answers_open = self.role == Role::Active && header.passive.is_none();
        if answers_open && self.passive.is_some() {
            // It answers a late copy of the OPEN, which was answered long ago: whether the other end is
            // still there, frames that name it will tell.
            self.stats.rejected += 1;
            return Activity::NONE;
        }
        let reason = ResetReason::from_raw(header.seq);
        // The other end has acknowledged all data, and has finished: only the acknowledgement of the
        // FIN was lost. With data unacknowledged it may have been cut off without taking them.
        let has_all = self.send.only_fin_is_in_flight() || self.send.fin_is_acknowledged();
        if reason == ResetReason::NoCircuit && self.recv.fin_came() && has_all {
            self.send.acknowledge_all();
            self.recv.cancel_ack();
            self.waiting_since = None;
        } else {
            self.cut(reason);
        }
        Activity::ALL
    }
}
