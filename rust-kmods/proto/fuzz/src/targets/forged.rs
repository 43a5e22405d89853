// SPDX-License-Identifier: GPL-2.0-only

//! Frames of somebody who knows a circuit's indices and says anything: nothing breaks, and the
//! circuit keeps no more than its window.

use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::{Circuit, Config, ReceiveState, WINDOW};
use podos_proto::tgroup::{Group, GroupKind, RailId, RailSet, RailView};
use podos_proto::time::{Duration, Instant};
use podos_proto::wire::{Class, Flags, Header, Kind, MAX_DATA};
use podos_proto::{Gpid, HostId, Seq};

use super::circuit::Data;
use super::{frames, Target};
use crate::bytes::{Bytes, Outcome};

/// The first byte says which end is attacked, then come frames in short, or steps of its user.
pub(super) const FORGED: Target = Target {
    name: "forged",
    run: forged,
    seeds: || {
        let data = |seq: u8, offset: u16, more: u8, len: u8| {
            let [high, low] = offset.to_be_bytes();
            vec![
                0,
                0x10 | more,
                0,
                0,
                0,
                seq,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                64,
                high,
                low,
                len,
            ]
        };
        let sequence = |parts: &[Vec<u8>]| [&[0, 1][..], &parts.concat()].concat();
        vec![
            (
                "in-order",
                sequence(&[data(0, 0, 0, 9), data(1, 0, 0, 9), vec![6]]),
            ),
            (
                "early",
                sequence(&[data(2, 0, 0, 9), data(1, 0, 0, 9), data(0, 0, 0, 9)]),
            ),
            (
                "pieces",
                sequence(&[data(0, 0, MORE, 40), data(0, 40 * 32, 0, 9), vec![6]]),
            ),
            (
                "overlap",
                sequence(&[
                    data(0, 0, MORE, 40),
                    data(0, 50, MORE, 40),
                    data(0, 40 * 32, 0, 1),
                ]),
            ),
            (
                "acks",
                vec![
                    1, 2, 4, 4, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 64,
                ],
            ),
        ]
    },
};

/// Of a frame's shape: more pieces follow, and it is long, in units of 32 bytes.
const MORE: u8 = 3;

const LOCAL: Gpid = Gpid::new(HostId::new(1), 1, 10);
const PEER: Gpid = Gpid::new(HostId::new(2), 1, 20);

fn forged(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let passive = bytes.u8() & 1 == 1;
    let kind = GroupKind::ALL[bytes.below(GroupKind::ALL.len())];
    let rails = RailView::uniform(RailSet::from_bits(0b11), 1300);
    let (cfg, group) = (Config::default(), Group::new(kind, 0));
    let (active, other) = (CdtIndex::new(7, 1), CdtIndex::new(9, 3));
    let mut circuit = if passive {
        let mut open = Header::new(Kind::Data, Class::Test, PEER, LOCAL);
        open.flags = Flags::OPEN | Flags::TO_PASSIVE;
        open.active = active;
        open.ack = Seq::new(5);
        open.window = 64;
        Circuit::accept(&cfg, group, &open, LOCAL, other)
    } else {
        Circuit::open(
            &cfg,
            group,
            LOCAL,
            PEER.node(),
            Class::Test,
            active,
            Seq::new(5),
        )
    };
    let mut now = Instant::from_nanos(1);
    let mut outcome = Outcome::PLAIN.and(passive);
    while !bytes.is_empty() {
        match bytes.below(8) {
            0..=3 => {
                let header = frame_in_short(&mut bytes, passive, (active, other));
                let data = vec![header.seq as u8; usize::from(header.len)];
                let whole = frames::frame(&header, &data);
                let Ok((header, data)) = Header::parse(&whole) else {
                    continue;
                };
                let rail = RailId::ALL[usize::from(header.window & 1)];
                let activity = circuit.receive(now, rail, &header, Data(data.to_vec()));
                outcome = outcome.and((activity.readable, activity.writable, activity.state));
            }
            4 => {
                if circuit.can_send() {
                    let data = vec![1; usize::from(bytes.u8()) * 8];
                    assert!(circuit.send(1, true, Data(data)).is_ok());
                }
            }
            5 => {
                now = now + Duration::from_micros(1 << (bytes.u8() >> 3));
                if circuit.deadline().is_some_and(|at| at <= now) {
                    circuit.on_timeout(now);
                }
            }
            6 => {
                while let Some(segment) = circuit.recv() {
                    assert!(
                        segment.payload.0.len() <= MAX_DATA,
                        "a segment beyond all bounds"
                    );
                }
            }
            _ => circuit.shutdown(),
        }
        let mut frames = 0;
        while let Some(next) = circuit.poll_transmit(now, &rails) {
            assert!(rails.get(next.rail).is_some());
            let data = next.payload.map_or(&[][..], |data| &data.0);
            let start = usize::from(next.header.offset);
            let piece = &data[start..start + usize::from(next.header.len)];
            let frame = frames::frame(&next.header, piece);
            assert!(Header::parse(&frame).is_ok(), "a frame that nobody reads");
            frames += 1;
            assert!(frames < WINDOW * 8, "a circuit that never stops sending");
        }
        let (queued, readable) = circuit.queued();
        assert!(queued as usize <= WINDOW && readable as usize <= WINDOW);
    }
    let state = match circuit.receive_state() {
        ReceiveState::Open => 0,
        ReceiveState::Eof => 1,
        ReceiveState::Reset(reason) => 2 + reason as u32,
    };
    Outcome::PLAIN.and(state).and(outcome.value() % 256)
}

/// A frame for the circuit, most of which may be anything.
fn frame_in_short(
    bytes: &mut Bytes<'_>,
    passive: bool,
    (active, other): (CdtIndex, CdtIndex),
) -> Header {
    let shape = bytes.u8();
    let kind = match shape & 0x0f {
        0x0e => Kind::Reset,
        0x0c | 0x0d => Kind::Ack,
        _ => Kind::Data,
    };
    let mut header = Header::new(kind, Class::Test, PEER, LOCAL);
    // The low bits of a flag word: END, FIN and PROBE from one byte, OPEN and MORE with them.
    let flags = u16::from(shape >> 4 & 0x7) << 1 | u16::from(shape & 1) << 6;
    let flags = Flags::from_raw(flags & !0x8) | Flags::ACK_VALID;
    header.flags = match kind {
        Kind::Reset => Flags::NONE,
        Kind::Ack => Flags::ACK_VALID,
        _ => flags,
    };
    if passive {
        header.flags |= Flags::TO_PASSIVE;
    }
    header.active = active;
    header.passive = other;
    header.seq = near(bytes);
    header.ack = Seq::new(near(bytes));
    header.sack = bytes.u32();
    header.window = u16::from(bytes.u8());
    if kind == Kind::Data {
        header.offset = bytes.u16() % 9_000;
        header.len = u16::from(bytes.u8()) * if shape & 2 == 2 { 32 } else { 1 };
        if header.flags.contains(Flags::FIN) {
            header.len = 0;
            header.offset = 0;
        }
    }
    header
}

/// A number that is mostly small, or just below 0, where the windows are.
fn near(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.u8() {
        255 => bytes.u32(),
        small if small > 200 => 0_u32.wrapping_sub(u32::from(small - 200)),
        small => u32::from(small),
    }
}
