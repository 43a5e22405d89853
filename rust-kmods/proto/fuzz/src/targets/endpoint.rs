// SPDX-License-Identifier: GPL-2.0-only

//! One endpoint, and everybody who may send it anything.

use std::collections::HashSet;

use podos_proto::cdt::CdtIndex;
use podos_proto::endpoint::{self, Clock};
use podos_proto::hello::Hello;
use podos_proto::keys::{Mode, KEY_LEN};
use podos_proto::peer::association;
use podos_proto::tgroup::RailId;
use podos_proto::time::Duration;
use podos_proto::wire::{Class, Flags, Header, Kind};
use podos_proto::{Gpid, HostId, Seq};
use zerocopy::IntoBytes;

use super::Target;
use crate::bytes::{Bytes, Outcome};
use crate::desk::{Deed, Desk, Tagged, CIRCUITS, HOSTS};

/// The first byte says whether the cluster has a key, then come frames in short, time, and ends of
/// circuits.
pub(super) const ENDPOINT: Target = Target {
    name: "endpoint",
    run: endpoint,
    seeds: || {
        let hello = [0, 1, 1, 0, 1, 0];
        let open = |seq: u8| [1, 1, 1, 0, 3, 7, seq];
        vec![
            ("hello", [&[0][..], &hello, &[4, 30]].concat()),
            (
                "open",
                [&[0][..], &hello, &open(1), &open(1), &[5, 0], &open(1)].concat(),
            ),
            (
                "reboot",
                [&[0][..], &hello, &open(1), &[0, 1, 2, 0, 2, 0]].concat(),
            ),
            (
                "stray",
                [&[0][..], &hello, &[2, 1, 1, 0, 3, 7, 9, 3, 1, 1, 1]].concat(),
            ),
            (
                "forged",
                [&[1][..], &hello, &open(1), &[6, 3, 1, 2, 3]].concat(),
            ),
        ]
    },
};

const HERE: Gpid = Gpid::new(HostId::new(9), 1, 0);

fn endpoint(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let mode = [Mode::Open, Mode::Mac][bytes.below(2)];
    let mut desk = Desk::new(HERE, mode, 1);
    let mut clock = Clock::new();
    let mut accepted = HashSet::new();
    let mut outcome = Outcome::PLAIN.and(mode.is_keyed());
    while !bytes.is_empty() {
        desk.deeds.clear();
        match bytes.below(7) {
            4 => {
                desk.now = desk.now + Duration::from_millis(u64::from(bytes.u8()) * 20);
                clock.greet(&mut desk);
                clock.mind(&mut desk);
            }
            5 => end_circuit(&mut desk, bytes.u8()),
            what => arrives(&mut desk, mode, what, &mut bytes),
        }
        for deed in &desk.deeds {
            match deed {
                Deed::Accepted(from, association, open_seq) => {
                    let fresh = accepted.insert((*from, *association, *open_seq));
                    assert!(fresh, "an OPEN that is accepted twice");
                }
                Deed::Delivered(from, peer) => {
                    assert_eq!(from, peer, "a frame for somebody else's circuit");
                }
                _ => {}
            }
        }
        assert!(desk.peers.len() <= HOSTS && desk.circuits.len() <= CIRCUITS);
        outcome = outcome.and(desk.deeds.iter().map(std::mem::discriminant).next());
    }
    Outcome::PLAIN.and((outcome.value() % 1024, desk.circuits.len()))
}

/// A frame arrives, and no more comes of it than may.
fn arrives(desk: &mut Desk, mode: Mode, what: usize, bytes: &mut Bytes<'_>) {
    let (rail, frame) = match what {
        6 => {
            let len = bytes.below(64);
            let bytes = bytes.take(len).to_vec();
            (RailId::R0, tagged(HERE, bytes))
        }
        what => composed(desk, what, bytes),
    };
    let header = Header::parse(&frame.bytes).map(|(header, _)| header);
    let (peers, circuits) = (desk.peers.len(), desk.circuits.len());
    endpoint::receive(desk, rail, frame);
    let sent = |deed: &&Deed| matches!(deed, Deed::Sent { .. });
    let answers = desk.deeds.iter().filter(sent).count();
    if mode.is_keyed() {
        // Nobody who speaks here has a key.
        assert_eq!(answers, 0, "an answer to a stranger");
        assert_eq!((desk.peers.len(), desk.circuits.len()), (peers, circuits));
        assert!(
            matches!(desk.deeds[..], [Deed::Dropped(_)]),
            "{:?}",
            desk.deeds
        );
    }
    assert!(answers <= 1, "more than one answer to a frame");
    if header.is_ok_and(|header| header.kind == Kind::Reset) {
        assert_eq!(answers, 0, "an answer to a reset");
    }
}

fn tagged(from: Gpid, bytes: Vec<u8>) -> Tagged {
    Tagged {
        source: Desk::mac(from, RailId::R0),
        bytes,
        key: [0; KEY_LEN],
        foreign: false,
    }
}

/// A frame of a few hosts, which mostly says what it may.
fn composed(desk: &Desk, what: usize, bytes: &mut Bytes<'_>) -> (RailId, Tagged) {
    let host = HostId::new(1 + u32::from(bytes.u8() % 10));
    // No more starts than an endpoint remembers.
    let from = Gpid::new(host, 1 + u16::from(bytes.u8() % 2), 0);
    let rail = RailId::ALL[bytes.below(3)];
    let incarnation = 1 + u32::from(bytes.u8() % 3);
    let mut header = match what {
        0 => {
            let mut hello = Hello::new(rail, 2, incarnation);
            if bytes.u8() & 7 == 1 {
                hello = hello.leaving();
            }
            let header = Hello::header(from, Seq::ZERO);
            let frame = Tagged::new(Desk::mac(from, rail), &header, hello.as_bytes(), None);
            return (rail, frame);
        }
        1 | 2 => Header::new(Kind::Data, Class::Test, from, HERE),
        _ => {
            let kind = [Kind::Ack, Kind::Reset, Kind::Ephemeral][bytes.below(3)];
            Header::new(kind, Class::Test, from, HERE)
        }
    };
    let index = bytes.u8();
    header.active = CdtIndex::new(u16::from(index & 7), 1);
    match header.kind {
        Kind::Data if what == 1 => {
            header.flags = Flags::OPEN | Flags::TO_PASSIVE | Flags::END;
            header.ack = Seq::new(bytes.u8().into());
            header.sack = association(incarnation, desk.incarnation);
        }
        Kind::Ephemeral => header.active = CdtIndex::NONE,
        kind => {
            header.passive = CdtIndex::new(u16::from(bytes.u8() & 7), u16::from(index >> 6));
            header.flags = match kind {
                Kind::Reset => Flags::TO_PASSIVE,
                _ => Flags::ACK_VALID | Flags::TO_PASSIVE | Flags::PROBE,
            };
        }
    }
    let data: &[u8] = match header.kind {
        Kind::Data => b"data",
        _ => &[],
    };
    (
        rail,
        Tagged::new(Desk::mac(from, rail), &header, data, None),
    )
}

/// A circuit comes to its end, or is cut off.
fn end_circuit(desk: &mut Desk, which: u8) {
    let slot = u16::from(which) % CIRCUITS as u16;
    let index = desk.circuits.window(slot, 1).next().map(|(index, _)| index);
    if let Some(index) = index {
        desk.end(index, which & 0x80 != 0);
    }
}
