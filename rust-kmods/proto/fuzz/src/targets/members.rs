// SPDX-License-Identifier: GPL-2.0-only

//! The table of peers, and the sessions with them.

use podos_proto::hello::Hello;
use podos_proto::keys::{Action, Config, Handshake, Key, Mode, SessionSlot, Sessions, KEY_LEN};
use podos_proto::peer::{Change, Event, OpenCheck, PeerSlot, Peers, RailId, RailSet};
use podos_proto::tgroup::MAX_RAILS;
use podos_proto::time::{Duration, Instant};
use podos_proto::wire::{Header, Kind};
use podos_proto::{Gpid, HostId, Seq};
use zerocopy::IntoBytes;

use super::{frames, Target};
use crate::bytes::{Bytes, Outcome};
use crate::desk::Mix;

/// Frames of a few hosts on all rails, hellos, silence, and OPENs.
pub(super) const PEERS: Target = Target {
    name: "peers",
    run: peers,
    seeds: || {
        vec![
            (
                "heard",
                vec![0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 3, 0, 3, 200],
            ),
            (
                "reboot",
                vec![1, 1, 0, 1, 0, 9, 0, 1, 1, 0, 1, 0, 11, 0, 4, 1, 5, 3, 255],
            ),
            ("leave", vec![1, 1, 0, 1, 0, 9, 0, 2, 1, 0, 1, 0, 9, 1]),
        ]
    },
};

fn peers(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    // Fewer slots than hosts.
    let mut peers = Peers::new((0..6).map(|_| PeerSlot::new()).collect::<Vec<_>>());
    let mut now = Instant::from_nanos(1);
    let mut outcome = Outcome::PLAIN;
    let mut seq = Seq::ZERO;
    while !bytes.is_empty() {
        seq = seq.next();
        let action = bytes.below(7);
        let host = HostId::new(1 + u32::from(bytes.u8() % 8));
        match action {
            0..=2 => {
                let boot = 1 + u16::from(bytes.u8() % 3);
                let rail = RailId::ALL[bytes.below(MAX_RAILS)];
                let from = Gpid::new(host, boot, u16::from(bytes.u8()));
                let mac = [2, 0, 0, 0, rail as u8, host.raw() as u8];
                let event = match action {
                    0 => peers.heard(now, from, rail, mac),
                    _ => {
                        let incarnation = 1 + u32::from(bytes.u8() % 4);
                        let mut hello = Hello::new(rail, 3, incarnation).with_mtu(9000);
                        if bytes.u8() & 7 == 1 {
                            hello = hello.leaving();
                        }
                        peers.hello(now, from, rail, mac, (seq, &hello))
                    }
                };
                let up = peers.is_up(host);
                match event {
                    Event::Ignored => {}
                    Event::Left => assert!(!up, "a node that left is there"),
                    event => {
                        let peer = peers.get(host).expect("who was heard is known");
                        assert!(peer.node() == from.node() && peer.heard().contains(rail));
                        // Whether it hears this node, too, it has said.
                        assert!(up || event == Event::None || event == Event::New);
                    }
                }
                outcome = outcome.and_debug(event);
            }
            6 => {
                let boot = 1 + u16::from(bytes.u8() % 3);
                let (rails, valid) = (RailSet::from_bits(bytes.u8()), bytes.u8());
                let valid = Duration::from_millis(u64::from(valid) * 10);
                let before = peers.is_up(host);
                let change = peers.told(now, Gpid::new(host, boot, 0), seq, rails, valid);
                let up = peers.is_up(host);
                match change {
                    None => assert_eq!(before, up),
                    Some(Change::Down { .. }) => assert!(before && !up),
                    Some(Change::Up { .. }) => assert!(!before && up),
                    Some(_) => assert!(before && up),
                }
                while peers.next_report(now, rails).is_some() {}
            }
            3 => {
                now = now + Duration::from_millis(u64::from(bytes.u8()) * 10);
                let lost = std::iter::from_fn(|| peers.next_change(now)).count();
                // Each rail may fall silent, and what each has told may hold no more.
                assert!(lost <= 6 * (MAX_RAILS + 1));
                assert_eq!(peers.next_change(now), None, "a rail that is lost twice");
                outcome = outcome.and(lost);
            }
            4 => {
                let seq = Seq::new(bytes.u8().into());
                let first = peers.accept_open(host, seq);
                let second = peers.accept_open(host, seq);
                assert_ne!(second, OpenCheck::Fresh, "an OPEN that is fresh twice");
                assert!(first != OpenCheck::Fresh || second == OpenCheck::Duplicate);
            }
            _ => {
                let next = peers.next_open_seq(host);
                assert_eq!(next.is_some(), peers.get(host).is_some());
            }
        }
        assert!(peers.len() <= 6);
    }
    Outcome::PLAIN.and((outcome.value() % 512, peers.len()))
}

/// Frames of two members and of strangers, damaged and late, for the keys of one of them.
pub(super) const SESSIONS: Target = Target {
    name: "sessions",
    run: sessions,
    seeds: || {
        let handshake = frames::a_handshake(2, 1, 0);
        let header = Header::new(Kind::Handshake, podos_proto::wire::Class::Cm, ALICE, BOB);
        let mut forged = vec![1, 0, 8];
        forged.extend(frames::frame(&header, handshake.as_bytes()));
        vec![
            (
                "acquaintance",
                vec![1, 0, 0, 1, 0, 1, 1, 2, 3, 2, 3, 2, 3, 4, 0, 2, 4, 1, 2],
            ),
            (
                "rekey",
                vec![
                    2, 0, 0, 1, 1, 1, 2, 2, 2, 2, 5, 90, 6, 0, 1, 0, 2, 2, 2, 4, 0, 2,
                ],
            ),
            ("forged", forged),
        ]
    },
};

const ALICE: Gpid = Gpid::new(HostId::new(1), 1, 0);
const BOB: Gpid = Gpid::new(HostId::new(2), 1, 0);

type Table = Sessions<Mix, Vec<SessionSlot>>;

/// A frame and the key that its tag was made with, which stands for the tag.
struct Tagged {
    bytes: Vec<u8>,
    key: [u8; KEY_LEN],
}

struct Members {
    nodes: [Table; 2],
    now: Instant,
    flying: Vec<Tagged>,
    nonces: u8,
    events: u32,
    accepted: u32,
    refused: u32,
}

fn sessions(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let mode = [Mode::Aead, Mode::Mac][bytes.below(2)];
    let mut members = Members::new(mode, bytes.u8() & 7 == 7);
    while !bytes.is_empty() {
        members.step(&mut bytes);
    }
    let up = [
        members.nodes[0].is_up(HostId::new(2)),
        members.nodes[1].is_up(HostId::new(1)),
    ];
    let log = |count: u32| (count + 1).ilog2();
    Outcome::PLAIN.and((mode.is_keyed(), up)).and((
        log(members.events),
        log(members.accepted),
        log(members.refused),
    ))
}

impl Members {
    fn new(mode: Mode, strangers: bool) -> Self {
        let now = Instant::from_nanos(1);
        let node = |gpid: Gpid, key: u8| {
            let slots = (0..4).map(|_| SessionSlot::new()).collect();
            let mut table = Table::new(slots, gpid, 9, Config::default());
            table.set_mode(mode).expect("the mode was not set yet");
            let nonce = [gpid.host().raw() as u8; KEY_LEN];
            table
                .add_key(now, Key::new([key; KEY_LEN]), nonce)
                .expect("the ring is empty");
            table
        };
        Self {
            nodes: [node(ALICE, 1), node(BOB, if strangers { 2 } else { 1 })],
            now,
            flying: Vec::new(),
            nonces: 10,
            events: 0,
            accepted: 0,
            refused: 0,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let action = bytes.below(9);
        let argument = bytes.u8();
        let node = usize::from(argument & 1);
        match action {
            0 => self.hello(node),
            1 => self.poll(node),
            2 => self.arrive(usize::from(argument), false),
            3 => self.arrive(usize::from(argument), true),
            4 => self.data(node, argument),
            5 => self.now = self.now + Duration::from_millis(u64::from(argument) * 200),
            6 => {
                self.nonces = self.nonces.wrapping_add(1);
                let nonce = [self.nonces.max(1); KEY_LEN];
                self.nodes[node].rekey(self.now, nonce);
            }
            7 => {
                // Damage: of the frame, not of what stands for its tag.
                let at = bytes.u8();
                let pick = usize::from(argument) % self.flying.len().max(1);
                if let Some(byte) = self
                    .flying
                    .get_mut(pick)
                    .and_then(|frame| frame.bytes.get_mut(usize::from(at)))
                {
                    *byte ^= argument | 1;
                    self.flying[pick].key = [0; KEY_LEN];
                }
            }
            _ => {
                // Bytes that were never a frame, made without any key.
                let len = usize::from(argument);
                let frame = bytes.take(len).to_vec();
                self.flying.push(Tagged {
                    bytes: frame,
                    key: [0; KEY_LEN],
                });
            }
        }
        self.flying.truncate(256);
    }

    fn gpid(node: usize) -> Gpid {
        [ALICE, BOB][node]
    }

    fn hello(&mut self, node: usize) {
        let Some(seal) = self.nodes[node].seal_broadcast(self.now, Kind::Hello) else {
            return;
        };
        let hello = self.nodes[node].identify(Hello::new(RailId::R0, 1, 9));
        let mut header = Hello::header(Self::gpid(node), Seq::ZERO);
        header.auth = Some(seal.auth);
        self.flying.push(Tagged {
            bytes: frames::frame(&header, hello.as_bytes()),
            key: *seal.key.as_bytes(),
        });
    }

    fn poll(&mut self, node: usize) {
        for _ in 0..64 {
            match self.nodes[node].poll(self.now) {
                None => return,
                Some(Action::Event(_)) => self.events += 1,
                Some(Action::NeedNonce) => {
                    self.nonces = self.nonces.wrapping_add(1).max(10);
                    self.nodes[node].rekey(self.now, [self.nonces; KEY_LEN]);
                }
                Some(Action::Send(next)) => self.shake_hands(node, &next),
            }
        }
        panic!("sessions that never stop having something to do");
    }

    fn shake_hands(&mut self, node: usize, next: &podos_proto::keys::Outgoing) {
        self.flying.push(Tagged {
            bytes: frames::frame(&next.header(Self::gpid(node)), next.body()),
            key: *next.seal.key.as_bytes(),
        });
    }

    fn data(&mut self, node: usize, argument: u8) {
        let to = Self::gpid(1 - node);
        let Some(seal) = self.nodes[node].seal_for(to.host()) else {
            return;
        };
        let mut header = Header::new(
            Kind::Ack,
            podos_proto::wire::Class::Test,
            Self::gpid(node),
            to,
        );
        header.flags = podos_proto::wire::Flags::ACK_VALID;
        header.active = podos_proto::cdt::CdtIndex::new(1, 1);
        header.passive = podos_proto::cdt::CdtIndex::new(1, 1);
        header.window = u16::from(argument);
        header.auth = Some(seal.auth);
        self.flying.push(Tagged {
            bytes: frames::frame(&header, &[]),
            key: *seal.key.as_bytes(),
        });
    }

    /// A frame arrives at whom it is for; it may come once more later.
    fn arrive(&mut self, at: usize, again: bool) {
        if self.flying.is_empty() {
            return;
        }
        let at = at % self.flying.len();
        let frame = if again {
            let frame = &self.flying[at];
            Tagged {
                bytes: frame.bytes.clone(),
                key: frame.key,
            }
        } else {
            self.flying.remove(at)
        };
        let Ok((header, data)) = Header::parse(&frame.bytes) else {
            return;
        };
        for node in 0..2 {
            if header.from.host() != Self::gpid(node).host() {
                self.receive(node, &header, data, frame.key);
            }
        }
    }

    fn receive(&mut self, node: usize, header: &Header, data: &[u8], tag: [u8; KEY_LEN]) {
        let now = self.now;
        let table = &mut self.nodes[node];
        let Ok(opening) = table.open_key(now, header, data) else {
            self.refused += 1;
            return;
        };
        if *opening.key.as_bytes() != tag {
            self.refused += 1;
            return;
        }
        let accepted = match header.kind {
            Kind::Hello => match Hello::decode(data) {
                Ok(hello) => table.on_hello(now, header, hello, &opening).map(Some),
                Err(_) => return,
            },
            Kind::Handshake => match Handshake::decode(data) {
                Ok(handshake) => table
                    .on_handshake(now, header, handshake, &opening)
                    .map(Some),
                Err(_) => return,
            },
            _ => table.accept(now, header, &opening).map(|_| None),
        };
        match accepted {
            Err(_) => self.refused += 1,
            Ok(heard) => {
                self.accepted += 1;
                let circuits = matches!(header.kind, Kind::Data | Kind::Ack | Kind::Reset);
                if circuits {
                    // The same frame is never let through twice.
                    let again = self.nodes[node].open_key(now, header, data);
                    assert!(again.is_err(), "a frame that comes twice");
                }
                if let Some(answer) = heard.and_then(|heard| heard.answer) {
                    self.shake_hands(node, &answer);
                }
            }
        }
    }
}
