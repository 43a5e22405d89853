// SPDX-License-Identifier: MIT OR Apache-2.0

//! The dissector, on frames that the protocol's own encoder makes.

mod frames;
mod keyed;

use podos_proto::hello::Hello;
use podos_proto::rm::Beacon;
use podos_proto::tgroup::RailId;
use podos_proto::wire::{Class, Flags, Header, Kind};
use podos_proto::{gipc, pdfs, rm, Gpid, Seq};
use podos_wireshark::Dissector;
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromZeros, IntoBytes};

use frames::{answer, path_args, plain, rows, segment, words, Frames, ALICE};

#[test]
fn every_field_of_the_header() {
    let mut frames = Frames::new();
    let mut header = segment(Class::Gipc, 3, 0x0102_0304, Flags::END | Flags::PROBE);
    header.ack = Seq::new(0x1112_1314);
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
        "linus1:300 > linus2:41  Data PDFS Getattr seq=0 len=88 [OPEN END TO_PASSIVE]",
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
    let hello = Hello::new(RailId::R2, 3, 0xabcd).with_mtu(9000);
    frames.add(&Hello::header(ALICE, Seq::new(5)), hello.as_bytes());
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
fn who_asks_for_a_program() {
    let mut request = gipc::OpenRequest::new_zeroed();
    request.creds.uid = U32::new(1000);
    request.creds.euid = U32::new(1001);
    request.creds.bounding = U64::new(1 << 40);
    request.creds.groups.ngroups = U32::new(3);
    request.caller = U64::new(ALICE.raw());
    request.umask = U32::new(0o077);
    request.limits[7].soft = U64::new(1024);
    let mut frames = Frames::new();
    let op = gipc::Op::Open as u8;
    frames.add(&segment(Class::Gipc, op, 0, Flags::END), request.as_bytes());
    let (capture, _dir) = frames.done();
    let dissector = Dissector::new().unwrap();
    let fields = [
        "podos.op.name",
        "podos.process_creds.uid",
        "podos.process_creds.euid",
        "podos.process_creds.bounding",
        "podos.groups.ngroups",
        "podos.gipc_open.umask",
    ];
    let expected = ["Open", "1000", "1001", "0x0000010000000000", "3", "63"];
    assert_eq!(rows(&dissector, &capture, &fields), [words(&expected)]);
    let shown = dissector
        .details(&capture, "podos.limit.soft == 1024")
        .unwrap();
    assert!(shown.contains("nofile"), "{shown}");
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
    let told = Dissector::new().unwrap();
    let told = told.fields(&capture, "podos.malformed", &["_ws.expert.message"]);
    let expected = ["version 1", "the length is more than the frame has"];
    assert_eq!(told.unwrap()[..2], expected.map(|why| words(&[why])));
    assert_eq!(got[3][1], "30313233");
    assert_eq!(got[4][1].len(), 80);
    assert_eq!(got.len(), 6);
}
