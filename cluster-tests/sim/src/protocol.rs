// SPDX-License-Identifier: MIT OR Apache-2.0

//! The protocol's own state machines, as the simulation drives them: everything here that depends
//! on how a circuit gives its frames out and on what they look like.

use std::cell::Cell;
use std::rc::Rc;

use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::{self, Activity, Config};
use podos_proto::tgroup::{Group, GroupKind, RailId, RailView};
use podos_proto::time::{Duration, Instant};
use podos_proto::wire::{Class, DropReason, Header, Kind, HEADER_LEN, MAX_DATA};
use podos_proto::{Gpid, Seq};

use crate::clock::Nanos;

/// The layer that the simulated circuits belong to.
pub const CLASS: Class = Class::Test;
/// Most bytes of one segment.
pub const MAX_SEGMENT: u64 = MAX_DATA as u64;
/// Bytes of an Ethernet header, which count as traffic.
pub const ETHERNET_LEN: u64 = 14;
/// How long a node may be silent before it counts as dead, and how much longer until everybody has
/// looked: the clock thread looks ten times a second.
pub const SILENCE: Nanos = podos_proto::peer::RAIL_LIFETIME.as_nanos() as Nanos;
/// Time between two hellos.
pub const HELLO_INTERVAL: Nanos = podos_proto::hello::INTERVAL.as_nanos() as Nanos;
/// Time between two beacons.
pub const BEACON_INTERVAL: Nanos = podos_proto::rm::BEACON_INTERVAL.as_nanos() as Nanos;

/// One end of a circuit.
pub type Circuit = circuit::Circuit<Payload>;

/// A moment as the protocol has it. Its origin is kept free: no clock stands at 0 when CM starts.
pub fn instant(at: Nanos) -> Instant {
    Instant::from_nanos(at) + Duration::from_secs(1)
}

/// A moment as the simulation has it.
pub fn nanos(at: Instant) -> Nanos {
    at.as_nanos().saturating_sub(1_000_000_000)
}

/// How long a circuit waits for an answer until it gives up.
pub fn give_up() -> Nanos {
    Config::default().give_up.as_nanos() as Nanos
}

/// How long a circuit asks an end of which nothing comes, at least, where it can try so many rails.
pub fn asks_for(rails: usize) -> Nanos {
    let config = Config::default();
    let tries = config.max_backoff * (4 * rails as u32 + 2);
    config.unheard.max(tries).as_nanos() as Nanos
}

/// How long a circuit is silent until it asks whether the other end is there.
pub fn keepalive() -> Nanos {
    Config::default()
        .keepalive
        .map_or(0, |after| after.as_nanos() as Nanos)
}

/// Most segments that one end keeps, for sending and for its reader together.
pub const MOST_BUFFERS: i64 = 2 * circuit::WINDOW as i64;

/// How many buffers one node holds.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Rc<Cell<i64>>);

impl Ledger {
    /// The number of buffers.
    pub fn count(&self) -> i64 {
        self.0.get()
    }
}

/// A segment's data, known to its node's ledger as long as it lives.
#[derive(Debug)]
pub struct Payload {
    bytes: Vec<u8>,
    ledger: Ledger,
}

impl Payload {
    /// A buffer of the node that `ledger` belongs to.
    pub fn new(ledger: &Ledger, bytes: Vec<u8>) -> Self {
        ledger.0.set(ledger.0.get() + 1);
        Self {
            bytes,
            ledger: ledger.clone(),
        }
    }

    /// The data.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.ledger.0.set(self.ledger.0.get() - 1);
    }
}

impl circuit::Payload for Payload {
    type Ring<T> = Vec<T>;

    fn ring<T>(len: usize, make: impl FnMut() -> T) -> Option<Vec<T>> {
        Some(std::iter::repeat_with(make).take(len).collect())
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn append(&mut self, next: Self) {
        self.bytes.extend_from_slice(&next.bytes);
    }
}

/// The transmission group of one end; all kinds of them are in use, also on one circuit.
fn group(turn: u32) -> Group {
    let kind = GroupKind::ALL[turn as usize / 3 % GroupKind::ALL.len()];
    Group::new(kind, turn)
}

/// The active end of a new circuit, the node's number `turn`.
pub fn open(
    turn: u32,
    local: Gpid,
    remote: Gpid,
    index: CdtIndex,
    (open_seq, association): (Seq, u32),
) -> Circuit {
    let (config, group) = (Config::default(), group(turn));
    Circuit::open(&config, group, local, remote, CLASS, index, open_seq)
        .with_association(association)
}

/// The incarnation of the other end that an association of `own` with it tells.
pub fn acceptor(association: u32, own: u32) -> u32 {
    (association ^ own).rotate_right(16)
}

/// The passive end of the circuit that a frame opens, the node's number `turn`.
pub fn accept(turn: u32, header: &Header, local: Gpid, index: CdtIndex) -> Circuit {
    Circuit::accept(&Config::default(), group(turn), header, local, index)
}

/// Hands a frame to its circuit.
pub fn receive(
    circuit: &mut Circuit,
    now: Instant,
    rail: RailId,
    header: &Header,
    payload: Payload,
) -> Activity {
    circuit.receive(now, rail, header, payload)
}

/// Appends what the circuit has to send to `frames`: each with its rail, header and data.
pub fn fetch(
    circuit: &mut Circuit,
    now: Nanos,
    rails: &RailView,
    frames: &mut Vec<(RailId, Header, Vec<u8>)>,
) {
    while let Some(next) = circuit.poll_transmit(instant(now), rails) {
        let start = usize::from(next.header.offset);
        let piece = start..start + usize::from(next.header.len);
        let data = next.payload.map_or(&[][..], Payload::bytes);
        let more = next.more;
        frames.push((next.rail, next.header, data[piece].to_vec()));
        if !more {
            break;
        }
    }
}

/// A frame without its Ethernet header.
pub fn frame(header: &Header, data: &[u8]) -> Vec<u8> {
    debug_assert_eq!(usize::from(header.len), data.len());
    let mut head = [0; HEADER_LEN];
    header.write(&mut head);
    let mut frame = Vec::with_capacity(HEADER_LEN + data.len());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(data);
    frame
}

/// Takes a frame apart.
pub fn parse(frame: &[u8]) -> Result<(Header, &[u8]), DropReason> {
    Header::parse(frame)
}

/// A frame in words.
pub fn describe(header: &Header) -> String {
    let Header {
        kind,
        flags,
        active,
        passive,
        seq,
        ack,
        sack,
        window,
        offset,
        len,
        ..
    } = header;
    format!("{kind:?} {flags:?} {active}/{passive} seq {seq} [{offset}+{len}] ack {ack} sack {sack:08x} window {window}")
}

/// The header of a message without a circuit, for everybody.
pub fn ephemeral(from: Gpid, class: Class, op: u8, body: &[u8]) -> Header {
    let mut header = Header::new(Kind::Ephemeral, class, from, Gpid::EVERYBODY);
    header.op = op;
    header.len = body.len() as u16;
    header
}
