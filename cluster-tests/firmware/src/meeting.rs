// SPDX-License-Identifier: MIT OR Apache-2.0

//! Incoming Hellos and Handshakes (sections 4 and 11).

use crate::body::{Handshake, Hello, HELLO_INTERVAL};
use crate::check::{Parts, Reason};
use crate::circuit::{reset, State};
use crate::crypto;
use crate::identity::Mode;
use crate::node::Node;
use crate::peer::{Met, Peer};
use crate::wire::{Gpid, Mac};

/// Where and when a frame came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The rail.
    pub rail: usize,
    /// The sender's address there.
    pub mac: Mac,
    /// In microseconds.
    pub now: u64,
}

impl Node {
    pub(crate) fn take_hello(&mut self, at: Arrival, frame: &[u8], parts: &Parts) {
        let (header, data) = (&parts.header, &frame[parts.data.clone()]);
        let from = header.from;
        let Some(hello) = Hello::parse(data) else {
            self.audit
                .violation("hello", format_args!("of {from}: makes no sense"));
            return;
        };
        self.judge_hello(at, header.from, data, &hello);
        if self.identity.mode == Mode::Open {
            return self.take_open_hello(at, from, &hello);
        }
        if hello.fingerprint != self.identity.fingerprint {
            return self.audit.count("no_key");
        }
        if header.key_id != (hello.epoch & 15) << 4 {
            return self.audit.violation(
                "key_id",
                format_args!(
                    "Hello of {from}: {:02x}, epoch {}",
                    header.key_id, hello.epoch
                ),
            );
        }
        let key = crypto::sender_key(&self.identity.cluster, from, &hello.nonce);
        if crypto::open(&key, frame, parts).is_none() {
            return self
                .audit
                .violation("tag", format_args!("of a Hello of {from}"));
        }
        let counter = parts.counter.unwrap_or(0);
        let fresh = self
            .peers
            .get_mut(&from.host())
            .filter(|peer| peer.node.same_node(from) && peer.is_fresh(&hello.nonce));
        let Some(peer) = fresh else {
            return self.answer(at, from, hello.nonce, Handshake::ANSWER);
        };
        if let Err(reason) = peer.greeted(&hello, counter) {
            return self.dropped(reason, from, "Hello");
        }
        self.sign_of_life(at, from, Some(&hello));
        let Some(peer) = self.peers.get(&from.host()) else {
            return;
        };
        if peer.wants_ready() {
            let flags = peer.flags(&self.identity, &hello.nonce);
            self.answer(at, from, hello.nonce, flags);
        }
    }

    fn judge_hello(&mut self, at: Arrival, from: Gpid, data: &[u8], hello: &Hello) {
        let mtu = self.rails[at.rail].mtu;
        let keyless = self.identity.mode == Mode::Open;
        let rules = [
            (data.len() == Hello::LEN, "length is not 48"),
            (
                usize::from(hello.rail) == at.rail,
                "rail is not the one that it came on",
            ),
            (hello.rail < hello.rails && hello.rails <= 8, "rails"),
            (
                hello.flags & !(Hello::LEAVING | Hello::SETTLED) == 0,
                "unknown flags",
            ),
            (hello.interval_ms == HELLO_INTERVAL, "interval is not 300"),
            (hello.mtu == mtu, "mtu is not that of the rail"),
            (
                (hello.nonce == [0; 32]) == keyless,
                "nonce is 0, or not 0 in open mode",
            ),
            (
                !keyless || (hello.epoch == 0 && hello.fingerprint == 0),
                "epoch and fingerprint in open mode",
            ),
            (from.pid() == 0, "frompid is a process"),
        ];
        for (holds, what) in rules {
            self.audit.demand(
                holds,
                "hello",
                format_args!("of {from}: {what}: {hello:02x?}"),
            );
        }
        self.audit.count("hellos");
    }

    fn take_open_hello(&mut self, at: Arrival, from: Gpid, hello: &Hello) {
        let known = self
            .peers
            .get(&from.host())
            .map(|peer| (peer.node, peer.incarnation, peer.left));
        match known {
            None => {
                let next_open = self.random.number();
                let peer = Peer::new(from.node(), hello.incarnation, next_open);
                self.peers.insert(from.host(), peer);
                if self.manners.speaks {
                    self.say_hello(0, Some(at.rail));
                }
            }
            Some((node, incarnation, left))
                if (node, incarnation) == (from.node(), hello.incarnation) =>
            {
                if left {
                    return self.audit.count("late");
                }
            }
            Some((node, ..)) => {
                self.past.push(node);
                self.end_circuits(from.host());
                if let Some(peer) = self.peers.get_mut(&from.host()) {
                    peer.restart(from.node(), hello.incarnation);
                }
            }
        }
        self.sign_of_life(at, from, Some(hello));
    }

    pub(crate) fn take_handshake(&mut self, at: Arrival, frame: &[u8], parts: &Parts) {
        let (header, data) = (&parts.header, &frame[parts.data.clone()]);
        let from = header.from;
        let Some(handshake) = Handshake::parse(data) else {
            self.audit
                .violation("handshake", format_args!("of {from}: makes no sense"));
            return;
        };
        let rules = [
            (data.len() == Handshake::LEN, "length is not 76"),
            (handshake.flags & !7 == 0, "unknown flags"),
            (handshake.reserved == 0, "reserved is not 0"),
            (header.to == self.identity.node, "topid is not our node"),
            (from.pid() == 0, "frompid is a process"),
        ];
        for (holds, what) in rules {
            self.audit.demand(
                holds,
                "handshake",
                format_args!("of {from}: {what}: {handshake:02x?}"),
            );
        }
        self.audit.count("handshakes");
        if handshake.fingerprint != self.identity.fingerprint {
            return self.audit.count("no_key");
        }
        if header.key_id != (handshake.epoch & 15) << 4 {
            return self.audit.violation(
                "key_id",
                format_args!("Handshake of {from}: {:02x}", header.key_id),
            );
        }
        let key = crypto::sender_key(&self.identity.cluster, from, &handshake.nonce);
        if crypto::open(&key, frame, parts).is_none() {
            return self
                .audit
                .violation("tag", format_args!("of a Handshake of {from}"));
        }
        if handshake.echo != self.identity.nonce {
            let flags = self
                .peers
                .get(&from.host())
                .map_or(Handshake::ANSWER, |peer| {
                    peer.flags(&self.identity, &handshake.nonce)
                });
            return self.answer(at, from, handshake.nonce, flags);
        }
        self.meet(at, from, &handshake, parts.counter.unwrap_or(0));
    }

    /// Step 2.
    fn meet(&mut self, at: Arrival, from: Gpid, handshake: &Handshake, counter: u64) {
        let next_open = self.random.number();
        let incarnation = handshake.incarnation;
        let peer = self
            .peers
            .entry(from.host())
            .or_insert_with(|| Peer::new(from.node(), incarnation, next_open));
        let before = peer.node;
        match peer.met(&self.identity, from, handshake, counter, at.now) {
            Ok(Met::Same) => {}
            Ok(Met::Restarted) => {
                if !before.same_node(from) {
                    self.past.push(before);
                }
                self.end_circuits(from.host());
            }
            Err(reason) => return self.dropped(reason, from, "Handshake"),
        }
        self.sign_of_life(at, from, None);
        let Some(peer) = self.peers.get(&from.host()) else {
            return;
        };
        if handshake.flags & Handshake::ANSWER != 0 {
            let flags = peer.flags(&self.identity, &handshake.nonce);
            self.audit.demand(
                flags & Handshake::READY != 0,
                "own",
                "a Handshake of step 2 is answered without ready",
            );
            self.answer(at, from, handshake.nonce, flags);
        }
    }

    fn answer(&mut self, at: Arrival, to: Gpid, echo: crypto::Key, flags: u8) {
        if !self.manners.speaks {
            return;
        }
        let allowed = match self.peers.get_mut(&to.host()) {
            Some(peer) => peer.may_answer(at.now),
            None => true,
        };
        if allowed {
            self.say_handshake(to, (at.rail, at.mac), flags, echo);
        }
    }

    pub(crate) fn sign_of_life(&mut self, at: Arrival, from: Gpid, hello: Option<&Hello>) {
        let Some(peer) = self.peers.get_mut(&from.host()) else {
            return;
        };
        peer.heard(at.rail, at.mac, at.now);
        let Some(hello) = hello else { return };
        if let Some(link) = peer.links.get_mut(&at.rail) {
            link.mtu = hello.mtu();
        }
        if hello.flags & Hello::LEAVING != 0 {
            peer.left = true;
            self.end_circuits(from.host());
        }
    }

    /// All circuits with a host are over.
    pub(crate) fn end_circuits(&mut self, host: u32) {
        for circuit in self.circuits.values_mut() {
            if circuit.setup.remote.host() == host && circuit.state == State::Open {
                circuit.state = State::Broken(reset::PEER_DOWN);
            }
        }
    }

    /// A frame whose tag has to be right was dropped.
    pub(crate) fn dropped(&mut self, reason: Reason, from: Gpid, what: &str) {
        match reason {
            // Frames that were under way while keys changed.
            Reason::UnknownSession => self.audit.count("unknown_session"),
            _ => self
                .audit
                .violation(reason.name(), format_args!("{what} of {from}")),
        }
    }
}
