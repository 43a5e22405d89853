// SPDX-License-Identifier: GPL-2.0-only

//! Frames, and the bodies of those that CM and RM send.

use podos_proto::cdt::CdtIndex;
use podos_proto::hello::Hello;
use podos_proto::keys::{Fingerprint, Handshake, Key};
use podos_proto::rm::{Beacon, HOSTNAME_LEN};
use podos_proto::sst::{Sst, SstEvent, SstSlot};
use podos_proto::tgroup::RailId;
use podos_proto::time::Instant;
use podos_proto::wire::{Auth, Class, Flags, Header, Kind, ResetReason, HEADER_LEN, MAX_DATA};
use podos_proto::{Gpid, HostId, Seq};
use zerocopy::big_endian::{U16, U32};
use zerocopy::IntoBytes;

use super::Target;
use crate::bytes::Outcome;
pub(super) use crate::desk::frame;

pub(super) const HEADER: Target = Target {
    name: "header",
    run: header,
    seeds: header_seeds,
};

fn header(bytes: &[u8]) -> Outcome {
    // Whoever has only a frame's start comes to the same conclusion.
    let start = &bytes[..bytes.len().min(HEADER_LEN + 8)];
    let by_start = Header::parse_start(start, bytes.len());
    let (header, data) = match Header::parse(bytes) {
        Ok(parts) => parts,
        Err(reason) => {
            assert_eq!(by_start, Err(reason));
            return Outcome::PLAIN.and(reason);
        }
    };
    assert_eq!(by_start, Ok(header));
    assert_eq!(data.len(), usize::from(header.len));
    assert!(data.len() <= MAX_DATA && header.frame_len() <= bytes.len());
    assert!(usize::from(header.offset) + data.len() <= MAX_DATA);
    // What was read is written as it was.
    let again = frame(&header, data);
    assert_eq!(again[..header.start_len()], bytes[..header.start_len()]);
    assert_eq!(Header::parse(&again), Ok((header, data)));
    let reply = header.reset_reply(Gpid::new(HostId::new(9), 9, 9), ResetReason::NoCircuit);
    if let Some(reply) = reply {
        // An answer can be read, and is never answered itself.
        assert!(header.kind.is_circuit());
        let bytes = frame(&reply, &[]);
        assert_eq!(Header::parse(&bytes), Ok((reply, &[][..])));
        assert_eq!(reply.reset_reply(header.from, ResetReason::NoCircuit), None);
    }
    if header.peer_key().is_none() && header.kind.is_circuit() {
        assert!(header.receiver_index().is_some() || header.to_passive() != header.opens());
    }
    Outcome::PLAIN
        .and(header.kind)
        .and(header.flags.raw())
        .and((header.auth.is_some(), header.offset > 0, reply.is_some()))
}

fn header_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let (from, to) = (
        Gpid::new(HostId::new(1), 2, 3),
        Gpid::new(HostId::new(4), 5, 6),
    );
    let circuit = |kind, flags| {
        let mut header = Header::new(kind, Class::Pdfs, from, to);
        header.flags = flags;
        header.active = CdtIndex::new(7, 1);
        header.passive = CdtIndex::new(8, 2);
        header
    };
    let data = b"some data of a segment";
    let mut open = circuit(Kind::Data, Flags::OPEN | Flags::TO_PASSIVE | Flags::END);
    open.passive = CdtIndex::NONE;
    open.ack = Seq::new(41);
    open.window = 64;
    open.len = data.len() as u16;
    let mut piece = circuit(Kind::Data, Flags::ACK_VALID | Flags::MORE);
    piece.seq = 3;
    piece.offset = 1452;
    piece.len = data.len() as u16;
    let mut sealed = circuit(Kind::Data, Flags::ACK_VALID | Flags::END);
    sealed.len = data.len() as u16;
    sealed.auth = Some(Auth {
        sealed: true,
        key_id: 0x21,
        counter: 77,
    });
    let mut ack = circuit(Kind::Ack, Flags::ACK_VALID | Flags::PROBE);
    ack.ack = Seq::new(9);
    ack.sack = 0b101;
    let fin = circuit(Kind::Data, Flags::ACK_VALID | Flags::FIN);
    let mut reset = circuit(Kind::Reset, Flags::TO_PASSIVE);
    reset.seq = ResetReason::Aborted as u32;
    let mut beacon = Header::new(Kind::Ephemeral, Class::Rm, from, Gpid::EVERYBODY);
    beacon.len = data.len() as u16;
    let hello = Hello::new(RailId::R0, 3, 99);
    vec![
        ("open", frame(&open, data)),
        ("piece", frame(&piece, data)),
        ("sealed", frame(&sealed, data)),
        ("ack", frame(&ack, &[])),
        ("fin", frame(&fin, &[])),
        ("reset", frame(&reset, &[])),
        ("ephemeral", frame(&beacon, data)),
        (
            "hello",
            frame(&Hello::header(from, Seq::new(5)), hello.as_bytes()),
        ),
    ]
}

pub(super) const HELLO: Target = Target {
    name: "hello",
    run: |bytes| match Hello::decode(bytes) {
        Err(why) => Outcome::PLAIN.and_debug(why),
        Ok(hello) => {
            assert_ne!(hello.incarnation.get(), 0);
            assert_eq!(Hello::decode(hello.as_bytes()), Ok(hello));
            let last = hello.leaving();
            assert!(last.is_leaving());
            assert_eq!(Hello::decode(last.as_bytes()), Ok(&last));
            Outcome::PLAIN.and(hello.is_leaving())
        }
    },
    seeds: || {
        let mut keyed = Hello::new(RailId::R1, 3, 7).with_mtu(9000);
        keyed.epoch = 3;
        keyed.nonce = [0x5a; 32];
        keyed.fingerprint = *b"\x01\x02\x03\x04";
        vec![
            ("plain", Hello::new(RailId::R0, 1, 1).as_bytes().to_vec()),
            (
                "leaving",
                Hello::new(RailId::R2, 3, 1).leaving().as_bytes().to_vec(),
            ),
            ("keyed", keyed.as_bytes().to_vec()),
        ]
    },
};

/// A handshake of a node that heard the nonce `echo`.
pub(super) fn a_handshake(flags: u8, nonce: u8, echo: u8) -> Handshake {
    Handshake {
        flags,
        epoch: 1,
        reserved: U16::ZERO,
        incarnation: U32::new(9),
        fingerprint: *b"\x01\x02\x03\x04",
        nonce: [nonce; 32],
        echo: [echo; 32],
    }
}

pub(super) const HANDSHAKE: Target = Target {
    name: "handshake",
    run: |bytes| match Handshake::decode(bytes) {
        Err(why) => Outcome::PLAIN.and_debug(why),
        Ok(handshake) => {
            assert_eq!(Handshake::decode(handshake.as_bytes()), Ok(handshake));
            Outcome::PLAIN.and(handshake.flags & 3)
        }
    },
    seeds: || {
        vec![
            ("first", a_handshake(2, 1, 0).as_bytes().to_vec()),
            ("ready", a_handshake(1, 1, 2).as_bytes().to_vec()),
        ]
    },
};

pub(super) const BEACON: Target = Target {
    name: "beacon",
    run: beacon,
    seeds: || {
        let mut beacon = Beacon {
            seq: U32::new(7),
            ..Beacon::default()
        };
        beacon.set_hostname(b"linus2");
        let one = beacon.as_bytes().to_vec();
        beacon.set_interfaces((0..8).map(|rail| [0x52, 0x54, 0, 0x50, rail, 2]));
        vec![("one", one), ("eight-rails", beacon.as_bytes().to_vec())]
    },
};

fn beacon(bytes: &[u8]) -> Outcome {
    let beacon = match Beacon::decode(bytes) {
        Ok(beacon) => beacon,
        Err(why) => return Outcome::PLAIN.and_debug(why),
    };
    // The name becomes a directory's.
    let name = beacon.hostname();
    assert!(!name.is_empty() && name.len() < HOSTNAME_LEN);
    assert!(!name.contains(&b'/') && !name.starts_with(b"."));
    assert_eq!(
        beacon.interfaces().len(),
        usize::from(beacon.interface_count)
    );
    let mut sst = Sst::new((0..4).map(|_| SstSlot::new()).collect::<Vec<_>>());
    let (node, now) = (Gpid::new(HostId::new(3), 1, 0), Instant::from_nanos(1));
    assert_eq!(sst.update(now, node, beacon), SstEvent::Appeared);
    assert_eq!(sst.update(now, node, beacon), SstEvent::Stale);
    assert_eq!(
        sst.get(HostId::new(3)).map(|entry| entry.heard_at()),
        Some(now)
    );
    sst.lose(HostId::new(3));
    assert_eq!(sst.update(now, node, beacon), SstEvent::Returned);
    Outcome::PLAIN.and(beacon.interface_count)
}

pub(super) const KEYS: Target = Target {
    name: "keys",
    run: |bytes| {
        let key = Key::parse(bytes);
        if let Ok(key) = &key {
            let text: String = key
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert!(text.as_bytes().eq_ignore_ascii_case(bytes));
        }
        let fingerprint = Fingerprint::parse(bytes);
        if let Ok(fingerprint) = fingerprint {
            assert!(fingerprint
                .to_string()
                .as_bytes()
                .eq_ignore_ascii_case(bytes));
        }
        Outcome::PLAIN.and((key.is_ok(), fingerprint.is_ok()))
    },
    seeds: || {
        let digits = b"0123456789abcdefABCDEF9876543210";
        vec![
            ("key", [&digits[..], &digits[..]].concat()),
            ("fingerprint", digits[..8].to_vec()),
        ]
    },
};
