// SPDX-License-Identifier: GPL-2.0-only

//! The keys of one node: its own, and those that it shares with each peer.

use core::marker::PhantomData;
use core::ops::DerefMut;

use super::handshake::{Handshake, Outgoing, ANSWER, READY};
use super::peer::{PairId, Peer, Rx, Sender, Tx};
use super::proofs::Proofs;
use super::{schedule, Fingerprint, Key, KeyError, KeyRing, Mode, Nonce, Prf, Seal};
use crate::bucket::Bucket;
use crate::hello::Hello;
use crate::host_map::{HostMap, HostSlot};
use crate::time::{nanos, Duration, Instant};
use crate::wire::{Auth, Kind};
use crate::{Gpid, HostId};

/// How long a node goes on saying things to all under the key of its last epoch, so that its peers
/// have time to learn of the next one.
const FORMER_SENDER: Duration = Duration::from_secs(2);

/// How long keys last.
#[derive(Clone, Debug)]
pub struct Config {
    /// Frames under one key, after which the node picks a new nonce.
    pub rekey_frames: u64,
    /// Time after which the node picks a new nonce; the nonce itself makes it up to an eighth less,
    /// so that not all nodes of a cluster do so at once.
    pub rekey_after: Duration,
    /// Least time between two nonces, but for that of a key that is taken into use.
    pub rekey_least: Duration,
    /// Least time between two nonces when the only reason is a peer that nobody can tell from a
    /// replay of its past.
    pub heal_least: Duration,
    /// How long the peer's frames are read with keys that both ends have replaced.
    pub old_keys: Duration,
    /// How long keys of the last epoch are used when a peer does not agree on new ones.
    pub stale_keys: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rekey_frames: 1 << 32,
            rekey_after: Duration::from_secs(3600),
            rekey_least: Duration::from_secs(20),
            heal_least: Duration::from_secs(20),
            old_keys: Duration::from_secs(10),
            stale_keys: Duration::from_secs(30),
        }
    }
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a session with a node that there was none with.
    Up {
        /// The node: host and boot.
        node: Gpid,
    },
    /// The node lost its memory (another boot, or its CM was loaded anew): circuits with it are
    /// gone. The new session is up if [`Sessions::is_up`] says so, else [`Event::Up`] will follow.
    Rebooted {
        /// The node as it is now: host and boot.
        node: Gpid,
    },
    /// The session got new keys; nothing else changed.
    Rekeyed {
        /// The node: host and boot.
        node: Gpid,
    },
    /// There is no session any more.
    Ended {
        /// The node: host and boot.
        node: Gpid,
    },
}

/// What is to be done because time passed.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send this handshake.
    Send(Outgoing),
    /// A session changed.
    Event(Event),
    /// Give [`Sessions::rekey`] a random nonce.
    NeedNonce,
}

/// A key for those who look into captured frames.
#[derive(Clone, Copy, Debug)]
pub struct SessionKey<'a> {
    /// Who sends with it.
    pub from: Gpid,
    /// Who receives; [`Gpid::EVERYBODY`] for what is said to all.
    pub to: Gpid,
    /// As in the header of its frames.
    pub key_id: u8,
    /// The key.
    pub key: &'a Key,
}

/// Room for one peer.
pub type SessionSlot = HostSlot<Peer>;

/// What this node says to all with.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct OwnSender {
    key: Key,
    epoch: u8,
    counter: u64,
}

impl OwnSender {
    fn seal(&mut self, mode: Mode, kind: Kind) -> Seal {
        self.counter += 1;
        Seal {
            key: self.key.clone(),
            auth: Auth {
                sealed: mode.seals(kind),
                key_id: self.epoch << 4,
                counter: self.counter,
            },
        }
    }
}

/// The present epoch of this node.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Own {
    /// Counts the epochs from 1.
    pub(super) serial: u64,
    pub(super) nonce: Nonce,
    fingerprint: Fingerprint,
    sender: OwnSender,
    former: Option<OwnSender>,
    since: Instant,
    /// Whether [`Action::NeedNonce`] was told already.
    asked: bool,
}

/// The table of sessions, over slots that its owner provides.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Sessions<P: Prf, S: DerefMut<Target = [SessionSlot]>> {
    pub(super) node: Gpid,
    incarnation: u32,
    pub(super) config: Config,
    pub(super) mode: Option<Mode>,
    pub(super) ring: KeyRing,
    pub(super) own: Option<Own>,
    pub(super) map: HostMap<Peer, S>,
    /// Derivations for hosts that have no slot.
    pub(super) derivations: Bucket,
    /// Answers to other machines of this node's name.
    namesakes: Bucket,
    pub(super) proofs: Proofs,
    /// A new nonce is needed to tell a peer from its past.
    pub(super) heal: bool,
    worn_out: bool,
    next_id: u32,
    cursor: usize,
    prf: PhantomData<fn() -> P>,
}

impl<P: Prf, S: DerefMut<Target = [SessionSlot]>> Sessions<P, S> {
    /// The sessions of `node`, none yet; `incarnation` as in its [`Hello`]. Twice as many slots as
    /// there are hosts keep the table fast.
    pub fn new(slots: S, node: Gpid, incarnation: u32, config: Config) -> Self {
        Self {
            node: node.node(),
            incarnation,
            config,
            mode: None,
            ring: KeyRing::new(),
            own: None,
            map: HostMap::new(slots),
            derivations: Bucket::new(64, Duration::from_millis(2)),
            namesakes: Bucket::new(2, Duration::from_millis(500)),
            proofs: Proofs::new(),
            heal: false,
            worn_out: false,
            next_id: 0,
            cursor: 0,
            prf: PhantomData,
        }
    }

    /// Sets the mode, which can be done once.
    ///
    /// # Errors
    ///
    /// [`KeyError::ModeSet`].
    pub fn set_mode(&mut self, mode: Mode) -> Result<(), KeyError> {
        if self.mode.is_some() {
            return Err(KeyError::ModeSet);
        }
        self.mode = Some(mode);
        Ok(())
    }

    /// The mode; until there is one, a node says nothing.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// The cluster keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Adds a cluster key. The first one is in use at once; `nonce` is for this case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Full`] or [`KeyError::Exists`].
    pub fn add_key(
        &mut self,
        now: Instant,
        key: Key,
        nonce: Nonce,
    ) -> Result<Fingerprint, KeyError> {
        let name = self.ring.add::<P>(key)?;
        for (_, peer) in self.map.iter_mut() {
            peer.go_on_with(name);
        }
        if self.ring.used().is_none() {
            self.use_key(now, name, nonce)?;
        }
        Ok(name)
    }

    /// Takes a cluster key into use, and `nonce` with it. Sessions stay.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`].
    pub fn use_key(
        &mut self,
        now: Instant,
        name: Fingerprint,
        nonce: Nonce,
    ) -> Result<(), KeyError> {
        if self.ring.used().is_some_and(|(used, _)| used == name) {
            return Ok(());
        }
        self.ring.take_into_use(name)?;
        self.begin_epoch(now, nonce);
        Ok(())
    }

    /// Drops a cluster key. A peer that still uses it has [`Config::old_keys`] to turn to another.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`], or [`KeyError::InUse`] for the one in use.
    pub fn drop_key(&mut self, now: Instant, name: Fingerprint) -> Result<(), KeyError> {
        self.ring.remove(name)?;
        let at = now + self.config.old_keys;
        for (_, peer) in self.map.iter_mut() {
            peer.end_with(name, at);
        }
        Ok(())
    }

    /// Begins an epoch with a random `nonce`: answers [`Action::NeedNonce`]. Does nothing without a
    /// cluster key.
    pub fn rekey(&mut self, now: Instant, nonce: Nonce) {
        self.begin_epoch(now, nonce);
    }

    /// This node's memory was copied, and its other copies may speak under the same keys, with the same
    /// counters: forgets all keys but the cluster's, and begins anew with a random `nonce`, as another
    /// `incarnation`. For its peers that is a restart.
    pub fn fork(&mut self, now: Instant, incarnation: u32, nonce: Nonce) {
        self.incarnation = incarnation;
        self.own = None;
        for (_, peer) in self.map.iter_mut() {
            *peer = Peer::new();
        }
        self.cursor = 0;
        self.begin_epoch(now, nonce);
    }

    fn begin_epoch(&mut self, now: Instant, nonce: Nonce) {
        let Some((fingerprint, cluster)) = self.ring.used() else {
            return;
        };
        let (serial, epoch, former) = match self.own.take() {
            Some(own) => (
                own.serial + 1,
                own.sender.epoch.wrapping_add(1),
                Some(own.sender),
            ),
            None => (1, self.incarnation as u8, None),
        };
        self.heal = false;
        self.worn_out = false;
        self.own = Some(Own {
            serial,
            nonce,
            fingerprint,
            sender: OwnSender {
                key: schedule::sender_key::<P>(cluster, self.node, &nonce),
                epoch,
                counter: 0,
            },
            former,
            since: now,
            asked: false,
        });
    }

    /// `hello` with this node's nonce, as it is to be sent.
    pub fn identify(&self, hello: Hello) -> Hello {
        match &self.own {
            Some(own) if self.mode.is_some_and(Mode::is_keyed) => Hello {
                epoch: own.sender.epoch,
                nonce: own.nonce,
                fingerprint: own.fingerprint.bytes(),
                ..hello
            },
            _ => hello,
        }
    }

    fn keyed_mode(&self) -> Option<Mode> {
        self.mode.filter(|mode| mode.is_keyed())
    }

    /// What a circuit's frame to `host` is to be protected with; `None` when there is no session.
    pub fn seal_for(&mut self, host: HostId) -> Option<Seal> {
        let mode = self.keyed_mode()?;
        let tx = self.map.get_mut(host)?.tx.as_mut()?;
        tx.counter += 1;
        self.worn_out |= tx.counter >= self.config.rekey_frames;
        Some(Seal {
            key: tx.key.clone(),
            auth: Auth {
                sealed: mode.seals(Kind::Data),
                key_id: tx.key_id,
                counter: tx.counter,
            },
        })
    }

    /// What a Hello or an Ephemeral frame (to all or to one) is to be protected with; `None` when
    /// there is no key.
    pub fn seal_broadcast(&mut self, now: Instant, kind: Kind) -> Option<Seal> {
        let mode = self.keyed_mode()?;
        let own = self.own.as_mut()?;
        let is_new = now.saturating_duration_since(own.since) < FORMER_SENDER;
        let sender = match &mut own.former {
            Some(former) if is_new && kind == Kind::Ephemeral => former,
            _ => &mut own.sender,
        };
        let seal = sender.seal(mode, kind);
        self.worn_out |= seal.auth.counter >= self.config.rekey_frames;
        Some(seal)
    }

    /// Whether frames can be sent to `host`.
    pub fn is_up(&self, host: HostId) -> bool {
        self.map.get(host).is_some_and(|peer| peer.tx.is_some())
    }

    /// What has to be done by `now`: to be asked about every 50 ms, each time until there is
    /// nothing more.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        let mode = self.keyed_mode()?;
        if self.is_rekey_due(now) {
            return Some(Action::NeedNonce);
        }
        let own = self.own.as_mut()?;
        let age = now.saturating_duration_since(own.since);
        let stale = own.serial > 1 && age >= self.config.stale_keys;
        while self.cursor < self.map.capacity() {
            if let Some((_, peer)) = self.map.slot_mut(self.cursor) {
                if let Some(event) = peer.tidy(now, own.serial, stale) {
                    return Some(Action::Event(event));
                }
                if let Some(attempt) = peer.next_try(now, own.serial) {
                    let handshake = own.greet(self.incarnation, peer);
                    return handshake.map(|handshake| {
                        Action::Send(Outgoing {
                            to: peer.node,
                            attempt,
                            handshake,
                            seal: own.sender.seal(mode, Kind::Handshake),
                        })
                    });
                }
            }
            self.cursor += 1;
        }
        self.cursor = 0;
        None
    }

    /// Whether it is time for a new nonce and nobody was told yet.
    fn is_rekey_due(&mut self, now: Instant) -> bool {
        let Some(own) = self.own.as_mut() else {
            return false;
        };
        let age = now.saturating_duration_since(own.since);
        let lifetime = nanos(self.config.rekey_after);
        let less = (lifetime >> 11) * u64::from(own.nonce.first().copied().unwrap_or_default());
        let due = age >= self.config.rekey_least
            && (self.worn_out
                || nanos(age) >= lifetime - less
                || (self.heal && age >= self.config.heal_least));
        let tell = due && !own.asked;
        own.asked |= due;
        tell
    }

    /// The keys that frames of the present are made with, for debugging.
    pub fn session_keys(&self) -> impl Iterator<Item = SessionKey<'_>> {
        let node = self.node;
        let own = self.own.iter().flat_map(move |own| {
            let senders = own.former.iter().chain([&own.sender]);
            senders.map(move |sender| SessionKey {
                from: node,
                to: Gpid::EVERYBODY,
                key_id: sender.epoch << 4,
                key: &sender.key,
            })
        });
        let peers = self.map.iter().flat_map(move |(_, peer)| {
            let former = peer.former.as_ref().map(|(sender, _)| sender);
            let senders = former.into_iter().chain(&peer.sender);
            let senders = senders.map(|sender| SessionKey {
                from: peer.node,
                to: Gpid::EVERYBODY,
                key_id: sender.epoch << 4,
                key: &sender.key,
            });
            let tx = peer.tx.iter().chain(&peer.next).map(move |tx| SessionKey {
                from: node,
                to: peer.node,
                key_id: tx.key_id,
                key: &tx.key,
            });
            let rx = peer.rx.iter().rev().flatten().map(move |rx| SessionKey {
                from: peer.node,
                to: node,
                key_id: rx.key_id,
                key: &rx.key,
            });
            senders.chain(tx).chain(rx)
        });
        own.chain(peers)
    }

    pub(super) fn new_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// The handshake for a node that showed `nonce`, to be sent now.
    pub(super) fn answer(&mut self, node: Gpid, nonce: &Nonce) -> Option<Outgoing> {
        let mode = self.keyed_mode()?;
        let own = self.own.as_mut()?;
        let known = self.map.get(node.host()).filter(|peer| {
            let sender = peer.sender.as_ref();
            sender.is_some_and(|sender| sender.nonce == *nonce)
        });
        let handshake = match known {
            Some(peer) => own.greet(self.incarnation, peer)?,
            None => own.handshake(self.incarnation, ANSWER, nonce),
        };
        Some(Outgoing {
            to: node.node(),
            attempt: 0,
            handshake,
            seal: own.sender.seal(mode, Kind::Handshake),
        })
    }

    /// Whether this is the nonce of the present epoch.
    pub fn is_own_nonce(&self, nonce: &Nonce) -> bool {
        self.own.as_ref().is_some_and(|own| own.nonce == *nonce)
    }

    /// The handshake for another machine of this node's name, which showed `nonce`, if it has not had
    /// too many: it says nothing but that this one is there.
    pub fn answer_namesake(&mut self, now: Instant, node: Gpid, nonce: &Nonce) -> Option<Outgoing> {
        let mode = self.keyed_mode()?;
        let own = self.own.as_mut()?;
        self.namesakes.take(now).then(|| Outgoing {
            to: node.node(),
            attempt: 0,
            handshake: own.handshake(self.incarnation, 0, nonce),
            seal: own.sender.seal(mode, Kind::Handshake),
        })
    }

    /// The keys of the pair of `peer`'s nonce and the present own one; `None` when the cluster key
    /// that the peer uses is gone.
    pub(super) fn pair_keys(&self, node: Gpid, sender: &Sender, id: u32) -> Option<(Rx, Tx)> {
        let own = self.own.as_ref()?;
        let theirs = self.ring.get(sender.fingerprint)?;
        let ours = self.ring.get(own.fingerprint)?;
        let pair = PairId {
            own: own.serial,
            sender: sender.id,
        };
        let here = (self.node, &own.nonce);
        let there = (node, &sender.nonce);
        let key_id = |from: u8, to: u8| (from << 4) | (to & 0xf);
        let rx = Rx::new(
            id,
            pair,
            schedule::pair_key::<P>(theirs, there, here),
            key_id(sender.epoch, own.sender.epoch),
        );
        let tx = Tx {
            pair,
            key: schedule::pair_key::<P>(ours, here, there),
            key_id: key_id(own.sender.epoch, sender.epoch),
            counter: 0,
        };
        Some((rx, tx))
    }
}

impl Own {
    fn handshake(&self, incarnation: u32, flags: u8, echo: &Nonce) -> Handshake {
        Handshake {
            flags,
            epoch: self.sender.epoch,
            reserved: 0.into(),
            incarnation: incarnation.into(),
            fingerprint: self.fingerprint.bytes(),
            nonce: self.nonce,
            echo: *echo,
        }
    }

    /// What to say to a peer whose present nonce is known to be fresh.
    fn greet(&self, incarnation: u32, peer: &Peer) -> Option<Handshake> {
        let ready = if peer.is_ready(self.serial) { READY } else { 0 };
        let wants = if peer.is_unsettled(self.serial) {
            ANSWER
        } else {
            0
        };
        let echo = &peer.sender.as_ref()?.nonce;
        Some(self.handshake(incarnation, ready | wants, echo))
    }
}
