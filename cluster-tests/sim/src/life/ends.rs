// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ends of circuits, and from a circuit to its frames: `cm`'s entry.rs.

use podos_proto::cdt::{CdtIndex, PeerKey};
use podos_proto::circuit::Activity;
use podos_proto::endpoint::{self, Environment};
use podos_proto::tgroup::RailId;
use podos_proto::time::Instant;
use podos_proto::wire::{Header, ResetReason};
use podos_proto::{Gpid, HostId};

use super::environment::Here;
use super::{deadline, End, Life};
use crate::clock::{Nanos, What};
use crate::ether::Ether;
use crate::protocol::{self, instant, Circuit, Payload};
use crate::sabotage::Sabotage;

impl Life {
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
            passive: passive.is_some(),
            owned: true,
            user: None,
            wakes: None,
            conversation: None,
        };
        self.ends.insert(id, Box::new(end));
        self.most_ends = self.most_ends.max(self.ends.len());
        Some(id)
    }

    /// Hands a frame to its circuit.
    pub(super) fn take_in(
        &mut self,
        ether: &mut Ether,
        id: u64,
        rail: RailId,
        header: &Header,
        payload: Payload,
    ) {
        if ether.sabotages(Sabotage::LeakBuffers, 20_000) {
            let leaked = Payload::new(&self.ledger, payload.bytes().to_vec());
            self.leaked.push(leaked);
        }
        if ether.sabotages(Sabotage::ResetAtWhim, 1_000) {
            let reason = ResetReason::TimedOut;
            return self.drive_and_wake(ether, id, |circuit, _| circuit.fail(reason));
        }
        let end = self.ends.get(&id);
        let owned = end.is_some_and(|end| end.owned);
        ether.tell(end.and_then(|end| end.conversation), || {
            format!("gets on rail {rail} {}", protocol::describe(header))
        });
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
        let peer = end.peer;
        if let Some((rail, rtt)) = end.circuit.take_rtt_sample() {
            self.peers.note_rtt(peer.host(), rail, rtt);
        }
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
        for (rail, header, data) in frames {
            ether.tell(conversation, || {
                format!("sends on rail {rail} {}", protocol::describe(&header))
            });
            let to = self.peers.address(peer.host(), rail);
            let mut here = Here::new(self, ether);
            match to.zip(endpoint::protection(&mut here, peer.host())) {
                Some((to, seal)) => here.send(rail, to, &header, &data, seal.as_ref()),
                None => ether.dropped("no way"),
            }
        }
        if done {
            self.remove(ether, id);
        } else if let Some(next) = next {
            self.not_later_than(ether, next);
        }
        Some(result)
    }

    /// The rails to a host changed: circuits that had none may go on, and others must change.
    pub(super) fn drive_all(&mut self, ether: &mut Ether, host: Option<HostId>) {
        let concerned = |end: &End| end.in_table && host.is_none_or(|host| end.peer.host() == host);
        let ends = self.ends.iter().filter(|(_, end)| concerned(end));
        let ends: Vec<u64> = ends.map(|(&id, _)| id).collect();
        for id in ends {
            self.drive(ether, id, |circuit, _| circuit.reroute());
        }
    }

    /// As [`Life::drive`], and wakes the user if `change` says that there is news.
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
            let gone = end.passive.then_some(end.peer);
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
            if let Some(peer) = gone {
                self.peers.release_passive(peer.host());
            }
        }
        if !end.owned && !end.in_table {
            self.ends.remove(&id);
        }
    }

    /// Breaks all circuits with a host, at this end.
    pub(super) fn break_circuits(&mut self, ether: &mut Ether, host: HostId, reason: ResetReason) {
        let with_host = |end: &End| end.in_table && end.peer.host() == host;
        let ends = self.ends.iter().filter(|(_, end)| with_host(end));
        let broken: Vec<u64> = ends.map(|(&id, _)| id).collect();
        for id in broken {
            self.drive_and_wake(ether, id, |circuit, _| circuit.fail(reason));
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
