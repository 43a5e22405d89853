// SPDX-License-Identifier: MIT OR Apache-2.0

//! From a frame to its circuit, and from a circuit to its frames: `cm`'s receive.rs and entry.rs.

use podos_proto::cdt::{CdtIndex, PeerKey};
use podos_proto::circuit::Activity;
use podos_proto::peer::OpenCheck;
use podos_proto::time::Instant;
use podos_proto::wire::{Header, ResetReason};
use podos_proto::Gpid;

use super::{deadline, End, Manager};
use crate::clock::{Nanos, What};
use crate::content::Side;
use crate::ether::Ether;
use crate::protocol::{self, instant, Circuit, Payload};
use crate::sabotage::Sabotage;
use crate::user::User;

impl Manager {
    /// Hands a frame to its circuit, which is made if the frame opens it.
    pub(super) fn route(&mut self, ether: &mut Ether, header: &Header, rail: usize, data: &[u8]) {
        let found = if header.opens() {
            self.end_for_open(ether, header)
        } else {
            self.end_of(header).ok_or(Some(ResetReason::NoCircuit))
        };
        match found {
            Ok(id) => self.take_in(ether, id, rail, header, data),
            Err(Some(reason)) => self.refuse(ether, header, rail, reason),
            Err(None) => ether.dropped("not acquainted"),
        }
    }

    /// The end that a frame is for; that of its sender, whatever index it names.
    fn end_of(&self, header: &Header) -> Option<u64> {
        let index = match header.peer_key() {
            Some(key) => self.table.find_passive(key)?,
            None => header.receiver_index(),
        };
        let id = *self.table.get(index)?;
        let end = self.ends.get(&id)?;
        (end.peer == header.from.node()).then_some(id)
    }

    /// The passive end that an OPEN is for; else what the opener is told, if anything.
    fn end_for_open(
        &mut self,
        ether: &mut Ether,
        header: &Header,
    ) -> Result<u64, Option<ResetReason>> {
        let open = (header.from, header.sack, header.active, header.ack);
        let (host, own) = (header.from.host(), self.birth.incarnation);
        if !self.peers.is_acquainted(host, own, header.sack) {
            return Err(None);
        }
        let key = PeerKey::new(header.from, header.active);
        let known = self.table.find_passive(key);
        if let Some(&id) = known.and_then(|index| self.table.get(index)) {
            return Ok(id);
        }
        let check = self.peers.accept_open(header.from.host(), header.ack);
        let trusting = ether.config.sabotage == Some(Sabotage::AcceptTwice);
        if check != OpenCheck::Fresh && !trusting {
            return Err(Some(ResetReason::NoCircuit));
        }
        let local = self.birth.gpid;
        let turn = self.next_end as u32;
        let accept = |index| protocol::accept(turn, header, local, index);
        let id = self.insert(Some(key), header.from.node(), accept);
        let id = id.ok_or_else(|| {
            ether.judge.refused(open);
            Some(ResetReason::Full)
        })?;
        let conversation = ether.judge.accepted(ether.now, self.birth.life, open);
        if let (Some(end), Some(conversation)) = (self.ends.get_mut(&id), conversation) {
            let side = Side::Passive;
            end.conversation = Some((conversation, side));
            end.user = Some(User::new(&ether.config, conversation, side, ether.now));
        }
        Ok(id)
    }

    /// Makes an end for the index that it will have and enters it; `None` when the table is full.
    pub(super) fn insert(
        &mut self,
        passive: Option<PeerKey>,
        peer: Gpid,
        make: impl FnOnce(CdtIndex) -> Circuit,
    ) -> Option<u64> {
        let id = self.next_end;
        let mut circuit = None;
        let make = |index| {
            circuit = Some(make(index));
            id
        };
        let index = match passive {
            None => self.table.insert_active(make),
            Some(key) => self.table.insert_passive(key, make),
        };
        let (index, circuit) = (index.ok()?, circuit?);
        self.next_end += 1;
        let end = End {
            index,
            peer,
            circuit,
            deadline: None,
            in_table: true,
            owned: true,
            user: None,
            wakes: None,
            conversation: None,
        };
        self.ends.insert(id, Box::new(end));
        self.most_ends = self.most_ends.max(self.ends.len());
        Some(id)
    }

    fn take_in(&mut self, ether: &mut Ether, id: u64, rail: usize, header: &Header, data: &[u8]) {
        if ether.sabotages(Sabotage::LeakBuffers, 20_000) {
            let leaked = Payload::new(&self.ledger, data.to_vec());
            self.leaked.push(leaked);
        }
        if ether.sabotages(Sabotage::ResetAtWhim, 1_000) {
            let reason = ResetReason::TimedOut;
            return self.drive_and_wake(ether, id, |circuit, _| circuit.fail(reason));
        }
        let end = self.ends.get(&id);
        let owned = end.is_some_and(|end| end.owned);
        ether.tell(end.and_then(|end| end.conversation), || {
            format!("gets on rail {rail} {}", protocol::describe_header(header))
        });
        let payload = Payload::new(&self.ledger, data.to_vec());
        self.drive_and_wake(ether, id, |circuit, now| {
            let activity = protocol::receive(circuit, now, rail, header, payload);
            if !owned {
                discard(circuit);
            }
            activity
        });
    }

    /// Lets `change` work on a circuit and sends what the circuit has to send after that.
    pub(super) fn drive<R>(
        &mut self,
        ether: &mut Ether,
        id: u64,
        change: impl FnOnce(&mut Circuit, Instant) -> R,
    ) -> Option<R> {
        let end = self.ends.get_mut(&id)?;
        let result = change(&mut end.circuit, instant(ether.now));
        if let Some((rail, micros)) = protocol::round_trip(&mut end.circuit) {
            let smoothed = self.round_trips.entry((end.peer.host(), rail));
            let smoothed = smoothed.or_insert(micros);
            *smoothed = (*smoothed / 8 * 7 + micros / 8).max(1);
        }
        let peer = end.peer;
        let wants = end.circuit.wants_to_transmit();
        let rails = wants.then(|| self.rails_to(ether, peer.host()));
        let end = self.ends.get_mut(&id)?;
        let mut frames = Vec::new();
        if let Some(rails) = rails {
            protocol::fetch(&mut end.circuit, ether.now, &rails, &mut frames);
        }
        end.deadline = deadline(&end.circuit);
        let (done, next) = (end.circuit.is_done(), end.deadline);
        let conversation = end.conversation;
        for (rail, frame) in frames {
            ether.tell(conversation, || {
                format!("sends on rail {rail} {}", protocol::describe(&frame))
            });
            self.transmit_to(ether, peer.host(), rail, frame);
        }
        if done {
            self.remove(ether, id);
        } else if let Some(next) = next {
            self.not_later_than(ether, next);
        }
        Some(result)
    }

    /// The rails to a host changed: circuits that had none may go on, and others must change.
    pub(super) fn drive_all(&mut self, ether: &mut Ether, host: Option<u32>) {
        let concerned = |end: &End| end.in_table && host.is_none_or(|host| end.peer.host() == host);
        let ends = self.ends.iter().filter(|(_, end)| concerned(end));
        let ends: Vec<u64> = ends.map(|(&id, _)| id).collect();
        for id in ends {
            self.drive(ether, id, |circuit, _| circuit.reroute());
        }
    }

    /// As [`Manager::drive`], and wakes the user if `change` says that there is news.
    pub(super) fn drive_and_wake(
        &mut self,
        ether: &mut Ether,
        id: u64,
        change: impl FnOnce(&mut Circuit, Instant) -> Activity,
    ) {
        let activity = self.drive(ether, id, change);
        if activity.is_some_and(Activity::is_some) {
            if let Some(user) = self.ends.get(&id).and_then(|end| end.user.as_ref()) {
                let at = ether.now + user.plan.reaction;
                self.wake_user_at(ether, id, at);
            }
        }
    }

    /// Plans that the user of an end looks at it, unless that is planned for an earlier moment.
    pub(super) fn wake_user_at(&mut self, ether: &mut Ether, id: u64, at: Nanos) {
        let Some(end) = self.ends.get_mut(&id) else {
            return;
        };
        if end.wakes.is_some_and(|planned| planned <= at) {
            return;
        }
        end.wakes = Some(at);
        let wake = What::User {
            node: self.birth.node,
            life: self.birth.life,
            end: id,
        };
        ether.queue.plan(at, wake);
    }

    /// Gives an end's index back; its user may still read what is left.
    fn remove(&mut self, ether: &mut Ether, id: u64) {
        let Some(end) = self.ends.get_mut(&id) else {
            return;
        };
        if end.in_table && ether.config.sabotage != Some(Sabotage::KeepDone) {
            match end.circuit.reset_reason() {
                Some(_) => self.table.remove(end.index),
                None => self.table.remove_finished(end.index),
            };
            end.in_table = false;
            ether.tell(end.conversation, || {
                format!("is over, {:?}", end.circuit.reset_reason())
            });
            if let Some((conversation, side)) = end.conversation {
                let cut = end.circuit.reset_reason();
                let (judge, network) = (&mut ether.judge, &ether.network);
                judge.gone(
                    network,
                    ether.now,
                    (conversation, side),
                    self.birth.life,
                    cut,
                );
            }
        }
        if !end.owned && !end.in_table {
            self.ends.remove(&id);
        }
    }

    /// Finishes a circuit on behalf of nobody: what still arrives is thrown away.
    pub(super) fn disown(&mut self, ether: &mut Ether, id: u64) {
        if let Some(end) = self.ends.get_mut(&id) {
            end.owned = false;
        }
        self.drive(ether, id, |circuit, _| {
            circuit.shutdown();
            discard(circuit);
        });
    }
}

/// Throws away what nobody will read, so that the other end is not kept waiting for room.
fn discard(circuit: &mut Circuit) {
    while circuit.recv().is_some() {}
}
