// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of a cluster with a key.

use std::path::PathBuf;

use blake2::digest::{FixedOutput, Update};
use blake2::Blake2sMac256;
use podos_proto::hello::Hello;
use podos_proto::keys::{schedule, Handshake, Key, Prf};
use podos_proto::rm::Beacon;
use podos_proto::tgroup::RailId;
use podos_proto::wire::{Auth, Class, Flags, Header, Kind, MAX_DATA};
use podos_proto::{Gpid, Seq};
use podos_wireshark::Dissector;
use zerocopy::big_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use crate::frames::{keyed, path_args, rows, segment, words, Frames, ALICE, BOB};

struct Blake;

impl Prf for Blake {
    fn prf(key: &Key, input: &[u8]) -> [u8; 32] {
        let mut prf = <Blake2sMac256 as blake2::digest::KeyInit>::new(key.as_bytes().into());
        prf.update(input);
        prf.finalize_fixed().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The keys of Alice and Bob as a node shows them.
struct Session {
    sender: Key,
    pair: Key,
    lines: String,
}

const KEY_ID: u8 = 0x35;

fn session() -> Session {
    let cluster = Key::new([9; 32]);
    let (alice, bob) = (ALICE.node(), BOB.node());
    let sender = schedule::sender_key::<Blake>(&cluster, alice, &[1; 32]);
    let pair = schedule::pair_key::<Blake>(&cluster, (alice, &[1; 32]), (bob, &[2; 32]));
    let wrong = "00".repeat(32);
    let lines = format!(
        "{alice} {:016x} {:02x} {}\n{alice} {bob} {KEY_ID:02x} {wrong}\n{alice} {bob} {KEY_ID:02x} {}\n",
        0,
        KEY_ID & 0xf0,
        hex(sender.as_bytes()),
        hex(pair.as_bytes())
    );
    Session {
        sender,
        pair,
        lines,
    }
}

fn auth(header: Header, sealed: bool, key_id: u8, counter: u64) -> Header {
    let auth = Some(Auth {
        sealed,
        key_id,
        counter,
    });
    Header { auth, ..header }
}

/// What two nodes say in mode `aead`, and in mode `mac`.
fn keyed_capture(session: &Session) -> (PathBuf, tempfile::TempDir) {
    let mut frames = Frames::new();
    let said_to_all = KEY_ID & 0xf0;
    let hello = auth(Hello::header(ALICE, Seq::new(1)), false, said_to_all, 1);
    frames.add_keyed(
        &hello,
        Hello::new(RailId::R0, 1, 6).as_bytes(),
        &session.sender,
    );
    let mut handshake = Handshake::new_zeroed();
    handshake.epoch = 3;
    handshake.incarnation = U32::new(6);
    handshake.nonce = [1; 32];
    let header = Header::new(Kind::Handshake, Class::Cm, ALICE.node(), BOB.node());
    let header = auth(header, false, said_to_all, 2);
    frames.add_keyed(&header, handshake.as_bytes(), &session.sender);
    let mut beacon = Beacon::default();
    beacon.hostname[..6].copy_from_slice(b"linus1");
    let mut header = Header::new(Kind::Ephemeral, Class::Rm, ALICE.node(), Gpid::EVERYBODY);
    header.op = 1;
    frames.add_keyed(
        &auth(header, true, said_to_all, 3),
        beacon.as_bytes(),
        &session.sender,
    );
    let request = [&path_args(b"etc/motd", b"")[..], b"etc/motd"].concat();
    let header = segment(Class::Pdfs, 2, 0, Flags::END);
    frames.add_keyed(
        &auth(header, true, KEY_ID, u64::MAX - 4),
        &request,
        &session.pair,
    );
    frames.add_keyed(&auth(header, false, KEY_ID, 5), &request, &session.pair);
    let mut ack = segment(Class::Pdfs, 0, 1, Flags::NONE);
    ack.kind = Kind::Ack;
    frames.add_keyed(&auth(ack, true, KEY_ID, 6), b"", &session.pair);
    frames.done()
}

#[test]
fn with_keys_everything_is_read() {
    let session = session();
    let (capture, dir) = keyed_capture(&session);
    let keys = dir.path().join("session_keys");
    std::fs::write(&keys, &session.lines).unwrap();
    let dissector = Dissector::new().unwrap().with_keys(&keys);
    let fields = [
        "podos.kind",
        "podos.counter",
        "podos.tag.status",
        "podos.hello.incarnation",
        "podos.handshake.epoch",
        "podos.beacon.hostname",
        "podos.path",
    ];
    let expected = [
        ["2", "1", "right", "6", "", "", ""],
        ["6", "2", "right", "", "3", "", ""],
        ["1", "3", "right", "", "", "linus1", ""],
        ["3", "18446744073709551611", "right", "", "", "", "etc/motd"],
        ["3", "5", "right", "", "", "", "etc/motd"],
        ["4", "6", "right", "", "", "", ""],
    ];
    assert_eq!(
        rows(&dissector, &capture, &fields),
        expected.map(|row| words(&row))
    );
}

#[test]
fn without_keys_only_what_is_in_the_clear() {
    let (capture, _dir) = keyed_capture(&session());
    let fields = [
        "podos.tag.status",
        "podos.hello.incarnation",
        "podos.beacon.hostname",
        "podos.path",
    ];
    let none = "not checked: no key";
    let expected = [
        [none, "6", "", ""],
        [none, "", "", ""],
        [none, "", "", ""],
        [none, "", "", ""],
        [none, "", "", "etc/motd"],
        [none, "", "", ""],
    ];
    let got = rows(&Dissector::new().unwrap(), &capture, &fields);
    assert_eq!(got, expected.map(|row| words(&row)));
}

#[test]
fn every_length_is_opened_and_every_change_is_seen() {
    let session = session();
    let mut frames = Frames::new();
    let lengths = (0..=80).chain([127, 128, 129, 1428, MAX_DATA]);
    let lengths: Vec<usize> = lengths.collect();
    let data: Vec<u8> = (0..MAX_DATA).map(|i| (i * 7 + i / 256) as u8).collect();
    for (&len, counter) in lengths.iter().zip(1..) {
        let header = segment(Class::Test, 0, counter, Flags::END);
        let sealed = auth(header, true, KEY_ID, u64::from(counter) << 24 | 0xff);
        frames.add_keyed(&sealed, &data[..len], &session.pair);
        let mac = auth(header, false, KEY_ID, u64::from(counter));
        frames.add_keyed(&mac, &data[..len], &session.pair);
    }
    let good = lengths.len() * 2;
    // A bit in the header, the counter, the data and the tag.
    for at in [33, 55, 60, 79] {
        let header = auth(segment(Class::Test, 0, 3, Flags::END), true, KEY_ID, 1);
        let mut frame = keyed(&header, &data[..16], &session.pair);
        frame[at] ^= 0x10;
        frames.capture.add(&frame).unwrap();
    }
    let (capture, dir) = frames.done();
    let keys = dir.path().join("session_keys");
    std::fs::write(&keys, &session.lines).unwrap();
    let dissector = Dissector::new().unwrap().with_keys(&keys);
    let got = rows(
        &dissector,
        &capture,
        &["podos.tag.status", "podos.data", "podos.continues"],
    );
    for (row, len) in got.iter().zip(lengths.iter().flat_map(|len| [len, len])) {
        assert_eq!(row[0], "right", "{len} bytes");
        assert_eq!(row[1..].concat(), hex(&data[..*len]), "{len} bytes");
    }
    assert!(
        got[good..].iter().all(|row| row[0] == "wrong"),
        "{:?}",
        &got[good..]
    );
    assert_eq!(got.len(), good + 4);
    let forged = dissector.fields(&capture, "podos.forged", &["frame.number"]);
    assert_eq!(forged.unwrap().len(), 4);
}

#[test]
fn a_broken_file_of_keys_is_told_of() {
    let (capture, dir) = keyed_capture(&session());
    let keys = dir.path().join("session_keys");
    std::fs::write(&keys, "0000000100070000 5 35 00\n").unwrap();
    for path in [keys, dir.path().join("absent")] {
        let dissector = Dissector::new().unwrap().with_keys(&path);
        let error = dissector
            .fields(&capture, "podos", &["podos.kind"])
            .unwrap_err();
        assert!(error.to_string().contains("session keys"), "{error}");
    }
}
