// SPDX-License-Identifier: GPL-2.0-only

//! What a circuit sends.

use super::{Circuit, Payload, Role, Transmit};
use crate::seq::Seq;
use crate::tgroup::{RailId, RailView};
use crate::time::Instant;
use crate::wire::{Flags, Header, Kind, ResetReason};

impl<B: Payload> Circuit<B> {
    /// Whether [`Circuit::poll_transmit`] has something to do: something to send, or to decide about
    /// what can't be sent. While not, nobody needs to look at the rails.
    pub fn wants_to_transmit(&self) -> bool {
        if self.reset_due.is_some() {
            return true;
        }
        let is_due = self.rerouted
            || self.probe_due
            || self.stranded_until.is_some()
            || self.recv.ack_due_now()
            || self.lacks_index()
            || self.send.has_work(self.passive.is_none());
        self.reset.is_none() && is_due
    }

    /// As [`Circuit::wants_to_transmit`], if nothing has happened to the circuit since the last frame
    /// was fetched but that somebody received from it.
    pub fn wants_to_transmit_after_recv(&self) -> bool {
        self.recv.ack_due_now()
    }

    /// Whether something waits for the passive index, and nobody has asked for that.
    fn lacks_index(&self) -> bool {
        self.passive.is_none() && !self.nudged && self.send.waits_behind_open()
    }

    /// The next frame to send, with its data; to be called until there is none, or one says that no
    /// other follows.
    ///
    /// `rails` are the rails to the other end. While there is none nothing is sent, and nothing lost.
    pub fn poll_transmit(&mut self, now: Instant, rails: &RailView) -> Option<Transmit<'_, B>> {
        if let Some(reason) = self.reset_due.take() {
            return self.transmit_reset(reason, rails);
        }
        if self.reset.is_some() {
            return None;
        }
        self.stranded_until = None;
        self.rerouted = false;
        self.send.look(now, rails);
        if self.send.lacks_memory() {
            self.strand(now);
        }
        let opening = self.passive.is_none();
        if let Some(seq) = self.send.next_to_send(opening) {
            if rails.usable().is_empty() {
                self.waiting_since.get_or_insert(now);
                return self.strand(now);
            }
            self.idle_since.get_or_insert(now);
            return self.transmit(now, seq, rails);
        }
        if self.lacks_index() {
            self.nudged = true;
            self.probe_due = true;
        }
        if self.probe_due || self.recv.ack_due_now() {
            return self.transmit_ack(now, rails);
        }
        self.send.watch_window(now);
        None
    }

    /// There is something to send and no rail for it.
    fn strand(&mut self, now: Instant) -> Option<Transmit<'_, B>> {
        self.stranded_until = Some(now + self.patience.rail);
        None
    }

    fn transmit_reset(&mut self, reason: ResetReason, rails: &RailView) -> Option<Transmit<'_, B>> {
        let mut header = self.header(Kind::Reset);
        header.seq = reason as u32;
        // Without a rail it is as good as lost; what the other end says next will be answered.
        let rail = self.rail_of_answer(rails)?;
        Some(Transmit {
            header,
            payload: None,
            rail,
            again: false,
            more: false,
        })
    }

    fn transmit_ack(&mut self, now: Instant, rails: &RailView) -> Option<Transmit<'_, B>> {
        let rail = if self.probe_due {
            self.send.rail_state_mut().elect(rails, 0)
        } else {
            self.rail_of_answer(rails)
        };
        let Some(rail) = rail else {
            return self.strand(now);
        };
        let mut header = self.header(Kind::Ack);
        if core::mem::take(&mut self.probe_due) {
            header.flags |= Flags::PROBE;
            self.send.probed(rail);
        }
        self.put_acknowledgement(&mut header);
        self.stats.acks += 1;
        self.send.watch_window(now);
        Some(Transmit {
            header,
            payload: None,
            rail,
            again: false,
            more: false,
        })
    }

    /// The rail for what answers the other end: the one that it uses, for that is known to work.
    fn rail_of_answer(&mut self, rails: &RailView) -> Option<RailId> {
        let state = self.send.rail_state_mut();
        let heard_on = self.heard_on;
        match heard_on.filter(|rail| rails.usable().contains(*rail) && state.trusts(*rail)) {
            None => state.elect(rails, 0),
            found => found,
        }
    }

    fn transmit(&mut self, now: Instant, seq: Seq, rails: &RailView) -> Option<Transmit<'_, B>> {
        let mut header = self.header(Kind::Data);
        header.seq = seq.raw();
        if seq == Seq::ZERO && self.role == Role::Active && self.passive.is_none() {
            header.flags |= Flags::OPEN;
            header.ack = self.open_seq;
            header.sack = self.association;
            header.window = self.recv.window();
        } else {
            self.put_acknowledgement(&mut header);
        }
        self.waiting_since.get_or_insert(now);
        let waits_for_index = self.passive.is_none();
        let more = waits_for_index
            || self.probe_due
            || self.recv.ack_due_now()
            || self.send.lacks_memory();
        let sent = self.send.transmit(now, seq, rails)?;
        if sent.first {
            self.stats.sent += 1;
            self.stats.retransmitted += u64::from(sent.again);
        }
        if !sent.again {
            self.stats.bytes_sent += sent.range.len() as u64;
        }
        if sent.asks {
            header.flags |= Flags::PROBE;
            self.nudged = true;
        }
        if sent.more {
            header.flags |= Flags::MORE;
        }
        if sent.slot.is_end() {
            header.flags |= Flags::END;
        }
        if sent.slot.is_fin() {
            header.flags |= Flags::FIN;
        }
        header.op = sent.slot.op();
        // Both are at most MAX_DATA.
        header.offset = sent.range.start as u16;
        header.len = sent.range.len() as u16;
        Some(Transmit {
            header,
            payload: sent.slot.payload(),
            rail: sent.rail,
            again: sent.again,
            more: more || sent.more || sent.others,
        })
    }

    pub(super) fn header(&self, kind: Kind) -> Header {
        let mut header = Header::new(kind, self.class, self.local, self.remote);
        if self.role == Role::Active {
            header.flags |= Flags::TO_PASSIVE;
        }
        header.active = self.active;
        header.passive = self.passive;
        header
    }

    fn put_acknowledgement(&mut self, header: &mut Header) {
        header.flags |= Flags::ACK_VALID;
        let sack = self.recv.sack();
        header.ack = self.recv.next();
        header.sack = sack as u32;
        if header.kind == Kind::Ack {
            header.seq = (sack >> 32) as u32;
        }
        header.window = self.recv.window();
        self.recv.acknowledged();
    }
}
