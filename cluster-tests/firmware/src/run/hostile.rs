// SPDX-License-Identifier: MIT OR Apache-2.0

//! What needs no key: bad frames, copies, claims, floods.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::{Machine, Outcome, Run};
use crate::attack::{foreign, malformed, strange_hello, untagged, NOBODY, STRANGER};
use crate::body::{Handshake, Hello};
use crate::check::{inspect, Parts, Reason};
use crate::crypto;
use crate::identity::Mode;
use crate::node::Node;
use crate::scenario::Flood;
use crate::wire::{class, flag, kind, Gpid, Header, BROADCAST, ETHERNET, NONE};

/// Frames that are sent before the receivers get a rest, and how long it is, in microseconds: none
/// is to be lost for want of room.
const BURST: usize = 8;
const REST: u64 = 10_000;

/// Frames that are sent before it is waited for the receivers, and for how many microseconds at most.
const LOAD: usize = 96;
const PATIENCE: u64 = 5_000_000;

/// Frames that a flood sends before anything else is done.
const WAVE: usize = 64;

impl<M: Machine> Run<M> {
    /// Sends frames to everybody, over one rail after the other, slowly.
    fn send_slowly(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) {
        for (number, frame) in frames.into_iter().enumerate() {
            let rail = number % self.node.rails.len();
            self.node.send_raw(rail, BROADCAST, &frame);
            self.rest(number);
        }
        self.stay(REST);
    }

    /// Lets the receivers take what was sent: a moment after a burst, and now and then until each
    /// of them shows that it runs. On a crowded host it may stand still for longer than its cards
    /// have room.
    fn rest(&mut self, number: usize) {
        if number % BURST == BURST - 1 {
            self.stay(REST);
        }
        if number % LOAD == LOAD - 1 {
            let hellos = |node: &Node| node.audit.counted("hellos_seen");
            let each = self.hellos().len() * self.node.rails.len();
            let wanted = hellos(&self.node) + each as u64;
            let deadline = self.machine.now() + PATIENCE;
            self.until(|node, now| hellos(node) >= wanted || now > deadline);
        }
    }

    pub(super) fn bad(&mut self, count: usize) -> Outcome {
        let fingerprint = self.fingerprint();
        let nonce = self.node.random.key();
        let mut bad = malformed();
        bad.extend(foreign(self.node.identity.mode, fingerprint, nonce));
        let mut sent = BTreeMap::<&str, usize>::new();
        for bad in &bad {
            *sent.entry(bad.reason.name()).or_default() += count;
        }
        let kinds = bad.len();
        let all = bad
            .into_iter()
            .flat_map(|bad| (0..count).map(move |_| bad.frame.clone()));
        self.send_slowly(all);
        self.tell_sent(&sent, "all");
        Ok(format!("{kinds} kinds"))
    }

    /// What was sent to whom, for the test to compare with what was dropped.
    pub(super) fn tell_sent(&mut self, sent: &BTreeMap<&str, usize>, to: &str) {
        for (reason, count) in sent {
            self.machine.print(format_args!(
                "fw: sent to={to} reason={reason} count={count}"
            ));
        }
    }

    /// The Hellos of others that were heard: each sender's last one.
    fn hellos(&self) -> BTreeMap<u32, (Parts, Hello)> {
        let parse = |frame: &Vec<u8>| {
            let payload = &frame[ETHERNET..];
            let parts = inspect(payload).ok()?;
            let hello = Hello::parse(&payload[parts.data.clone()])?;
            let is_hello = parts.header.kind == kind::HELLO;
            is_hello.then_some((parts.header.from.host(), (parts, hello)))
        };
        self.node.overheard.iter().filter_map(parse).collect()
    }

    /// The fingerprint of the cluster key, which stands in the clear in the Hellos of others.
    fn fingerprint(&self) -> u32 {
        let hellos = self.hellos();
        let first = hellos.values().next();
        first.map_or(self.node.identity.fingerprint, |(_, hello)| {
            hello.fingerprint
        })
    }

    pub(super) fn replay(&mut self, count: usize) -> Outcome {
        // Some of each node.
        self.stay(1_000_000);
        let heard = self.node.overheard.clone();
        let mut by_host = BTreeMap::<u32, usize>::new();
        let mut copies = Vec::new();
        for frame in heard {
            let payload = frame[ETHERNET..].to_vec();
            let Some(header) = Header::parse(&payload) else {
                continue;
            };
            if !header.has(flag::AUTH) {
                return Err("frames without a counter are nobody's copy".into());
            }
            *by_host.entry(header.from.host()).or_default() += count;
            copies.extend((0..count).map(|_| payload.clone()));
        }
        if copies.is_empty() {
            return Err("nothing was heard".into());
        }
        self.send_slowly(copies);
        let total: usize = by_host.values().sum();
        for (host, count) in by_host {
            self.machine.print(format_args!(
                "fw: sent to=all from={host} reason=replayed count={count}"
            ));
        }
        Ok(format!("{total} copies"))
    }

    pub(super) fn impersonate(&mut self, hosts: &[u32]) -> Outcome {
        const COUNT: usize = 20;
        let wanted = self.until(|node, _| node.overheard.len() >= 20 * hosts.len().min(3));
        let hellos = self.hellos();
        for host in hosts {
            let Some((parts, hello)) = hellos.get(host).filter(|_| wanted) else {
                return Err(format!("no Hello of {host} was heard"));
            };
            let claims = self.claims(parts, hello);
            let count = claims.len() * COUNT;
            let all = claims
                .into_iter()
                .flat_map(|claim| (0..COUNT).map(move |_| claim.clone()));
            self.send_slowly(all);
            self.machine.print(format_args!(
                "fw: sent to=all from={host} reason=bad_tag count={count}"
            ));
        }
        Ok(format!("claimed to be {hosts:?}"))
    }

    /// What somebody says who wants to be taken for this sender, and does not have the key. The
    /// counters are ahead of those that came.
    fn claims(&mut self, parts: &Parts, hello: &Hello) -> Vec<Vec<u8>> {
        let from = parts.header.from;
        let next_boot = Gpid::new(from.host(), from.boot().wrapping_add(1).max(1), 0);
        let nonce = self.node.random.key();
        let counter = parts.counter.unwrap_or(0) + 500;
        let key = self.node.random.key();
        let seal = |from: Gpid, kind: u8, epoch: u8, data: &[u8]| {
            let mut header = Header::new(kind, class::CM, 0, from, Gpid(0));
            header.key_id = (epoch & 15) << 4;
            crypto::seal(&key, counter, header, data)
        };
        let reborn = Hello {
            incarnation: !hello.incarnation | 1,
            nonce,
            ..*hello
        };
        let leaving = Hello {
            flags: Hello::LEAVING,
            ..*hello
        };
        let handshake = Handshake {
            flags: Handshake::READY,
            epoch: hello.epoch,
            reserved: 0,
            incarnation: hello.incarnation,
            fingerprint: hello.fingerprint,
            nonce,
            echo: hello.nonce,
        };
        Vec::from([
            seal(next_boot, kind::HELLO, hello.epoch, &reborn.bytes()),
            seal(from, kind::HELLO, hello.epoch, &hello.bytes()),
            seal(from, kind::HELLO, hello.epoch, &leaving.bytes()),
            seal(from, kind::HELLO, hello.epoch, &reborn.bytes()),
            seal(from, kind::HANDSHAKE, hello.epoch, &handshake.bytes()),
        ])
    }

    pub(super) fn flood(&mut self, kind: Flood, ms: u64) -> Outcome {
        let names: Vec<Gpid> = self
            .hellos()
            .values()
            .map(|(parts, _)| parts.header.from)
            .collect();
        let fingerprint = self.fingerprint();
        let start = self.machine.now();
        let end = start + ms * 1000;
        let mut sent = 0_u64;
        while self.machine.now() < end {
            for _ in 0..WAVE {
                let payload = self.flotsam(kind, sent, &names, fingerprint);
                let rail = sent as usize % self.node.rails.len();
                self.node.send_raw(rail, BROADCAST, &payload);
                sent += 1;
            }
            self.step();
        }
        let took = (self.machine.now() - start).max(1);
        let rate = sent * 1_000_000 / took;
        self.machine.print(format_args!(
            "fw: sent to=all flood={kind:?} count={sent} rate={rate}"
        ));
        Ok(format!("{sent} frames, {rate} a second"))
    }

    fn flotsam(&mut self, kind: Flood, number: u64, names: &[Gpid], fingerprint: u32) -> Vec<u8> {
        let low = number as u32;
        let mut nonce = [0x5a; 32];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let name = |at: u64| match names.len() as u64 {
            0 => Gpid::new(NOBODY, 1, 0),
            len => names[(at % len) as usize],
        };
        let alone = |kind, from| {
            let mut header = Header::new(kind, class::CM, 0, from, Gpid(0));
            header.key_id = 0x10;
            header
        };
        match kind {
            Flood::Garbage => {
                let len = 1 + number as usize * 13 % 1400;
                let noise = (0..len).map(|at| ((at as u64 * (number | 1)) >> 3) as u8);
                noise.collect()
            }
            Flood::Hellos => {
                let from = Gpid::new(STRANGER + low % 100_000, 1, 0);
                let hello = strange_hello(fingerprint, nonce).bytes();
                match self.node.identity.mode {
                    Mode::Open => crate::identity::plain(
                        Header {
                            key_id: 0,
                            ..alone(kind::HELLO, from)
                        },
                        &hello,
                    ),
                    _ => untagged(alone(kind::HELLO, from), number + 1, &hello),
                }
            }
            Flood::Handshakes => {
                let handshake = Handshake {
                    flags: Handshake::ANSWER,
                    epoch: 1,
                    reserved: 0,
                    incarnation: low | 1,
                    fingerprint,
                    nonce,
                    echo: [0; 32],
                };
                untagged(
                    alone(kind::HANDSHAKE, name(number)),
                    number + 1,
                    &handshake.bytes(),
                )
            }
            Flood::Data => {
                let header = Header {
                    flags: flag::ACK_VALID | flag::END | self.node.identity.mode.flags(kind::DATA),
                    key_id: low as u8,
                    to: name(number / 3 + 1),
                    active: low << 4 & 0x0fff_0fff,
                    passive: low & 0x0fff_0fff,
                    ..Header::new(kind::DATA, class::TEST, 2, name(number / 3), Gpid(0))
                };
                match self.node.identity.mode {
                    // There everybody is who he says he is.
                    Mode::Open => crate::identity::plain(
                        Header {
                            key_id: 0,
                            from: Gpid::new(STRANGER, 1, 0),
                            ..header
                        },
                        &[0x5a; 1000],
                    ),
                    _ => untagged(header, u64::MAX / 2 + number, &[0x5a; 1000]),
                }
            }
            Flood::Opens => self.forgotten_open(low, name(number)),
        }
    }

    /// A circuit that nobody will remember having opened.
    fn forgotten_open(&mut self, number: u32, to: Gpid) -> Vec<u8> {
        let from = self.node.process();
        let own = self.node.identity.incarnation;
        let Some(peer) = self.node.peers.get_mut(&to.host()) else {
            return Vec::new();
        };
        let header = Header {
            flags: flag::OPEN | flag::TO_PASSIVE | flag::END,
            active: 0x4000_0000 | number & 0x0fff_7fff,
            passive: NONE,
            ack: peer.next_open,
            sack: own ^ peer.incarnation.rotate_left(16),
            window: 64,
            ..Header::new(kind::DATA, class::TEST, 1, from, to.node())
        };
        peer.next_open = peer.next_open.wrapping_add(1);
        self.node
            .pair_frame(to.host(), header, b"who?")
            .unwrap_or_default()
    }

    /// Sends frames to a node over its rails in turn; they may arrive in another order.
    pub(super) fn send_to(&mut self, host: u32, frames: Vec<Vec<u8>>) {
        let rails = self.node.rails.len();
        self.send_over(host, (0..rails).cycle().zip(frames));
    }

    /// Sends frames to a node over one rail, which keeps their order.
    pub(super) fn send_in_order(&mut self, host: u32, frames: Vec<Vec<u8>>) {
        self.send_over(host, core::iter::repeat(0).zip(frames));
    }

    fn send_over(&mut self, host: u32, frames: impl Iterator<Item = (usize, Vec<u8>)>) {
        for (number, (rail, frame)) in frames.enumerate() {
            let mac = self.node.address(host, rail);
            self.node.send_raw(rail, mac, &frame);
            self.rest(number);
        }
        self.stay(REST);
    }
}

/// Counts of frames by reason.
#[derive(Default)]
pub(super) struct Sent(pub BTreeMap<&'static str, usize>);

impl Sent {
    pub(super) fn add(&mut self, reason: Reason, count: usize) {
        *self.0.entry(reason.name()).or_default() += count;
    }
}
