// SPDX-License-Identifier: MIT OR Apache-2.0

//! The users of circuits at work: what `cm`'s circuit.rs offers them, and what they do with it.

use podos_proto::circuit::{Activity, ReceiveState, SendError};
use podos_proto::endpoint::{self, Opening};
use podos_proto::wire::ResetReason;
use podos_proto::{Gpid, HostId};

use super::environment::Here;
use super::Life;
use crate::content::{self, Side};
use crate::ether::Ether;
use crate::protocol::{self, Payload};
use crate::sabotage::Sabotage;
use crate::user::User;

/// What becomes of a user after it acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Stays,
    Goes,
}

impl Life {
    /// A user opens a circuit to the host `target`, which is in its life `there`.
    pub fn connect(&mut self, ether: &mut Ether, conversation: u32, target: HostId, there: u32) {
        let here = self.birth.life;
        let target = Gpid::new(target, 0, 0);
        let Some(opening) = endpoint::open(&mut Here::new(self, ether), target) else {
            return ether.judge.absent(&ether.network, ether.now, [here, there]);
        };
        let Opening {
            peer,
            open_seq,
            association,
            ..
        } = opening;
        // The node may be one life further than its peers know.
        let incarnation = protocol::acceptor(association, self.birth.incarnation);
        let Some(there) = ether.judge.life_of(peer, incarnation) else {
            let text = format!("{peer} with incarnation {incarnation} never was");
            return ether.judge.object(ether.now, text);
        };
        let (local, turn) = (self.birth.gpid, self.next_end as u32);
        let open = |index| protocol::open(turn, local, peer, index, (open_seq, association));
        let Some(id) = self.insert(None, peer, open) else {
            return ether.dropped("own table full");
        };
        let side = Side::Active;
        let user = User::new(&ether.config, conversation, side, ether.now);
        if let Some(end) = self.ends.get_mut(&id) {
            let open = (local, association, end.index, open_seq.raw());
            let began = ether.now;
            ether
                .judge
                .begins(began, conversation, [here, there], user.size, open);
            end.conversation = Some((conversation, side));
            end.user = Some(user);
        }
        self.serve(ether, id);
    }

    /// The moment for which a user's waking was planned has come.
    pub fn user_wakes(&mut self, ether: &mut Ether, id: u64) {
        let Some(end) = self.ends.get_mut(&id) else {
            return;
        };
        // Of several plans only the earliest counts.
        if end.wakes.is_some_and(|at| at <= ether.now) {
            end.wakes = None;
            self.serve(ether, id);
        }
    }

    /// Has a user do all that it can do now.
    fn serve(&mut self, ether: &mut Ether, id: u64) {
        let user = self.ends.get_mut(&id).and_then(|end| end.user.take());
        let Some(mut user) = user else { return };
        match self.act(ether, id, &mut user) {
            Outcome::Stays => {
                let Some(end) = self.ends.get_mut(&id) else {
                    return;
                };
                let wakes = user.wakes(ether.now, end.circuit.can_recv());
                end.user = Some(user);
                if let Some(at) = wakes {
                    self.wake_user_at(ether, id, at);
                }
            }
            Outcome::Goes => self.disown(ether, id),
        }
    }

    fn act(&mut self, ether: &mut Ether, id: u64, user: &mut User) -> Outcome {
        if user.aborts(ether.now) {
            ether.judge.aborted(user.conversation, user.side);
            self.drive_and_wake(ether, id, |circuit, _| {
                circuit.abort(ResetReason::Aborted);
                Activity::ALL
            });
            return Outcome::Goes;
        }
        self.read(ether, id, user);
        let state = self.ends.get(&id).map(|end| end.circuit.receive_state());
        let (now, conversation) = (ether.now, user.conversation);
        match state {
            None => return Outcome::Goes,
            Some(ReceiveState::Open) => {}
            Some(ReceiveState::Eof) => {
                if !user.eof {
                    user.eof = true;
                    ether.judge.eof(now, conversation, user.side);
                }
            }
            Some(ReceiveState::Reset(_)) => return Outcome::Goes,
        }
        self.write(ether, id, user);
        if self.is_broken(id) && !user.finished {
            return Outcome::Goes;
        }
        if user.leaves() && !(user.eof && user.finished) {
            ether.judge.left(conversation, user.side);
            return Outcome::Goes;
        }
        if user.has_said_all(now) && !user.finished {
            user.finished = true;
            ether.judge.finished(conversation, user.side);
            self.drive(ether, id, |circuit, _| circuit.shutdown());
        }
        if user.eof && user.finished {
            return Outcome::Goes;
        }
        Outcome::Stays
    }

    /// Whether sending would fail.
    fn is_broken(&self, id: u64) -> bool {
        let end = self.ends.get(&id);
        end.is_none_or(|end| end.circuit.reset_reason().is_some() && !end.circuit.can_recv())
    }

    fn read(&mut self, ether: &mut Ether, id: u64, user: &mut User) {
        if user.read_at > ether.now {
            return;
        }
        let (now, conversation, side) = (ether.now, user.conversation, user.side);
        let mut held = None;
        for _ in 0..user.plan.read_at_once {
            let Some(Some(segment)) = self.drive(ether, id, |circuit, _| circuit.recv()) else {
                break;
            };
            user.received += 1;
            if ether.sabotages(Sabotage::DeliverNot, 1_000) {
                continue;
            }
            if held.is_none() && ether.sabotages(Sabotage::Swap, 5_000) {
                held = Some(segment);
                continue;
            }
            ether.judge.received(now, conversation, side, &segment);
            if ether.sabotages(Sabotage::DeliverTwice, 1_000) {
                ether.judge.received(now, conversation, side, &segment);
            }
        }
        if let Some(held) = held {
            ether.judge.received(now, conversation, side, &held);
        }
        user.read_at = now + user.plan.read_every;
    }

    fn write(&mut self, ether: &mut Ether, id: u64, user: &mut User) {
        while user.sends(ether.now) && !user.leaves() {
            if !self.ends.get(&id).is_some_and(|end| end.circuit.can_send()) {
                return;
            }
            let said = content::say(user.conversation, user.side, user.sent, user.size);
            let payload = Payload::new(&self.ledger, said.bytes);
            // The judge must know of it before the other end can.
            ether.judge.sent(user.conversation, user.side);
            user.sent += 1;
            let send =
                |circuit: &mut protocol::Circuit, _| circuit.send(said.op, said.end, payload);
            match self.drive(ether, id, send) {
                Some(Ok(())) => {}
                Some(Err(SendError::Reset(..))) | None => return,
                Some(Err(error)) => {
                    let text = format!("a circuit that could send did not: {error}");
                    return ether.judge.object(ether.now, text);
                }
            }
        }
    }
}
