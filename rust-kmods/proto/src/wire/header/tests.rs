// SPDX-License-Identifier: GPL-2.0-only

//! The header: round trips, every reason to drop a frame, and no panic on any bytes.

use core::mem::offset_of;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;
use crate::wire::*;

const FROM: Gpid = Gpid::new(HostId::new(1), 2, 3);
const TO: Gpid = Gpid::new(HostId::new(4), 5, 6);

fn data_header() -> Header {
    let mut header = Header::new(Kind::Data, Class::Pdfs, FROM, TO);
    header.flags = Flags::ACK_VALID | Flags::END;
    header.active = CdtIndex::new(1, 2);
    header.passive = CdtIndex::new(3, 4);
    header
}

fn open_header() -> Header {
    let mut header = data_header();
    header.flags = Flags::OPEN | Flags::TO_PASSIVE | Flags::END;
    header.passive = CdtIndex::NONE;
    header
}

fn frame(header: &Header) -> Vec<u8> {
    let mut raw = [0; HEADER_LEN];
    header.write(&mut raw);
    let mut bytes = raw.to_vec();
    bytes.extend(header.counter_bytes().into_iter().flatten());
    bytes.resize(header.data_range().end, 0x5a);
    bytes.resize(header.frame_len(), 0xa5);
    bytes
}

fn drop_reason(bytes: &[u8]) -> Option<DropReason> {
    Header::parse(bytes).err()
}

/// Headers that some node may send.
fn header() -> impl Strategy<Value = Header> {
    let kind = prop_oneof![
        Just(Kind::Ephemeral),
        Just(Kind::Hello),
        Just(Kind::Data),
        Just(Kind::Ack),
        Just(Kind::Reset),
        Just(Kind::Handshake)
    ];
    let class = (0u8..8).prop_filter_map("nobody's", Class::from_raw);
    let index = (0u16..u16::MAX, any::<u16>()).prop_map(|(at, n)| CdtIndex::new(at, n));
    let index = prop_oneof![4 => index, 1 => Just(CdtIndex::NONE)];
    let addresses = (1u32.., 1u16.., any::<u16>(), any::<u64>());
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>());
    let sizes = (
        prop_oneof![Just(0), 0..MAX_DATA as u16],
        0u16..=MAX_DATA as u16,
    );
    let shape = (kind, class, 0u8..32, 0u16..0x80, sizes);
    let auth = (any::<bool>(), any::<u8>(), any::<u64>());
    let auth = prop::option::of(auth.prop_map(|(sealed, key_id, counter)| Auth {
        sealed,
        key_id,
        counter,
    }));
    (shape, addresses, index.clone(), index, (numbers, auth))
        .prop_map(|(shape, from, active, passive, (numbers, auth))| {
            let (kind, class, op, flags, (offset, len)) = shape;
            Header {
                kind,
                class,
                op,
                flags: Flags::from_raw(flags),
                from: Gpid::new(HostId::new(from.0), from.1, from.2),
                to: Gpid::from_raw(from.3),
                active,
                passive,
                seq: numbers.0,
                ack: Seq::new(numbers.1),
                sack: numbers.2,
                window: numbers.3,
                offset,
                len,
                auth,
            }
        })
        .prop_filter("never sent", |header| header.check().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_global_rejects: 100_000,
        max_local_rejects: 1_000_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn headers_survive_the_wire(header in header(), padding in 0usize..30) {
        let mut bytes = frame(&header);
        bytes.resize(bytes.len() + padding, 0);
        let (parsed, data) = Header::parse(&bytes).unwrap();
        prop_assert_eq!(parsed, header);
        prop_assert_eq!(data, &vec![0x5a; header.len.into()][..]);
    }

    #[test]
    fn truncated_frames_are_dropped(header in header(), keep in any::<prop::sample::Index>()) {
        let bytes = frame(&header);
        let bytes = &bytes[..keep.index(bytes.len())];
        let expected = if bytes.len() < header.start_len() { DropReason::Short } else { DropReason::Length };
        prop_assert_eq!(drop_reason(bytes), Some(expected));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Header::parse(&bytes);
    }

    #[test]
    fn damaged_frames_are_dropped_or_harmless(
        header in header(),
        damage in prop::collection::vec((0usize..HEADER_LEN, any::<u8>()), 1..4),
    ) {
        let mut bytes = frame(&header);
        for (at, value) in damage {
            bytes[at] ^= value;
        }
        if let Ok((parsed, data)) = Header::parse(&bytes) {
            prop_assert_eq!(data.len(), usize::from(parsed.len));
            prop_assert!(data.len() <= MAX_DATA);
            // Whatever is let through can be sent again, and says the same.
            let mut raw = [0; HEADER_LEN];
            parsed.write(&mut raw);
            prop_assert_eq!(&raw[..], &bytes[..HEADER_LEN]);
        }
    }
}

#[test]
fn every_reason_to_drop() {
    let good = frame(&data_header());
    assert_eq!(drop_reason(&good), None);
    let damaged = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        drop_reason(&bytes)
    };
    assert_eq!(
        drop_reason(&good[..HEADER_LEN - 1]),
        Some(DropReason::Short)
    );
    assert_eq!(damaged(0, 1), Some(DropReason::Version));
    assert_eq!(damaged(1, 0), Some(DropReason::Kind));
    assert_eq!(damaged(1, 7), Some(DropReason::Kind));
    assert_eq!(damaged(2, 0x20), Some(DropReason::Flags));
    assert_eq!(damaged(3, 0x92), Some(DropReason::Flags));
    assert_eq!(damaged(4, 0x06), Some(DropReason::Class));
    assert_eq!(damaged(5, 1), Some(DropReason::Auth));
    assert_eq!(damaged(47, 1), Some(DropReason::Offset));
    assert_eq!(damaged(3, 0x52), Some(DropReason::Offset));
    assert_eq!(damaged(7, 1), Some(DropReason::Length));
    assert_eq!(damaged(6, 0xff), Some(DropReason::Length));
    assert_eq!(damaged(2, 0x40), Some(DropReason::Auth));
    assert_eq!(damaged(2, 0x80), Some(DropReason::Short));
    assert_eq!(damaged(11, 0), Some(DropReason::Address));
    assert_eq!(damaged(13, 0), Some(DropReason::Address));
    let mut unnamed = data_header();
    unnamed.passive = CdtIndex::NONE;
    assert_eq!(drop_reason(&frame(&unnamed)), Some(DropReason::Index));
    let mut long = data_header();
    long.len = MAX_DATA as u16 + 1;
    assert_eq!(drop_reason(&frame(&long)), Some(DropReason::Length));
    long.len = MAX_DATA as u16;
    assert_eq!(drop_reason(&frame(&long)), None);
}

#[test]
fn pieces_lie_within_a_segment() {
    let piece = |offset, len, flags: Flags| {
        let mut header = data_header();
        header.flags |= flags;
        header.offset = offset;
        header.len = len;
        drop_reason(&frame(&header))
    };
    let last = MAX_DATA as u16;
    let wrong = Some(DropReason::Offset);
    let least = MIN_PIECE as u16;
    assert_eq!(least, 1208);
    assert_eq!(piece(0, least, Flags::MORE), None);
    assert_eq!(piece(0, least - 1, Flags::MORE), wrong);
    assert_eq!(piece(0, 1, Flags::MORE), wrong);
    assert_eq!(piece(last - least, least, Flags::MORE), None);
    assert_eq!(piece(1, 1, Flags::NONE), None);
    assert_eq!(piece(last - 1, 1, Flags::NONE), None);
    assert_eq!(piece(last - 1, 2, Flags::NONE), wrong);
    assert_eq!(piece(u16::MAX, 1, Flags::NONE), wrong);
    assert_eq!(piece(0, 0, Flags::MORE), wrong);
    assert_eq!(piece(7, 0, Flags::NONE), wrong);
    let mut hello = Header::new(Kind::Hello, Class::Cm, FROM, TO);
    hello.len = 8;
    assert_eq!(drop_reason(&frame(&hello)), None);
    hello.offset = 8;
    assert_eq!(drop_reason(&frame(&hello)), wrong);
}

#[test]
fn authentication_surrounds_the_data() {
    let mut header = data_header();
    header.len = 3;
    header.auth = Some(Auth {
        sealed: true,
        key_id: 0x21,
        counter: 7,
    });
    let bytes = frame(&header);
    assert_eq!((header.start_len(), header.frame_len()), (56, 75));
    assert_eq!(bytes[48..56], [0, 0, 0, 0, 0, 0, 0, 7]);
    let (parsed, data) = Header::parse(&bytes).unwrap();
    assert_eq!((parsed, data), (header, &[0x5a; 3][..]));
    assert_eq!(drop_reason(&bytes[..55]), Some(DropReason::Short));
    assert_eq!(drop_reason(&bytes[..74]), Some(DropReason::Length));
    assert_eq!(Header::parse_start(&bytes[..56], 75), Ok(header));
}

#[test]
fn rooms() {
    assert_eq!(
        (data_room(1500, false), data_room(1500, true)),
        (1452, 1428)
    );
    assert_eq!(
        (data_room(9000, false), data_room(65535, false)),
        (8952, 8952)
    );
    assert_eq!((data_room(MIN_MTU, true), data_room(3, true)), (1208, 0));
}

#[test]
fn flags_that_contradict_the_kind() {
    let with = |mut header: Header, flags: Flags| {
        header.flags = flags;
        drop_reason(&frame(&header))
    };
    let flags = Some(DropReason::Flags);
    assert_eq!(with(open_header(), Flags::OPEN | Flags::TO_PASSIVE), None);
    assert_eq!(with(open_header(), Flags::OPEN), flags);
    assert_eq!(
        with(open_header(), Flags::OPEN | Flags::TO_PASSIVE | Flags::FIN),
        flags
    );
    assert_eq!(
        with(
            open_header(),
            Flags::OPEN | Flags::TO_PASSIVE | Flags::ACK_VALID
        ),
        flags
    );
    assert_eq!(with(data_header(), Flags::END), flags);
    let late = Header {
        seq: 1,
        ..open_header()
    };
    assert_eq!(drop_reason(&frame(&late)), flags);
    let ack = Header {
        kind: Kind::Ack,
        ..data_header()
    };
    assert_eq!(with(ack, Flags::ACK_VALID | Flags::PROBE), None);
    assert_eq!(with(ack, Flags::ACK_VALID | Flags::END), flags);
    assert_eq!(with(ack, Flags::PROBE), flags);
    let reset = Header {
        kind: Kind::Reset,
        ..data_header()
    };
    assert_eq!(with(reset, Flags::TO_PASSIVE), None);
    assert_eq!(with(reset, Flags::ACK_VALID), flags);
    let hello = Header::new(Kind::Hello, Class::Cm, FROM, TO);
    assert_eq!(with(hello, Flags::NONE), None);
    assert_eq!(with(hello, Flags::PROBE), flags);
    let full_fin = Header {
        len: 1,
        flags: Flags::ACK_VALID | Flags::FIN,
        ..data_header()
    };
    assert_eq!(drop_reason(&frame(&full_fin)), Some(DropReason::Length));
}

#[test]
fn answers_to_frames_without_a_circuit() {
    let node = Gpid::new(HostId::new(4), 5, 77);
    let reply = open_header()
        .reset_reply(node, ResetReason::Refused)
        .unwrap();
    assert_eq!((reply.kind, reply.seq), (Kind::Reset, 2));
    assert_eq!(
        (reply.from, reply.to),
        (Gpid::new(HostId::new(4), 5, 0), FROM)
    );
    assert_eq!(
        (reply.active, reply.passive),
        (CdtIndex::new(1, 2), CdtIndex::NONE)
    );
    assert!(!reply.to_passive());
    assert_eq!(Header::parse(&frame(&reply)).unwrap().0, reply);
    assert!(data_header()
        .reset_reply(node, ResetReason::NoCircuit)
        .unwrap()
        .to_passive());
    assert_eq!(reply.reset_reply(FROM, ResetReason::NoCircuit), None);
    let mut ack = Header {
        kind: Kind::Ack,
        flags: Flags::ACK_VALID,
        ..data_header()
    };
    assert_eq!(ack.reset_reply(node, ResetReason::NoCircuit), None);
    ack.flags |= Flags::PROBE | Flags::TO_PASSIVE;
    assert!(ack.reset_reply(node, ResetReason::NoCircuit).is_some());
    ack.passive = CdtIndex::NONE;
    assert_eq!(ack.reset_reply(node, ResetReason::NoCircuit), None);
}

#[test]
fn answers_to_frames_of_a_finished_circuit() {
    let node = Gpid::new(HostId::new(4), 5, 77);
    let data = Header {
        seq: u32::MAX,
        to: node,
        ..data_header()
    };
    let reply = data.stray_reply(node.node(), true).unwrap();
    assert_eq!(
        (reply.kind, reply.ack, reply.sack),
        (Kind::Ack, Seq::ZERO, 0)
    );
    assert_eq!((reply.from, reply.to), (node, data.from));
    assert_eq!((reply.active, reply.passive), (data.active, data.passive));
    assert_ne!(reply.to_passive(), data.to_passive());
    assert!(reply.flags.contains(Flags::ACK_VALID));
    assert_eq!(Header::parse(&frame(&reply)).unwrap().0, reply);
    // It is not answered itself.
    assert_eq!(reply.stray_reply(FROM, true), None);
    let reset = data.reset_reply(node, ResetReason::NoCircuit);
    assert_eq!(data.stray_reply(node, false), reset);
    // An OPEN names no circuit of its receiver's.
    let reply = open_header().stray_reply(node, true).unwrap();
    assert_eq!(reply.kind, Kind::Reset);
}

#[test]
fn what_finds_a_circuit() {
    let open = open_header();
    assert_eq!(open.peer_key(), Some(PeerKey::new(FROM, open.active)));
    assert!(open.receiver_index().is_none());
    let mut data = data_header();
    assert_eq!(
        (data.peer_key(), data.receiver_index()),
        (None, data.active)
    );
    data.flags |= Flags::TO_PASSIVE;
    assert_eq!(
        (data.peer_key(), data.receiver_index()),
        (None, data.passive)
    );
    let refusal = Header {
        kind: Kind::Reset,
        flags: Flags::NONE,
        ..open
    };
    assert_eq!(
        (refusal.peer_key(), refusal.receiver_index()),
        (None, open.active)
    );
    assert_eq!(
        Header::new(Kind::Hello, Class::Cm, FROM, TO).peer_key(),
        None
    );
}

#[test]
fn numbers_survive() {
    for raw in 0..=u8::MAX {
        assert!(Class::from_raw(raw).is_none_or(|class| class as u8 == raw));
        assert!(Kind::from_raw(raw).is_none_or(|kind| kind as u8 == raw));
    }
    for (number, reason) in DropReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, number);
    }
    for raw in 1..=7 {
        assert_eq!(ResetReason::from_raw(raw) as u32, raw);
    }
    assert_eq!(ResetReason::from_raw(0), ResetReason::Aborted);
    assert_eq!(ResetReason::from_raw(u32::MAX), ResetReason::Aborted);
}

#[test]
fn the_document_tells_the_same_layout() {
    macro_rules! rows {
        ($($field:ident: $size:expr),* $(,)?) => {
            [$((offset_of!(RawHeader, $field), $size, stringify!($field))),*]
        };
    }
    let rows = rows! {
        version: 1, kind: 1, flags: 2, ctrl_info: 1, key_id: 1, length: 2, frompid: 8, topid: 8,
        cdt_active_ind: 4, cdt_passive_ind: 4, seq: 4, ack: 4, sack: 4, window: 2, offset: 2,
    };
    let mut end = 0;
    for (offset, size, field) in rows {
        assert_eq!(offset, end, "{field}");
        end += size;
    }
    assert_eq!(end, HEADER_LEN);
    let expected: Vec<String> = rows
        .iter()
        .map(|(offset, size, field)| format!("| {offset} | {size} | `{field}` |"))
        .collect();
    let document = include_str!("../../../../../docs/wire-protocol.md");
    let (_, table) = document
        .split_once("<!-- header -->")
        .expect("the header's table is marked");
    let (table, _) = table
        .split_once(
            "
### ",
        )
        .expect("a heading follows the table");
    let told: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .collect();
    assert_eq!(told.len(), expected.len());
    for (told, expected) in told.iter().zip(&expected) {
        assert!(
            told.starts_with(expected.as_str()),
            "{told} instead of {expected}"
        );
    }
}
