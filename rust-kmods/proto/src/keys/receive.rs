// SPDX-License-Identifier: GPL-2.0-only

//! From a received frame to the key that proves it, and what follows when it was proved.

use core::ops::DerefMut;

use super::handshake::{Handshake, Outgoing};
use super::peer::{Candidate, Peer, Sender};
use super::sessions::{Event, SessionSlot, Sessions};
use super::{schedule, AuthError, CounterWindow, Fingerprint, Key, Mode, Nonce, Prf};
use crate::hello::Hello;
use crate::time::Instant;
use crate::wire::{Auth, Header, Kind};
use crate::{Gpid, HostId};

/// The key that a frame's tag is to be checked with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The key.
    pub key: Key,
    /// Which of the peer's keys it is; `None` for one that was made for a nonce nobody knows.
    id: Option<u32>,
    counter: u64,
}

/// What a Hello or Handshake means.
#[derive(Clone, Debug)]
pub struct Heard {
    /// It was sent just now by whom it names: it is a sign of life, and what it says counts. If
    /// not, its sender is a member, but it may have been sent long ago.
    pub fresh: bool,
    /// What became of a session.
    pub event: Option<Event>,
    /// What to answer, best on the rail that it came on.
    pub answer: Option<Outgoing>,
}

/// How the sender of a Hello or Handshake introduces itself.
struct Introduction {
    node: Gpid,
    nonce: Nonce,
    epoch: u8,
    fingerprint: Fingerprint,
}

impl Introduction {
    fn read(header: &Header, auth: Auth, body: &[u8]) -> Result<Self, AuthError> {
        let (nonce, epoch, fingerprint) = match header.kind {
            Kind::Hello => {
                let hello = Hello::decode(body).map_err(|_| AuthError::Malformed)?;
                (hello.nonce, hello.epoch, hello.fingerprint)
            }
            _ => {
                let handshake = Handshake::decode(body).map_err(|_| AuthError::Malformed)?;
                (handshake.nonce, handshake.epoch, handshake.fingerprint)
            }
        };
        if auth.key_id != epoch << 4 {
            return Err(AuthError::UnknownSession);
        }
        Ok(Self {
            node: header.from.node(),
            nonce,
            epoch,
            fingerprint: Fingerprint::new(fingerprint),
        })
    }
}

impl<P: Prf, S: DerefMut<Target = [SessionSlot]>> Sessions<P, S> {
    /// The key that the frame's tag is to be checked with. `body` is the frame's data as received;
    /// it is looked at for Hello and Handshake only.
    ///
    /// # Errors
    ///
    /// Why the frame is to be dropped without looking at its tag.
    pub fn open_key(
        &mut self,
        now: Instant,
        header: &Header,
        body: &[u8],
    ) -> Result<Opening, AuthError> {
        let auth = self.auth_of(header)?;
        if matches!(header.kind, Kind::Hello | Kind::Handshake) {
            let introduction = Introduction::read(header, auth, body)?;
            return self.open_introduction(now, &introduction, auth.counter);
        }
        let peer = self.map.get(header.from.host());
        let peer = peer.filter(|peer| peer.node.same_node(header.from));
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        let (id, key, seen) = match header.kind {
            Kind::Ephemeral => peer.find_sender(now, auth.key_id),
            _ => peer.find_rx(now, auth.key_id),
        }
        .ok_or(AuthError::UnknownSession)?;
        if !seen.admits(auth.counter) {
            return Err(AuthError::Replayed);
        }
        Ok(Opening {
            key: key.clone(),
            id: Some(id),
            counter: auth.counter,
        })
    }

    /// How a frame is authenticated, if it has the form that the mode asks for.
    fn auth_of(&self, header: &Header) -> Result<Auth, AuthError> {
        let keyed = self.mode.filter(|mode| mode.is_keyed());
        match (keyed, header.auth) {
            (Some(mode), Some(auth)) if Mode::admits(mode, header) => Ok(auth),
            _ => Err(AuthError::Unsealed),
        }
    }

    fn open_introduction(
        &mut self,
        now: Instant,
        who: &Introduction,
        counter: u64,
    ) -> Result<Opening, AuthError> {
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?.serial;
        let peer = self.map.get_mut(who.node.host());
        let derivations = match peer {
            None => &mut self.derivations,
            Some(peer) => {
                if let Some(sender) = peer.present(who) {
                    if !sender.seen.admits(counter) {
                        return Err(AuthError::Replayed);
                    }
                    return Ok(Opening {
                        key: sender.key.clone(),
                        id: Some(sender.id),
                        counter,
                    });
                }
                if peer.is_past(own, &who.nonce) && !peer.is_silent(now) {
                    return Err(AuthError::NotFresh);
                }
                if let Some(candidate) = peer.candidate.as_ref().filter(|it| it.is(who)) {
                    return Ok(Opening {
                        key: candidate.key.clone(),
                        id: None,
                        counter,
                    });
                }
                &mut peer.derivations
            }
        };
        let cluster = self.ring.get(who.fingerprint).ok_or(AuthError::NoKey)?;
        if !derivations.take(now) {
            return Err(AuthError::Limited);
        }
        Ok(Opening {
            key: schedule::sender_key::<P>(cluster, who.node, &who.nonce),
            id: None,
            counter,
        })
    }

    /// The key that the tag of a Hello or Handshake is to be checked with which bears this node's own
    /// host id: that of another machine, if it is a member.
    ///
    /// # Errors
    ///
    /// Why the frame is to be dropped without looking at its tag.
    pub fn open_namesake(
        &mut self,
        now: Instant,
        header: &Header,
        body: &[u8],
    ) -> Result<Opening, AuthError> {
        let auth = self.auth_of(header)?;
        let who = Introduction::read(header, auth, body)?;
        if self.is_own_nonce(&who.nonce) {
            // This node said it, and somebody throws it back.
            return Err(AuthError::Replayed);
        }
        let cluster = self.ring.get(who.fingerprint).ok_or(AuthError::NoKey)?;
        if !self.derivations.take(now) {
            return Err(AuthError::Limited);
        }
        Ok(Opening {
            key: schedule::sender_key::<P>(cluster, who.node, &who.nonce),
            id: None,
            counter: auth.counter,
        })
    }

    /// Whether a Handshake whose tag is right, and which bears this node's own host id, is the proof that
    /// another machine of that name is there now: it echoes the present nonce, and did not come before.
    pub fn proves_namesake(&mut self, handshake: &Handshake, opening: &Opening) -> bool {
        if !self.is_own_nonce(&handshake.echo) {
            return false;
        }
        let own = self.own.as_ref().map_or(0, |own| own.serial);
        self.proofs.accept(own, &handshake.nonce, opening.counter)
    }

    /// Takes note of a Data, Ack, Reset or Ephemeral frame whose tag is right.
    ///
    /// # Errors
    ///
    /// The frame is to be dropped: it came before, or its key went out of use just now.
    pub fn accept(
        &mut self,
        now: Instant,
        header: &Header,
        opening: &Opening,
    ) -> Result<Option<Event>, AuthError> {
        let peer = self.map.get_mut(header.from.host());
        let (peer, id) = peer.zip(opening.id).ok_or(AuthError::UnknownSession)?;
        if header.kind == Kind::Ephemeral {
            peer.accept_from_sender(id, opening.counter)?;
            peer.live(now);
            return Ok(None);
        }
        let mut keys = peer.rx.iter_mut().flatten();
        let rx = keys.find(|rx| rx.id == id && rx.is_valid(now));
        let rx = rx.ok_or(AuthError::UnknownSession)?;
        if !rx.seen.accept(opening.counter) {
            return Err(AuthError::Replayed);
        }
        let pair = rx.pair;
        peer.live(now);
        // Whoever sends under new keys has them: that is as good as a handshake that says so.
        match peer.next.as_ref().is_some_and(|next| next.pair == pair) {
            true => Ok(peer.settle(now, &self.config)),
            false => Ok(None),
        }
    }

    /// Takes note of a Hello whose tag is right.
    ///
    /// # Errors
    ///
    /// The frame is to be dropped.
    pub fn on_hello(
        &mut self,
        now: Instant,
        header: &Header,
        hello: &Hello,
        opening: &Opening,
    ) -> Result<Heard, AuthError> {
        let who = Introduction {
            node: header.from.node(),
            nonce: hello.nonce,
            epoch: hello.epoch,
            fingerprint: Fingerprint::new(hello.fingerprint),
        };
        let Some(id) = opening.id else {
            return self.stranger(now, &who, opening);
        };
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?.serial;
        let peer = self.map.get_mut(who.node.host());
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        peer.accept_from_sender(id, opening.counter)?;
        if peer.present(&who).is_none() || peer.incarnation != hello.incarnation.get() {
            return Err(AuthError::NotFresh);
        }
        let event = match hello.is_leaving() {
            true => peer.end(own),
            false => None,
        };
        peer.live(now);
        Ok(Heard {
            fresh: hello.is_leaving() || peer.is_linked(),
            event,
            answer: None,
        })
    }

    /// Takes note of a Handshake whose tag is right.
    ///
    /// # Errors
    ///
    /// The frame is to be dropped.
    pub fn on_handshake(
        &mut self,
        now: Instant,
        header: &Header,
        handshake: &Handshake,
        opening: &Opening,
    ) -> Result<Heard, AuthError> {
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?;
        let (serial, echoed) = (own.serial, own.nonce == handshake.echo);
        if !header.to.same_node(self.node) {
            return Err(AuthError::UnknownSession);
        }
        let who = Introduction {
            node: header.from.node(),
            nonce: handshake.nonce,
            epoch: handshake.epoch,
            fingerprint: handshake.fingerprint(),
        };
        let mut event = None;
        match opening.id {
            Some(id) => {
                let peer = self.map.get_mut(who.node.host());
                let peer = peer.ok_or(AuthError::UnknownSession)?;
                peer.accept_from_sender(id, opening.counter)?;
                if peer.present(&who).is_none() {
                    return Err(AuthError::NotFresh);
                }
                peer.live(now);
            }
            None if !echoed => return self.stranger(now, &who, opening),
            None => event = self.meet(now, &who, handshake, opening)?,
        }
        if !echoed {
            // The peer has not heard of the present epoch: it is told.
            let answer = self.answer_stranger(now, &who);
            return Ok(Heard {
                fresh: self.is_linked(who.node.host()),
                event,
                answer,
            });
        }
        self.install(who.node)?;
        let config = &self.config;
        let peer = self.map.get_mut(who.node.host());
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        if handshake.is_ready() && peer.is_ready(serial) {
            let settled = peer.settle(now, config);
            event = event.or(settled);
        }
        let answer = match handshake.wants_answer() {
            true => {
                peer.answered(now, serial);
                self.answer(who.node, &who.nonce)
            }
            false => None,
        };
        Ok(Heard {
            fresh: true,
            event,
            answer,
        })
    }

    fn is_linked(&self, host: HostId) -> bool {
        self.map.get(host).is_some_and(Peer::is_linked)
    }

    /// A member whose nonce is not known to be fresh: it is asked to prove it.
    fn stranger(
        &mut self,
        now: Instant,
        who: &Introduction,
        opening: &Opening,
    ) -> Result<Heard, AuthError> {
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?.serial;
        let peer = self.map.get_or_insert_with(who.node.host(), Peer::new);
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        if peer.is_past(own, &who.nonce) {
            self.heal |= peer.is_silent(now);
            return Err(AuthError::NotFresh);
        }
        peer.candidate = Some(Candidate {
            node: who.node,
            nonce: who.nonce,
            fingerprint: who.fingerprint,
            key: opening.key.clone(),
        });
        Ok(Heard {
            fresh: false,
            event: None,
            answer: self.answer_stranger(now, who),
        })
    }

    /// A handshake on the word of somebody who may be a recording.
    fn answer_stranger(&mut self, now: Instant, who: &Introduction) -> Option<Outgoing> {
        let peer = self.map.get_mut(who.node.host())?;
        match peer.answers.take(now) {
            true => self.answer(who.node, &who.nonce),
            false => None,
        }
    }

    /// A member with a new nonce, that knows the present one of this node.
    fn meet(
        &mut self,
        now: Instant,
        who: &Introduction,
        handshake: &Handshake,
        opening: &Opening,
    ) -> Result<Option<Event>, AuthError> {
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?.serial;
        self.ring.get(who.fingerprint).ok_or(AuthError::NoKey)?;
        let id = self.new_id();
        let peer = self.map.get_or_insert_with(who.node.host(), Peer::new);
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        if peer.present(who).is_some() {
            return Err(AuthError::Replayed);
        }
        let incarnation = handshake.incarnation.get();
        if peer.is_past(own, &who.nonce) || peer.is_behind(own, who.node, incarnation, who.epoch) {
            self.heal |= peer.is_silent(now);
            return Err(AuthError::NotFresh);
        }
        let sender = Sender {
            id,
            nonce: who.nonce,
            epoch: who.epoch,
            fingerprint: who.fingerprint,
            key: opening.key.clone(),
            // What was sent before the proof may be a recording.
            seen: CounterWindow::above(opening.counter),
            met: own,
        };
        let rebooted = peer.meet(now, who.node, incarnation, sender, &self.config);
        peer.live(now);
        Ok(rebooted.then_some(Event::Rebooted { node: who.node }))
    }

    /// Makes the keys of both present nonces, unless they are there already.
    fn install(&mut self, node: Gpid) -> Result<(), AuthError> {
        let own = self.own.as_ref().ok_or(AuthError::NoKey)?.serial;
        let id = self.new_id();
        let peer = self.map.get(node.host());
        let peer = peer.ok_or(AuthError::UnknownSession)?;
        if peer.is_ready(own) {
            return Ok(());
        }
        let sender = peer.sender.as_ref().ok_or(AuthError::UnknownSession)?;
        let keys = self.pair_keys(node, sender, id);
        let (rx, tx) = keys.ok_or(AuthError::NoKey)?;
        if let Some(peer) = self.map.get_mut(node.host()) {
            peer.install(rx, tx);
        }
        Ok(())
    }
}

impl Candidate {
    fn is(&self, who: &Introduction) -> bool {
        self.node == who.node && self.nonce == who.nonce && self.fingerprint == who.fingerprint
    }
}

impl Peer {
    /// The peer's present sender, if `who` is that.
    fn present(&self, who: &Introduction) -> Option<&Sender> {
        self.sender.as_ref().filter(|sender| {
            self.node == who.node
                && sender.nonce == who.nonce
                && sender.epoch == who.epoch
                && sender.fingerprint == who.fingerprint
        })
    }

    fn find_sender(&self, now: Instant, key_id: u8) -> Option<(u32, &Key, &CounterWindow)> {
        if !self.is_linked() {
            return None;
        }
        let former = self.former.as_ref();
        let former = former.filter(|(_, expires)| now < *expires);
        let mut senders = self.sender.iter().chain(former.map(|(sender, _)| sender));
        let sender = senders.find(|sender| sender.epoch << 4 == key_id)?;
        Some((sender.id, &sender.key, &sender.seen))
    }

    fn find_rx(&self, now: Instant, key_id: u8) -> Option<(u32, &Key, &CounterWindow)> {
        let mut keys = self.rx.iter().flatten();
        let rx = keys.find(|rx| rx.key_id == key_id && rx.is_valid(now))?;
        Some((rx.id, &rx.key, &rx.seen))
    }

    fn accept_from_sender(&mut self, id: u32, counter: u64) -> Result<(), AuthError> {
        let sender = self.sender_mut(id).ok_or(AuthError::UnknownSession)?;
        match sender.seen.accept(counter) {
            true => Ok(()),
            false => Err(AuthError::Replayed),
        }
    }
}
