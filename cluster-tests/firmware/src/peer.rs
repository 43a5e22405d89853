// SPDX-License-Identifier: MIT OR Apache-2.0

//! Another node: where it is, and what keys are shared with it (sections 4 and 11).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::body::{Handshake, Hello};
use crate::check::{Parts, Reason};
use crate::crypto::{self, Key, Replay};
use crate::identity::Identity;
use crate::wire::{Gpid, Mac};

/// Microseconds of silence after which a rail is down.
pub const SILENCE: u64 = 1_200_000;
/// Handshakes sent to a peer that does not say *ready*.
const TRIES: u32 = 10;

/// Where a peer is on one rail.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its address.
    pub mac: Mac,
    /// When it was last heard, in microseconds.
    pub heard: u64,
    /// What it said of its MTU.
    pub mtu: u16,
}

/// A nonce of a peer that is fresh.
#[derive(Clone, Debug)]
pub struct Sender {
    nonce: Key,
    epoch: u8,
    key: Key,
    replay: Replay,
    /// The counter of the Handshake that made it fresh: what it sent before counts as come.
    since: u64,
}

/// A key under which a peer sends to us.
#[derive(Clone, Debug)]
struct Incoming {
    key_id: u8,
    /// The peer's later keys have higher ones.
    number: u64,
    key: Key,
    replay: Replay,
    nonces: (Key, Key),
}

/// A key under which we send to a peer.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The `key_id` of frames under it.
    pub key_id: u8,
    /// The key.
    pub key: Key,
    /// The counter of the last frame.
    pub counter: u64,
}

/// Another node.
#[derive(Debug)]
pub struct Peer {
    /// Its present boot.
    pub node: Gpid,
    /// Which start of its CM.
    pub incarnation: u32,
    /// It said that it is leaving.
    pub left: bool,
    /// Its rails that were heard of.
    pub links: BTreeMap<usize, Link>,
    /// Open sequences that it used, with the index of their circuits at its end.
    pub opened: BTreeMap<u32, u32>,
    /// What the next circuit to it is counted as.
    pub next_open: u32,
    /// The fresh nonce, and the ones before it.
    senders: Vec<Sender>,
    incoming: Vec<Incoming>,
    keys_made: u64,
    outgoing: Option<Outgoing>,
    waiting: Option<Outgoing>,
    told_ready: bool,
    retry_at: u64,
    tries: u32,
    answered: (u64, u32),
}

impl Sender {
    /// # Errors
    ///
    /// The counter came before, or was used before the nonce was known to be fresh.
    fn expects(&self, counter: u64) -> Result<(), Reason> {
        match self.replay.came(counter) {
            _ if counter <= self.since => Err(Reason::UnknownSession),
            true => Err(Reason::Replayed),
            false => Ok(()),
        }
    }
}

/// What a Handshake of step 2 changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Nothing, or new keys.
    Same,
    /// The peer has lost its memory: circuits with it are over.
    Restarted,
}

impl Peer {
    /// One that nothing is known of yet but its name.
    pub fn new(node: Gpid, incarnation: u32, next_open: u32) -> Self {
        Self {
            node,
            incarnation,
            left: false,
            links: BTreeMap::new(),
            opened: BTreeMap::new(),
            next_open,
            senders: Vec::new(),
            incoming: Vec::new(),
            keys_made: 0,
            outgoing: None,
            waiting: None,
            told_ready: false,
            retry_at: u64::MAX,
            tries: 0,
            answered: (0, 0),
        }
    }

    /// Takes another boot or incarnation for the present one.
    pub fn restart(&mut self, node: Gpid, incarnation: u32) {
        let links = core::mem::take(&mut self.links);
        *self = Self::new(node, incarnation, self.next_open);
        self.links = links;
    }

    /// It was heard on a rail.
    pub fn heard(&mut self, rail: usize, mac: Mac, now: u64) {
        let link = self.links.entry(rail).or_insert(Link {
            mac,
            heard: now,
            mtu: crate::wire::MIN_MTU,
        });
        (link.mac, link.heard) = (mac, now);
    }

    /// The rails on which it was heard lately.
    pub fn rails(&self, now: u64) -> impl Iterator<Item = (usize, &Link)> + '_ {
        self.links
            .iter()
            .filter(move |(_, link)| now.saturating_sub(link.heard) < SILENCE)
            .map(|(rail, link)| (*rail, link))
    }

    /// Whether frames of circuits can be sent to it.
    pub fn is_up(&self, now: u64, open_mode: bool) -> bool {
        !self.left && (open_mode || self.outgoing.is_some()) && self.rails(now).next().is_some()
    }

    /// Whether both ends use keys of their present nonces.
    pub fn is_settled(&self, identity: &Identity) -> bool {
        self.told_ready && self.waiting.is_none() && self.shares(identity)
    }

    /// Whether keys were made of both present nonces.
    fn shares(&self, identity: &Identity) -> bool {
        let Some(sender) = self.senders.first() else {
            return false;
        };
        self.incoming
            .iter()
            .any(|incoming| incoming.nonces == (sender.nonce, identity.nonce))
    }

    /// Whether this nonce is the one that is known to be fresh.
    pub fn is_fresh(&self, nonce: &Key) -> bool {
        self.senders
            .first()
            .is_some_and(|sender| sender.nonce == *nonce)
    }

    /// Takes a Hello with a fresh nonce, whose tag was right.
    ///
    /// # Errors
    ///
    /// The reason to drop it.
    pub fn greeted(&mut self, hello: &Hello, counter: u64) -> Result<(), Reason> {
        let sender = self
            .senders
            .iter_mut()
            .find(|sender| sender.nonce == hello.nonce);
        let sender = sender.ok_or(Reason::UnknownSession)?;
        sender.expects(counter)?;
        sender.replay.note(counter);
        Ok(())
    }

    /// Takes a Handshake that echoes our present nonce, whose tag was right.
    ///
    /// # Errors
    ///
    /// The reason to drop it.
    pub fn met(
        &mut self,
        identity: &Identity,
        from: Gpid,
        handshake: &Handshake,
        counter: u64,
        now: u64,
    ) -> Result<Met, Reason> {
        let mut met = Met::Same;
        if self.is_fresh(&handshake.nonce) {
            let sender = &mut self.senders[0];
            sender.expects(counter)?;
            sender.replay.note(counter);
        } else {
            if !self.node.same_node(from) || self.incarnation != handshake.incarnation {
                self.restart(from.node(), handshake.incarnation);
                met = Met::Restarted;
            }
            self.senders.insert(
                0,
                Sender {
                    nonce: handshake.nonce,
                    epoch: handshake.epoch,
                    key: crypto::sender_key(&identity.cluster, from, &handshake.nonce),
                    replay: Replay::after(counter),
                    since: counter,
                },
            );
            self.senders.truncate(4);
        }
        if !self.shares(identity) {
            self.make_keys(identity, handshake);
            (self.retry_at, self.tries) = (now + 50_000, 0);
        }
        if handshake.flags & Handshake::READY != 0 {
            self.ready();
        }
        Ok(met)
    }

    fn make_keys(&mut self, identity: &Identity, handshake: &Handshake) {
        let (mine, theirs) = (
            (identity.node, &identity.nonce),
            (self.node, &handshake.nonce),
        );
        self.keys_made += 1;
        self.incoming.insert(
            0,
            Incoming {
                number: self.keys_made,
                key_id: (handshake.epoch & 15) << 4 | identity.epoch & 15,
                key: crypto::pair_key(&identity.cluster, theirs, mine),
                replay: Replay::after(0),
                nonces: (handshake.nonce, identity.nonce),
            },
        );
        self.incoming.truncate(4);
        self.waiting = Some(Outgoing {
            key_id: (identity.epoch & 15) << 4 | handshake.epoch & 15,
            key: crypto::pair_key(&identity.cluster, mine, theirs),
            counter: 0,
        });
        self.told_ready = false;
    }

    /// The peer reads frames under the keys of the present nonces.
    fn ready(&mut self) {
        self.told_ready = true;
        if let Some(waiting) = self.waiting.take() {
            self.outgoing = Some(waiting);
        }
    }

    /// We picked a new nonce.
    pub fn rekeyed(&mut self, now: u64) {
        self.told_ready = false;
        (self.retry_at, self.tries) = (now, 0);
    }

    /// The flags of a Handshake that echoes this nonce.
    pub fn flags(&self, identity: &Identity, echo: &Key) -> u8 {
        let ready = self.is_fresh(echo) && self.shares(identity);
        match (ready, self.told_ready && ready) {
            (true, true) => Handshake::READY,
            (true, false) => Handshake::READY | Handshake::ANSWER,
            _ => Handshake::ANSWER,
        }
    }

    /// The nonce to be echoed now in a Handshake that wants an answer, if it is time for one.
    pub fn retry(&mut self, now: u64) -> Option<(Key, u32)> {
        if self.told_ready || now < self.retry_at || self.tries >= TRIES {
            return None;
        }
        let nonce = self.senders.first()?.nonce;
        self.retry_at = now + (50_000 << self.tries.min(5)).min(1_000_000);
        self.tries += 1;
        Some((nonce, self.tries))
    }

    /// Whether the peer still has to say *ready*.
    pub fn wants_ready(&self) -> bool {
        !self.told_ready
    }

    /// Whether one more Handshake may be sent to it in this second.
    pub fn may_answer(&mut self, now: u64) -> bool {
        let (since, count) = &mut self.answered;
        if now.saturating_sub(*since) > 1_000_000 {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= 20
    }

    /// Takes the counter and the tag of a frame under a sender key of the peer; its data in the
    /// clear.
    ///
    /// # Errors
    ///
    /// The reason to drop it.
    pub fn open_sender(&mut self, frame: &[u8], parts: &Parts) -> Result<Vec<u8>, Reason> {
        let (id, counter) = (parts.header.key_id, parts.counter.unwrap_or(0));
        let mut verdict = Err(Reason::UnknownSession);
        for sender in &mut self.senders {
            if id == (sender.epoch & 15) << 4 {
                verdict = sender
                    .expects(counter)
                    .and_then(|()| open(&sender.key, &mut sender.replay, counter, frame, parts));
                if verdict.is_ok() {
                    break;
                }
            }
        }
        verdict
    }

    /// The same under a pair key; besides, a number that is higher for what was sent later.
    ///
    /// # Errors
    ///
    /// The reason to drop it.
    pub fn open_pair(
        &mut self,
        identity: &Identity,
        frame: &[u8],
        parts: &Parts,
    ) -> Result<(Vec<u8>, u64), Reason> {
        let (id, counter) = (parts.header.key_id, parts.counter.unwrap_or(0));
        let present = self
            .senders
            .first()
            .map(|sender| (sender.nonce, identity.nonce));
        let mut verdict = Err(Reason::UnknownSession);
        let mut nonces = None;
        for incoming in self.incoming.iter_mut().filter(|key| key.key_id == id) {
            let order = incoming.number << 48 | counter;
            verdict = open(&incoming.key, &mut incoming.replay, counter, frame, parts)
                .map(|data| (data, order));
            if verdict.is_ok() {
                nonces = Some(incoming.nonces);
                break;
            }
        }
        if nonces.is_some() && nonces == present {
            self.ready();
        }
        verdict
    }

    /// The key to send under, with a counter that was not used.
    pub fn next_key(&mut self) -> Option<Outgoing> {
        let outgoing = self.outgoing.as_mut()?;
        outgoing.counter += 1;
        Some(outgoing.clone())
    }
}

fn open(
    key: &Key,
    replay: &mut Replay,
    counter: u64,
    frame: &[u8],
    parts: &Parts,
) -> Result<Vec<u8>, Reason> {
    if replay.came(counter) {
        return Err(Reason::Replayed);
    }
    let data = crypto::open(key, frame, parts).ok_or(Reason::BadTag)?;
    replay.note(counter);
    Ok(data)
}
