// SPDX-License-Identifier: GPL-2.0-only

//! What a node keeps of its sessions with one peer.

use super::sessions::{Config, Event};
use super::{CounterWindow, Fingerprint, Key, Nonce};
use crate::bucket::Bucket;
use crate::time::{Duration, Instant};
use crate::Gpid;

/// Keys for receiving that a peer may have at a time: the present one, that which it replaces, and
/// two more for ends that replace theirs at once.
const RX_MAX: usize = 4;
/// Nonces that a peer may have given up during one own epoch.
const PAST_MAX: usize = 8;
/// How long a peer must have been silent before a nonce that it gave up is looked into.
const SILENCE: Duration = Duration::from_secs(2);
/// Handshakes that are sent without a sign of life of the peer.
const TRIES: u8 = 10;
/// Time from the first handshake to the second; then it doubles up to [`LAST_RETRY_MS`].
const FIRST_RETRY_MS: u64 = 50;
const LAST_RETRY_MS: u64 = 1000;

/// What a peer says to all: made with a nonce that it proved to be fresh.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Names this sender among all that this node ever met.
    pub(super) id: u32,
    pub(super) nonce: Nonce,
    pub(super) epoch: u8,
    pub(super) fingerprint: Fingerprint,
    pub(super) key: Key,
    pub(super) seen: CounterWindow,
    /// The own epoch in which it gave the proof.
    pub(super) met: u64,
}

/// A sender whose frames have a right tag, but that has not proved to be of the present.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) node: Gpid,
    pub(super) nonce: Nonce,
    pub(super) fingerprint: Fingerprint,
    pub(super) key: Key,
}

/// Which nonces made a pair of keys: the own epoch and the peer's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PairId {
    pub(super) own: u64,
    pub(super) sender: u32,
}

/// A key for sending to the peer.
#[derive(Clone, Debug)]
pub(super) struct Tx {
    pub(super) pair: PairId,
    pub(super) key: Key,
    pub(super) key_id: u8,
    pub(super) counter: u64,
}

/// A key for receiving from the peer.
#[derive(Clone, Debug)]
pub(super) struct Rx {
    /// Names this key among all that this node ever had.
    pub(super) id: u32,
    pub(super) pair: PairId,
    pub(super) key: Key,
    pub(super) key_id: u8,
    pub(super) seen: CounterWindow,
    expires: Option<Instant>,
}

impl Rx {
    pub(super) fn new(id: u32, pair: PairId, key: Key, key_id: u8) -> Self {
        Self {
            id,
            pair,
            key,
            key_id,
            seen: CounterWindow::new(),
            expires: None,
        }
    }

    pub(super) fn is_valid(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn expire_by(&mut self, at: Instant) {
        self.expires = Some(self.expires.map_or(at, |expires| expires.min(at)));
    }
}

/// The nonces that the peer gave up during the present own epoch.
///
/// A proof of freshness is good for the whole own epoch, so what came with an old one of those
/// could be shown again. With the next own nonce all old proofs are void, and the list is empty.
#[derive(Clone, Debug)]
struct Past {
    own: u64,
    len: usize,
    nonces: [u64; PAST_MAX],
}

impl Past {
    fn add(&mut self, own: u64, nonce: &Nonce) {
        if self.own != own {
            self.own = own;
            self.len = 0;
        }
        if let Some(slot) = self.nonces.get_mut(self.len) {
            *slot = start(nonce);
            self.len += 1;
        }
    }

    /// Whether `nonce` is one of them; when there is no more room for others, any is.
    fn has(&self, own: u64, nonce: &Nonce) -> bool {
        let nonces = self.nonces.get(..self.len).unwrap_or_default();
        self.own == own && (self.len == PAST_MAX || nonces.contains(&start(nonce)))
    }
}

fn start(nonce: &Nonce) -> u64 {
    nonce
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// When the next handshake is to be sent.
#[derive(Clone, Debug)]
struct Retry {
    pair: PairId,
    tries: u8,
    at: Instant,
}

/// The sessions with one peer: the one that both ends use, those on the way out, and the one that
/// is being agreed on.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(super) node: Gpid,
    pub(super) incarnation: u32,
    pub(super) sender: Option<Sender>,
    pub(super) former: Option<(Sender, Instant)>,
    pub(super) candidate: Option<Candidate>,
    /// What is sent with.
    pub(super) tx: Option<Tx>,
    /// What will be sent with as soon as the peer is known to be able to read it.
    pub(super) next: Option<Tx>,
    /// What is received with, the newest first.
    pub(super) rx: [Option<Rx>; RX_MAX],
    pub(super) answers: Bucket,
    pub(super) derivations: Bucket,
    pub(super) heard: Instant,
    /// When the sessions end because their cluster key was dropped.
    ends: Option<Instant>,
    past: Past,
    retry: Retry,
}

impl Peer {
    pub(super) const fn new() -> Self {
        Self {
            node: Gpid::EVERYBODY,
            incarnation: 0,
            sender: None,
            former: None,
            candidate: None,
            tx: None,
            next: None,
            rx: [const { None }; RX_MAX],
            answers: Bucket::new(8, Duration::from_millis(50)),
            derivations: Bucket::new(64, Duration::from_millis(2)),
            heard: Instant::from_nanos(0),
            ends: None,
            past: Past {
                own: 0,
                len: 0,
                nonces: [0; PAST_MAX],
            },
            retry: Retry {
                pair: PairId { own: 0, sender: 0 },
                tries: 0,
                at: Instant::from_nanos(0),
            },
        }
    }

    /// The pair of keys that both ends should be using: that of their present nonces.
    pub(super) fn wanted(&self, own: u64) -> Option<PairId> {
        let sender = self.sender.as_ref()?.id;
        Some(PairId { own, sender })
    }

    /// Whether this node can read what the peer sends under the wanted keys.
    pub(super) fn is_ready(&self, own: u64) -> bool {
        let newest = self.rx.first().and_then(Option::as_ref);
        newest.map(|rx| rx.pair) == self.wanted(own) && newest.is_some()
    }

    /// Whether the peer is not yet known to be able to read what is sent under the wanted keys.
    pub(super) fn is_unsettled(&self, own: u64) -> bool {
        self.wanted(own).is_some() && self.tx.as_ref().map(|tx| tx.pair) != self.wanted(own)
    }

    /// Whether there is a session, or will be one in a moment.
    pub(super) fn is_linked(&self) -> bool {
        self.tx.is_some() || self.next.is_some()
    }

    /// Whether nothing genuine came for some time.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= SILENCE
    }

    /// Whether `nonce` was given up by the peer, or cannot be told from such.
    pub(super) fn is_past(&self, own: u64, nonce: &Nonce) -> bool {
        self.past.has(own, nonce)
    }

    /// Whether `epoch` lies behind the one that the same start of the peer's CM proved to be in.
    pub(super) fn is_behind(&self, own: u64, node: Gpid, incarnation: u32, epoch: u8) -> bool {
        self.sender.as_ref().is_some_and(|sender| {
            sender.met == own
                && self.node == node
                && self.incarnation == incarnation
                && epoch.wrapping_sub(sender.epoch) as i8 <= 0
        })
    }

    /// The sender with this name, the present one or the one before.
    pub(super) fn sender_mut(&mut self, id: u32) -> Option<&mut Sender> {
        let former = self.former.as_mut().map(|(sender, _)| sender);
        let senders = self.sender.as_mut().into_iter().chain(former);
        senders.into_iter().find(|sender| sender.id == id)
    }

    /// Takes `sender` for the peer's present one. Whether the peer lost its memory.
    pub(super) fn meet(
        &mut self,
        now: Instant,
        node: Gpid,
        incarnation: u32,
        sender: Sender,
        config: &Config,
    ) -> bool {
        let own = sender.met;
        let old = self.sender.replace(sender);
        let rebooted = self.node != node || self.incarnation != incarnation;
        self.node = node;
        self.incarnation = incarnation;
        self.candidate = None;
        self.ends = None;
        let known = old.is_some();
        if let Some(old) = old {
            self.past.add(own, &old.nonce);
            self.former = Some((old, now + config.old_keys));
        }
        if rebooted {
            self.forget_keys();
        }
        rebooted && known
    }

    /// Takes a pair of keys on: what comes is read with it from now on.
    pub(super) fn install(&mut self, rx: Rx, tx: Tx) {
        self.rx.rotate_right(1);
        if let Some(first) = self.rx.first_mut() {
            *first = Some(rx);
        }
        self.next = Some(tx);
    }

    /// The peer can read what is sent under the newest keys.
    pub(super) fn settle(&mut self, now: Instant, config: &Config) -> Option<Event> {
        let next = self.next.take()?;
        let was_up = self.tx.replace(next).is_some();
        for rx in self.rx.iter_mut().skip(1).flatten() {
            rx.expire_by(now + config.old_keys);
        }
        let node = self.node;
        Some(match was_up {
            true => Event::Rekeyed { node },
            false => Event::Up { node },
        })
    }

    /// Ends all sessions with the peer's present nonce, for good.
    pub(super) fn end(&mut self, own: u64) -> Option<Event> {
        let was_linked = self.is_linked();
        if let Some(sender) = self.sender.take() {
            self.past.add(own, &sender.nonce);
        }
        self.ends = None;
        self.forget_keys();
        was_linked.then_some(Event::Ended { node: self.node })
    }

    fn forget_keys(&mut self) {
        self.former = None;
        self.tx = None;
        self.next = None;
        self.rx = [const { None }; RX_MAX];
    }

    /// Sessions made of the cluster key with this fingerprint end soon, unless the peer turns to
    /// another one.
    pub(super) fn end_with(&mut self, fingerprint: Fingerprint, at: Instant) {
        let sender = self.sender.as_ref();
        if sender.is_some_and(|sender| sender.fingerprint == fingerprint) {
            self.ends = Some(at);
        }
    }

    /// The cluster key with this fingerprint is there again.
    pub(super) fn go_on_with(&mut self, fingerprint: Fingerprint) {
        let sender = self.sender.as_ref();
        if sender.is_some_and(|sender| sender.fingerprint == fingerprint) {
            self.ends = None;
        }
    }

    /// Lets go of what has had its time. `own` is the present epoch of this node, `stale` whether
    /// it has lasted so long that nothing of former ones may be used any more.
    pub(super) fn tidy(&mut self, now: Instant, own: u64, stale: bool) -> Option<Event> {
        if self.ends.is_some_and(|ends| now >= ends) {
            return self.end(own);
        }
        if self
            .former
            .as_ref()
            .is_some_and(|(_, expires)| now >= *expires)
        {
            self.former = None;
        }
        for slot in &mut self.rx {
            let gone = |rx: &mut Rx| !rx.is_valid(now) || (stale && rx.pair.own != own);
            drop(slot.take_if(gone));
        }
        if !stale {
            return None;
        }
        drop(self.next.take_if(|tx| tx.pair.own != own));
        self.tx.take_if(|tx| tx.pair.own != own)?;
        Some(Event::Ended { node: self.node })
    }

    /// Whether it is time for another handshake, and which try it is; takes note of it.
    pub(super) fn next_try(&mut self, now: Instant, own: u64) -> Option<u8> {
        let pair = self.wanted(own).filter(|_| self.is_unsettled(own))?;
        if self.retry.pair != pair {
            self.retry = Retry {
                pair,
                tries: 0,
                at: now,
            };
        }
        if self.retry.tries >= TRIES || now < self.retry.at {
            return None;
        }
        self.count_try(now);
        Some(self.retry.tries)
    }

    /// An answer went out, which counts as a first try.
    pub(super) fn answered(&mut self, now: Instant, own: u64) {
        let Some(pair) = self.wanted(own) else {
            return;
        };
        if self.retry.pair != pair {
            self.retry = Retry {
                pair,
                tries: 0,
                at: now,
            };
            self.count_try(now);
        }
    }

    fn count_try(&mut self, now: Instant) {
        let doubled = FIRST_RETRY_MS << self.retry.tries.min(8);
        self.retry.at = now + Duration::from_millis(doubled.min(LAST_RETRY_MS));
        self.retry.tries += 1;
    }

    /// Something genuine came: it is worth while to go on trying.
    pub(super) fn live(&mut self, now: Instant) {
        self.heard = now;
        if self.retry.tries >= TRIES {
            self.retry.tries = 0;
        }
    }
}
