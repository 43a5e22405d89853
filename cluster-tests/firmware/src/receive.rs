// SPDX-License-Identifier: MIT OR Apache-2.0

//! Incoming frames: every byte of them is checked, and then they are obeyed.

use alloc::vec::Vec;

use crate::body::Beacon;
use crate::check::{inspect, Parts, Reason};
use crate::circuit::{reset, Circuit, Setup, State};
use crate::identity::Mode;
use crate::meeting::Arrival;
use crate::node::Node;
use crate::wire::{
    be16, class, flag, is_none, kind, Header, Mac, BROADCAST, ETHERNET, ETHERTYPE, HEADER,
};

/// Bytes to which Ethernet fills up a frame.
const LEAST_FRAME: usize = 60;
/// Broadcast frames that are kept.
const OVERHEARD: usize = 64;

impl Node {
    /// Takes a frame, with its Ethernet header, that came on a rail. Times are in microseconds.
    pub fn receive(&mut self, rail: usize, frame: &[u8], now: u64) {
        if frame.len() < ETHERNET || be16(frame, 12) != ETHERTYPE {
            return self.audit.count("foreign");
        }
        let (mut to, mut mac) = ([0; 6], [0; 6]);
        to.copy_from_slice(&frame[..6]);
        mac.copy_from_slice(&frame[6..12]);
        let own = self.rails[rail];
        if mac == own.mac {
            return self.audit.count("own");
        }
        let payload = &frame[ETHERNET..];
        let parts = match inspect(payload) {
            Ok(parts) => parts,
            Err(reason) => {
                let start = &payload[..payload.len().min(HEADER)];
                return self
                    .audit
                    .violation(reason.name(), format_args!("{start:02x?}"));
            }
        };
        self.judge(frame, &parts, to, mac, own.mtu);
        if to == BROADCAST {
            self.overheard.push(frame.to_vec());
            if self.overheard.len() > OVERHEARD {
                self.overheard.remove(0);
            }
        } else if to != own.mac {
            return self.audit.count("for_others");
        }
        let at = Arrival { rail, mac, now };
        self.take(at, payload, &parts, to);
    }

    /// What holds for each frame of a node that follows the document.
    fn judge(&mut self, frame: &[u8], parts: &Parts, to: Mac, mac: Mac, mtu: u16) {
        let header = &parts.header;
        let (from, end) = (header.from, ETHERNET + parts.end);
        let sender_key = matches!(header.kind, kind::EPHEMERAL | kind::HELLO | kind::HANDSHAKE);
        let wanted = self.identity.mode.flags(header.kind);
        let has = header.flags & (flag::AUTH | flag::SEALED);
        let counts = header.has(flag::ACK_VALID | flag::OPEN);
        let cm = matches!(header.kind, kind::HELLO | kind::HANDSHAKE);
        let rules = [
            (
                "unsealed",
                has == wanted,
                "the form is not that of the mode",
            ),
            (
                "padding",
                frame.len() <= end.max(LEAST_FRAME),
                "bytes behind the end",
            ),
            (
                "padding",
                frame[end.min(frame.len())..].iter().all(|byte| *byte == 0),
                "padding is not 0",
            ),
            (
                "mtu",
                parts.end <= usize::from(mtu),
                "longer than the MTU of the rail",
            ),
            ("source", mac[0] & 1 == 0, "the source is a group"),
            (
                "broadcast",
                (to == BROADCAST) == (header.to.0 == 0),
                "topid is 0 if and only if the destination is everybody",
            ),
            (
                "broadcast",
                header.to.0 != 0 || header.kind == kind::EPHEMERAL || header.kind == kind::HELLO,
                "only Hello and Ephemeral go to everybody",
            ),
            (
                "key_id",
                !sender_key || header.key_id & 15 == 0,
                "the lower half is not 0 under a sender key",
            ),
            ("counter", parts.counter != Some(0), "counters begin with 1"),
            (
                "class",
                !cm || header.ctrl_info == 0,
                "class and op are not 0",
            ),
            (
                "zero",
                counts || (header.ack, header.sack, header.window) == (0, 0, 0),
                "ack, sack or window without a meaning",
            ),
            (
                "none",
                [header.active, header.passive]
                    .iter()
                    .all(|index| !is_none(*index) || *index == crate::wire::NONE),
                "none is sent as ffffffff",
            ),
            (
                "ack_op",
                header.kind != kind::ACK || header.op() == 0,
                "an Ack has an op",
            ),
        ];
        for (rule, holds, what) in rules {
            self.audit
                .demand(holds, rule, format_args!("of {from}: {what}: {header:x?}"));
        }
        if from.host() == self.identity.node.host() {
            self.audit
                .violation("taken", format_args!("{from} says that it is our host"));
        }
        self.audit.count(match header.kind {
            kind::EPHEMERAL => "ephemerals_seen",
            kind::HELLO => "hellos_seen",
            kind::DATA => "data_seen",
            kind::ACK => "acks_seen",
            kind::RESET => "resets_seen",
            _ => "handshakes_seen",
        });
    }

    fn take(&mut self, at: Arrival, payload: &[u8], parts: &Parts, to: Mac) {
        let header = &parts.header;
        let for_us = header.to.0 == 0 || header.to.same_node(self.identity.node);
        if !for_us {
            // Not frames for an earlier start of ours, which others do not know to be over; nor those that
            // answer what was said in the name of others.
            let earlier = header.to.host() == self.identity.node.host();
            if !earlier && to != BROADCAST && self.manners.speaks {
                self.audit.violation(
                    "address",
                    format_args!("of {}: for {}, sent to us", header.from, header.to),
                );
            }
            return;
        }
        if self.past.iter().any(|past| past.same_node(header.from)) {
            return self.audit.count("late");
        }
        match header.kind {
            kind::HELLO => self.take_hello(at, payload, parts),
            kind::HANDSHAKE => self.take_handshake(at, payload, parts),
            _ => self.take_other(at, payload, parts),
        }
    }

    fn take_other(&mut self, at: Arrival, payload: &[u8], parts: &Parts) {
        let header = &parts.header;
        let from = header.from;
        let Some(peer) = self.peers.get_mut(&from.host()) else {
            return self.audit.count("unknown_session");
        };
        if !peer.node.same_node(from) || peer.left {
            return self.audit.count("unknown_session");
        }
        if let Some(link) = peer.links.get(&at.rail) {
            if link.mac != at.mac {
                self.audit.violation(
                    "source",
                    format_args!(
                        "of {from}: {:02x?}, and Hellos came from {:02x?}",
                        at.mac, link.mac
                    ),
                );
            }
        }
        let opened = match self.identity.mode {
            Mode::Open => Ok((payload[parts.data.clone()].to_vec(), None)),
            _ if header.kind == kind::EPHEMERAL => {
                peer.open_sender(payload, parts).map(|data| (data, None))
            }
            _ => peer
                .open_pair(&self.identity, payload, parts)
                .map(|(data, order)| (data, Some(order))),
        };
        let (data, order) = match opened {
            Ok(opened) => opened,
            Err(Reason::UnknownSession) => return self.audit.count("unknown_session"),
            Err(reason) => return self.dropped(reason, from, "frame"),
        };
        self.sign_of_life(at, from, None);
        match header.kind {
            kind::EPHEMERAL => self.judge_ephemeral(header, &data),
            _ => self.take_circuit(at, header, &data, order),
        }
    }

    fn judge_ephemeral(&mut self, header: &Header, data: &[u8]) {
        if header.class() == class::RM && header.op() == Beacon::OP {
            self.audit.count("beacons");
            if let Some(fault) = Beacon::fault(data) {
                self.audit
                    .violation("beacon", format_args!("of {}: {fault}", header.from));
            }
        }
    }

    fn take_circuit(&mut self, at: Arrival, header: &Header, data: &[u8], order: Option<u64>) {
        if header.kind == kind::DATA && header.has(flag::OPEN) {
            return self.take_open(at, header, data);
        }
        let Some(index) = self.find(header) else {
            return self.no_circuit(at, header);
        };
        let Some(circuit) = self.circuits.get_mut(&index) else {
            return;
        };
        let (local, target) = (circuit.setup.local, header.to);
        self.audit.demand(
            target == local || (target == local.node() && !circuit.setup.active),
            "topid",
            format_args!("of {}: {target}, and the process is {local}", header.from),
        );
        circuit.take(at.rail, header, data, order, at.now, &mut self.audit);
    }

    /// The index of the circuit that a frame belongs to.
    fn find(&self, header: &Header) -> Option<u32> {
        let to_passive = header.has(flag::TO_PASSIVE);
        let (own, other) = match to_passive {
            true => (header.passive, header.active),
            false => (header.active, header.passive),
        };
        if to_passive && is_none(own) {
            return self.find_opened(header);
        }
        let circuit = self.circuits.get(&own)?;
        let setup = &circuit.setup;
        let refused = header.kind == kind::RESET && is_none(other);
        let agrees = setup.active != to_passive
            && setup.class == header.class()
            && setup.remote.same_node(header.from)
            && (setup.remote_index.is_none_or(|index| index == other) || refused)
            && circuit.state == State::Open;
        agrees.then_some(own)
    }

    /// The circuit that the sender opened with this active index.
    fn find_opened(&self, header: &Header) -> Option<u32> {
        self.circuits
            .values()
            .find(|circuit| {
                let setup = &circuit.setup;
                !setup.active
                    && setup.remote.same_node(header.from)
                    && setup.remote_index == Some(header.active)
                    && setup.class == header.class()
                    && circuit.state == State::Open
            })
            .map(|circuit| circuit.setup.index)
    }

    fn no_circuit(&mut self, at: Arrival, header: &Header) {
        if header.kind == kind::RESET {
            self.audit.count("stray_resets");
            if self.strays.len() < OVERHEARD {
                self.strays.push(*header);
            }
            return;
        }
        let own = match header.has(flag::TO_PASSIVE) {
            true => header.passive,
            false => header.active,
        };
        let kept = self.circuits.get(&own).map(|circuit| &circuit.state);
        let finished = self.finished.contains(&own) || kept == Some(&State::Done);
        if header.kind == kind::DATA && finished {
            return self.say_ack(at.rail, header);
        }
        let probe = header.kind == kind::ACK && header.has(flag::PROBE) && !is_none(header.passive);
        if header.kind == kind::DATA || probe {
            self.say_reset(at.rail, header, reset::NO_CIRCUIT);
        }
    }

    fn take_open(&mut self, at: Arrival, header: &Header, data: &[u8]) {
        if let Some(index) = self.find_opened(header) {
            if let Some(circuit) = self.circuits.get_mut(&index) {
                circuit.take(at.rail, header, data, None, at.now, &mut self.audit);
            }
            return;
        }
        let host = header.from.host();
        let own = self.identity.incarnation.rotate_left(16);
        let Some(peer) = self.peers.get_mut(&host) else {
            return;
        };
        if header.sack != peer.incarnation ^ own {
            // It may not know of our start yet.
            return self.audit.count("wrong_association");
        }
        let open_seq = header.ack;
        if let Some(before) = peer.opened.get(&open_seq) {
            self.audit.demand(
                *before == header.active,
                "open_seq",
                format_args!("{open_seq} opens {before:08x} and {:08x}", header.active),
            );
            return self.say_reset(at.rail, header, reset::NO_CIRCUIT);
        }
        peer.opened.insert(open_seq, header.active);
        if header.class() != class::TEST || !self.manners.serves {
            self.audit.count("refused");
            return self.say_reset(at.rail, header, reset::REFUSED);
        }
        let (index, segment) = (self.new_index(), self.segment_size());
        let mut circuit = Circuit::new(
            Setup {
                active: false,
                class: header.class(),
                local: self.process(),
                remote: header.from,
                index,
                remote_index: Some(header.active),
                open_seq,
                association: header.sack,
                window: self.manners.window,
                edge: u32::from(header.window.min(64)),
                segment,
            },
            at.now,
        );
        circuit.echo = true;
        circuit.take(at.rail, header, data, None, at.now, &mut self.audit);
        self.circuits.insert(index, circuit);
        self.audit.count("accepted");
    }

    /// The messages that came on a circuit of ours.
    pub fn messages(&mut self, index: u32) -> Vec<(u8, Vec<u8>)> {
        self.circuits
            .get_mut(&index)
            .map(|circuit| circuit.messages.drain(..).collect())
            .unwrap_or_default()
    }
}
