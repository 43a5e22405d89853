// SPDX-License-Identifier: MIT OR Apache-2.0

//! The dissector, on frames that the protocol's own encoder makes.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use blake2::digest::{FixedOutput, Update};
use blake2::Blake2sMac256;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use podos_proto::cdt::CdtIndex;
use podos_proto::hello::Hello;
use podos_proto::keys::{schedule, Handshake, Key, Prf};
use podos_proto::rm::Beacon;
use podos_proto::wire::{Auth, Class, Flags, Header, Kind, HEADER_LEN, MAX_DATA};
use podos_proto::{gipc, pdfs, rm, Gpid};
use podos_wireshark::{Capture, Dissector};
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromZeros, IntoBytes};

const ALICE: Gpid = Gpid::new(1, 7, 300);
const BOB: Gpid = Gpid::new(2, 9, 41);

/// Frames on their way into a file.
struct Frames {
    dir: tempfile::TempDir,
    capture: Capture<BufWriter<File>>,
}

impl Frames {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("capture.pcap")).unwrap();
        let capture = Capture::new(BufWriter::new(file)).unwrap();
        Self { dir, capture }
    }

    fn add(&mut self, header: &Header, data: &[u8]) {
        self.capture.add(&plain(header, data)).unwrap();
    }

    fn add_keyed(&mut self, header: &Header, data: &[u8], key: &Key) {
        self.capture.add(&keyed(header, data, key)).unwrap();
    }

    /// The file, and the folder that it lasts as long as.
    fn done(self) -> (PathBuf, tempfile::TempDir) {
        drop(self.capture);
        (self.dir.path().join("capture.pcap"), self.dir)
    }
}

fn sized(header: &Header, data: &[u8]) -> Header {
    Header {
        len: data.len() as u16,
        ..*header
    }
}

fn plain(header: &Header, data: &[u8]) -> Vec<u8> {
    let mut start = [0; HEADER_LEN];
    sized(header, data).write(&mut start);
    [&start, data].concat()
}

/// The frame with counter and tag, its data encrypted if the header says so.
fn keyed(header: &Header, data: &[u8], key: &Key) -> Vec<u8> {
    let header = sized(header, data);
    let auth = header.auth.expect("the header is a keyed one's");
    let mut start = [0; HEADER_LEN];
    header.write(&mut start);
    let mut frame = [&start[..], &auth.counter.to_be_bytes()].concat();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&auth.counter.to_le_bytes());
    let cipher = ChaCha20Poly1305::new(key.as_bytes().into());
    let mut data = data.to_vec();
    let tag = if auth.sealed {
        cipher.encrypt_inout_detached(&nonce.into(), &frame, (&mut data[..]).into())
    } else {
        let all = [&frame[..], &data].concat();
        cipher.encrypt_inout_detached(&nonce.into(), &all, (&mut [][..]).into())
    };
    frame.extend(data);
    frame.extend(tag.unwrap());
    frame
}

/// A segment from Alice to Bob's passive end.
fn segment(class: Class, op: u8, seq: u32, flags: Flags) -> Header {
    let mut header = Header::new(Kind::Data, class, ALICE, BOB);
    header.op = op;
    header.seq = seq;
    header.active = CdtIndex::from_raw(0x0001_0003);
    header.flags = flags | Flags::TO_PASSIVE;
    if seq == 0 {
        header.flags |= Flags::OPEN;
        header.ack = 77;
    } else {
        header.flags |= Flags::ACK_VALID;
        header.passive = CdtIndex::from_raw(0x0005_0002);
    }
    header
}

/// A segment of the answer.
fn answer(class: Class, op: u8, seq: u32, flags: Flags) -> Header {
    let mut header = segment(class, op, seq.max(1), Flags::NONE);
    (header.from, header.to) = (BOB, ALICE);
    header.seq = seq;
    header.flags = flags | Flags::ACK_VALID;
    header
}

fn path_args(path: &[u8], second: &[u8]) -> Vec<u8> {
    let mut args = pdfs::PathArgs::new_zeroed();
    args.creds.fsuid = U32::new(1000);
    args.path_len = (path.len() as u16).into();
    args.second_len = (second.len() as u16).into();
    args.as_bytes().to_vec()
}

fn rows(dissector: &Dissector, capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    dissector.fields(capture, "podos", fields).unwrap()
}

fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

#[test]
fn every_field_of_the_header() {
    let mut frames = Frames::new();
    let mut header = segment(Class::Gipc, 3, 0x0102_0304, Flags::END | Flags::PROBE);
    header.ack = 0x1112_1314;
    header.sack = 0x2122_2324;
    header.window = 63;
    frames.add(&header, b"input");
    let (capture, _dir) = frames.done();
    let fields = [
        "podos.version",
        "podos.kind",
        "podos.flags",
        "podos.class",
        "podos.op",
        "podos.op.name",
        "podos.key_id",
        "podos.length",
        "podos.from",
        "podos.from.host",
        "podos.from.boot",
        "podos.from.pid",
        "podos.to",
        "podos.active",
        "podos.passive",
        "podos.seq",
        "podos.ack",
        "podos.sack",
        "podos.window",
        "podos.offset",
    ];
    let row = &rows(&Dissector::new().unwrap(), &capture, &fields)[0];
    let expected = words(&[
        "2",
        "3",
        "0x003a",
        "3",
        "3",
        "Stdin",
        "0x00",
        "5",
        "0x000000010007012c",
        "1",
        "7",
        "300",
        "0x0000000200090029",
        "0x00010003",
        "0x00050002",
        "16909060",
        "286397204",
        "0x21222324",
        "63",
        "0",
    ]);
    assert_eq!(*row, expected);
    let filter = "podos.flags.end == 1 && podos.flags.probe == 1 && podos.flags.open == 0 \
                  && podos.flags.sealed == 0";
    let dissector = Dissector::new().unwrap();
    let got = dissector.fields(&capture, filter, &["frame.number"]);
    assert_eq!(got.unwrap(), [words(&["1"])]);
}

#[test]
fn kinds_flags_and_summaries() {
    let mut frames = Frames::new();
    frames.add(
        &segment(Class::Pdfs, 2, 0, Flags::END),
        &path_args(b"", b""),
    );
    let mut ack = answer(Class::Pdfs, 0, 0, Flags::PROBE);
    ack.kind = Kind::Ack;
    frames.add(&ack, b"");
    let mut reset = answer(Class::Pdfs, 0, 2, Flags::NONE);
    reset.kind = Kind::Reset;
    reset.flags = Flags::NONE;
    frames.add(&reset, b"");
    let mut piece = segment(Class::Test, 1, 9, Flags::NONE);
    piece.offset = 4000;
    frames.add(&piece, b"part");
    let (capture, _dir) = frames.done();
    let expected = [
        "linus1:300 > linus2:41  Data PDFS Getattr seq=0 len=84 [OPEN END TO_PASSIVE]",
        "linus2:41 > linus1:300  Ack [ACK_VALID PROBE]",
        "linus2:41 > linus1:300  Reset Refused",
        "linus1:300 > linus2:41  Data Test op 1 seq=9 offset=4000 len=4 [TO_PASSIVE ACK_VALID]",
    ];
    let got = rows(&Dissector::new().unwrap(), &capture, &["_ws.col.Info"]);
    assert_eq!(got, expected.map(|info| words(&[info])));
}

#[test]
fn signs_of_life_and_beacons() {
    let mut frames = Frames::new();
    let hello = Hello::new(2, 3, 0xabcd).with_mtu(9000);
    frames.add(&Hello::header(ALICE, 5), hello.as_bytes());
    let mut beacon = Beacon {
        seq: U32::new(8),
        interface_count: 2,
        nr_running: U32::new(3),
        mem_free: U64::new(1 << 40),
        ..Beacon::default()
    };
    beacon.hostname[..6].copy_from_slice(b"linus1");
    beacon.interfaces[0] = [0x52, 0x54, 0, 0x50, 0, 1];
    beacon.interfaces[1] = [0x52, 0x54, 0, 0x50, 1, 1];
    beacon.loadavg[0] = U32::new(3 << 10);
    let mut header = Header::new(Kind::Ephemeral, Class::Rm, ALICE.node(), Gpid::EVERYBODY);
    header.op = rm::Op::Beacon as u8;
    frames.add(&header, beacon.as_bytes());
    let (capture, _dir) = frames.done();
    let dissector = Dissector::new().unwrap();
    let fields = [
        "podos.hello.rail",
        "podos.hello.incarnation",
        "podos.hello.mtu",
        "_ws.col.Info",
    ];
    let got = dissector
        .fields(&capture, "podos.hello.rails == 3", &fields)
        .unwrap();
    assert_eq!(
        got,
        [words(&["2", "43981", "9000", "linus1 > all  Hello len=48"])]
    );
    let fields = [
        "podos.beacon.hostname",
        "podos.beacon.interfaces",
        "podos.beacon.nr_running",
        "podos.beacon.load1",
        "podos.beacon.mem_free",
        "podos.data",
    ];
    let got = dissector
        .fields(&capture, "podos.op.name == \"Beacon\"", &fields)
        .unwrap();
    let expected = [
        "linus1",
        "52:54:00:50:00:01,52:54:00:50:01:01",
        "3",
        "1.5",
        "1099511627776",
        "",
    ];
    assert_eq!(got, [words(&expected)]);
}

#[test]
fn requests_and_answers_of_pdfs() {
    let (from, to) = (b"etc/motd", b"etc/motd.old");
    let mut frames = Frames::new();
    let rename = pdfs::RenameArgs::new_zeroed();
    let request = [&path_args(from, to), rename.as_bytes(), from, to].concat();
    let op = pdfs::Op::Rename as u8;
    frames.add(&segment(Class::Pdfs, op, 0, Flags::END), &request);
    let mut attr = pdfs::Attr::new_zeroed();
    attr.size = U64::new(4711);
    attr.mode = U32::new(0o100_644);
    attr.mtime.sec = 1_700_000_000.into();
    attr.mtime.nsec = 5.into();
    let op = pdfs::Op::Getattr as u8;
    let reply = [&[0; 4], attr.as_bytes()].concat();
    frames.add(&answer(Class::Pdfs, op, 0, Flags::END), &reply);
    let refusal = (-2i32).to_be_bytes();
    frames.add(&answer(Class::Pdfs, op, 1, Flags::END), &refusal);
    let (capture, _dir) = frames.done();
    let dissector = Dissector::new().unwrap();
    let fields = [
        "podos.op.name",
        "podos.path",
        "podos.second",
        "podos.creds.fsuid",
    ];
    let got = dissector
        .fields(&capture, "podos.flags.to_passive == 1", &fields)
        .unwrap();
    assert_eq!(
        got,
        [words(&["Rename", "etc/motd", "etc/motd.old", "1000"])]
    );
    let fields = [
        "podos.reply.status",
        "podos.attr.size",
        "podos.attr.mode",
        "podos.data",
    ];
    let got = dissector
        .fields(&capture, "podos.flags.to_passive == 0", &fields)
        .unwrap();
    assert_eq!(
        got,
        [
            words(&["0", "4711", "33188", ""]),
            words(&["-2", "", "", ""])
        ]
    );
    let shown = dissector
        .details(&capture, "podos.attr.size == 4711")
        .unwrap();
    assert!(
        shown.contains("mtime: Nov 14, 2023 22:13:20.000000005"),
        "{shown}"
    );
}

#[test]
fn only_the_beginning_of_a_message_is_taken_apart() {
    let mut frames = Frames::new();
    let stdin = gipc::Op::Stdin as u8;
    let exec = gipc::Op::Exec as u8;
    frames.add(&segment(Class::Gipc, exec, 0, Flags::NONE), b"cat\0-");
    frames.add(&segment(Class::Gipc, exec, 1, Flags::END), b"n\0");
    // Sent again, and before the one that it follows.
    frames.add(&segment(Class::Gipc, exec, 1, Flags::END), b"n\0");
    let mut first = segment(Class::Gipc, stdin, 2, Flags::END | Flags::MORE);
    frames.add(&first, b"beginning");
    first.offset = 9;
    first.flags = segment(Class::Gipc, stdin, 2, Flags::END).flags;
    frames.add(&first, b"rest");
    let (capture, _dir) = frames.done();
    let fields = [
        "podos.op.name",
        "podos.argument",
        "podos.data",
        "podos.continues",
    ];
    let expected = [
        ["Exec", "cat,-", "", ""],
        ["Exec", "", "", "6e00"],
        ["Exec", "", "", "6e00"],
        ["Stdin", "", "626567696e6e696e67", ""],
        ["Stdin", "", "", "72657374"],
    ];
    let got = rows(&Dissector::new().unwrap(), &capture, &fields);
    assert_eq!(got, expected.map(|row| words(&row)));
}

#[test]
fn bad_frames_are_shown_as_such() {
    let mut frames = Frames::new();
    let good = plain(&segment(Class::Test, 0, 4, Flags::END), b"data");
    let mut versioned = good.clone();
    versioned[0] = 1;
    let mut lying = good.clone();
    lying[6] = 0x20;
    for frame in [&versioned[..], &lying, &good[..20]] {
        frames.capture.add(frame).unwrap();
    }
    // Structures that say more than there is.
    let short = &path_args(b"0123456789", b"")[..];
    frames.add(
        &segment(Class::Pdfs, 1, 0, Flags::END),
        &[short, b"0123"].concat(),
    );
    frames.add(&segment(Class::Pdfs, 1, 0, Flags::END), &short[..40]);
    let listing = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    frames.add(&answer(Class::Pdfs, 4, 0, Flags::END), &listing);
    let (capture, _dir) = frames.done();
    let fields = ["_ws.col.Info", "podos.data"];
    let got = rows(&Dissector::new().unwrap(), &capture, &fields);
    let begin = |text: &str| got.iter().filter(|row| row[0].starts_with(text)).count();
    assert_eq!(begin("Malformed: version 1"), 1, "{got:?}");
    // The short one is filled up by Ethernet, and still lies.
    assert_eq!(begin("Malformed: the length is more"), 1, "{got:?}");
    assert_eq!(got[3][1], "30313233");
    assert_eq!(got[4][1].len(), 80);
    assert_eq!(got.len(), 6);
}

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
    let hello = auth(Hello::header(ALICE, 1), false, said_to_all, 1);
    frames.add_keyed(&hello, Hello::new(0, 1, 6).as_bytes(), &session.sender);
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
